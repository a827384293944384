package bridge

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// sharedPolicy has an account for each limit that is counted over all nodes.
var sharedPolicy = strings.NewReplacer(
	"validity: 5m,", "validity: 10m, phone_limits: [{per: minute, limit: 1}, {per: hour, limit: 5}],",
	"  - {system_id: any,", `  - {system_id: rate, password_hash: "HASH", sign_name: 测试, templates: [SMS_2], rate: 5, burst: 5}
  - {system_id: open, password_hash: "HASH", sign_name: 测试, templates: [SMS_2], window: 6}
  - {system_id: quota, password_hash: "HASH", sign_name: 测试, templates: [SMS_2], daily_quota: 40}
  - {system_id: any,`).Replace(promisePolicy)

// inStorm runs f with three nodes whose leader changes, and whose proposals get lost or are applied and nobody is told.
func inStorm(t *testing.T, test func(*testing.T, *storm)) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		f.putPolicy(sharedPolicy)
		pass(time.Second)
		test(t, &storm{fleet: f})
	}, func(c *Config) { c.Session.EnquireLink = 1000 * time.Hour })
}

// storm is a fleet with an ESME at each node.
type storm struct {
	*fleet
	esmes []*esme
	turn  int
}

func (s *storm) bindAll(account string) {
	s.t.Helper()
	for _, m := range s.members {
		s.esmes = append(s.esmes, m.bind(account, smpp.Transmitter))
	}
}

// submitAll has each ESME submit a text, does something before they are answered, and returns the numbers that were
// accepted and the other statuses.
func (s *storm) submitAll(text string, meanwhile func(), change ...func(*smpp.SubmitSM)) (accepted []store.Number, others []smpp.Status) {
	s.t.Helper()
	for _, e := range s.esmes {
		e.submit(text, change...)
	}
	meanwhile()
	for _, e := range s.esmes {
		h, p := e.Expect(smpp.SubmitSMRespID)
		if h.Status != smpp.StatusOK {
			others = append(others, h.Status)
			continue
		}
		n, err := store.ParseNumber(p.(*smpp.SubmitSMResp).MessageID)
		if err != nil {
			s.t.Fatal(err)
		}
		accepted = append(accepted, n)
	}
	return accepted, others
}

// trouble is what happens in a turn: mostly nothing; else outcomes get lost, before the commit or behind it, or
// the leader is gone, and another one comes.
func (s *storm) trouble() {
	s.turn++
	switch s.turn % 8 {
	case 3, 5:
		what, left := hidden, 2
		if s.turn%8 == 5 {
			what = lost
		}
		s.decide(func(_ *member, c store.Command) fate { // of concurrent proposals; fleet calls it without its lock
			if _, ok := c.(*store.Accept); !ok {
				return applied
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if left--; left < 0 {
				return applied
			}
			return what
		})
	case 7:
		s.lead(nil)
		pass(300 * time.Millisecond)
		s.lead(s.members[(s.turn/8)%3])
	}
}

// TestAccountRateOverNodes: three ESMEs on three nodes share an account's rate. Over any span of the state's clock no more
// is accepted than rate and burst allow, and no less over the whole (promise 5).
func TestAccountRateOverNodes(t *testing.T) {
	inStorm(t, func(t *testing.T, s *storm) {
		const rate, burst = 5, 5 // a leader's absence is shorter than what fills the bucket
		s.bindAll("rate")
		var times []int64
		var last int64
		for range 300 {
			numbers, others := s.submitAll("hello", s.trouble)
			for _, n := range numbers {
				_, st, err := s.book.Lookup(n)
				if err != nil {
					t.Fatal(err)
				}
				times = append(times, st.AcceptedAt)
			}
			for _, st := range others {
				if st != smpp.StatusThrottled {
					t.Fatalf("refused with %v", st)
				}
			}
			last = s.book.Clock()
			pass(50 * time.Millisecond)
		}
		slices.Sort(times)
		for i := range times {
			for j := i; j < len(times); j++ {
				if most := burst + float64(times[j]-times[i])*rate/1000; float64(j-i+1) > most {
					t.Fatalf("%d accepted in %d ms", j-i+1, times[j]-times[i])
				}
			}
		}
		if got, least := len(times), burst+int((last-times[0])*rate/1000)-1; got < least {
			t.Errorf("%d accepted in %d ms, want at least %d", got, last-times[0], least)
		}
		if int(s.book.LastNumber()) != len(times) {
			t.Errorf("%d messages in the state, %d accepted", s.book.LastNumber(), len(times))
		}
	})
}

// TestQuotaOverNodes: a day's quota is used up to the last message, by whichever node, and is whole again the next day.
func TestQuotaOverNodes(t *testing.T) {
	inStorm(t, func(t *testing.T, s *storm) {
		s.bindAll("quota")
		day := func() (accepted int) {
			for range 30 {
				numbers, others := s.submitAll("hello", s.trouble)
				accepted += len(numbers)
				if len(others) > 0 && accepted+len(others) < 40 {
					t.Errorf("refused as message %d: %v", accepted+1, others)
				}
			}
			return accepted
		}
		for i := range 2 {
			if got := day(); got != 40 {
				t.Errorf("day %d: %d accepted, want 40", i+1, got)
			}
			for _, m := range s.members {
				m.node.ahead.Add(int64(24 * time.Hour))
			}
			pass(time.Second)
		}
	})
}

// TestOpenWindowOverNodes: as many messages of an account are open as its window allows, never more; each that becomes
// final makes room for one, whatever node reports it and whoever leads.
func TestOpenWindowOverNodes(t *testing.T) {
	inStorm(t, func(t *testing.T, s *storm) {
		s.bindAll("open")
		var open []store.Number
		for round := range 30 {
			for range 3 {
				numbers, others := s.submitAll("hello", s.trouble)
				open = append(open, numbers...)
				if len(open) > 6 || len(others) > 0 && len(open) < 6 {
					t.Fatalf("round %d: %d are open, refused %v", round, len(open), others)
				}
			}
			if len(open) != 6 {
				t.Fatalf("round %d: %d are open, want 6", round, len(open))
			}
			s.decide(nil)
			s.settle(t, open)
			for range 1 + round%5 {
				s.members[round%3].report(open[0])
				open = open[1:]
			}
		}
	})
}

// settle waits until messages are sent.
func (s *storm) settle(t *testing.T, numbers []store.Number) {
	t.Helper()
	for range 100 {
		if !slices.ContainsFunc(numbers, func(n store.Number) bool {
			_, st, err := s.book.Lookup(n)
			return err != nil || st.State != store.StateSent
		}) {
			return
		}
		pass(10 * time.Second) // what was on its way in a change is looked for
	}
	t.Fatalf("not sent: %v", numbers)
}

// TestQPSOverLeaders: the calls of all leaders together keep to a route's qps, and make use of it.
func TestQPSOverLeaders(t *testing.T) {
	inStorm(t, func(t *testing.T, s *storm) {
		at := s.callTimes()
		s.bindAll("slow") // two a second, burst one
		for range 80 {
			s.submitAll("hello", func() {})
		}
		began := time.Now()
		for i := range 20 {
			pass(2700 * time.Millisecond)
			s.lead(nil)
			pass(300 * time.Millisecond)
			s.lead(s.members[(i+1)%3])
		}
		calls := at()
		for i := range calls {
			for j := i + 1; j < len(calls); j++ {
				if took := calls[j].Sub(calls[i]); float64(j-i) > 2*took.Seconds() {
					t.Fatalf("calls %d to %d in %v", i+1, j+1, took)
				}
			}
		}
		if most := 2 * time.Since(began).Seconds(); float64(len(calls)) < 0.7*most {
			t.Errorf("%d calls of %.0f", len(calls), most)
		}
	})
}

// callTimes records from now on when calls are made, and has their messages reported never.
func (s *storm) callTimes() func() []time.Time {
	var at []time.Time
	s.api.mu.Lock()
	defer s.api.mu.Unlock()
	s.api.send = func(c Call) Answer {
		s.mu.Lock()
		defer s.mu.Unlock()
		at = append(at, time.Now())
		return Answer{Kind: store.OutcomeAccepted, BizID: "biz^" + c.OutID}
	}
	return func() []time.Time {
		s.mu.Lock()
		defer s.mu.Unlock()
		return slices.Clone(at)
	}
}

// TestPhoneWindowsOverLeaders: codes to one phone that three nodes accept are called one in a minute and five in an hour,
// as Alibaba Cloud's clock counts, which differs by up to a second, whichever nodes lead; and no fewer.
func TestPhoneWindowsOverLeaders(t *testing.T) {
	inStorm(t, func(t *testing.T, s *storm) {
		at := s.callTimes()
		s.bindAll("otp")
		now := s.at(1).node.now()
		pass(now.Truncate(time.Minute).Add(time.Minute + 59500*time.Millisecond).Sub(now)) // codes come just before an edge
		began := time.Now()
		for i := range 150 { // 75 minutes
			s.submitAll(fmt.Sprintf("您的验证码是%04d。", i), func() {})
			pass(29 * time.Second)
			s.lead(nil)
			pass(time.Second)
			s.lead(s.members[(i+1)%3])
		}
		calls := at()
		for _, off := range []time.Duration{-time.Second + time.Millisecond, 0, time.Second - time.Millisecond} {
			minutes, hours := map[time.Time]int{}, map[time.Time]int{}
			for _, c := range calls {
				minute, hour := c.Add(off).Truncate(time.Minute), c.Add(off).Truncate(time.Hour)
				minutes[minute]++
				hours[hour]++
				if minutes[minute] > 1 || hours[hour] > 5 {
					t.Fatalf("by a clock %v ahead: %d codes in a minute, %d in an hour", off, minutes[minute], hours[hour])
				}
			}
		}
		if hours := int(time.Since(began) / time.Hour); len(calls) < 5*hours {
			t.Errorf("%d codes in %v", len(calls), time.Since(began))
		}
	})
}

// TestBindLimitOverNodes: two binds of an account exist at a time, on whatever nodes and however many ask at once, while
// leaders change, nodes crash and come back, and releases get lost; and no place is lost for good (promise 5).
func TestBindLimitOverNodes(t *testing.T) {
	inStorm(t, func(t *testing.T, s *storm) {
		const limit = 2
		held := make(map[*esme]*member)
		for round := range 60 {
			s.bindTrouble(t, round, held)
			var asking []*esme
			for _, m := range s.members {
				for range 2 {
					e := m.dial()
					e.Send(&smpp.Bind{Type: smpp.Transceiver, SystemID: "single", Password: rigPassword})
					asking = append(asking, e)
				}
			}
			had, got := len(held), 0
			for i, e := range asking {
				h, _ := e.Next()
				if h.Status != smpp.StatusOK {
					e.Close()
					continue
				}
				got++
				e.answering()
				held[e] = s.members[i/2]
			}
			if len(held) > limit || len(s.book.Binds("single")) > limit {
				t.Fatalf("round %d: %d are bound, %d in the state, want %d", round, len(held), len(s.book.Binds("single")), limit)
			}
			if len(held) < limit {
				t.Errorf("round %d: %d had a place, %d of %d got one, want %d in all", round, had, got, len(asking), limit)
			}
		}
		for e := range held {
			e.Close()
		}
		pass(5 * time.Second)
		if got := s.book.AllBinds(); len(got) != 0 {
			t.Errorf("after the end binds are left: %v", got)
		}
	})
}

// bindTrouble has some of those who are bound go, in one way or the other.
func (s *storm) bindTrouble(t *testing.T, round int, held map[*esme]*member) {
	t.Helper()
	leave := func(of *member) {
		for e, m := range held {
			if of == nil || m == of {
				e.Close()
				delete(held, e)
			}
		}
	}
	other := s.members[round%3]
	switch round % 6 {
	case 1: // one hangs up
		for e := range held {
			e.Close()
			delete(held, e)
			break
		}
	case 2: // nobody hears of the outcome of releases and binds
		left := 3
		s.decide(func(_ *member, c store.Command) fate {
			if _, ok := c.(*store.Accept); ok {
				return applied
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if left--; left < 0 {
				return applied
			}
			return []fate{hidden, lost, hidden}[left]
		})
		leave(nil)
	case 3: // a node crashes and comes back at once: its binds go with its incarnation
		leave(other)
		s.crashed(other)
		other.start()
	case 4: // it is away for longer: the leader gives its binds away
		leave(other)
		s.crashed(other)
		pass(reapAfter)
		s.reap(other)
		other.start()
	case 5:
		leave(other)
		s.lead(nil)
		time.AfterFunc(300*time.Millisecond, func() { s.lead(other) })
	}
}

// crashed crashes a node; another one leads.
func (s *storm) crashed(m *member) {
	m.crash()
	for _, o := range s.members {
		if o != m {
			s.lead(o)
			return
		}
	}
}
