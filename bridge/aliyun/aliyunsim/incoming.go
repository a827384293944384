package aliyunsim

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// An SmsUp is a text that a phone sends to one of the API's numbers (MO).
type SmsUp struct {
	Phone    string `json:"phone_number"`
	Content  string `json:"content"`
	DestCode string `json:"dest_code"`
	SignName string `json:"sign_name,omitempty"` // of the SMS that it answers
	SendTime string `json:"send_time,omitempty"` // as the API spells times; empty means now
	// SequenceID is given out where it is 0. One that is named twice is the API offering the same message again.
	SequenceID int64 `json:"sequence_id,omitempty"`
	// Queue is the message queue that it goes into in the place of a push; empty means that it is pushed.
	Queue string `json:"queue,omitempty"`
	// State is how far it has come; set by the Server. In a queue it counts as pushed.
	State State `json:"state"`
}

// IncomingConfig says how incoming messages are pushed.
type IncomingConfig struct {
	Batch   int           // messages to one POST at most; 0 means 100
	Timeout time.Duration // of one POST; 0 means 5 s
	// Retries are the pauses before refused messages are pushed again; nil means 1, 5, 10 and 30 minutes and then five
	// times an hour. After the last one they are dropped.
	Retries []time.Duration
}

func (c IncomingConfig) withDefaults() IncomingConfig {
	if c.Batch == 0 {
		c.Batch = 100
	}
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	if c.Retries == nil {
		c.Retries = []time.Duration{time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute,
			time.Hour, time.Hour, time.Hour, time.Hour, time.Hour}
	}
	return c
}

// An ups holds the incoming messages and pushes them: run, one POST after the other.
type ups struct {
	cfg    IncomingConfig
	client *http.Client
	now    func() time.Time
	log    *slog.Logger
	url    atomic.Pointer[string]
	wake   chan struct{} // run has something new

	mu    sync.Mutex
	list  []*SmsUp       // guarded by mu; all there ever were, states and all
	queue queue[upBatch] // guarded by mu
	next  int64          // guarded by mu; SequenceID
}

// An upBatch is what one POST carries.
type upBatch struct {
	list  []*SmsUp
	tries int
}

func newUps(cfg Config) *ups {
	transport := cfg.Transport
	if transport == nil {
		transport = &http.Transport{}
	}
	u := &ups{cfg: cfg.Incoming, now: cfg.Now, log: cfg.Log, wake: make(chan struct{}, 1), next: 1,
		client: &http.Client{Transport: transport, Timeout: cfg.Incoming.Timeout}}
	u.url.Store(&cfg.IncomingURL)
	return u
}

// add takes messages in and has them pushed, but for those that enqueue takes.
func (u *ups) add(list []SmsUp, enqueue func(queue string, body []byte) error) ([]SmsUp, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	var all, pushed []*SmsUp
	for i := range list {
		m := list[i]
		m.State = StatePending
		if m.SendTime == "" {
			m.SendTime = beijing(u.now()).Format(timeFormat)
		}
		if m.SequenceID == 0 {
			m.SequenceID = u.next
		}
		u.next = max(u.next, m.SequenceID+1)
		if m.Queue == "" {
			pushed = append(pushed, &m)
		} else if err := enqueue(m.Queue, m.appendJSON(nil)); err != nil {
			return nil, err
		} else {
			m.State = StatePushed
		}
		all = append(all, &m)
	}
	u.list = append(u.list, all...)
	for some := range slices.Chunk(pushed, u.cfg.Batch) {
		u.queue.push(time.Now(), upBatch{list: some})
	}
	u.poke()
	return u.copy(all), nil
}

// copy is list as it is now; mu is held.
func (u *ups) copy(list []*SmsUp) []SmsUp {
	out := make([]SmsUp, len(list))
	for i := range list {
		out[i] = *list[i]
	}
	return out
}

func (u *ups) poke() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// run pushes until ctx ends.
func (u *ups) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	defer u.client.CloseIdleConnections()
	for {
		u.mu.Lock()
		b, next, ok := u.queue.due(time.Now())
		u.mu.Unlock()
		if ok {
			u.push(ctx, b)
			continue
		}
		timer.Reset(pause(time.Now(), next, time.Time{}))
		select {
		case <-timer.C:
		case <-u.wake:
		case <-ctx.Done():
			return
		}
	}
}

// push pushes b once, and sees to what follows from the answer.
func (u *ups) push(ctx context.Context, b upBatch) {
	url, state := *u.url.Load(), StatePushed
	u.mu.Lock()
	body := appendUps(nil, b.list)
	u.mu.Unlock()
	var err error
	if url == "" {
		state = StateNone
	} else {
		err = postJSON(ctx, u.client, url, body)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case ctx.Err() != nil: // they stay pending
		return
	case err != nil && b.tries < len(u.cfg.Retries):
		wait := u.cfg.Retries[b.tries]
		b.tries++
		u.queue.push(time.Now().Add(wait), b)
		return
	case err != nil:
		state = StateLost
		u.log.WarnContext(ctx, "incoming messages dropped after the last retry", "count", len(b.list), "err", err)
	}
	for _, m := range b.list {
		m.State = state
	}
}

// appendUps appends the JSON array that the API pushes.
func appendUps(b []byte, list []*SmsUp) []byte {
	b = append(b, '[')
	for i, m := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = m.appendJSON(b)
	}
	return append(b, ']')
}

// appendJSON appends m as the API spells it, in pushes and queues alike.
func (m *SmsUp) appendJSON(b []byte) []byte {
	b = appendJSON(append(b, `{"phone_number":`...), m.Phone)
	b = appendJSON(append(b, `,"send_time":`...), m.SendTime)
	b = appendJSON(append(b, `,"content":`...), m.Content)
	if m.SignName != "" {
		b = appendJSON(append(b, `,"sign_name":`...), m.SignName)
	}
	b = appendJSON(append(b, `,"dest_code":`...), m.DestCode)
	b = strconv.AppendInt(append(b, `,"sequence_id":`...), m.SequenceID, 10)
	return append(b, '}')
}

var errNoUp = errors.New("an incoming message has a phone_number and a dest_code")

// Receive plays phones that send texts to the API's numbers, and returns these as they are pushed or queued. An error says
// what is wrong with one of them; those behind it are not taken.
func (s *Server) Receive(list ...SmsUp) ([]SmsUp, error) {
	for i := range list {
		if list[i].Phone == "" || list[i].DestCode == "" {
			return nil, errNoUp
		}
	}
	return s.ups.add(list, s.Enqueue)
}

// Incoming returns all that Receive was given, and how far it has come.
func (s *Server) Incoming() []SmsUp {
	s.ups.mu.Lock()
	defer s.ups.mu.Unlock()
	return s.ups.copy(s.ups.list)
}

// SetIncomingURL changes where incoming messages are pushed; "" stops pushing.
func (s *Server) SetIncomingURL(url string) { s.ups.url.Store(&url) }

// handleIncoming adds the control endpoints.
func (s *Server) handleIncoming(mux *http.ServeMux) {
	mux.HandleFunc("GET /sim/incoming", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.Incoming()) })
	mux.HandleFunc("POST /sim/incoming", func(w http.ResponseWriter, r *http.Request) {
		var list []SmsUp
		if !decodeStrictly(w, r, &list) {
			return
		}
		list, err := s.Receive(list...)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		writeJSON(w, list)
	})
	mux.HandleFunc("PUT /sim/incoming/url", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			URL string `json:"url"`
		}
		if decodeStrictly(w, r, &body) {
			s.SetIncomingURL(body.URL)
			w.WriteHeader(http.StatusNoContent)
		}
	})
}
