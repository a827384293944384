package bridge

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

// movedPolicy has route main at another account.
var movedPolicy = strings.Replace(promisePolicy, "{name: main,", "{name: main, account: another,", 1)

// TestNameGivenAway: when a route's name goes to another account, it is not asked about what went by it before, for it would
// say rightly that it never had that, and the message would be sent twice. Neither does it matter how the name was
// given away. What goes by it afterwards is asked for.
func TestNameGivenAway(t *testing.T) {
	without := strings.Replace(promisePolicy, "{name: main,", "{name: other,", 1)
	tests := []struct {
		name    string
		steps   []string
		calls   int // in the end
		ending  store.Ending
		recover bool
	}{
		{"kept", []string{promisePolicy}, 2, 0, false},
		{"another rate", []string{strings.Replace(promisePolicy, "workers: 4, qps: 1000}", "workers: 3, qps: 999}", 1)}, 2, 0, false},
		{"taken out and put back", []string{without, promisePolicy}, 2, 0, false},
		{"given away", []string{movedPolicy}, 1, store.EndUnknown, false},
		{"in two steps", []string{without, movedPolicy}, 1, store.EndUnknown, false},
		{"to and fro", []string{movedPolicy, promisePolicy}, 1, store.EndUnknown, false},
		{"of what a lost node may have sent", []string{movedPolicy}, 1, store.EndUnknown, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				r.onCall(func(Call) Answer { return Answer{Kind: store.OutcomeUncertain, Whole: true} })
				n := r.bind("any", smpp.Transmitter).accepted("hello")
				pass(time.Second)
				if tt.recover {
					r.recover()
				}
				for _, doc := range tt.steps {
					r.putPolicy(doc)
					pass(2 * idleScan)
				}
				r.onCall(nil)
				r.jump(40, 30*time.Second)
				if st := r.status(n); len(r.api.called()) != tt.calls || st.Ending != tt.ending {
					t.Errorf("%d calls, want %d; %v with ending %d, want %d", len(r.api.called()), tt.calls, st.State, st.Ending, tt.ending)
				}
			})
		})
	}
	inRig(t, func(t *testing.T, r *rig) {
		r.putPolicy(movedPolicy)
		pass(2 * idleScan)
		r.onCall(func(Call) Answer { return Answer{Kind: store.OutcomeUncertain, Whole: true} })
		r.bind("any", smpp.Transmitter).accepted("hello")
		pass(time.Second)
		r.onCall(nil)
		r.jump(20, 30*time.Second)
		if got := len(r.api.called()); got != 2 {
			t.Errorf("%d calls of a message that went by the new one, want 2", got)
		}
	})
}

// TestNameGivenAwayMeanwhile: an answer of whoever was asked while the name went to another account is nobody's.
func TestNameGivenAwayMeanwhile(t *testing.T) {
	for _, held := range []bool{false, true} {
		t.Run(fmt.Sprintf("held %v", held), func(t *testing.T) {
			asked := &lostAPI{}
			inRig(t, func(t *testing.T, r *rig) {
				r.onCall(func(Call) Answer { return Answer{Kind: store.OutcomeUncertain, Whole: true} })
				var last atomic.Bool // query, for the class's patience is over
				give := sync.OnceFunc(func() { r.putPolicy(movedPolicy) })
				ask := func() {
					if last.Load() {
						give()
					}
				}
				asked.sent = func(int32) ([]SentSMS, error) { ask(); return nil, nil }
				r.api.find = func(string) (Found, error) { ask(); return Found{}, nil }
				n := r.bind("any", smpp.Transmitter).accepted("hello")
				pass(time.Second)
				if held {
					r.recover()
				}
				pass(time.Second)
				r.onCall(nil)
				last.Store(true)
				r.jump(1, 10*time.Minute)
				r.jump(20, 30*time.Second)
				if st := r.status(n); len(r.api.called()) != 1 || st.Ending != store.EndUnknown {
					t.Errorf("%d calls, want 1; %v with ending %d, want unknown", len(r.api.called()), st.State, st.Ending)
				}
			}, func(c *Config) {
				asked.api = c.Sender.(*api)
				c.Sender = asked
			})
		})
	}
}

// TestSenderIsFirst: a policy is in force in the Sender before it is here. So by the time that this node records what a name
// stands for, no call is begun any more that goes to what it stood for before.
func TestSenderIsFirst(t *testing.T) {
	var node *Bridge
	told := 0
	inRig(t, func(t *testing.T, r *rig) {
		node = r.Bridge
		r.putPolicy(movedPolicy)
		pass(time.Second)
		if route := r.policy.Load().routes["main"]; told != 1 || route.Account != "another" {
			t.Errorf("the Sender was told %d times, and main is of account %s", told, route.Account)
		}
	}, func(c *Config) {
		c.OnPolicy = func(*configs.Policy) error {
			if node == nil {
				return nil // the first policy
			}
			if told++; node.policy.Load().routes["main"].Account == "another" {
				t.Error("the policy is in force here before the Sender has it")
			}
			return nil
		}
	})
}
