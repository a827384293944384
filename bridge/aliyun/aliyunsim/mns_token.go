package aliyunsim

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// What QueryTokenForMnsQueue calls the kinds of queues.
const (
	kindReports = "SmsReport"
	kindUp      = "SmsUp"
)

// A mnsToken is what QueryTokenForMnsQueue has given: keys that open one queue for a while.
type mnsToken struct {
	secret, token string
	queue         *mnsQueue
	expires       time.Time
}

// mnsTokens are the keys that were given, by their AccessKey ids.
type mnsTokens struct {
	mu    sync.Mutex
	byID  map[string]mnsToken // guarded by mu
	given int                 // guarded by mu
}

// give makes new keys. Older ones stay valid until they expire.
func (t *mnsTokens) give(q *mnsQueue, nonce string, expires time.Time) (id string, given mnsToken) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID == nil {
		t.byID = map[string]mnsToken{}
	}
	t.given++
	id = fmt.Sprintf("STS.sim%d", t.given)
	given = mnsToken{secret: "secret-" + nonce, token: "token-" + nonce, queue: q, expires: expires}
	t.byID[id] = given
	return id, given
}

func (t *mnsTokens) find(id string) (mnsToken, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	found, ok := t.byID[id]
	return found, ok
}

// RevokeQueueTokens makes all keys void that were given for queues, as a change of the account's rights does.
func (s *Server) RevokeQueueTokens() {
	s.tokens.mu.Lock()
	defer s.tokens.mu.Unlock()
	clear(s.tokens.byID)
}

// queryTokenForMnsQueue is of the product Dybaseapi, which here is behind the same gateway: it gives temporary keys for
// one queue of the account. Its times are those of UTC+8.
func (s *Server) queryTokenForMnsQueue(c *call) (answer, *apiError) {
	q := s.queues[c.get("QueueName")]
	if q == nil || q.account != c.account || q.kind != c.get("MessageType") {
		return answer{}, businessError("isp.RAM_PERMISSION_DENY", "没有访问权限")
	}
	now := s.now()
	id, given := s.tokens.give(q, s.ids.request(), now.Add(s.cfg.Queues.TokenFor))
	type dto struct {
		AccessKeyID     string `json:"AccessKeyId"`
		AccessKeySecret string
		SecurityToken   string
		CreateTime      string
		ExpireTime      string
	}
	body, err := json.Marshal(struct {
		Code, Message   string
		RequestID       string `json:"RequestId"`
		MessageTokenDTO dto
	}{codeOK, codeOK, c.id, dto{id, given.secret, given.token,
		beijing(now).Format(timeFormat), beijing(given.expires).Format(timeFormat)}})
	if err != nil { // strings only: it never does
		return answer{}, businessError("isp.SYSTEM_ERROR", err.Error())
	}
	return answer{status: 200, body: body, code: codeOK}, nil
}
