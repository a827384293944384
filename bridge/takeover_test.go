package bridge

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"smppbridge/smpp"
	"smppbridge/store"
)

// answering reads what e is sent and answers enquire_links, until the connection ends, in a goroutine of
// its own. asked is how many there were.
func (e *esme) answering() (asked func() int) {
	var mu sync.Mutex
	n := 0
	conn := e.Conn()
	go func() {
		for frames := smpp.NewReader(conn, smpp.MaxPDU); ; {
			h, _, err := frames.Next()
			if err != nil {
				return
			}
			if h.ID != smpp.EnquireLinkID {
				continue
			}
			mu.Lock()
			n++
			mu.Unlock()
			if _, err := conn.Write(smpp.Append(nil, smpp.StatusOK, h.Sequence, &smpp.EnquireLinkResp{})); err != nil {
				return
			}
		}
	}()
	return func() int { mu.Lock(); defer mu.Unlock(); return n }
}

// TestDeadSessionIsReplaced: an ESME whose sessions died without a word binds again, and is bound within
// two seconds; its session that lives stays.
func TestDeadSessionIsReplaced(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		s := newStreet(r)
		lives := s.from("192.0.2.7")
		lives.MustBind(smpp.Transceiver, "two", rigPassword)
		asked := lives.answering()
		dead := s.from("192.0.2.7")
		dead.MustBind(smpp.Transceiver, "two", rigPassword)
		pass(5 * time.Second) // nothing is read from it any more
		began := time.Now()
		s.from("192.0.2.7").MustBind(smpp.Transceiver, "two", rigPassword)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("bound after %v, want 2 s at most", took)
		}
		if got := asked(); got != 1 {
			t.Errorf("the session that lives was asked %d times, want once", got)
		}
		pass(3 * time.Second)
		if binds := r.store.Binds("two"); len(binds) != 2 || binds[0].Session != 1 && binds[1].Session != 1 {
			t.Errorf("binds are %v, want the first session and a new one", binds)
		}
		if got := testutil.ToFloat64(r.door.replaced); got != 1 {
			t.Errorf("%v sessions replaced, want 1", got)
		}
		dead.ExpectClosed()
	})
}

// TestPlaceOfTheDeadIsAwaited: the bind that is to replace a dead session waits until its release is committed, also
// when that takes longer than finding out that it is dead.
func TestPlaceOfTheDeadIsAwaited(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		s := newStreet(r)
		for range 2 {
			s.from("192.0.2.7").MustBind(smpp.Transceiver, "two", rigPassword)
		}
		pass(5 * time.Second) // nothing is read from them any more
		r.node.decide(func(c store.Command) fate {
			if _, ok := c.(*store.BindClose); ok {
				time.Sleep(time.Second) // in a bubble: the commit takes so long
			}
			return applied
		})
		if got := s.bindFrom("192.0.2.7", "two", rigPassword); got != smpp.StatusOK {
			t.Errorf("got %v, want ESME_ROK", got)
		}
	})
}

// TestLiveSessionIsNeverReplaced: neither one that answers late, but within a second, nor one that answers nothing but
// submits.
func TestLiveSessionIsNeverReplaced(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		s := newStreet(r)
		slow, busy := s.from("192.0.2.7"), s.from("192.0.2.8")
		slow.MustBind(smpp.Transceiver, "two", rigPassword)
		busy.MustBind(smpp.Transceiver, "two", rigPassword)
		pass(5 * time.Second)
		refused := make(chan smpp.Status, 1)
		go func() { refused <- s.from("192.0.2.9").Bind(smpp.Receiver, "two", rigPassword) }()
		h, _ := slow.Expect(smpp.EnquireLinkID)
		busy.Expect(smpp.EnquireLinkID)
		pass(800 * time.Millisecond)
		slow.Respond(h.Sequence, smpp.StatusOK, &smpp.EnquireLinkResp{})
		busy.accepted("hello")
		if got := <-refused; got != smpp.StatusBindFail {
			t.Errorf("third bind of two: got %v, want ESME_RBINDFAIL", got)
		}
		slow.accepted("hello")
		busy.accepted("hello")
	})
}

// TestPauseIsNotDeath: a session whose answer this node could not read in time, because the machine stood still again and
// again, is not replaced.
func TestPauseIsNotDeath(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		s := newStreet(r)
		slow := s.from("192.0.2.7")
		slow.MustBind(smpp.Transceiver, "two", rigPassword)
		dead := s.from("192.0.2.8")
		dead.MustBind(smpp.Transceiver, "two", rigPassword)
		pass(5 * time.Second)
		bound := make(chan smpp.Status, 1)
		go func() { bound <- s.from("192.0.2.9").Bind(smpp.Receiver, "two", rigPassword) }()
		h, _ := slow.Expect(smpp.EnquireLinkID)
		for range 2 * awakeSteps {
			r.node.spent.Add(int64(time.Second))
			pass(probeWithin / awakeSteps)
		}
		slow.Respond(h.Sequence, smpp.StatusOK, &smpp.EnquireLinkResp{})
		if got := <-bound; got != smpp.StatusOK {
			t.Errorf("a bind in place of a dead one: %v", got)
		}
		slow.accepted("hello")
		pass(time.Second)
		dead.ExpectClosed()
	})
}

// TestFullWindowIsNotDeath: while a session waits for a slot of its window nothing is read from it, and its silence
// is not held against it.
func TestFullWindowIsNotDeath(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		s := newStreet(r)
		r.putPolicy(promisePolicy)
		if err := r.loadPolicy(); err != nil {
			t.Fatal(err)
		}
		passed, open := r.gate()
		r.node.decide(func(c store.Command) fate {
			if _, ok := c.(*store.Accept); ok {
				<-passed
			}
			return applied
		})
		e := s.from("192.0.2.7")
		e.MustBind(smpp.Transceiver, "single", rigPassword)
		for range 4 { // three take the window; the reader waits with the fourth
			e.submit("hello")
		}
		other := s.from("192.0.2.7")
		other.MustBind(smpp.Transceiver, "single", rigPassword)
		other.answering()
		pass(3 * time.Second)
		if got := s.bindFrom("192.0.2.8", "single", rigPassword); got != smpp.StatusBindFail {
			t.Errorf("third bind of two: got %v, want ESME_RBINDFAIL", got)
		}
		r.node.decide(nil)
		open()
		for range 4 {
			e.number()
		}
	})
}

// TestFloodOfBindsOverTheLimit: however many bind over the limit, the account's sessions are asked once a second at
// most, and none is proposed.
func TestFloodOfBindsOverTheLimit(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		s := newStreet(r)
		var asked []func() int
		for range 2 {
			e := s.from("192.0.2.7")
			e.MustBind(smpp.Transceiver, "two", rigPassword)
			asked = append(asked, e.answering())
		}
		pass(2 * time.Second)
		before := proposed[*store.BindOpen](r.node)
		began := time.Now()
		for range 10 {
			flood := make([]*esme, 100)
			for i := range flood {
				flood[i] = s.from(fmt.Sprintf("192.0.2.%d", i))
				flood[i].Send(&smpp.Bind{Type: smpp.Receiver, SystemID: "two", Password: rigPassword, InterfaceVersion: 0x34})
			}
			for _, e := range flood {
				if h, _ := e.Expect(smpp.BindReceiverRespID); h.Status != smpp.StatusBindFail {
					t.Errorf("got %v, want ESME_RBINDFAIL", h.Status)
				}
				e.Close()
			}
		}
		rounds := int(time.Since(began)/time.Second) + 1
		for _, n := range asked {
			if n() > rounds {
				t.Errorf("asked %d times in %v, want once a second at most", n(), time.Since(began))
			}
		}
		if got := proposed[*store.BindOpen](r.node) - before; got > 0 {
			t.Errorf("%d binds proposed, want none: this node sees that there is no place", got)
		}
	})
}

// TestOthersHaveTheBinds: binds of other nodes count, and a bind waits a little for their release.
func TestOthersHaveTheBinds(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		s := newStreet(r)
		for i := range uint64(2) {
			open := &store.BindOpen{Bind: store.Bind{Node: "n2", Incarnation: 1, Session: i, Account: "two"}, Limit: 2}
			if _, err := r.node.apply(open); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.bindFrom("192.0.2.7", "two", rigPassword); got != smpp.StatusBindFail {
			t.Errorf("got %v, want ESME_RBINDFAIL", got)
		}
		gone := make(chan smpp.Status, 1)
		go func() { gone <- s.bindFrom("192.0.2.7", "two", rigPassword) }()
		pass(200 * time.Millisecond)
		if _, err := r.node.apply(&store.BindClose{Node: "n2", Incarnation: 1, Session: 1}); err != nil {
			t.Fatal(err)
		}
		if got := <-gone; got != smpp.StatusOK {
			t.Errorf("when another node releases one meanwhile: got %v, want ESME_ROK", got)
		}
	})
}

// TestRefusedProposals: a bind that is refused although this node sees a place is proposed once more, and not at once.
func TestRefusedProposals(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		s := newStreet(r)
		r.ends = ErrSucceeded
		up := &store.NodeUp{Node: "n1", Incarnation: r.incarnation.Load() + 1} // from now on the state refuses this one's binds
		if _, err := r.node.apply(up); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if got := s.bindFrom("192.0.2.7", "two", rigPassword); got != smpp.StatusBindFail {
			t.Errorf("got %v, want ESME_RBINDFAIL", got)
		}
		if got := proposed[*store.BindOpen](r.node); got != 2 {
			t.Errorf("%d proposals, want 2", got)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("refused after %v", took)
		}
		pass(time.Second)
	})
}

// TestChurn: two ESMEs that bind, submit once and unbind, 200 times a second, on an account with two binds, are
// never refused, whether they unbind or just hang up: a bind waits for releases that are under way.
func TestChurn(t *testing.T) {
	for name, unbinds := range map[string]bool{"unbind": true, "hang up": false} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				s := newStreet(r)
				r.node.decide(func(store.Command) fate {
					pass0(3 * time.Millisecond) // a commit
					return applied
				})
				before := proposed[*store.BindOpen](r.node)
				began := time.Now()
				var both sync.WaitGroup
				var problems sync.Map
				for w := range 2 {
					both.Go(func() {
						for i := range 200 {
							if err := s.visit(unbinds); err != nil {
								problems.Store(fmt.Sprint(w, " ", i), err)
							}
						}
					})
				}
				both.Wait()
				problems.Range(func(k, v any) bool { t.Errorf("%v: %v", k, v); return true })
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("400 visits took %v", took)
				}
				if got := proposed[*store.BindOpen](r.node) - before; got > 2*400 {
					t.Errorf("%d binds proposed for 400", got)
				}
				pass(time.Second)
				if got := r.store.Figures().Binds; got != 0 {
					t.Errorf("%d binds are left", got)
				}
			})
		})
	}
}

// pass0 is pass without waiting for all else: for goroutines that are not the test's.
func pass0(d time.Duration) { time.Sleep(d) } // in a bubble of synctest: nothing waits

// visit binds, submits once and leaves.
func (s *street) visit(unbinds bool) error {
	e := s.from("192.0.2.7")
	defer e.Close()
	if st := e.Bind(smpp.Transceiver, "two", rigPassword); st != smpp.StatusOK {
		return fmt.Errorf("bind answered %v", st)
	}
	e.Send(submitSM("hello"))
	if h, _ := e.Expect(smpp.SubmitSMRespID); h.Status != smpp.StatusOK {
		return fmt.Errorf("submit answered %v", h.Status)
	}
	if unbinds {
		e.Send(&smpp.Unbind{})
		e.Expect(smpp.UnbindRespID)
	}
	return nil
}

// TestBindsThatFailLeaveNothing: for as long as there is no leader, whatever ESMEs try, nothing is kept of a bind that
// failed, and nothing is proposed for it. What of it may be in the log after all is found when it is there.
func TestBindsThatFailLeaveNothing(t *testing.T) {
	for name, what := range map[string]fate{"surely not in the log": refused, "not known": lost} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				s := newStreet(r)
				r.node.decide(func(store.Command) fate { return what })
				pass(time.Second)
				before := runtime.NumGoroutine()
				for i := range 50 {
					e := s.from(fmt.Sprintf("192.0.2.%d", i))
					e.Send(&smpp.Bind{Type: smpp.Receiver, SystemID: "any", Password: rigPassword, InterfaceVersion: 0x34})
					pass(100 * time.Millisecond)
					e.Close()
				}
				pass(20 * time.Second)
				r.takeover.mu.Lock()
				seats, bound := len(r.takeover.seats), len(r.takeover.tenancyLocked("any").sessions)
				r.takeover.mu.Unlock()
				if seats+bound > 0 {
					t.Errorf("%d places and %d sessions are kept", seats, bound)
				}
				if n := runtime.NumGoroutine(); n > before+5 {
					t.Errorf("%d goroutines, %d before", n, before)
				}
				if got := proposed[*store.BindClose](r.node); got > 0 {
					t.Errorf("%d proposals to end binds that are not there", got)
				}
			})
		})
	}
}

// TestBindThatFailsIsReleased: its outcome stays unknown, its ESME goes; its place is free again.
func TestBindThatFailsIsReleased(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		s := newStreet(r)
		r.node.decide(func(c store.Command) fate {
			if _, ok := c.(*store.BindOpen); ok {
				return hidden
			}
			return applied
		})
		e := s.from("192.0.2.7")
		e.Send(&smpp.Bind{Type: smpp.Receiver, SystemID: "two", Password: rigPassword, InterfaceVersion: 0x34})
		pass(2 * time.Second)
		if got := len(r.store.Binds("two")); got != 1 {
			t.Fatalf("%d binds, want the one that is not known to be there", got)
		}
		e.Close()
		pass(15 * time.Second)
		r.node.decide(nil)
		pass(time.Second)
		if got := len(r.store.Binds("two")); got != 0 {
			t.Errorf("%d binds are left, want none", got)
		}
	})
}
