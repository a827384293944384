package bridge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"smppbridge/smpp"
	"smppbridge/store"
)

// books are the lists of two Alibaba Cloud accounts.
type books struct {
	mu     sync.Mutex
	states map[string]AuditState // guarded by mu; by account, "/" and name; absent: passed
	fails  map[string]error      // guarded by mu; by route
	asked  []string              // guarded by mu; routes
}

// Catalog implements CatalogSource.
func (s *books) Catalog(_ context.Context, route string) (Catalog, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, route)
	if err := s.fails[route]; err != nil {
		return Catalog{}, err
	}
	account := route[:1]
	var c Catalog
	for i, text := range []string{"码${code}", "知${content}", "批${content}", "众${content}", "推${content}"} {
		code := fmt.Sprintf("SMS_%d", i+1)
		if state := s.state(account, code); state != AuditAbsent {
			c.Templates = append(c.Templates, CatalogTemplate{Code: code, Text: text, State: state})
		}
	}
	for _, sign := range []string{"测试", "别的"} {
		if state := s.state(account, sign); state != AuditAbsent {
			c.Signatures = append(c.Signatures, CatalogSignature{Name: sign, State: state})
		}
	}
	return c, nil
}

func (s *books) state(account, name string) AuditState {
	if state := s.states[account+"/"+name]; state != "" {
		return state
	}
	return AuditPassed
}

// set gives something another state, and waits until all have heard of it.
func (s *books) set(account, name string, state AuditState) {
	s.mu.Lock()
	s.states[account+"/"+name] = state
	s.mu.Unlock()
	pass(11 * time.Minute)
}

func (s *books) fail(route string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails[route] = err
}

// since returns the routes asked by since the last time.
func (s *books) since() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.asked
	s.asked = nil
	return list
}

const catalogPolicy = `
signatures: [测试, 别的]
classes:
  notice: {validity: 24h, batch: 1, phone_limits: []}
  strict: {validity: 24h, on_withdrawn: refuse}
templates:
  - {code: SMS_1, class: notice, text: "码${code}"}
  - {code: SMS_2, class: notice, text: "知${content}"}
  - {code: SMS_3, class: strict, text: "批${content}"}
routes:
  - {name: a1, endpoint: "127.0.0.1:1", account: a}
  - {name: a2, endpoint: "127.0.0.1:2", account: a, priority: 1}
  - {name: b1, endpoint: "127.0.0.1:3", account: b, priority: 2, only_named: true}
accounts:
  - {system_id: one, password_hash: "HASH", sign_name: 测试, routes: [a1, a2]}
  - {system_id: two, password_hash: "HASH", sign_name: 测试, routes: [a1, a2, b1]}
`

// inCatalog runs f with a bridge whose accounts are asked every ten minutes.
func inCatalog(t *testing.T, policy string, f func(*testing.T, *rig, *books)) {
	t.Helper()
	s := &books{states: map[string]AuditState{}, fails: map[string]error{}}
	inRig(t, func(t *testing.T, r *rig) {
		r.putPolicy(policy)
		s.since() // by the policy that every rig starts with
		pass(3 * time.Second)
		f(t, r, s)
	}, func(c *Config) { c.Catalog, c.Registerer = s, prometheus.NewPedanticRegistry() })
}

// lastRoute is the route of the last call, "" if there was none since n.
func (r *rig) lastRoute(n int) string {
	if calls := r.api.called(); len(calls) > n {
		return calls[len(calls)-1].Route
	}
	return ""
}

// TestWithdrawnTemplate: it goes by another account's route, or waits until it is approved again; other templates go on.
func TestWithdrawnTemplate(t *testing.T) {
	for _, state := range []AuditState{AuditWithdrawn, AuditRejected, AuditPending, AuditAbsent} {
		t.Run(string(state), func(t *testing.T) {
			inCatalog(t, catalogPolicy, func(t *testing.T, r *rig, s *books) {
				r.bind("one", smpp.Transmitter).accepted("知甲")
				pass(time.Second)
				if got := r.lastRoute(0); got != "a1" {
					t.Fatalf("at first by %q", got)
				}
				s.set("a", "SMS_2", state)
				one, two := r.bind("one", smpp.Transmitter), r.bind("two", smpp.Transmitter)
				two.accepted("知乙")
				pass(time.Second)
				if got := r.lastRoute(1); got != "b1" {
					t.Errorf("withdrawn at a: by %q, want b1", got)
				}
				waits := one.accepted("知丙")
				pass(time.Second)
				if got := r.lastRoute(2); got != "" || r.status(waits).State != store.StateAccepted {
					t.Errorf("without another account: by %q, %v", got, r.status(waits).State)
				}
				one.accepted("码1234")
				pass(time.Second)
				if got := r.lastRoute(2); got != "a1" {
					t.Errorf("another template by %q", got)
				}
				rounds := testutil.ToFloat64(r.metrics.rounds)
				pass(time.Minute)
				if got := testutil.ToFloat64(r.metrics.rounds) - rounds; got > 75 {
					t.Errorf("%d rounds in a minute in which nothing could go", int(got))
				}
				s.set("a", "SMS_2", AuditPassed)
				if got := r.status(waits).State; got != store.StateSent || r.lastRoute(3) != "a1" {
					t.Errorf("approved again: %v by %q", got, r.lastRoute(3))
				}
			})
		})
	}
}

// TestWithdrawnSignature: the same for signatures.
func TestWithdrawnSignature(t *testing.T) {
	inCatalog(t, catalogPolicy, func(t *testing.T, r *rig, s *books) {
		s.set("a", "测试", AuditRejected)
		e := r.bind("one", smpp.Transmitter)
		waits := e.accepted("知甲")
		e.accepted("【别的】知乙")
		pass(time.Second)
		if calls := r.api.called(); len(calls) != 1 || calls[0].Recipients[0].SignName != "别的" {
			t.Errorf("%d calls", len(calls))
		}
		r.jump(24, time.Hour)
		if got := r.status(waits); got.State != store.StateFinal || got.Ending != store.EndExpired {
			t.Errorf("past its validity: %v %v", got.State, got.Ending)
		}
	})
}

// TestWithdrawnIsRefused: where a class wants that, nothing is accepted that no account could send; parts, whose template is
// not known yet, and what was accepted before, wait.
func TestWithdrawnIsRefused(t *testing.T) {
	inCatalog(t, catalogPolicy, func(t *testing.T, r *rig, s *books) {
		s.set("a", "SMS_3", AuditWithdrawn)
		one, two := r.bind("one", smpp.Transmitter), r.bind("two", smpp.Transmitter)
		one.submit("批甲")
		if h, _ := one.Expect(smpp.SubmitSMRespID); h.Status != smpp.StatusInvDftMsgID {
			t.Errorf("answered %v", h.Status)
		}
		two.accepted("批甲")
		one.accepted("知甲")
		s.set("b", "SMS_3", AuditAbsent)
		two = r.bind("two", smpp.Transmitter)
		two.submit("批乙")
		if h, _ := two.Expect(smpp.SubmitSMRespID); h.Status != smpp.StatusInvDftMsgID {
			t.Errorf("answered %v where no account has it", h.Status)
		}
		if templates, signatures := r.policy.Load().unsendable(); templates != 1 || signatures != 0 {
			t.Errorf("%d templates and %d signatures that nobody can send", templates, signatures)
		}
		s.set("a", "SMS_3", AuditPassed)
		r.bind("one", smpp.Transmitter).accepted("批丙")
	})
}

// TestCatalogsThatDoNotCount: an account that may not list, that cannot be reached, whose lists come empty, or that was last
// asked a day ago, sends as if it had everything.
func TestCatalogsThatDoNotCount(t *testing.T) {
	sends := func(t *testing.T, r *rig) bool {
		t.Helper()
		before := len(r.api.called())
		r.bind("one", smpp.Transmitter).accepted("知甲")
		pass(time.Second)
		return len(r.api.called()) > before
	}
	t.Run("denied", func(t *testing.T) {
		inCatalog(t, catalogPolicy, func(t *testing.T, r *rig, s *books) {
			s.fail("a1", fmt.Errorf("%w: NoPermission", ErrCatalogDenied))
			s.since()
			pass(10*time.Minute + 5*time.Second)
			if got := s.since(); len(got) != 2 || got[0] != "a1" || got[1] != "b1" { // a2 has the same account
				t.Errorf("asked by %v", got)
			}
			if got := testutil.ToFloat64(r.content.syncs.WithLabelValues("a", syncDenied)); got != 1 {
				t.Errorf("%v denied syncs", got)
			}
			if !sends(t, r) {
				t.Error("nothing is sent")
			}
		})
	})
	t.Run("down", func(t *testing.T) {
		inCatalog(t, catalogPolicy, func(t *testing.T, r *rig, s *books) {
			s.set("a", "SMS_2", AuditWithdrawn)
			if sends(t, r) {
				t.Fatal("sent although it was withdrawn")
			}
			s.fail("a1", errors.New("down"))
			s.set("a", "SMS_2", AuditPassed) // the other route of the account says so
			if !sends(t, r) {
				t.Error("not asked by the account's other route")
			}
			s.fail("a2", errors.New("down"))
			s.set("a", "SMS_2", AuditWithdrawn)
			if !sends(t, r) {
				t.Error("what was known last does not count any more")
			}
			if got := testutil.ToFloat64(r.content.syncs.WithLabelValues("a", syncFailed)); got < 1 {
				t.Errorf("%v failed syncs", got)
			}
		})
	})
	t.Run("a day old", func(t *testing.T) {
		inCatalog(t, catalogPolicy, func(t *testing.T, r *rig, s *books) {
			s.set("a", "SMS_2", AuditWithdrawn)
			s.fail("a1", errors.New("down"))
			s.fail("a2", errors.New("down"))
			r.jump(23, time.Hour)
			if sends(t, r) {
				t.Error("sent before a day has passed")
			}
			r.jump(2, time.Hour)
			if !sends(t, r) {
				t.Error("not sent after a day")
			}
		})
	})
	t.Run("empty", func(t *testing.T) {
		inCatalog(t, catalogPolicy, func(t *testing.T, r *rig, s *books) {
			for i := range 5 {
				s.mu.Lock()
				s.states[fmt.Sprintf("a/SMS_%d", i+1)] = AuditAbsent
				s.mu.Unlock()
			}
			pass(11 * time.Minute)
			if !sends(t, r) {
				t.Error("an empty list stops everything")
			}
		})
	})
	t.Run("off", func(t *testing.T) {
		inCatalog(t, catalogPolicy, func(t *testing.T, r *rig, s *books) {
			s.set("a", "SMS_2", AuditWithdrawn)
			r.putPolicy(catalogPolicy + "sync: {every: 0s}\n")
			pass(time.Second)
			s.since()
			if !sends(t, r) {
				t.Error("heeded although it is switched off")
			}
			pass(time.Hour)
			if got := s.since(); len(got) != 0 {
				t.Errorf("asked by %v", got)
			}
			r.putPolicy(catalogPolicy)
			pass(time.Minute)
			if sends(t, r) {
				t.Error("switched on again and not heeded")
			}
		})
	})
}

// TestCatalogSyncs: each account is asked once in the time, whatever the number of its routes, and unchanged lists commit
// nothing but that.
func TestCatalogSyncs(t *testing.T) {
	inCatalog(t, catalogPolicy, func(t *testing.T, r *rig, s *books) {
		if got := s.since(); len(got) != 2 || got[0] != "a1" || got[1] != "b1" {
			t.Errorf("at first asked by %v", got)
		}
		pol := r.policy.Load()
		pass(time.Hour)
		if got := s.since(); len(got) != 12 {
			t.Errorf("asked %d times in an hour, want 12", len(got))
		}
		if r.policy.Load() != pol {
			t.Error("what has not changed puts the policy into force anew")
		}
		list := r.Catalogs()
		if len(list) != 2 || list[0].Account != "a" || !list[0].Heeds || len(list[0].Templates) != 5 ||
			r.clock().Sub(list[0].Seen) > 11*time.Minute {
			t.Errorf("catalogs %+v", list)
		}
		r.putPolicy(strings.Replace(catalogPolicy, "知${content}", "知${content}。", 1))
		pass(time.Second)
		if got := r.Catalogs()[0].Differs; len(got) != 1 || got[0] != "SMS_2" {
			t.Errorf("differs %v", got)
		}
		s.set("a", "SMS_2", AuditRejected)
		got, err := testutil.GatherAndCount(r.cfg.Registerer.(prometheus.Gatherer), "smppbridge_bridge_catalog_lacking")
		if err != nil || got != 16 {
			t.Errorf("%d series of what is lacking, want 16 (%v)", got, err)
		}
		if !maps.Equal(r.Catalogs()[0].Lacking.Templates, map[string]AuditState{"SMS_2": AuditRejected}) {
			t.Errorf("lacking %+v", r.Catalogs()[0].Lacking)
		}
	})
}

// TestLargeCatalog: texts that nobody compares are left out where a catalog is too large for a record.
func TestLargeCatalog(t *testing.T) {
	var c Catalog
	for i := range 20_000 {
		var text strings.Builder
		for j := range 40 {
			text.WriteRune(rune(0x4E00 + (i*7919+j*104729+i*j*31)%20000))
		}
		c.Templates = append(c.Templates, CatalogTemplate{Code: fmt.Sprintf("SMS_%09d", i), Name: "名", Text: text.String(), State: AuditPassed})
	}
	b, err := c.encode(func(code string) bool { return code == "SMS_000000007" })
	if err != nil || len(b) > store.MaxRecordValue {
		t.Fatalf("%d octets, %v", len(b), err)
	}
	got, err := decodeCatalog(b)
	if err != nil || len(got.Templates) != len(c.Templates) || got.Templates[7] != c.Templates[7] || got.Templates[8].Text != "" {
		t.Errorf("decoded %d templates, %v", len(got.Templates), err)
	}
	if _, err := decodeCatalog([]byte("x")); err == nil {
		t.Error("garbage is a catalog")
	}
}
