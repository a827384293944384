package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"smppbridge/smpp"
	"smppbridge/store"
)

// detailsAPI is an API that lists what it sent, phone by phone.
type detailsAPI struct {
	*api
	mu    sync.Mutex
	ended map[string]bool // guarded by mu; OutIds of what has ended
	err   error           // guarded by mu; of queries
	slow  time.Duration   // guarded by mu; until that
	asked []string        // guarded by mu; route and phone of each query
}

// ask notes a query.
func (a *detailsAPI) ask(route, phone string) error {
	a.mu.Lock()
	a.asked = append(a.asked, route+" "+phone)
	err, slow := a.err, a.slow
	a.mu.Unlock()
	if err != nil {
		time.Sleep(slow) // in a bubble
	}
	return err
}

// say is what the API has of a call.
func (a *detailsAPI) say(outID string) Found {
	if !a.ended[outID] {
		return Found{Known: true}
	}
	return Found{Known: true, Final: true, Ending: store.EndUndeliverable, Err: "101", Code: "MOBILE_NOT_ON_SERVICE", DoneAt: time.Now()}
}

// Find implements Sender.
func (a *detailsAPI) Find(_ context.Context, route, outID, phone string, _ time.Time) (Found, error) {
	if err := a.ask(route, phone); err != nil {
		return Found{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.say(outID), nil
}

// Sent implements Sender.
func (a *detailsAPI) Sent(_ context.Context, route, phone string, from, to time.Time) (list []SentSMS, err error) {
	if err := a.ask(route, phone); err != nil || from.After(to) {
		return nil, errors.Join(err)
	}
	calls := a.called()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range calls {
		if c.Recipients[0].Phone == phone {
			list = append(list, SentSMS{OutID: c.OutID, Found: a.say(c.OutID)})
		}
	}
	return list, nil
}

// queries is how many there were, and forgets them.
func (a *detailsAPI) queries() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	asked := a.asked
	a.asked = nil
	return asked
}

// end has calls end that were made, by their number from the first on.
func (a *detailsAPI) end(which ...int) {
	calls := a.called()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range which {
		a.ended[calls[n].OutID] = true
	}
}

func (a *detailsAPI) fail(err error, after ...time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err, a.slow = err, 0
	for _, d := range after {
		a.slow = d
	}
}

// inPolls is inRig with such an API, under promisePolicy as changed by old and new.
func inPolls(t *testing.T, f func(*testing.T, *rig, *detailsAPI), replace ...string) {
	a := &detailsAPI{ended: make(map[string]bool)}
	inRig(t, func(t *testing.T, r *rig) {
		a.api = r.api
		if len(replace) > 0 {
			r.putPolicy(strings.NewReplacer(replace...).Replace(promisePolicy))
		}
		pass(time.Second)
		f(t, r, a)
	}, func(c *Config) { c.Sender, c.Retention = a, 200*time.Hour })
}

// phoneOf addresses a submit_sm to the n-th phone.
func phoneOf(n int) func(*smpp.SubmitSM) {
	return func(m *smpp.SubmitSM) { m.DestinationAddr = fmt.Sprintf("138%08d", n) }
}

// TestPollSchedule: who sends no report is asked for at some ages, and given up after 72 h.
func TestPollSchedule(t *testing.T) {
	inPolls(t, func(t *testing.T, r *rig, a *detailsAPI) {
		n := r.bind("any", smpp.Transmitter).accepted("hello")
		pass(time.Second)
		began := r.node.now()
		var ages []time.Duration
		for range 2 * 76 {
			r.jump(1, 29*time.Minute+58*time.Second)
			for range a.queries() {
				ages = append(ages, r.node.now().Sub(began).Round(time.Hour/2))
			}
			if st := r.status(n); st.State == store.StateFinal {
				break
			}
		}
		// 2 and 10 minutes are over at the first look, so that the next ones are an hour and so on.
		want := []time.Duration{time.Hour / 2, time.Hour, 6 * time.Hour, 24 * time.Hour, 48 * time.Hour}
		if !slices.Equal(ages, want) {
			t.Errorf("asked at %v, want %v", ages, want)
		}
		st := r.status(n)
		if age := r.node.now().Sub(began); st.State != store.StateFinal || st.Ending != store.EndUnknown || age < 72*time.Hour || age > 73*time.Hour {
			t.Errorf("message is %v with ending %d after %v, want given up after 72h", st.State, st.Ending, age)
		}
		if got := testutil.ToFloat64(r.metrics.polls.ages.WithLabelValues("72h")); got != 1 {
			t.Errorf("%v messages without a report at 72h, want 1", got)
		}
	})
}

// TestPollIsNotEarly: a message is first asked for two minutes after it was sent, and its end becomes its receipt.
func TestPollIsNotEarly(t *testing.T) {
	inPolls(t, func(t *testing.T, r *rig, a *detailsAPI) {
		n := r.bind("any", smpp.Transmitter).accepted("hello")
		pass(time.Second)
		a.end(0)
		pass(118 * time.Second)
		if got := a.queries(); len(got) != 0 || r.status(n).State != store.StateSent {
			t.Errorf("asked %d times within two minutes", len(got))
		}
		pass(4 * time.Second)
		if got := a.queries(); len(got) != 1 || got[0] != "main 13800138000" {
			t.Errorf("asked %v, want once", got)
		}
		if st := r.status(n); st.State != store.StateFinal || st.Ending != store.EndUndeliverable || st.Err != "101" {
			t.Errorf("message is %v, ending %d, err %s", st.State, st.Ending, st.Err)
		}
		// The API's own code goes with it, to operators and to the ESME.
		w, err := r.Where(t.Context(), n.String())
		if err != nil || w.Code != "MOBILE_NOT_ON_SERVICE" {
			t.Errorf("where says code %q, %v", w.Code, err)
		}
		_, p := r.bind("any", smpp.Receiver).Expect(smpp.DeliverSMID)
		m := p.(*smpp.DeliverSM)
		if code, _ := m.TLVs.Get(0x1403); code != "MOBILE_NOT_ON_SERVICE" || !strings.HasSuffix(m.ShortMessage, " err:101 text:MOBILE_NOT_ON_SERVIC") {
			t.Errorf("receipt %q with code %q", m.ShortMessage, code)
		}
	})
}

// TestReportedIsNotPolled: while reports come by themselves only those are asked for that have none.
func TestReportedIsNotPolled(t *testing.T) {
	inPolls(t, func(t *testing.T, r *rig, a *detailsAPI) {
		e := r.bind("any", smpp.Transmitter)
		for i := range 40 {
			e.accepted("hello", phoneOf(i))
		}
		pass(2 * time.Second)
		for n := store.Number(1); n <= 40; n++ {
			if n == 7 || n == 23 {
				continue
			}
			at, err := r.store.Attempt(r.status(n).Attempt)
			if err != nil {
				t.Fatal(err)
			}
			in := []IncomingReport{{OutID: at.OutID, Phone: fmt.Sprintf("138%08d", n-1), Ending: store.EndDelivered, Err: "000", DoneAt: r.node.now()}}
			if err := r.Report(t.Context(), in); err != nil {
				t.Fatal(err)
			}
		}
		r.jump(20, 30*time.Minute)
		asked := a.queries()
		slices.Sort(asked)
		if got := slices.Compact(slices.Clone(asked)); !slices.Equal(got, []string{"main 13800000006", "main 13800000022"}) {
			t.Errorf("asked for %v, want the two without a report", got)
		}
		if len(asked) > 8 {
			t.Errorf("asked %d times for two messages in ten hours", len(asked))
		}
	})
}

// TestPollTogether: one query answers for all that a phone was sent on a day.
func TestPollTogether(t *testing.T) {
	inPolls(t, func(t *testing.T, r *rig, a *detailsAPI) {
		e := r.bind("any", smpp.Transmitter)
		var numbers []store.Number
		for i := range 6 {
			numbers = append(numbers, e.accepted(fmt.Sprint("hello ", i), phoneOf(1)))
			pass(time.Second)
		}
		calls := len(r.api.called())
		a.end(0, 2, 4)
		r.jump(1, 3*time.Minute)
		if got := a.queries(); calls != 6 || len(got) != 1 {
			t.Errorf("asked %d times about %d calls to one phone, want once", len(got), calls)
		}
		for i, n := range numbers {
			want := store.StateSent
			if i%2 == 0 {
				want = store.StateFinal
			}
			if st := r.status(n); st.State != want {
				t.Errorf("message %d is %v, want %v", i, st.State, want)
			}
		}
	})
}

// TestPollBudget: a route makes as many queries a second as its policy says, and one that has used them up holds
// up no other's messages.
func TestPollBudget(t *testing.T) {
	inPolls(t, func(t *testing.T, r *rig, a *detailsAPI) {
		e := r.bind("any", smpp.Transmitter)
		for i := range 2*pollPage + 50 {
			e.accepted("hello", phoneOf(i))
		}
		pass(time.Second)
		r.bind("slow", smpp.Transmitter).accepted("hello")
		pass(time.Second)
		r.jump(1, 3*time.Minute)
		a.queries()
		pass(10 * time.Second)
		got := a.queries()
		main, other := 0, 0
		for _, q := range got {
			if strings.HasPrefix(q, "main ") {
				main++
			} else {
				other++
			}
		}
		if main < 18 || main > 22 {
			t.Errorf("%d queries within 10 s on a route that may make 2 a second", main)
		}
		pass(10 * time.Second)
		for _, q := range a.queries() {
			if strings.HasPrefix(q, "slow ") {
				other++
			}
		}
		if st := r.status(2*pollPage + 51); other == 0 && st.DueAt < r.node.now().UnixMilli() {
			t.Errorf("the message of another route was not asked for behind those of a route without a budget left")
		}
	}, "qps: 1000}\n  - {name: slow", "qps: 1000, query_qps: 2}\n  - {name: slow")
}

// TestPollFailure: a query that fails is made again later, less and less often, and ends nothing.
func TestPollFailure(t *testing.T) {
	inPolls(t, func(t *testing.T, r *rig, a *detailsAPI) {
		n := r.bind("any", smpp.Transmitter).accepted("hello")
		pass(time.Second)
		a.fail(errors.New("503"))
		r.jump(60, time.Minute)
		if got := len(a.queries()); got < 6 || got > 30 || r.status(n).State != store.StateSent {
			t.Errorf("asked %d times in an hour, message %v", got, r.status(n).State)
		}
		a.fail(nil)
		a.end(0)
		r.jump(20, time.Minute)
		if st := r.status(n); st.State != store.StateFinal {
			t.Errorf("message is %v after queries went well again", st.State)
		}
	})
}

// TestPollOfADeafRoute: of a route that leaves queries unanswered few are asked, since each may take as long as a connection
// takes to fail, and all when it answers again.
func TestPollOfADeafRoute(t *testing.T) {
	const messages = 500
	inPolls(t, func(t *testing.T, r *rig, a *detailsAPI) {
		e := r.bind("any", smpp.Transmitter)
		for i := range messages {
			e.accepted("hello", phoneOf(i))
		}
		pass(time.Second)
		a.fail(errors.New("timeout"), 5*time.Second)
		r.jump(1, 3*time.Minute)
		pass(2 * time.Minute)
		if got := len(a.queries()); got < deafAfter || got > 10*deafAfter {
			t.Errorf("asked %d times about %d messages within two minutes", got, messages)
		}
		a.fail(nil)
		pass(2 * time.Minute)
		if got := len(a.queries()); got != messages {
			t.Errorf("asked %d times about %d messages when it answered again", got, messages)
		}
	})
}

// TestPollOfWhatCannotBeAsked: a route that cannot be asked is asked once.
func TestPollOfWhatCannotBeAsked(t *testing.T) {
	inPolls(t, func(t *testing.T, r *rig, a *detailsAPI) {
		n := r.bind("any", smpp.Transmitter).accepted("hello")
		pass(time.Second)
		a.fail(ErrCannotAsk)
		r.jump(71, time.Hour)
		if got := len(a.queries()); got != 1 || r.status(n).State != store.StateSent {
			t.Errorf("asked %d times, message %v", got, r.status(n).State)
		}
		r.jump(2, time.Hour)
		if st := r.status(n); st.Ending != store.EndUnknown {
			t.Errorf("message is %v, ending %d after 73 h", st.State, st.Ending)
		}
	})
}

// TestQueries: what uncertain attempts spend is not there for others, for a second at most.
func TestQueries(t *testing.T) {
	now := time.Unix(0, 0)
	q := newQueries(func() time.Time { return now })
	taken := func() (n int) {
		for q.take("r", 10) {
			n++
		}
		return n
	}
	if got := taken(); got != 10 {
		t.Errorf("%d queries at once, want 10", got)
	}
	now = now.Add(500 * time.Millisecond)
	if got := taken(); got != 5 {
		t.Errorf("%d queries half a second later, want 5", got)
	}
	for range 1000 {
		q.spend("r", 10)
	}
	now = now.Add(900 * time.Millisecond)
	if got := taken(); got != 0 {
		t.Errorf("%d queries beside uncertain ones, want none", got)
	}
	now = now.Add(600 * time.Millisecond)
	if got := taken(); got != 5 {
		t.Errorf("%d queries after that, want 5", got)
	}
	now = now.Add(time.Hour)
	if got := taken(); got != 10 {
		t.Errorf("%d queries after an hour, want 10", got)
	}
}

// TestDeaf: a route that leaves deafAfter queries in a row unanswered is not asked for deafRest, and then once for each further one.
func TestDeaf(t *testing.T) {
	now := time.Unix(0, 0)
	q := newQueries(func() time.Time { return now })
	asks := func(err error, n int) {
		for range n {
			q.spend("r", 10)
			q.answered("r", err, deafQuery)
		}
	}
	silence := errors.New("timeout")
	heard := func(want bool) {
		t.Helper()
		if got := q.heard("r"); got != want || !q.heard("other") {
			t.Errorf("heard: %v, want %v; another: %v", got, want, q.heard("other"))
		}
	}
	heard(true)
	asks(silence, deafAfter-1)
	heard(true)
	asks(nil, 1)
	asks(silence, deafAfter-1)
	heard(true)
	asks(ErrCannotAsk, 1)
	asks(silence, deafAfter-1)
	q.answered("r", errors.New("refused at once"), deafQuery-1)
	asks(silence, deafAfter-1)
	heard(true)
	asks(silence, 1)
	heard(false)
	now = now.Add(deafRest - time.Millisecond)
	heard(false)
	now = now.Add(time.Millisecond)
	heard(true)
	asks(silence, 1)
	heard(false)
	asks(nil, 1)
	heard(true)
}

func TestNextPoll(t *testing.T) {
	for _, tt := range []struct{ age, next, again time.Duration }{
		{0, 2 * time.Minute, time.Minute},
		{2 * time.Minute, 8 * time.Minute, time.Minute},
		{11 * time.Minute, 49 * time.Minute, 11 * time.Minute / 8},
		{6 * time.Hour, 18 * time.Hour, 45 * time.Minute},
		{50 * time.Hour, 22 * time.Hour, time.Hour},
		{73 * time.Hour, 0, time.Hour},
	} {
		if next, again := nextPoll(tt.age), pollAgain(tt.age); next != tt.next || again != tt.again {
			t.Errorf("at %v: next %v, again %v; want %v, %v", tt.age, next, again, tt.next, tt.again)
		}
	}
	for age, want := range map[time.Duration]string{0: "2m", 5 * time.Minute: "2m", time.Hour: "1h", 80 * time.Hour: "72h"} {
		if got := ageLabel(age); got != want {
			t.Errorf("label of %v is %s, want %s", age, got, want)
		}
	}
}
