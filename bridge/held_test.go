package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// Sent implements Sender: nothing was ever sent by others. TestHeld plays an API that shows more.
func (a *api) Sent(context.Context, string, string, time.Time, time.Time) ([]SentSMS, error) {
	return nil, nil
}

// A lostAPI shows what a lost node has sent, on one route.
type lostAPI struct {
	*api
	asked atomic.Int32
	sent  func(asked int32) ([]SentSMS, error)
	mute  string // a route that cannot be asked
}

// Sent implements Sender.
func (a *lostAPI) Sent(_ context.Context, route, _ string, _, _ time.Time) ([]SentSMS, error) {
	switch route {
	case a.mute:
		a.asked.Add(1)
		return nil, ErrCannotAsk
	case "main":
	default:
		return nil, nil
	}
	return a.sent(a.asked.Add(1))
}

// TestHeldIsSentOnce: a message that was accepted when its cluster lost a majority is not sent again when a
// lost node has sent it, as its OutId, template and parameters tell; else it is, once, and not before the API
// has had time to show it. What the API would not say is no licence.
func TestHeldIsSentOnce(t *testing.T) {
	delivered := Found{Known: true, Final: true, Ending: store.EndDelivered, Err: "000", DoneAt: time.Unix(946684900, 0)}
	row := func(outID, template, content string, f Found) func(int32) ([]SentSMS, error) {
		return func(int32) ([]SentSMS, error) {
			return []SentSMS{{OutID: outID, Template: template, Content: content, Found: f}}, nil
		}
	}
	const lostOne, hello = "sms-1-7", "【测试】 hello there"
	tests := []struct {
		name    string
		account string
		text    string
		sent    func(asked int32) ([]SentSMS, error)
		soon    int // calls 4 minutes after the recovery
		calls   int // and within 20
		want    store.State
		ending  store.Ending
	}{
		{"sent by a lost node", "any", "hellothere", row(lostOne, "SMS_2", hello, delivered), 0, 0, store.StateFinal, store.EndDelivered},
		{"sent by nobody", "any", "hellothere", row("", "", "", Found{}), 0, 1, store.StateSent, 0},
		{"another text", "any", "hello you", row(lostOne, "SMS_2", hello, delivered), 0, 1, store.StateSent, 0},
		{"another template", "any", "hellothere", row(lostOne, "SMS_9", hello, delivered), 0, 1, store.StateSent, 0},
		{"of another cluster", "any", "hellothere", row("abc-1-7", "SMS_2", hello, delivered), 0, 1, store.StateSent, 0},
		{"of this epoch", "any", "hellothere", row("sms-2-7", "SMS_2", hello, delivered), 0, 1, store.StateSent, 0},
		{"under way", "any", "hellothere", row(lostOne, "SMS_2", hello, Found{Known: true}), 0, 0, store.StateUncertain, 0},
		{"the API does not answer", "any", "hellothere", func(int32) ([]SentSMS, error) { return nil, errors.New("no answer") }, 0, 0, store.StateUncertain, 0},
		{"shown late", "any", "hellothere", func(asked int32) ([]SentSMS, error) {
			if asked < 3 {
				return nil, nil
			}
			return row(lostOne, "SMS_2", hello, delivered)(asked)
		}, 0, 0, store.StateFinal, store.EndDelivered},
		{"a one-time code that nobody sent", "otp", "您的验证码是4711。", row("", "", "", Found{}), 0, 0, store.StateFinal, store.EndUnknown},
		{"a one-time code that was sent", "otp", "您的验证码是4711。", row(lostOne, "SMS_1", "【测试】您的验证码是4711。", delivered), 0, 0, store.StateFinal, store.EndDelivered},
		{"another code", "otp", "您的验证码是4711。", row(lostOne, "SMS_1", "【测试】您的验证码是4712。", delivered), 0, 0, store.StateFinal, store.EndUnknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lost := &lostAPI{sent: tt.sent}
			inRig(t, func(t *testing.T, r *rig) {
				r.node.decide(first[*store.Begin](refused, 1<<30))
				n := r.bind(tt.account, smpp.Transmitter).accepted(tt.text)
				r.recover()
				r.node.decide(nil)
				r.jump(24, 10*time.Second)
				if got := len(r.api.called()); got != tt.soon {
					t.Errorf("%d calls within 4 minutes, want %d", got, tt.soon)
				}
				r.jump(32, 30*time.Second)
				if got := len(r.api.called()); got != tt.calls || lost.asked.Load() == 0 {
					t.Errorf("%d calls after %d queries, want %d after some", got, lost.asked.Load(), tt.calls)
				}
				if st := r.status(n); st.State != tt.want || st.Ending != tt.ending {
					t.Errorf("%v with ending %d, want %v with %d", st.State, st.Ending, tt.want, tt.ending)
				}
			}, func(c *Config) {
				lost.api = c.Sender.(*api)
				c.Sender = lost
			})
		})
	}
}

// recover begins a new epoch, as after the loss of a majority.
func (r *rig) recover() {
	r.t.Helper()
	for _, c := range []store.Command{&store.Raise{Version: 2}, &store.Recover{Leap: 1 << 20, DueAt: r.node.now().UnixMilli()}} {
		if _, err := r.node.apply(c); err != nil {
			r.t.Fatal(err)
		}
	}
}

// TestHeldWithAnAttempt: what the API had accepted is not sent again, whatever it shows; what it was perhaps
// given is, when neither that call nor a lost one shows.
func TestHeldWithAnAttempt(t *testing.T) {
	tests := []struct {
		name   string
		answer Answer
		shown  bool // the API shows the known call
		calls  int
		want   store.State
	}{
		{"accepted", Answer{Kind: store.OutcomeAccepted, BizID: "biz^1"}, false, 1, store.StateSent},
		{"accepted, shown", Answer{Kind: store.OutcomeAccepted, BizID: "biz^1"}, true, 1, store.StateSent},
		{"uncertain, shown", Answer{Kind: store.OutcomeUncertain, Code: "other"}, true, 1, store.StateUncertain},
		{"uncertain", Answer{Kind: store.OutcomeUncertain, Code: "other"}, false, 2, store.StateUncertain},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lost := &lostAPI{}
			inRig(t, func(t *testing.T, r *rig) {
				r.api.send = func(Call) Answer { return tt.answer }
				lost.sent = func(int32) ([]SentSMS, error) {
					s := SentSMS{OutID: r.api.called()[0].OutID, Found: Found{Known: true}}
					if !tt.shown {
						s.OutID = "sms-1-9"
					}
					return []SentSMS{s}, nil
				}
				n := r.bind("any", smpp.Transmitter).accepted("hello")
				pass(time.Second)
				r.recover()
				r.jump(34, 10*time.Second)
				if got := len(r.api.called()); got != tt.calls {
					t.Errorf("%d calls, want %d", got, tt.calls)
				}
				st := r.status(n)
				if asks := tt.name == "uncertain, shown"; st.State != tt.want || st.Held != asks { // its end is asked for
					t.Errorf("%+v, want %v", st, tt.want)
				}
				a, err := r.store.AttemptByOutID(r.api.called()[0].OutID)
				if err != nil {
					t.Fatal(err)
				}
				err = r.Report(context.Background(), []IncomingReport{{OutID: a.OutID, BizID: a.BizID, Phone: a.Members[0].Phone, Ending: store.EndDelivered, Err: "000", DoneAt: r.node.now()}})
				if st := r.status(n); err != nil || st.State != store.StateFinal {
					t.Errorf("its report came: %v, %v", st.State, err)
				}
			}, func(c *Config) {
				lost.api = c.Sender.(*api)
				c.Sender = lost
			})
		})
	}
}

func TestCarries(t *testing.T) {
	for i, tt := range []struct {
		template, params, content string
		want                      bool
	}{
		{"T", `{"a":"one","b":"two"}`, "【s】two and one", true},
		{"T", `{"a":"one","b":"two"}`, "【s】two and on", false},
		{"T", `{"a":"o ne"}`, "【s】o\u00a0n e", true},
		{"T", `{}`, "whatever", true},
		{"T", ``, "whatever", true},
		{"", ``, "whatever", false},
		{"U", `{"a":"one"}`, "one", false},
	} {
		s := SentSMS{Template: "T", Content: tt.content}
		if got := s.carries(&store.Message{TemplateCode: tt.template, Params: tt.params}); got != tt.want {
			t.Errorf("%d: %s: carries %t, want %t", i, fmt.Sprint(tt), got, tt.want)
		}
	}
}

// TestHeldOnUnaskedRoute: what a lost node may have sent by a route that cannot be asked is not sent again, whatever its class
// says, and reported as unknown; a route that it cannot have gone by does not matter.
func TestHeldOnUnaskedRoute(t *testing.T) {
	for _, tt := range []struct {
		mute  string
		calls int
		want  store.State
	}{{"main", 0, store.StateFinal}, {"slow", 1, store.StateSent}} {
		t.Run(tt.mute, func(t *testing.T) {
			lost := &lostAPI{mute: tt.mute, sent: func(int32) ([]SentSMS, error) { return nil, nil }}
			inRig(t, func(t *testing.T, r *rig) {
				r.node.decide(first[*store.Begin](refused, 1<<30))
				n := r.bind("any", smpp.Transmitter).accepted("hellothere")
				r.recover()
				r.node.decide(nil)
				r.jump(24, 10*time.Second)
				if st := r.status(n); st.State != store.StateUncertain {
					t.Errorf("four minutes after the recovery it is %v, want uncertain", st.State)
				}
				r.jump(32, 30*time.Second)
				if st, calls := r.status(n), len(r.api.called()); st.State != tt.want || calls != tt.calls ||
					tt.want == store.StateFinal && st.Ending != store.EndUnknown {
					t.Errorf("after %d calls it is %v with ending %d, want %v after %d", calls, st.State, st.Ending, tt.want, tt.calls)
				}
			}, func(c *Config) {
				lost.api = c.Sender.(*api)
				c.Sender = lost
			})
		})
	}
}
