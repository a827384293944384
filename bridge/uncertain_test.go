package bridge

import (
	"strings"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// TestUncertainIsListed: what nobody knows of is listed, without text and whole number, until it is known.
func TestUncertainIsListed(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.api.send = func(Call) Answer { return Answer{Kind: store.OutcomeUncertain, Whole: true} }
		notices, codes := r.bind("any", smpp.Transmitter), r.bind("otp", smpp.Transmitter)
		first := notices.accepted("hello", to(1))
		pass(100 * time.Millisecond)
		second := codes.accepted("您的验证码是4711。", to(2))
		pass(100 * time.Millisecond)
		list, total, err := r.Uncertain(t.Context(), 0, 10)
		if err != nil || total != 2 || len(list) != 2 {
			t.Fatalf("%d of %d (%v), want 2", len(list), total, err)
		}
		now := r.node.now()
		for i, want := range []Uncertain{
			{MessageID: first.String(), SystemID: "any", Phone: "139****0001", Class: "notice", Template: "SMS_2", Then: "resend", Number: uint64(first)},
			{MessageID: second.String(), SystemID: "otp", Phone: "139****0002", Class: "otp", Template: "SMS_1", Then: "report", Number: uint64(second)},
		} {
			got := list[i]
			if got.OutID == "" || now.Sub(got.Since) > time.Second || !got.AskAt.After(now) {
				t.Errorf("%+v", got)
			}
			want.Route, want.Messages, want.OutID, want.Since, want.AskAt = "main", 1, got.OutID, got.Since, got.AskAt
			if got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		}
		if list, total, err := r.Uncertain(t.Context(), uint64(first), 1); err != nil || total != 2 || len(list) != 1 || list[0].Number != uint64(second) {
			t.Errorf("behind the first: %+v of %d (%v)", list, total, err)
		}
		r.api.mu.Lock()
		r.api.find = func(string) (Found, error) {
			return Found{Known: true, Final: true, Ending: store.EndDelivered, Err: "000", DoneAt: r.node.now()}, nil
		}
		r.api.mu.Unlock()
		pass(time.Minute)
		if list, total, err := r.Uncertain(t.Context(), 0, 10); err != nil || total != 0 || len(list) != 0 {
			t.Errorf("when all is known: %+v of %d (%v)", list, total, err)
		}
	})
}

// inCancel runs f under waysPolicy with sending paused: three accounts have messages waiting.
func inCancel(t *testing.T, f func(t *testing.T, r *rig, e *esme)) {
	inWays(t, func(t *testing.T, r *rig) {
		e := r.bind("any", smpp.Transceiver)
		e.submits("知hello", 600)
		e.submits("批hello", 7)
		r.bind("main", smpp.Transmitter).submits("知hello", 3)
		f(t, r, e)
	}, func(c *Config) { c.QueueOctets = 1 << 30 })
}

// count is how many messages a selection means.
func (r *rig) count(s Selection) int {
	r.t.Helper()
	got, err := r.CancelMany(r.t.Context(), s, true)
	if err != nil || got.Cancelled != 0 {
		r.t.Fatalf("%+v: %+v, %v", s, got, err)
	}
	return got.Messages
}

// TestCancelManyCounts: a dry cancel counts what is meant, and changes nothing.
func TestCancelManyCounts(t *testing.T) {
	inCancel(t, func(t *testing.T, r *rig, e *esme) {
		half := r.node.now()
		pass(time.Second)
		e.submits("知hello", 5)
		e.accepted("知hel", udh8(1, 2, 1)) // a set of parts that is not complete
		for _, tt := range []struct {
			s    Selection
			want int
		}{
			{Selection{Account: "any"}, 613},
			{Selection{Account: "any", Template: "SMS_2"}, 605},
			{Selection{Account: "any", Class: "many"}, 7},
			{Selection{Account: "any", Template: "SMS_2", Class: "many"}, 0},
			{Selection{Account: "any", Before: half}, 607},
			{Selection{Account: "any", Route: "a1"}, 0}, // it has other ways
			{Selection{Account: "main", Route: "a1"}, 3},
			{Selection{Account: "main", Route: "b1"}, 0},
			{Selection{Account: "one"}, 0},
		} {
			if got := r.count(tt.s); got != tt.want {
				t.Errorf("%+v: %d messages, want %d", tt.s, got, tt.want)
			}
		}
		for _, bad := range []Selection{{}, {Template: "SMS_2"}, {Account: "nobody"}, {Account: "any", Template: "SMS_9"},
			{Account: "any", Class: "none"}, {Account: "any", Route: "nowhere"}} {
			if got, err := r.CancelMany(t.Context(), bad, false); err == nil {
				t.Errorf("%+v: %+v", bad, got)
			}
		}
	})
}

// TestCancelMany: what is meant is deleted, with receipts; all else is sent.
func TestCancelMany(t *testing.T) {
	inCancel(t, func(t *testing.T, r *rig, e *esme) {
		e.accepted("知hel", udh8(1, 2, 1))
		got, err := r.CancelMany(t.Context(), Selection{Account: "any", Template: "SMS_2"}, false)
		if err != nil || got.Messages != 600 || got.Cancelled != 600 || got.Before.IsZero() {
			t.Fatalf("%+v, %v", got, err)
		}
		receipts, err := r.store.Outbox("any", 0, 1000)
		if err != nil || len(receipts) != 600 || receipts[599].Ending != store.EndDeleted {
			t.Errorf("%d receipts (%v)", len(receipts), err)
		}
		_, p := e.Expect(smpp.DeliverSMID)
		if text := p.(*smpp.DeliverSM).ShortMessage; !strings.Contains(text, "stat:DELETED") {
			t.Errorf("receipt %q", text)
		}
		if got, err := r.CancelMany(t.Context(), Selection{Account: "any", Template: "SMS_2"}, false); err != nil || got.Messages != 0 {
			t.Errorf("again: %+v, %v", got, err)
		}
		r.Resume()
		pass(10 * time.Second)
		if two, three := r.callsOf("SMS_2"), r.callsOf("SMS_3"); two != 3 || three != 7 {
			t.Errorf("%d of the template sent, %d of the other; want those of another account, and 7", two, three)
		}
		if got := r.count(Selection{Account: "any"}); got != 1 { // the part
			t.Errorf("%d wait", got)
		}
		if got, err := r.CancelMany(t.Context(), Selection{Account: "any"}, false); err != nil || got.Cancelled != 1 {
			t.Errorf("the part: %+v, %v", got, err)
		}
	})
}

// TestCancelManyOrSent: while the dispatcher sends, each message is either sent or cancelled, never both, and what came
// back from a try is cancelled, too (promise 3).
func TestCancelManyOrSent(t *testing.T) {
	inCancel(t, func(t *testing.T, r *rig, e *esme) {
		r.api.send = func(c Call) Answer { // sending is paused yet
			time.Sleep(10 * time.Millisecond)
			if len(r.api.called())%3 == 0 {
				return Answer{Kind: store.OutcomeRetry, Whole: true}
			}
			return accept(c)
		}
		r.Resume()
		for len(r.api.called()) < 50 {
			pass(10 * time.Millisecond)
		}
		got, err := r.CancelMany(t.Context(), Selection{Account: "any"}, false)
		if err != nil || got.Cancelled == 0 || got.Cancelled > got.Messages {
			t.Fatalf("%+v, %v", got, err)
		}
		pass(time.Minute)
		deleted, sent := 0, 0
		for n := store.Number(1); int(n) <= r.stored(); n++ {
			switch st := r.status(n); {
			case st.State == store.StateFinal && st.Ending == store.EndDeleted:
				deleted++
			case st.State == store.StateSent:
				sent++
			default:
				t.Errorf("message %s: %+v", n, st)
			}
		}
		if deleted != got.Cancelled || sent+deleted != 610 || sent < 4 {
			t.Errorf("%d deleted, %d sent; %+v", deleted, sent, got)
		}
	})
}
