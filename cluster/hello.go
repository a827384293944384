package cluster

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"smppbridge/store"
)

// A connection to the cluster port begins with a hello of who dials, which the listener answers with one
// of its own before anything else:
//
//	hello   kind (1)   format (1)  node (1+n)  cluster id (1+n)  epoch (8)  lineage (16)  node that is sought (1+n)
//	answer  status (1)             node (1+n)  cluster id (1+n)  epoch (8)  lineage (16)
//
// The kind says what the connection carries. With TLS all of it is inside.
const (
	streamRaft byte = 'R'
	streamMesh byte = 'M'

	helloFormat byte = 2
)

// The statuses of an answer.
const (
	helloWelcome byte = 0
	helloForeign byte = 1 // another cluster, or another epoch or lineage of it
	helloMissed  byte = 2 // another node is sought than the one that answers
	helloUnknown byte = 3 // a kind or a format that the listener does not know
	helloPlain   byte = 4 // TLS is spoken to a plain port
)

// The first octets of TLS records: of a handshake, and of an alert, which is how a TLS listener answers
// a plain hello.
const (
	tlsHandshake byte = 0x16
	tlsAlert     byte = 0x15
)

// maxName bounds the ids in a hello: their length is one octet.
const maxName = 255

// errStranger is wrapped when two nodes turn out not to belong together.
var errStranger = errors.New("connection refused")

// An identity is who a node is. The cluster id is empty until the node has one by the log; epoch and lineage
// count only with it.
type identity struct {
	node    string
	cluster string
	epoch   uint64
	lineage store.Lineage
}

func (id identity) append(b []byte) []byte {
	b = appendName(b, id.node)
	b = appendName(b, id.cluster)
	b = binary.BigEndian.AppendUint64(b, id.epoch)
	return append(b, id.lineage[:]...)
}

func (id identity) String() string {
	if id.cluster == "" {
		return fmt.Sprintf("node %s of no cluster yet", id.node)
	}
	return fmt.Sprintf("node %s of cluster %s, epoch %d, lineage %s", id.node, id.cluster, id.epoch, id.lineage)
}

// fits returns nil if a connection between the two may be.
func (id identity) fits(peer identity) error {
	switch {
	case id.cluster == "" || peer.cluster == "":
		return nil
	case id.cluster != peer.cluster:
		return fmt.Errorf("%w: %s is of another cluster than %s: correct the address, or empty the data directory of the one that "+
			"is to join the other", errStranger, peer, id)
	case peer.epoch < id.epoch:
		return outlived(peer, id)
	case peer.epoch > id.epoch:
		return outlived(id, peer)
	case peer.lineage != id.lineage:
		return parted(peer, id)
	}
	return nil
}

func outlived(old, recovered identity) error {
	return fmt.Errorf("%w: %s is from before a recovery, %s is from after it: empty the data directory of %s and join it again",
		errStranger, old, recovered, old.node)
}

// parted tells two apart that look like one cluster: Raft would take an entry of the one for an entry of the
// other, because their indexes and terms may be the same.
func parted(a, b identity) error {
	how := "each was recovered by itself"
	if a.epoch <= 1 {
		how = "each began a cluster by itself"
	}
	return fmt.Errorf("%w: %s and %s: %s, so they are two clusters of one name with different messages; "+
		"keep one of them, empty the data directory of the other, and join it without bootstrap", errStranger, a, b, how)
}

func appendName(b []byte, name string) []byte {
	return append(append(b, byte(len(name))), name...)
}

func readName(r io.Reader) (string, error) {
	var n [1]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return "", err
	}
	name := make([]byte, n[0])
	_, err := io.ReadFull(r, name)
	return string(name), err
}

// readIdentity reads exactly what identity.append wrote.
func readIdentity(r io.Reader) (id identity, err error) {
	if id.node, err = readName(r); err != nil {
		return id, err
	}
	if id.cluster, err = readName(r); err != nil {
		return id, err
	}
	var epoch [8]byte
	if _, err = io.ReadFull(r, epoch[:]); err != nil {
		return id, err
	}
	id.epoch = binary.BigEndian.Uint64(epoch[:])
	_, err = io.ReadFull(r, id.lineage[:])
	return id, err
}

// greeting dials: it says hello, and returns who answered. seeks is the node that should; empty = any.
func greeting(c io.ReadWriter, kind byte, self identity, seeks string) (identity, error) {
	hello := appendName(self.append([]byte{kind, helloFormat}), seeks)
	if _, err := c.Write(hello); err != nil {
		return identity{}, explainTLS(err)
	}
	var status [1]byte
	if _, err := io.ReadFull(c, status[:]); err != nil {
		return identity{}, explainTLS(err)
	}
	if status[0] == tlsAlert {
		return identity{}, fmt.Errorf("%w: the cluster port there speaks TLS, this node does not", errStranger)
	}
	if status[0] == helloUnknown { // what follows may be of another form
		return identity{}, fmt.Errorf("%w: the node there runs another version of the program, which has another hello", errStranger)
	}
	peer, err := readIdentity(c)
	if err != nil {
		return identity{}, err
	}
	if err := self.fits(peer); err != nil {
		return peer, err
	}
	switch {
	case status[0] == helloMissed || status[0] == helloWelcome && seeks != "" && peer.node != seeks:
		return peer, fmt.Errorf("%w: node %s answers where node %s was sought", errStranger, peer.node, seeks)
	case status[0] != helloWelcome:
		return peer, fmt.Errorf("%w by %s, status %d", errStranger, peer, status[0])
	}
	return peer, nil
}

// explainTLS says in our words what it means that the other side's first record is none.
func explainTLS(err error) error {
	if header := (tls.RecordHeaderError{}); errors.As(err, &header) {
		return fmt.Errorf("%w: this node speaks TLS, the other one does not: %w", errStranger, err)
	}
	return err
}

// alertPlain answers a hello that came without TLS to a port that speaks it: crypto/tls would say nothing.
func alertPlain(err error) error {
	if header := (tls.RecordHeaderError{}); errors.As(err, &header) && header.Conn != nil {
		_, _ = header.Conn.Write([]byte{tlsAlert, 3, 3, 0, 2, 2, 10}) // fatal, unexpected_message: RFC 8446, 6
	}
	return err
}

// welcome is the listener's side: it reads a hello, answers it, and returns who dialled for what.
func welcome(c io.ReadWriter, self identity) (kind byte, peer identity, err error) {
	var head [2]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return 0, peer, explainTLS(alertPlain(err))
	}
	kind = head[0]
	answer := func(status byte, err error) (byte, identity, error) {
		if _, werr := c.Write(self.append([]byte{status})); werr != nil && err == nil {
			err = werr
		}
		return kind, peer, err
	}
	if kind == tlsHandshake {
		return answer(helloPlain, fmt.Errorf("%w: TLS is spoken to this node's plain cluster port", errStranger))
	}
	if kind != streamRaft && kind != streamMesh || head[1] != helloFormat {
		return answer(helloUnknown, fmt.Errorf("%w: no hello, or one of another version of the program", errStranger))
	}
	if peer, err = readIdentity(c); err != nil {
		return kind, peer, err
	}
	seeks, err := readName(c)
	if err != nil {
		return kind, peer, err
	}
	if err := self.fits(peer); err != nil {
		return answer(helloForeign, err)
	}
	if seeks != "" && seeks != self.node {
		return answer(helloMissed, fmt.Errorf("%w: node %s seeks node %s at the address of node %s", errStranger, peer.node, seeks, self.node))
	}
	return answer(helloWelcome, nil)
}

// A lull lets the same line through once a minute.
type lull struct {
	mu   sync.Mutex
	last map[string]time.Time // guarded by mu; at most maxLulls
}

const (
	lullTime = time.Minute
	maxLulls = 256
)

func (l *lull) over(what string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, ok := l.last[what]; ok && now.Sub(at) < lullTime {
		return false
	}
	if l.last == nil || len(l.last) >= maxLulls {
		l.last = make(map[string]time.Time)
	}
	l.last[what] = now
	return true
}
