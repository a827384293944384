package bridge

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

// newerPolicy is promisePolicy with another template, which the account otp may use, too.
func newerPolicy() string {
	doc := strings.Replace(promisePolicy, "routes:", `  - {code: SMS_3, class: notice, text: "新${content}", phone_limit: false, vars: {content: {kind: free, max: 500}}}
routes:`, 1)
	return strings.Replace(doc, "templates: [SMS_1]", "templates: [SMS_1, SMS_3]", 1)
}

// isNewer reports whether a document is newerPolicy.
func isNewer(p *configs.Policy) bool { return len(p.Templates) > 2 }

// slowAt has the first node take as long to put newerPolicy into force.
func slowAt(d time.Duration) func(*Config) {
	return func(c *Config) {
		if c.NodeID != "n1" {
			return
		}
		c.OnPolicy = func(p *configs.Policy) error {
			if isNewer(p) {
				<-time.After(d) // in fake time
			}
			return nil
		}
	}
}

// TestLeaderWithAnOlderPolicyEndsNothing: what was accepted under a newer policy than the leader has compiled waits for
// it, and is sent as soon as it has (promise 1).
func TestLeaderWithAnOlderPolicyEndsNothing(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		e := f.at(2).bind("otp", smpp.Transceiver)
		f.putPolicy(newerPolicy())
		pass(10 * time.Millisecond)
		n := e.accepted("新 hello")
		pass(time.Second)
		if got := f.at(2).status(n).State; got != store.StateAccepted {
			t.Errorf("%v while the leader has the older policy, want accepted", got)
		}
		pass(time.Second + 50*time.Millisecond)
		if got := f.at(2).status(n); got.State != store.StateSent {
			t.Errorf("%v, ending %v err %q when the leader has its policy, want sent", got.State, got.Ending, got.Err)
		}
	}, slowAt(2*time.Second))
}

// TestLeaderWithAnOlderPolicyGivesNothingUp: the same of a message that may have been sent: under the older policy, which
// does not know its template, it would be ended as unknown.
func TestLeaderWithAnOlderPolicyGivesNothingUp(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		f.api.send = func(Call) Answer { return Answer{Kind: store.OutcomeUncertain} }
		f.lead(f.at(2))
		e := f.at(2).bind("otp", smpp.Transceiver)
		f.putPolicy(newerPolicy())
		pass(10 * time.Millisecond)
		n := e.accepted("新 hello")
		pass(time.Second)
		f.lead(f.at(1))
		pass(8 * time.Minute)
		if got := f.at(2).status(n); got.State != store.StateUncertain {
			t.Errorf("%v, ending %v err %q while the leader has the older policy, want uncertain", got.State, got.Ending, got.Err)
		}
		pass(4 * time.Minute)
		if got := len(f.api.called()); got < 2 {
			t.Errorf("%d calls when the leader has its policy, want that it is sent again", got)
		}
	}, slowAt(10*time.Minute))
}

// stranger is a configuration in which only n3 can use newerPolicy until the others have learnt to.
type stranger struct {
	f      atomic.Pointer[fleet]
	learnt atomic.Bool
	tried  atomic.Int64
}

var errNoCredentials = errors.New("no credentials")

func (s *stranger) change(c *Config) {
	id := c.NodeID
	c.OnPolicy = func(p *configs.Policy) error {
		if !isNewer(p) || id == "n3" || s.learnt.Load() {
			return nil
		}
		s.tried.Add(1)
		return errNoCredentials
	}
}

// handsOver lets leaders hand over, to the node that they ask for.
func (s *stranger) handsOver(c *Config) {
	c.HandOver = func(_ context.Context, node string) error {
		f := s.f.Load()
		f.lead(f.at(int(node[1] - '0')))
		return nil
	}
}

// TestNodeThatCannotUseThePolicy: it says that it is not ready, and hands leadership to one that can, which sends what was
// accepted. It tries again now and then, not for each submit.
func TestNodeThatCannotUseThePolicy(t *testing.T) {
	var s stranger
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		s.f.Store(f)
		e, refused := f.at(3).bind("otp", smpp.Transceiver), f.at(2).bind("otp", smpp.Transceiver)
		f.putPolicy(newerPolicy())
		pass(2 * policyWithin)
		for i, m := range f.members {
			if err := m.Ready(); (err == nil) != (m.id == "n3") || err != nil && !errors.Is(err, errNoCredentials) {
				t.Errorf("node %d is ready: %v", i+1, err)
			}
		}
		n := e.accepted("新 hello")
		pass(time.Second)
		if got := f.at(3).status(n); got.State != store.StateSent {
			t.Errorf("%v, ending %v err %q, want sent", got.State, got.Ending, got.Err)
		}
		for range 100 {
			refused.submit("您的验证码是4711。")
			if h, _ := refused.Expect(smpp.SubmitSMRespID); h.Status != smpp.StatusSysErr {
				t.Fatalf("submit at a node that cannot use the policy: %v, want ESME_RSYSERR", h.Status)
			}
		}
		if got := s.tried.Load(); got > 4 {
			t.Errorf("the policy was tried %d times within 3 s on two nodes", got)
		}
		s.learnt.Store(true)
		pass(2 * policyRetry)
		for i, m := range f.members {
			if err := m.Ready(); err != nil {
				t.Errorf("node %d, when it can use the policy, is not ready: %v", i+1, err)
			}
		}
		refused.accepted("新 hello")
	}, s.change, s.handsOver)
}

// TestLeaderThatCannotUseThePolicy: where no node can be handed leadership, what the leader cannot judge waits until it can.
func TestLeaderThatCannotUseThePolicy(t *testing.T) {
	var s stranger
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		e := f.at(3).bind("otp", smpp.Transceiver)
		f.putPolicy(newerPolicy())
		pass(time.Second)
		n := e.accepted("新 hello")
		pass(time.Minute)
		if got := f.at(3).status(n); got.State != store.StateAccepted {
			t.Errorf("%v, ending %v err %q, want accepted", got.State, got.Ending, got.Err)
		}
		s.learnt.Store(true)
		pass(2 * policyRetry)
		if got := f.at(3).status(n); got.State != store.StateSent {
			t.Errorf("%v, ending %v err %q when the leader can use the policy, want sent", got.State, got.Ending, got.Err)
		}
	}, s.change)
}
