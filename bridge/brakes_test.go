package bridge

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"smppbridge/smpp"
	"smppbridge/store"
)

// halt has something stopped, and passes the second in which that takes effect.
func (r *rig) halt(kind, name, mode string) {
	r.t.Helper()
	if err := r.SetBrake(r.t.Context(), Brake{Kind: kind, Name: name, Mode: mode, By: "ops", Reason: "test"}); err != nil {
		r.t.Fatal(err)
	}
	pass(time.Second)
}

// letGo lets go what was stopped, and passes the second in which that takes effect.
func (r *rig) letGo(kind, name string) {
	r.t.Helper()
	if was, err := r.ReleaseBrake(r.t.Context(), kind, name); err != nil || !was {
		r.t.Fatalf("resume %s %s: %v (%v)", kind, name, was, err)
	}
	pass(time.Second)
}

// callsOf counts the messages of all calls for a template.
func (r *rig) callsOf(template string) (n int) {
	for _, c := range r.api.called() {
		if c.Template == template {
			n += len(c.Recipients)
		}
	}
	return n
}

// TestBrakeOfAccount: what an account submits while it is stopped is accepted and waits; others' messages go, and the
// dispatcher does not turn in circles. When it is resumed all of it is sent.
func TestBrakeOfAccount(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.halt(BrakeAccount, "any", BrakeHold)
		held, other, urgent := r.bind("any", smpp.Transmitter), r.bind("keep", smpp.Transmitter), r.bind("otp", smpp.Transmitter)
		numbers := held.submits("hello", 50)
		other.accepted("hello")
		urgent.accepted("您的验证码是4711。")
		pass(2 * time.Second)
		if got := len(r.api.called()); got != 2 {
			t.Errorf("%d calls, want those of the two others", got)
		}
		rounds := testutil.ToFloat64(r.metrics.rounds)
		pass(time.Minute)
		if got := testutil.ToFloat64(r.metrics.rounds) - rounds; got > 75 {
			t.Errorf("%d rounds in a minute in which nothing could go", int(got))
		}
		if list, err := r.Brakes(); err != nil || len(list) != 1 || list[0].Waiting != len(numbers) || list[0].Name != "any" || list[0].By != "ops" ||
			list[0].Reason != "test" || list[0].At.IsZero() {
			t.Errorf("brakes %+v", list)
		}
		r.letGo(BrakeAccount, "any")
		for _, n := range numbers {
			if got := r.status(n).State; got != store.StateSent {
				t.Fatalf("message %s is %v", n, got)
			}
		}
	})
}

// TestBrakeOfTemplate: messages of a template wait, whole and joined ones, and those of others of the same account go.
func TestBrakeOfTemplate(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		r.Resume()
		r.halt(BrakeTemplate, "SMS_2", BrakeHold)
		e := r.bind("any", smpp.Transmitter)
		waits := e.submits("知hello", 20)
		for i := range 2 {
			e.accepted(strings.Repeat("知", 1-i)+strings.Repeat("x", 10), udh8(9, 2, byte(i+1)))
		}
		goes := e.submits("批hello", 20)
		pass(5 * time.Second)
		if two, three := r.callsOf("SMS_2"), r.callsOf("SMS_3"); two != 0 || three != len(goes) {
			t.Errorf("%d messages of the stopped template sent, %d of the other", two, three)
		}
		r.letGo(BrakeTemplate, "SMS_2")
		if got := r.callsOf("SMS_2"); got != len(waits)+1 {
			t.Errorf("%d sent when it was resumed, want %d", got, len(waits)+1)
		}
	})
}

// TestBrakeOfRoute: what would go by a route goes another way while it is stopped, and waits when there is none.
func TestBrakeOfRoute(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		r.Resume()
		any, main := r.bind("any", smpp.Transmitter), r.bind("main", smpp.Transmitter)
		any.accepted("知hello")
		pass(time.Second)
		r.halt(BrakeRoute, "a1", BrakeHold)
		any.submits("知hello", 10)
		waits := main.submits("知hello", 10)
		pass(5 * time.Second)
		if a1, a2 := r.callsOn("a1"), r.callsOn("a2"); a1 != 1 || a2 != 10 {
			t.Errorf("%d calls on the stopped route, %d on the next", a1, a2)
		}
		if routes, _ := r.Routes(); !routes[0].Stopped || routes[0].Name != "a1" || routes[1].Stopped {
			t.Errorf("routes %+v", routes)
		}
		if got := r.stranded(); got != len(waits) {
			t.Errorf("%d messages without a way, want %d", got, len(waits))
		}
		r.letGo(BrakeRoute, "a1")
		if got := r.callsOn("a1"); got != 1+len(waits) {
			t.Errorf("%d calls when it was resumed, want %d", got, 1+len(waits))
		}
	})
}

// TestBrakeOfRouteThatRests: nobody tries whether a route is well while it is stopped.
func TestBrakeOfRouteThatRests(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		r.Resume()
		r.api.send = func(Call) Answer { return unreachable }
		e := r.bind("main", smpp.Transmitter)
		e.submits("知hello", 8)
		pass(time.Second)
		r.halt(BrakeRoute, "a1", BrakeHold)
		calls := r.callsOn("a1")
		pass(30 * time.Second)
		if got := r.callsOn("a1") - calls; got != 0 {
			t.Errorf("%d calls on a stopped route", got)
		}
	})
}

// TestBrakeRefuses: with refuse an account's submits, or a template's, are refused, and those of others are not.
func TestBrakeRefuses(t *testing.T) {
	reg := prometheus.NewRegistry()
	inWays(t, func(t *testing.T, r *rig) {
		any, main := r.bind("any", smpp.Transmitter), r.bind("main", smpp.Transmitter)
		check := func(e *esme, text string, want smpp.Status) {
			t.Helper()
			if got := e.statusOf(text); got != want {
				t.Errorf("%s answered %v, want %v", text, got, want)
			}
		}
		r.halt(BrakeAccount, "any", BrakeRefuse)
		check(any, "知hello", smpp.StatusThrottled)
		check(main, "知hello", smpp.StatusOK)
		r.halt(BrakeAccount, "any", BrakeHold)
		check(any, "知hello", smpp.StatusOK)
		r.halt(BrakeTemplate, "SMS_3", BrakeRefuse)
		check(any, "批hello", smpp.StatusThrottled)
		check(any, "知hello", smpp.StatusOK)
		if st, resp := main.multi(submitMulti("批hello", "13900000001", "13900000002")); st != smpp.StatusThrottled {
			t.Errorf("submit_multi answered %v, %+v", st, resp)
		}
		page := metricsPage(t, reg)
		for _, want := range []string{
			`brakes{kind="account",mode="hold"} 1`, `brakes{kind="account",mode="refuse"} 0`, `brakes{kind="template",mode="refuse"} 1`,
			`brakes{kind="route",mode="hold"} 0`, `braked_submits_total{kind="account"} 1`, `braked_submits_total{kind="template"} 2`,
			`braked_messages 2`,
		} {
			if !strings.Contains(page, "smppbridge_bridge_"+want+"\n") {
				t.Errorf("not in the metrics: %s", want)
			}
		}
		r.letGo(BrakeTemplate, "SMS_3")
		check(any, "批hello", smpp.StatusOK)
	}, func(c *Config) { c.Registerer = reg })
}

// TestBrakeAndValidity: what waits behind a brake ends when its validity does.
func TestBrakeAndValidity(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.halt(BrakeAccount, "otp", BrakeRefuse)
		r.halt(BrakeAccount, "otp", BrakeHold)
		e := r.bind("otp", smpp.Transceiver)
		n := e.accepted("您的验证码是4711。")
		r.jump(6, time.Minute)
		if got := e.receiptOf(n); got.State != smpp.StateExpired {
			t.Errorf("receipt %+v", got)
		}
		r.letGo(BrakeAccount, "otp")
		if got := len(r.api.called()); got != 0 {
			t.Errorf("%d calls", got)
		}
	})
}

// TestBrakeBetweenTries: a call under way when an account is stopped ends as it does; it is not tried again.
func TestBrakeBetweenTries(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		passed, open := r.gate()
		r.api.send = func(Call) Answer {
			<-passed
			return Answer{Kind: store.OutcomeRetry, Whole: true}
		}
		e := r.bind("any", smpp.Transmitter)
		n := e.accepted("hello")
		pass(time.Second)
		r.halt(BrakeAccount, "any", BrakeHold)
		open()
		pass(20 * time.Second)
		if st := r.status(n); st.State != store.StateRetry || len(r.api.called()) != 1 {
			t.Errorf("%+v after %d calls", st, len(r.api.called()))
		}
		r.letGo(BrakeAccount, "any")
		pass(time.Minute)
		if got := len(r.api.called()); got < 2 {
			t.Errorf("%d calls when it was resumed", got)
		}
	})
}

// TestBrakeThatCannotBe: what would stop nothing is an error, and so is what this cluster cannot keep yet.
func TestBrakeThatCannotBe(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		for _, tt := range []struct {
			brake Brake
			want  error
		}{
			{Brake{Kind: BrakeAccount, Name: "nobody", Mode: BrakeHold}, ErrUnknownName},
			{Brake{Kind: BrakeTemplate, Name: "SMS_9", Mode: BrakeHold}, ErrUnknownName},
			{Brake{Kind: BrakeRoute, Name: "nowhere", Mode: BrakeHold}, ErrUnknownName},
			{Brake{Kind: BrakeRoute, Name: "main", Mode: BrakeRefuse}, ErrBadBrake},
			{Brake{Kind: "class", Name: "otp", Mode: BrakeHold}, ErrBadBrake},
			{Brake{Kind: BrakeAccount, Name: "any"}, ErrBadBrake},
			{Brake{Kind: BrakeAccount, Name: "any", Mode: BrakeHold, Reason: strings.Repeat("x", 201)}, ErrBadBrake},
		} {
			if err := r.SetBrake(t.Context(), tt.brake); !errors.Is(err, tt.want) {
				t.Errorf("%+v: got %v, want %v", tt.brake, err, tt.want)
			}
		}
		if was, err := r.ReleaseBrake(t.Context(), BrakeAccount, "any"); was || err != nil {
			t.Errorf("what was not stopped: %v, %v", was, err)
		}
		if got, err := r.Brakes(); err != nil || len(got) != 0 {
			t.Errorf("brakes %+v", got)
		}
	})
	r := &rig{t: t, node: &oneNode{store: openStore(t)}}
	defer r.node.store.Close()
	r.putPolicy(promisePolicy)
	b, err := New(Config{NodeID: "n1", Cluster: r.node, Store: r.node.store})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.SetBrake(t.Context(), Brake{Kind: BrakeAccount, Name: "any", Mode: BrakeHold}); !errors.Is(err, ErrTooOld) {
		t.Errorf("got %v, want %v", err, ErrTooOld)
	}
}

// TestBrakeNotUnderstood: a record that a later program has put stops what it names.
func TestBrakeNotUnderstood(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		for _, value := range []string{"not JSON", `{"mode":"slower"}`} {
			if _, err := r.node.apply(&store.Put{Items: []store.PutItem{{Space: spaceBrake, Key: "account/any", Value: []byte(value)}}}); err != nil {
				t.Fatal(err)
			}
			pass(time.Second)
			e := r.bind("any", smpp.Transmitter)
			e.accepted("hello")
			pass(time.Second)
			if got := len(r.api.called()); got != 0 {
				t.Errorf("%s: %d calls", value, got)
			}
		}
	})
}
