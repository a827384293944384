package smpp_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"smppbridge/smpp"
)

// backend is the outside of the sessions under test. What it does depends on the
// system_id and the destination address, so that dialogues can choose.
type backend struct {
	mu       sync.Mutex
	session  *smpp.Session   // the last one bound
	messages []smpp.SubmitSM // taken
	handled  smpp.PDU        // the last one that Handle took
	waiting  []func()        // answers not given yet, in order
	answered int
	hold     bool
	closed   int
	results  chan error // of DeliverSM: nil stands for ESME_ROK, a *StatusError for others
}

// longPassword is one of as many octets as are taken.
const longPassword = "a_password_of_64_octets_which_is_eight_times_as_long_as_it_may__"

func newBackend() *backend { return &backend{results: make(chan error, 1000)} }

func (b *backend) Bind(ctx context.Context, s *smpp.Session, req *smpp.Bind) (smpp.Options, error) {
	opts := smpp.Options{SystemID: "centre"}
	if req.Password != "secret" && req.Password != longPassword {
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
	case "window10":
		opts.Window = 10
	case "bare":
		opts.ErrorBody = smpp.ErrorBodyNone
	}
	return opts, nil
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
	b.answerLater(func() {
		b.answered++
		s.Respond(r, smpp.StatusOK, b.lastIDLocked(), uint64(b.answered))
	})
}

// lastIDLocked is the message_id of the message accepted last.
func (b *backend) lastIDLocked() string { return fmt.Sprintf("%08x", b.answered) }

// answerLater gives an answer at once, or when answer is called.
func (b *backend) answerLater(give func()) {
	b.waiting = append(b.waiting, give)
	if !b.hold {
		b.answerLocked(len(b.waiting))
	}
}

func (b *backend) answerLocked(n int) {
	for _, give := range b.waiting[:n] {
		give()
	}
	b.waiting = slices.Delete(b.waiting, 0, n)
}

// answer gives the n answers that have waited longest.
func (b *backend) answer(n int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n > len(b.waiting) {
		return fmt.Errorf("%d answers wait", len(b.waiting))
	}
	b.answerLocked(n)
	return nil
}

// Handle knows the messages that it has accepted and not lost again: they wait, and can be
// queried, cancelled and replaced.
func (b *backend) Handle(s *smpp.Session, r smpp.Request, p smpp.PDU) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.handled = p
	b.answerLater(func() {
		st, resp := b.carryOutLocked(p)
		if resp == nil {
			s.Respond(r, st, "", 0)
			return
		}
		s.RespondPDU(r, st, resp, uint64(b.answered))
	})
}

// carryOutLocked returns the answer to p, or only its status.
func (b *backend) carryOutLocked(p smpp.PDU) (smpp.Status, smpp.PDU) {
	last := b.lastIDLocked()
	switch m := p.(type) {
	case *smpp.SubmitMulti:
		return b.acceptLocked(m)
	case *smpp.QuerySM:
		if m.MessageID != last {
			return smpp.StatusQueryFail, nil
		}
		return smpp.StatusOK, &smpp.QuerySMResp{MessageID: last, FinalDate: "261231235959000+",
			MessageState: smpp.StateDelivered, ErrorCode: 7, TLVs: smpp.TLVs("").With(smpp.TagNetworkErrorCode, "\x03\x00\x07")}
	case *smpp.CancelSM:
		if m.MessageID != last && m.MessageID != "" {
			return smpp.StatusCancelFail, nil
		}
		return smpp.StatusOK, &smpp.CancelSMResp{}
	case *smpp.ReplaceSM:
		if m.MessageID != last {
			return smpp.StatusReplaceFail, nil
		}
		return smpp.StatusOK, &smpp.ReplaceSMResp{}
	}
	return smpp.StatusInvCmdID, nil
}

// acceptLocked refuses lists, and the destinations whose names SubmitSM refuses.
func (b *backend) acceptLocked(m *smpp.SubmitMulti) (smpp.Status, smpp.PDU) {
	resp := &smpp.SubmitMultiResp{TLVs: smpp.TLVs("").With(smpp.TagAdditionalStatusInfoText, "text\x00")}
	for _, d := range m.Destinations {
		u := smpp.Unsuccess{TON: d.TON, NPI: d.NPI, Addr: d.Addr}
		switch {
		case d.List != "":
			u.Addr, u.Status = d.List, smpp.StatusCntSubDL
		case d.Addr == "throttled":
			u.Status = smpp.StatusThrottled
		case d.Addr == "full":
			u.Status = smpp.StatusMsgQFul
		default:
			continue
		}
		resp.Failed = append(resp.Failed, u)
	}
	if len(resp.Failed) == len(m.Destinations) {
		return resp.Failed[0].Status, nil
	}
	b.answered++
	resp.MessageID = b.lastIDLocked()
	return smpp.StatusOK, resp
}

func (b *backend) Closed(*smpp.Session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed++
}

// deliver queues an incoming message on the last session bound.
func (b *backend) deliver() error {
	return b.deliverMessage(&smpp.DeliverSM{
		SourceAddr: "8613900000000", DestinationAddr: "1069", ShortMessage: "incoming",
		TLVs: smpp.TLVs("").With(smpp.TagReceiptedMessageID, "ab\x00").WithByte(smpp.TagMessageState, 2),
	})
}

// deliverPayload is deliver for a text of n octets in message_payload.
func (b *backend) deliverPayload(n int) error {
	return b.deliverMessage(&smpp.DeliverSM{TLVs: smpp.TLVs("").With(smpp.TagMessagePayload, strings.Repeat("x", n))})
}

func (b *backend) deliverMessage(m *smpp.DeliverSM) error {
	b.mu.Lock()
	s := b.session
	b.mu.Unlock()
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
