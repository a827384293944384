package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"smppbridge/bridge"
	"smppbridge/bridge/aliyun"
	"smppbridge/bridge/aliyun/aliyunsim"
	"smppbridge/smpp"
)

// A route's outage is noticed by so many calls, each of which has a second: so messages go another way within seconds. Calls
// are counted, because time is also the machine's. Behind each rest one call tries the route.
const (
	noticedBy   = 5
	restsFor    = 5 * time.Second // at least
	roadWorkers = 8
)

// roads is a node with three routes, used in this order: two endpoints of an Alibaba Cloud account, and one of another
// account.
type roads struct {
	*system
	endpoints [3]net.Listener
}

// startRoads starts them. inactive: the first account's key is not taken.
func startRoads(t *testing.T, inactive bool) *roads {
	t.Helper()
	cfg := aliyunsim.DevConfig()
	cfg.Reports = aliyunsim.ReportConfig{Delay: 20 * time.Millisecond, Window: 5 * time.Millisecond,
		Retries: retryEvery(50*time.Millisecond, 1000)}
	second := cfg.Accounts[0]
	second.Name, second.Keys = "second", []aliyunsim.Key{{ID: "second-key", Secret: "second-secret"}}
	cfg.Accounts[0].Keys = []aliyunsim.Key{{ID: "sim-key", Secret: simSecret, Inactive: inactive}}
	cfg.Accounts = append(cfg.Accounts, second)
	sim, err := aliyunsim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := &roads{}
	for i := range r.endpoints {
		if r.endpoints[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sim.Run(ctx, r.endpoints[0], r.endpoints[1:]...) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("simulator: %v", err)
		}
	})
	key, err := aliyun.Static("second-key", "second-secret", "")
	if err != nil {
		t.Fatal(err)
	}
	r.system = newSystem(t, sim, "", func(o *options) {
		o.Credentials["second"] = key
		o.Policy = r.policy(o.Policy)
	})
	r.start()
	r.endWithTest()
	return r
}

// policy puts the routes into the policy.
func (r *roads) policy(doc []byte) []byte {
	const sim = `  - {name: sim, kind: dysmsapi, endpoint: "", plain: true, qps: 100000, workers: 32, timeout: 20s}` + "\n"
	var routes strings.Builder
	for i, credentials := range []string{"default", "default", "second"} {
		fmt.Fprintf(&routes, "  - {name: road%d, endpoint: %q, plain: true, qps: 1000, workers: %d, timeout: 1s, priority: %d, credentials: %s}\n",
			i, r.endpoints[i].Addr(), roadWorkers, i, credentials)
	}
	if !strings.Contains(string(doc), sim) {
		r.t.Fatal("the policy has no route to replace")
	}
	return []byte(strings.Replace(string(doc), sim, routes.String(), 1))
}

// routes is how the routes stand.
func (r *roads) routes() []bridge.RouteStatus {
	r.t.Helper()
	list, ok := r.bridge.Routes()
	if !ok {
		r.t.Fatal("the node does not lead")
	}
	return list
}

// circuits are the states of the routes' circuits.
func (r *roads) circuits() (list []string) {
	for _, route := range r.routes() {
		list = append(list, route.Name+" "+route.Circuit)
	}
	slices.Sort(list)
	return list
}

// running is how many calls are under way.
func (r *roads) running() (n int) {
	for _, route := range r.routes() {
		n += route.Running
	}
	return n
}

// owners are the accounts by which messages were sent, by phone.
func (r *roads) owners() map[string][]string {
	list := map[string][]string{}
	for _, e := range r.sim.Ledger() {
		list[e.Phone] = append(list[e.Phone], e.Account)
	}
	return list
}

// calls is how many calls were made by a route.
func (r *roads) calls(route string) (n int) {
	_, text := r.admin(http.MethodGet, "/metrics")
	name := `smppbridge_aliyun_call_seconds_count{route="` + route + `"} `
	_, rest, found := strings.Cut(text, name)
	if !found {
		r.t.Fatalf("no metric %s", name)
	}
	if _, err := fmt.Sscan(rest, &n); err != nil {
		r.t.Fatal(err)
	}
	return n
}

// A stream submits messages, each to a phone of its own.
type stream struct {
	*client
	phones, ids []string
}

func (s *stream) send() (to string) {
	to = fmt.Sprintf("139%08d", len(s.phones))
	s.phones = append(s.phones, to)
	s.ids = append(s.ids, s.mustSubmit(to, "private "+to))
	return to
}

// TestOutageOfARoute: while an endpoint is away messages go by the next one within seconds, on a whole node, whatever the
// outage is like; and come back to it after it is well. Each is sent once and has its receipt (done when 4).
func TestOutageOfARoute(t *testing.T) {
	for _, kind := range []aliyunsim.OutageKind{aliyunsim.OutageRefuse, aliyunsim.OutageBlackHole, aliyunsim.OutageError500,
		aliyunsim.OutageHTML502, aliyunsim.OutageEmpty503} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			r := startRoads(t, false)
			s := &stream{client: r.bind("test", smpp.Transceiver)}
			for range 5 {
				s.send()
				s.receipt(s.ids[len(s.ids)-1])
			}
			want(t, "calls by a route that nobody needs yet", r.calls("road1"), 0)

			if err := r.sim.BeginOutage(aliyunsim.Outage{Kind: kind, Endpoint: r.endpoints[0].Addr().String()}); err != nil {
				t.Fatal(err)
			}
			r.moves(s)
			if err := r.sim.EndOutages(); err != nil {
				t.Fatal(err)
			}
			r.returns(s)
			for _, id := range s.ids {
				want(t, "receipt", s.receipt(id).State, smpp.StateDelivered)
			}
			want(t, "calls by the route of another account", r.calls("road2"), 0)
			owners := r.owners()
			for _, to := range s.phones {
				if len(owners[to]) != 1 {
					t.Errorf("a message was sent by %v, want once", owners[to])
				}
			}
		})
	}
}

// moves waits until messages go another way, which they must soon.
func (r *roads) moves(s *stream) {
	r.t.Helper()
	began, before, calls := time.Now(), r.sim.Counters().Executed, r.calls("road0")
	r.eventually("messages go another way", func() bool {
		s.send()
		return r.sim.Counters().Executed > before // the endpoint that is away executes nothing
	})
	calls = r.calls("road0") - calls
	most := noticedBy + roadWorkers - 1 + int(time.Since(began)/restsFor) // what was under way ends, too
	if calls > most {
		r.t.Errorf("messages moved after %d calls, want at most %d", calls, most)
	}
}

// returns waits until the first route is well again and what was begun by the next one has ended, and looks whether the
// first one is used.
func (r *roads) returns(s *stream) {
	r.t.Helper()
	r.eventually("the route is well again", func() bool {
		s.send()
		return r.circuits()[0] == "road0 closed"
	})
	for _, id := range s.ids {
		s.receipt(id)
	}
	r.eventually("no calls are under way", func() bool { return r.running() == 0 })
	before := r.calls("road1")
	for range 20 {
		s.send()
		s.receipt(s.ids[len(s.ids)-1])
	}
	want(r.t, "calls by the next route after the first one was well", r.calls("road1")-before, 0)
}

// TestAccountErrorOnARoute: what is wrong with an account is not tried on another of its routes: its messages go by another
// account's (done when 4).
func TestAccountErrorOnARoute(t *testing.T) {
	r := startRoads(t, true)
	s := &stream{client: r.bind("test", smpp.Transceiver)}
	for i := range 20 {
		to := s.send()
		want(t, "receipt", s.receipt(s.ids[len(s.ids)-1]).State, smpp.StateDelivered)
		if got := r.owners()[to]; !slices.Equal(got, []string{"second"}) {
			t.Errorf("a message was sent by %v, want the other account once", got)
		}
		if i == 0 { // after their rest both routes are tried again
			want(t, "calls by another route of the account whose key is not taken", r.calls("road1"), 0)
		}
	}
	circuits := strings.ReplaceAll(strings.Join(r.circuits(), ", "), "half-open", "open")
	want(t, "circuits", circuits, "road0 open, road1 open, road2 closed")
}
