package bridge

import (
	"errors"
	"testing"
	"time"

	"smppbridge/smpp"
)

// TestDeadSessionOfAnotherNodeIsReplaced: an ESME that comes back to another node than the one where its sessions died
// is bound within two seconds; its session that lives stays, on whatever node.
func TestDeadSessionOfAnotherNodeIsReplaced(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		asked := f.at(2).bind("single", smpp.Transceiver).answering()
		dead := f.at(3).bind("single", smpp.Transceiver)
		pass(5 * time.Second) // nothing is read from it any more
		began := time.Now()
		f.at(1).bind("single", smpp.Transceiver)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("bound after %v, want 2 s at most", took)
		}
		if got := asked(); got != 1 {
			t.Errorf("the session that lives was asked %d times, want once", got)
		}
		pass(time.Second)
		if binds := f.book.Binds("single"); len(binds) != 2 || binds[0].Node != "n1" || binds[1].Node != "n2" {
			t.Errorf("binds are %+v, want one of n1 and one of n2", binds)
		}
		dead.ExpectClosed()
	})
}

// TestPlaceIsSeenThroughLag: the place that another node has freed is there for the bind that waits, also when this node
// applies its release late.
func TestPlaceIsSeenThroughLag(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		for range 2 {
			f.at(3).bind("single", smpp.Transceiver)
		}
		pass(5 * time.Second)
		f.at(1).bind("any", smpp.Receiver) // n1 leads: what lags is n2
		f.at(2).hold()
		bound := make(chan smpp.Status, 1)
		go func() { bound <- f.at(2).dial().Bind(smpp.Transceiver, "single", rigPassword) }()
		pass(probeWithin + 300*time.Millisecond)
		f.at(2).release()
		if got := <-bound; got != smpp.StatusOK {
			t.Errorf("got %v, want ESME_ROK", got)
		}
	})
}

// TestUnreachableNodeDoesNotHoldUpABind: a bind that finds no place is refused within two seconds although a node that
// has places of its account does not answer; and gets one that a third node frees.
func TestUnreachableNodeDoesNotHoldUpABind(t *testing.T) {
	tests := []struct {
		name  string
		after time.Duration
		err   error
	}{
		{"nothing comes back", time.Hour, nil},
		{"refuses", 0, errors.New("connection refused")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inFleet(t, 3, func(t *testing.T, f *fleet) {
				f.links(func(_, to *member, _ string) (time.Duration, error) {
					if to == f.at(3) {
						return tt.after, tt.err
					}
					return 0, nil
				})
				for range 2 {
					f.at(3).bind("single", smpp.Receiver)
				}
				pass(5 * time.Second)
				began := time.Now()
				if got := f.at(1).dial().Bind(smpp.Transceiver, "single", rigPassword); got != smpp.StatusBindFail {
					t.Errorf("got %v, want ESME_RBINDFAIL", got)
				}
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("refused after %v, want 2 s at most", took)
				}
			})
			inFleet(t, 3, func(t *testing.T, f *fleet) {
				f.links(func(_, to *member, _ string) (time.Duration, error) {
					if to == f.at(3) {
						return tt.after, tt.err
					}
					return 0, nil
				})
				f.at(2).bind("single", smpp.Receiver)
				f.at(3).bind("single", smpp.Receiver)
				pass(5 * time.Second)
				began := time.Now()
				f.at(1).bind("single", smpp.Receiver)
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("bound after %v, want 2 s at most", took)
				}
			})
		})
	}
}

// TestProbesOfAllNodesAreOneASecond: however many nodes want a place of an account, its sessions are asked once a second.
func TestProbesOfAllNodesAreOneASecond(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		var asked []func() int
		for range 2 {
			asked = append(asked, f.at(3).bind("single", smpp.Receiver).answering())
		}
		pass(2 * time.Second)
		began := time.Now()
		for range 20 {
			for i := range 3 {
				go f.at(i+1).dial().Bind(smpp.Receiver, "single", rigPassword)
			}
			pass(200 * time.Millisecond)
		}
		rounds := int(time.Since(began)/time.Second) + 1
		for _, n := range asked {
			if n() == 0 || n() > rounds {
				t.Errorf("asked %d times in %v, want once a second at most", n(), time.Since(began))
			}
		}
		pass(5 * time.Second)
	})
}

// TestProbeOfAnotherForm: a request of a later version is refused, and an account that nobody has bound here has nothing
// to give.
func TestProbeOfAnotherForm(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		for _, request := range []string{"", "\x01", "\x02any", "any"} {
			if _, err := r.takeover.answerProbe(t.Context(), "n2", []byte(request)); !errors.Is(err, errProbe) {
				t.Errorf("request %q: %v", request, err)
			}
		}
		if got, err := r.takeover.answerProbe(t.Context(), "n2", []byte("\x01nobody")); err != nil || string(got) != "\x01" {
			t.Errorf("answered %q, %v", got, err)
		}
		if got := len(r.takeover.accounts); got != 0 {
			t.Errorf("%d accounts are remembered, want none", got)
		}
	})
}
