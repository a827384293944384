package aliyunsim

import (
	"encoding/hex"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ids makes the names that the API gives to requests and sends.
type ids struct {
	mu   sync.Mutex
	rand *rand.ChaCha8 // guarded by mu
	send int64         // guarded by mu; the last BizId, without its tail
}

func newIDs(seed uint64) *ids {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	return &ids{rand: rand.NewChaCha8(key)}
}

// request returns a new RequestId: an upper-case UUID, version 4.
func (n *ids) request() string {
	var b [16]byte
	n.mu.Lock()
	_, _ = n.rand.Read(b[:]) // never fails
	n.mu.Unlock()
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var out [36]byte
	hex.Encode(out[0:8], b[0:4])
	hex.Encode(out[9:13], b[4:6])
	hex.Encode(out[14:18], b[6:8])
	hex.Encode(out[19:23], b[8:10])
	hex.Encode(out[24:], b[10:])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return strings.ToUpper(string(out[:]))
}

// biz returns a new BizId without its tail: 18 digits that begin with the Unix time, ascending.
func (n *ids) biz(now time.Time) int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.send = max(n.send+1, now.Unix()*100_000_000)
	return n.send
}

// bizID spells a BizId as the API does.
func bizID(n int64) string { return strconv.FormatInt(n, 10) + "^0" }
