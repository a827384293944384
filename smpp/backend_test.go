package smpp_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"smppbridge/smpp"
)

// backend is the outside of the sessions under test. What it does depends on the
// system_id and the destination address, so that dialogues can choose.
type backend struct {
	mu       sync.Mutex
	session  *smpp.Session   // the last one bound
	messages []smpp.SubmitSM // taken
	waiting  []smpp.Request  // not answered yet
	answered int
	hold     bool
	closed   int
	results  chan error // of DeliverSM: nil stands for ESME_ROK, a *StatusError for others
}

func newBackend() *backend { return &backend{results: make(chan error, 1000)} }

func (b *backend) Bind(ctx context.Context, s *smpp.Session, req *smpp.Bind) (smpp.Options, error) {
	opts := smpp.Options{SystemID: "centre"}
	if req.Password != "secret" {
		return opts, &smpp.StatusError{Status: smpp.StatusInvPaswd, Err: errors.New("wrong password")}
	}
	b.mu.Lock()
	b.session = s
	b.mu.Unlock()
	switch s.SystemID() {
	case "nobody":
		return opts, fmt.Errorf("look up: %w", &smpp.StatusError{Status: smpp.StatusInvSysID})
	case "broken":
		return opts, errors.New("out of order")
	case "slow":
		<-ctx.Done()
		return opts, ctx.Err()
	case "eager":
		return opts, b.deliver()
	case "window2":
		opts.Window, opts.DeliverWindow = 2, 2
	case "bare":
		opts.ErrorBody = smpp.ErrorBodyNone
	}
	return opts, nil
}

func (*backend) Handle(s *smpp.Session, r smpp.Request, _ smpp.PDU) {
	s.Respond(r, smpp.StatusInvCmdID, "", 0)
}

func (b *backend) SubmitSM(s *smpp.Session, r smpp.Request, m *smpp.SubmitSM) {
	switch m.DestinationAddr {
	case "throttled":
		s.Respond(r, smpp.StatusThrottled, "", 0)
		return
	case "full":
		s.Respond(r, smpp.StatusMsgQFul, "", 0)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.messages = append(b.messages, *m)
	b.waiting = append(b.waiting, r)
	if !b.hold {
		b.answerLocked(s)
	}
}

func (b *backend) answerLocked(s *smpp.Session) {
	for _, r := range b.waiting {
		b.answered++
		s.Respond(r, smpp.StatusOK, fmt.Sprintf("%08x", b.answered), uint64(b.answered))
	}
	b.waiting = nil
}

// answer answers the n submits that have waited longest.
func (b *backend) answer(n int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n > len(b.waiting) {
		return fmt.Errorf("%d submits wait for an answer", len(b.waiting))
	}
	rest := slices.Clone(b.waiting[n:])
	b.waiting = b.waiting[:n]
	b.answerLocked(b.session)
	b.waiting = rest
	return nil
}

func (b *backend) Closed(*smpp.Session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed++
}

// deliver queues an incoming message on the last session bound.
func (b *backend) deliver() error {
	b.mu.Lock()
	s := b.session
	b.mu.Unlock()
	m := &smpp.DeliverSM{SourceAddr: "8613900000000", DestinationAddr: "1069", ShortMessage: "incoming"}
	return s.DeliverSM(m, func(st smpp.Status, err error) {
		if err == nil && st != smpp.StatusOK {
			err = &smpp.StatusError{Status: st}
		}
		b.results <- err
	})
}

func (b *backend) counts() (taken, closed int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.messages), b.closed
}
