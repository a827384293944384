package bridge

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// TestResolvedIsNotAskedAgain: each query costs, and what has been found is not asked for again, however late readers
// of the store see it.
func TestResolvedIsNotAskedAgain(t *testing.T) {
	const messages = findMost + 36
	inRig(t, func(t *testing.T, r *rig) {
		var asked atomic.Int64
		r.api.send = func(Call) Answer { return Answer{Kind: store.OutcomeUncertain, Whole: true} }
		r.api.find = func(string) (Found, error) {
			asked.Add(1)
			return Found{Known: true, Final: true, Ending: store.EndDelivered, Err: "000", DoneAt: r.node.now()}, nil
		}
		r.node.mu.Lock()
		r.node.late = 20 * time.Millisecond
		r.node.mu.Unlock()
		e := r.bind("any", smpp.Transmitter)
		for i := range messages {
			e.accepted("hello", to(1+i))
		}
		pass(30 * time.Second)
		if n := asked.Load(); n != messages {
			t.Errorf("%d queries for %d messages", n, messages)
		}
		if _, total, err := r.Uncertain(t.Context(), 0, 1); err != nil || total != 0 {
			t.Errorf("%d are uncertain still, %v", total, err)
		}
	})
}

// TestDeafRouteHoldsUpNobody: the uncertain messages of a route that does not answer, however many, do not keep those of
// another from being resolved, and are resolved themselves when it answers again.
func TestDeafRouteHoldsUpNobody(t *testing.T) {
	const deaf = 20 * findMost
	inRig(t, func(t *testing.T, r *rig) {
		var dead atomic.Bool
		var asked atomic.Int64
		dead.Store(true)
		var routes sync.Map // by OutId
		r.api.send = func(c Call) Answer {
			routes.Store(c.OutID, c.Route)
			return Answer{Kind: store.OutcomeUncertain, Whole: true}
		}
		r.api.find = func(outID string) (Found, error) {
			if route, _ := routes.Load(outID); route == "wide" && dead.Load() {
				asked.Add(1)
				time.Sleep(5 * time.Second)
				return Found{}, errors.New("no answer")
			}
			return Found{Known: true, Final: true, Ending: store.EndDelivered, Err: "000", DoneAt: r.node.now()}, nil
		}
		r.putPolicy(strings.Replace(promisePolicy, "system_id: one,", "system_id: one, route: wide,", 1))
		e := r.bind("one", smpp.Transmitter)
		for i := range deaf {
			e.accepted("hello", to(1+i))
		}
		pass(time.Second)
		r.bind("any", smpp.Transmitter).accepted("hello")
		pass(30 * time.Second)
		if _, total, err := r.Uncertain(t.Context(), 0, 1); err != nil || total != deaf {
			t.Errorf("%d are uncertain, %v; want those of the route that does not answer, %d", total, err, deaf)
		}
		pass(time.Minute)
		if n := asked.Load(); n > 10*deafAfter {
			t.Errorf("it was asked %d times in a minute and a half", n)
		}
		dead.Store(false)
		pass(time.Minute)
		if _, total, err := r.Uncertain(t.Context(), 0, 1); err != nil || total != 0 {
			t.Errorf("%d are uncertain still, %v", total, err)
		}
	})
}

// TestNextQuery: an uncertain attempt is asked for at 5, 15, 45 and 120 s, then every two
// minutes, and at the moment its patience ends.
func TestNextQuery(t *testing.T) {
	tests := []struct {
		name          string
		age, patience time.Duration
		asked         bool
		want          time.Duration
	}{
		{"just begun", time.Second, 5 * time.Minute, true, 4 * time.Second},
		{"after the first", 5 * time.Second, 5 * time.Minute, true, 10 * time.Second},
		{"after the second", 15 * time.Second, 5 * time.Minute, true, 30 * time.Second},
		{"after the fourth", 2 * time.Minute, time.Hour, true, 2 * time.Minute},
		{"patience ends first", 4 * time.Minute, 5 * time.Minute, true, time.Minute},
		{"no patience left", 10 * time.Minute, 5 * time.Minute, true, 2 * time.Minute},
		{"the query failed", time.Second, 5 * time.Minute, false, findAgain},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := nextQuery(tt.age, tt.patience, tt.asked); got != tt.want {
				t.Errorf("nextQuery(%v, %v, %v) = %v, want %v", tt.age, tt.patience, tt.asked, got, tt.want)
			}
		})
	}
}

func TestBackoff(t *testing.T) {
	for tries, most := range map[int]time.Duration{0: time.Second, 1: 2 * time.Second, 5: 32 * time.Second, 6: time.Minute, 200: time.Minute} {
		for range 100 {
			if d := backoff(tries); d > most || d < most*3/4 {
				t.Fatalf("backoff(%d) = %v, want between %v and %v", tries, d, most*3/4, most)
			}
		}
	}
}
