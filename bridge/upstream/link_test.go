package upstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"smppbridge/bridge"
	"smppbridge/smpp"
	"smppbridge/store"
)

// TestNotBound: what a call is answered with while there is no bind, and why there is none.
func TestNotBound(t *testing.T) {
	refuse := func(st smpp.Status) func(*centre) {
		return func(c *centre) {
			c.does(func(w *wire, h smpp.Header, p smpp.PDU) bool {
				_, ok := p.(*smpp.Bind)
				if ok {
					w.send(st, h.Sequence, &smpp.BindResp{Type: smpp.Transceiver})
				}
				return ok
			})
		}
	}
	for _, tt := range []struct {
		name    string
		centre  func(*centre)
		code    string
		account bool
	}{
		{"unreachable", func(c *centre) { c.refuse = errors.New("connection refused") }, codeUnreachable, false},
		{"wrong password", refuse(smpp.StatusInvPaswd), codeRefused, true},
		{"bound already", refuse(smpp.StatusAlyBnd), codeNotBound, false},
		{"nothing is answered", func(c *centre) {
			c.does(func(*wire, smpp.Header, smpp.PDU) bool { return true })
		}, codeNotBound, false}, // the first bind is waited for until the call would be too late
	} {
		t.Run(tt.name, func(t *testing.T) {
			inRigAfter(t, tt.centre, func(t *testing.T, r *rig) {
				start := time.Now()
				a := r.submit("o", testText)
				if a.Kind != store.OutcomeRetry || a.Code != tt.code || a.Account != tt.account || a.Outage == tt.account {
					t.Errorf("got %+v, want a retry: %s", a, tt.code)
				}
				if took := time.Since(start); took > time.Second {
					t.Errorf("took %v, want less than what the call has", took)
				}
				if r.Bound("up") {
					t.Error("the route is bound")
				}
			})
		})
	}
}

// TestRebindBacksOff: a centre that is away is not stormed, and found again when it is back.
func TestRebindBacksOff(t *testing.T) {
	away := func(c *centre) { c.refuse = errors.New("connection refused") }
	inRigAfter(t, away, func(t *testing.T, r *rig) {
		pass(10 * time.Minute)
		dials := r.centre.connections()
		if dials < 10 || dials > 25 {
			t.Errorf("%d connections tried in ten minutes, want some 17: half a second doubling to a minute", dials)
		}
		r.centre.set(func(c *centre) { c.refuse = nil })
		pass(time.Minute + time.Second)
		if !r.Bound("up") {
			t.Error("not bound a minute after the centre is back")
		}
	})
}

// TestSilentCentre: a centre is asked whether it is there, and the connection closed when it does not say so.
func TestSilentCentre(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		pass(5 * time.Minute)
		if n, dials := r.centre.count(smpp.EnquireLinkID), r.centre.connections(); n < 8 || n > 11 || dials != 1 {
			t.Fatalf("%d enquire_link in five minutes of silence, %d connections; want one in 30 s, and 1", n, dials)
		}
		r.centre.does(func(_ *wire, _ smpp.Header, p smpp.PDU) bool {
			_, ok := p.(*smpp.EnquireLink)
			return ok
		})
		pass(45 * time.Second)
		if dials := r.centre.connections(); dials != 2 {
			t.Errorf("%d connections after enquire_link was not answered, want 2", dials)
		}
	})
}

// TestEnquireLinkAnswered: we say that we are there.
func TestEnquireLinkAnswered(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		pass(time.Second)
		r.centre.last().send(smpp.StatusOK, 77, new(smpp.EnquireLink))
		r.centre.last().send(smpp.StatusOK, 78, new(smpp.QuerySM)) // what only an ESME asks
		pass(time.Second)
		if n := r.centre.count(smpp.EnquireLinkRespID); n != 1 {
			t.Errorf("%d enquire_link_resp, want 1", n)
		}
		if n := r.centre.count(smpp.GenericNackID); n != 1 {
			t.Errorf("%d generic_nack for a request that is not a centre's, want 1", n)
		}
	})
}

// TestEndsInOrder: at the end of leadership calls under way get their answers, and only then is unbound; new ones are not made.
func TestEndsInOrder(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		pass(time.Second)
		var answer func()
		r.centre.does(func(w *wire, h smpp.Header, p smpp.PDU) bool {
			_, ok := p.(*smpp.SubmitSM)
			if ok {
				answer = func() { w.send(smpp.StatusOK, h.Sequence, &smpp.SubmitSMResp{MessageID: "9"}) }
			}
			return ok
		})
		answers := make(chan bridge.Answer, 1)
		go func() { answers <- r.submit("o1", testText) }()
		synctest.Wait()
		go r.stop()
		pass(time.Second)
		if n := r.centre.count(smpp.UnbindID); n != 0 {
			t.Fatal("unbound while a call was under way")
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if a := r.Send(ctx, call("o2", testText)); a.Kind != store.OutcomeRetry || a.Outage {
			t.Errorf("a call after the end: got %+v, want a retry that blames nobody", a)
		}
		answer()
		if a := <-answers; a.BizID != "acct/9" {
			t.Errorf("the call under way: got %+v, want accepted", a)
		}
		pass(2 * time.Second)
		if n := r.centre.count(smpp.UnbindID); n != 1 {
			t.Errorf("%d unbinds, want 1", n)
		}
	})
}

// TestCentreUnbinds: a centre that unbinds may still answer, and is bound to again.
func TestCentreUnbinds(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		pass(time.Second)
		r.centre.does(func(w *wire, h smpp.Header, p smpp.PDU) bool {
			_, ok := p.(*smpp.SubmitSM)
			if ok {
				w.send(smpp.StatusOK, 5, new(smpp.Unbind))
				w.send(smpp.StatusOK, h.Sequence, &smpp.SubmitSMResp{MessageID: "8"})
			}
			return ok
		})
		if a := r.submit("o1", testText); a.BizID != "acct/8" {
			t.Errorf("got %+v, want accepted", a)
		}
		r.centre.does(nil)
		pass(5 * time.Second)
		if n := r.centre.count(smpp.UnbindRespID); n != 1 || r.centre.connections() != 2 || !r.Bound("up") {
			t.Errorf("%d unbind_resp and %d connections, want 1 and 2", n, r.centre.connections())
		}
	})
}

// TestRoutesChange: a route that stays keeps its bind, one that goes unbinds, one that comes binds.
func TestRoutesChange(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		pass(time.Second)
		other := r.route
		other.Name = "other"
		if err := r.SetRoutes([]Route{r.route, other}); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		if r.centre.connections() != 2 || !r.Has("up") || !r.Bound("other") {
			t.Errorf("%d connections, want 2: a second route came", r.centre.connections())
		}
		if err := r.SetRoutes([]Route{other}); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Second)
		if n := r.centre.count(smpp.UnbindID); n != 1 || r.Has("up") || r.centre.connections() != 2 {
			t.Errorf("%d unbinds, %d connections after a route went, want 1 and 2", n, r.centre.connections())
		}
		if a := r.submit("o", testText); a.Code != codeNoRoute || a.Kind != store.OutcomeRetry {
			t.Errorf("on a route that is gone: got %+v", a)
		}
		bad := other
		bad.SMPP.Alphabet = "ebcdic"
		if err := r.SetRoutes([]Route{bad}); err == nil || !r.Bound("other") {
			t.Errorf("a route that cannot be: %v; the old ones must stay", err)
		}
		if err := r.SetRoutes([]Route{other, other}); err == nil {
			t.Error("two routes of one name were taken")
		}
	})
}

// TestManyAtOnce: calls share a connection, each with its own answer.
func TestManyAtOnce(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		pass(time.Second)
		r.centre.does(func(w *wire, h smpp.Header, p smpp.PDU) bool {
			m, ok := p.(*smpp.SubmitSM)
			if ok {
				w.send(smpp.StatusOK, h.Sequence, &smpp.SubmitSMResp{MessageID: m.ShortMessage})
			}
			return ok
		})
		const n = 200
		errs := make(chan error, n)
		for i := range n {
			go func() {
				text := fmt.Sprintf("text %d", i)
				if a := r.submit(text, text); a.BizID != "acct/"+text {
					errs <- fmt.Errorf("%s was answered %+v", text, a)
					return
				}
				errs <- nil
			}()
		}
		for range n {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		l := (*r.routes.Load())["up"].link
		if len(l.pending) != 0 || l.users != 0 {
			t.Errorf("%d requests pending, %d users; want none", len(l.pending), l.users)
		}
	})
}

// TestLateAnswersAreBounded: a centre that answers nothing does not fill the memory.
func TestLateAnswersAreBounded(t *testing.T) {
	l := &link{pending: make(map[uint32]*pending), late: lateMost}
	wait := &pending{answered: make(chan response, 1)}
	seq := l.expect(wait)
	if _, code := l.giveUp(seq, wait, func(response) {}, codeTimeout); code != codeTimeout || len(l.pending) != 0 {
		t.Errorf("code %q, %d pending; want none beyond the bound", code, len(l.pending))
	}
}

// TestSequenceNumbers stay within the standard's range, and are not those of requests that wait.
func TestSequenceNumbers(t *testing.T) {
	l := &link{seq: lastSequence - 1, pending: map[uint32]*pending{1: {}, 2: {}}}
	if got := []uint32{l.next(), l.next(), l.next()}; !slices.Equal(got, []uint32{lastSequence, 3, 4}) {
		t.Errorf("got %v", got)
	}
}
