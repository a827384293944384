package bridge

import (
	"strings"
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
