package aliyun

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// The API that gives keys for a queue. The queue belongs to the SMS service, not to its customer, whose own keys do not
// open it. Its own SDK signs in the older way (RPC); that the newer one is taken here as by every other API is inferred.
const (
	tokenAction  = "QueryTokenForMnsQueue"
	tokenVersion = "2017-05-25"
)

const (
	// tokenSpare is how long before their end the keys for a queue are replaced, if they live for much longer.
	tokenSpare = 2 * time.Minute
	// tokenAgain is how long to go on with the old ones after a try to replace them that failed.
	tokenAgain = 10 * time.Second
	// tokenWithin is the time for one request.
	tokenWithin = 10 * time.Second
)

// What queues are called in that API.
const (
	queueOfReports  = "SmsReport"
	queueOfIncoming = "SmsUp"
)

// A queueToken gives the keys for one queue, and fetches others before they end. It is safe for concurrent use.
type queueToken struct {
	url         *url.URL
	client      *http.Client
	credentials Credentials
	kind, queue string
	now         func() time.Time
	fetched     func(err error) // counts requests; nil: nobody does

	mu    sync.Mutex    // held while keys are fetched: all who need them wait for the same ones
	last  session       // guarded by mu
	spare time.Duration // guarded by mu; how long before their end they are replaced
	again time.Time     // guarded by mu; not before, while the last ones are good
}

// keys returns keys that are good for a while. Its errors are safe to log.
func (t *queueToken) keys(ctx context.Context) (Keys, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	left := t.last.expires.Sub(now)
	if t.last.keys.reveal != nil && (left >= t.spare || left > 0 && now.Before(t.again)) {
		return t.last.keys, nil
	}
	s, err := t.fetch(ctx)
	if t.fetched != nil && ctx.Err() == nil {
		t.fetched(err)
	}
	switch {
	case err == nil:
		t.last, t.spare = s, min(tokenSpare, s.expires.Sub(now)/3)
	case left <= 0 || ctx.Err() != nil:
		return Keys{}, err
	default:
		t.again = now.Add(tokenAgain)
	}
	return t.last.keys, nil
}

// void has the keys replaced that a request was refused with, unless they have been meanwhile.
func (t *queueToken) void(keys Keys) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last.keys.reveal != nil && t.last.keys.reveal() == keys.reveal() {
		t.last = session{}
	}
}

// fetch asks for new keys.
func (t *queueToken) fetch(ctx context.Context) (session, error) {
	own, err := t.credentials.Keys()
	if err != nil {
		return session{}, fmt.Errorf("%s: %w", tokenAction, err)
	}
	ctx, cancel := context.WithTimeout(ctx, tokenWithin)
	defer cancel()
	target := *t.url
	target.RawQuery = url.Values{"MessageType": {t.kind}, "QueueName": {t.queue}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), http.NoBody)
	if err != nil {
		return session{}, fmt.Errorf("%s: the request cannot be made", tokenAction)
	}
	signACS3(request, own, apiAction{tokenAction, tokenVersion}, t.now())
	body, err := exchange(t.client, request)
	if err != nil {
		return session{}, fmt.Errorf("%s: %w", tokenAction, err)
	}
	s, err := readQueueToken(body)
	if err != nil {
		return session{}, fmt.Errorf("%s: %w", tokenAction, err)
	}
	return s, nil
}

// readQueueToken reads the answer. Its times are of UTC+8.
func readQueueToken(body []byte) (session, error) {
	var said struct {
		Code            string
		MessageTokenDTO struct {
			AccessKeyID     string `json:"AccessKeyId"`
			AccessKeySecret string
			SecurityToken   string
			ExpireTime      string
		}
	}
	if json.Unmarshal(body, &said) != nil {
		return session{}, errNoSession
	}
	if said.Code != codeOK {
		if !codeShape.MatchString(said.Code) {
			return session{}, errNoSession
		}
		return session{}, &refusal{http.StatusOK, said.Code}
	}
	dto := &said.MessageTokenDTO
	keys, err := newKeys(dto.AccessKeyID, dto.AccessKeySecret, dto.SecurityToken)
	expires := parseTime(dto.ExpireTime)
	if err != nil || expires.IsZero() {
		return session{}, errNoSession
	}
	return session{keys, expires}, nil
}
