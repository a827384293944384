package bridge

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"smppbridge/smpp"
	"smppbridge/store"
)

// down gives the binds of a node away, as the leader does that has not heard of it for a while.
func (f *fleet) down(m *member) {
	f.t.Helper()
	for _, c := range []store.Command{
		&store.Raise{Version: store.Version},
		&store.NodeDown{Node: m.id, Incarnation: m.Bridge.incarnation.Load()},
	} {
		if _, err := f.commit(c); err != nil {
			f.t.Fatal(err)
		}
	}
}

// TestReapedSessionsAreBoundAgain: a node that was cut off until its binds were given away has them again once it is
// back, and its ESMEs see nothing of it.
func TestReapedSessionsAreBoundAgain(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		n3 := f.at(3)
		receiver, transmitter := n3.bind("single", smpp.Receiver), n3.bind("single", smpp.Transmitter)
		before := f.book.Binds("single")
		n3.cut(lost)
		pass(5 * time.Second)
		f.down(n3)
		if got := len(f.book.Binds("single")); got != 0 {
			t.Fatalf("%d binds are left of a node that is down", got)
		}
		n3.heal()
		pass(2 * time.Second)
		if got := f.book.Binds("single"); len(got) != 2 || got[0] != before[0] || got[1] != before[1] {
			t.Errorf("binds %+v, want %+v", got, before)
		}
		n := transmitter.accepted("hello")
		pass(time.Second)
		f.at(1).report(n)
		if got := receiver.take(smpp.StatusOK).MessageID; got != n.String() {
			t.Errorf("receipt of %s, want %s", got, n)
		}
		if got := testutil.ToFloat64(n3.door.rebinds.WithLabelValues(rebindKept)); got != 2 {
			t.Errorf("%v sessions kept, want 2", got)
		}
	})
}

// TestReapedSessionsGiveWay: where places were taken meanwhile, the limit holds: a session for which there is none is
// unbound in good order, and the others stay.
func TestReapedSessionsGiveWay(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		n3 := f.at(3)
		own := []*esme{n3.bind("single", smpp.Transceiver), n3.bind("single", smpp.Transceiver)}
		n3.cut(lost)
		f.down(n3)
		f.at(1).bind("single", smpp.Transmitter)
		pass(time.Second)
		n3.heal()
		pass(time.Second)
		binds := f.book.Binds("single")
		if len(binds) != 2 || binds[0].Node != "n1" || binds[1].Node != "n3" {
			t.Fatalf("binds %+v, want one of n1 and one of n3", binds)
		}
		stays := binds[1].Session - 1
		h, _ := own[1-stays].Expect(smpp.UnbindID)
		own[1-stays].Respond(h.Sequence, smpp.StatusOK, &smpp.UnbindResp{})
		own[1-stays].ExpectClosed()
		own[stays].accepted("hello")
		if got := f.book.Binds("single"); len(got) != 2 {
			t.Errorf("binds %+v in the end, want two", got)
		}
		if got := testutil.ToFloat64(n3.door.rebinds.WithLabelValues(rebindClosed)); got != 1 {
			t.Errorf("%v sessions closed, want 1", got)
		}
	})
}

// TestCutOffSessionsStay: as long as a node is cut off its sessions are there, and what they submit is answered as
// promise 2 says: refused if it surely was not accepted, not at all if nobody knows.
func TestCutOffSessionsStay(t *testing.T) {
	for name, what := range map[string]fate{"surely not accepted": refused, "unknown": lost} {
		t.Run(name, func(t *testing.T) {
			inFleet(t, 3, func(t *testing.T, f *fleet) {
				n3 := f.at(3)
				e, idle := n3.bind("any", smpp.Transmitter), n3.bind("any", smpp.Receiver)
				n3.cut(what)
				f.down(n3)
				pass(10 * time.Second)
				e.submit("hello")
				if what == lost {
					expectClosedUnanswered(t, e)
				} else if h, _ := e.Expect(smpp.SubmitSMRespID); h.Status != smpp.StatusSysErr {
					t.Errorf("answered %v, want ESME_RSYSERR", h.Status)
				}
				n3.heal()
				pass(2 * time.Second)
				idle.Send(&smpp.EnquireLink{})
				idle.Expect(smpp.EnquireLinkRespID)
			})
		})
	}
}

// TestLateBindOpenIsSwept: a BindOpen that is applied when nobody awaits its outcome any more leaves no place taken. One that
// is under way is not taken for such.
func TestLateBindOpenIsSwept(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		n2 := f.at(2)
		var late *store.BindOpen
		f.decide(func(m *member, c store.Command) fate {
			if open, ok := c.(*store.BindOpen); ok && m == n2 {
				late = open
				return lost
			}
			return applied
		})
		e := n2.dial()
		e.Send(&smpp.Bind{Type: smpp.Receiver, SystemID: "single", Password: rigPassword, InterfaceVersion: 0x34})
		pass(time.Second)
		if _, err := f.commit(late); err != nil {
			t.Fatal(err)
		}
		pass(3 * time.Second)
		if got := len(f.book.Binds("single")); got != 1 {
			t.Fatalf("%d binds, want the one that is still waited for", got)
		}
		e.Close()
		pass(15 * time.Second)
		if got := len(f.book.Binds("single")); got != 0 {
			t.Fatalf("%d binds after the session's end, want none", got)
		}
		if _, err := f.commit(late); err != nil { // it lay in the buffer of a leader that was frozen
			t.Fatal(err)
		}
		pass(2 * time.Second)
		if got := len(f.book.Binds("single")); got != 0 {
			t.Errorf("%d binds without a session, want none", got)
		}
		if got := testutil.ToFloat64(n2.door.rebinds.WithLabelValues(rebindSwept)); got != 2 {
			t.Errorf("%v places swept, want 2", got)
		}
	})
}

// TestSessionThatEndsWhileItIsBoundAgain: its BindClose comes behind the BindOpen, and no place is left taken.
func TestSessionThatEndsWhileItIsBoundAgain(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		n3 := f.at(3)
		e := n3.bind("single", smpp.Receiver)
		var opened, closed time.Time
		f.decide(func(_ *member, c store.Command) fate {
			switch c.(type) {
			case *store.BindOpen:
				time.Sleep(time.Second) // in a bubble: the commit takes so long
				opened = time.Now()
			case *store.BindClose:
				closed = time.Now()
			}
			return applied
		})
		f.down(n3)
		pass(keepEvery + 100*time.Millisecond)
		e.Close()
		pass(5 * time.Second)
		if opened.IsZero() || closed.IsZero() || closed.Before(opened) {
			t.Errorf("opened at %v, closed at %v", opened, closed)
		}
		if got := len(f.book.Binds("single")); got != 0 {
			t.Errorf("%d binds are left, want none", got)
		}
		if got := testutil.ToFloat64(n3.door.rebinds.WithLabelValues(rebindSwept)); got != 0 {
			t.Errorf("%v places swept, want none: the bind was closed in order", got)
		}
	})
}

// TestLaggingNodeKeepsQuiet: a node that has not applied its own BindOpens does not propose them again.
func TestLaggingNodeKeepsQuiet(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		n2 := f.at(2)
		n2.hold()
		n2.bind("any", smpp.Receiver)
		pass(5 * time.Second)
		n2.release()
		pass(2 * time.Second)
		if got := proposals[*store.BindOpen](f) + proposals[*store.BindClose](f); got != 1 {
			t.Errorf("%d binds opened or closed, want 1", got)
		}
	})
}

// TestAnnouncePassesOtherIncarnations: whatever the state knows of this node, from a process whose clock was ahead or
// from one that starts at the same moment, the later one is this.
func TestAnnouncePassesOtherIncarnations(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		up := func(incarnation uint64) {
			if _, err := r.node.apply(&store.NodeUp{Node: "n1", Incarnation: incarnation}); err != nil {
				t.Fatal(err)
			}
		}
		ahead := uint64(time.Now().Add(time.Hour).UnixMicro())
		up(ahead)
		others := 3
		r.node.decide(func(c store.Command) fate {
			if _, ok := c.(*store.NodeUp); ok && others > 0 {
				others--
				up(r.store.Incarnation("n1") + 10)
			}
			return applied
		})
		if err := r.Announce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := r.incarnation.Load(); got != r.store.Incarnation("n1") || got <= ahead+30 {
			t.Errorf("incarnation %d, the state has %d, want a later one than %d", got, r.store.Incarnation("n1"), ahead+30)
		}
		r.bind("any", smpp.Transmitter).accepted("hello")
	})
}

// TestAnnounceIsRepeated: a NodeUp whose outcome is unknown is repeated, and the node is of the incarnation that the state
// has.
func TestAnnounceIsRepeated(t *testing.T) {
	for name, what := range map[string]fate{"refused": refused, "fails": lost, "fails but happened": hidden} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				r.node.decide(first[*store.NodeUp](what, 3))
				if err := r.Announce(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got, want := r.incarnation.Load(), r.store.Incarnation("n1"); got != want {
					t.Errorf("incarnation %d, want %d", got, want)
				}
			})
		})
	}
}

// TestLaterProcessEndsThisOne: when another process has announced itself as this node, this one ends, loudly, also if
// nobody submits.
func TestLaterProcessEndsThisOne(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.ends = ErrSucceeded
		ended := make(chan struct{})
		go func() { r.stopped.Wait(); close(ended) }()
		if _, err := r.node.apply(&store.NodeUp{Node: "n1", Incarnation: r.incarnation.Load() + 1}); err != nil {
			t.Fatal(err)
		}
		await(t, "the end of Run", ended)
	})
}
