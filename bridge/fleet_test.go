package bridge

import (
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// TestFleet: what one node accepts, another one knows; the leader sends it, and its work moves with leadership.
func TestFleet(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		e := f.at(2).bind("any", smpp.Transmitter)
		n := e.accepted("hello")
		pass(time.Second)
		for _, m := range f.members {
			if st := m.status(n); st.State != store.StateSent {
				t.Errorf("%s: %v, want sent", m.id, st.State)
			}
		}
		f.at(3).hold()
		f.lead(f.at(2))
		if n = e.accepted("hello"); n != 2 {
			t.Errorf("number %d, want 2", n)
		}
		pass(time.Second)
		if got := len(f.api.called()); got != 2 {
			t.Errorf("%d calls, want 2", got)
		}
		if _, _, err := f.at(3).store.Lookup(n); err == nil {
			t.Errorf("a node that is held has applied")
		}
		f.at(1).crash()
		f.at(1).start()
		f.at(3).release()
		if st := f.at(3).status(n); st.State != store.StateSent {
			t.Errorf("%v, want sent", st.State)
		}
		for _, m := range f.members {
			if got, want := m.store.Incarnation("n1"), f.at(1).Bridge.incarnation.Load(); got != want {
				t.Errorf("%s has incarnation %d of n1, want %d", m.id, got, want)
			}
		}
	})
}

// TestFleetCut: a node that is cut off proposes nothing, learns nothing, and knows after a while that others may have
// been given its binds; when it is back it has missed nothing.
func TestFleetCut(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		e := f.at(3).bind("any", smpp.Receiver)
		before := proposals[*store.Accept](f)
		f.at(3).cut(refused)
		if !f.at(3).cluster.InTouch() {
			t.Errorf("out of touch at once")
		}
		pass(reapAfter)
		if f.at(3).cluster.InTouch() {
			t.Errorf("still in touch")
		}
		f.reap(f.at(3))
		n := f.at(2).bind("any", smpp.Transmitter).accepted("hello")
		if got := len(f.at(3).store.Binds("any")); got != 1 {
			t.Errorf("%d binds known to the node that is cut off, want its own", got)
		}
		f.at(3).heal()
		f.at(3).status(n)
		if got := proposals[*store.Accept](f) - before; got != 1 {
			t.Errorf("%d groups proposed, want 1", got)
		}
		e.Close()
	})
}
