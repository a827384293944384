package aliyunsim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// runTwo serves s on two endpoints until the test ends.
func runTwo(t *testing.T, s *Server) (first, second string) {
	t.Helper()
	var list []net.Listener
	for range 2 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, ln)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, list[0], list[1]) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	first, second = list[0].Addr().String(), list[1].Addr().String()
	for _, host := range []string{first, second} {
		look(fresh(), host, "13900000000") // both are endpoints now
	}
	return first, second
}

// fresh makes a connection for each call.
func fresh() *http.Client { return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} }

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// TestOutages: what a client sees of an endpoint that is away, that nothing is executed there, that the other
// endpoint goes on, and that it comes back.
func TestOutages(t *testing.T) {
	s := newServer(t, nil)
	first, second := runTwo(t, s)
	for _, test := range []struct {
		kind OutageKind
		sees func(sight) bool
	}{
		{OutageRefuse, func(v sight) bool { return errors.Is(v.err, syscall.ECONNREFUSED) }},
		{OutageBlackHole, func(v sight) bool { return errors.Is(v.err, context.DeadlineExceeded) }},
		{OutageError500, func(v sight) bool { return v.status == 500 && strings.Contains(v.body, `"Code":"InternalError"`) }},
		{OutageHTML502, func(v sight) bool { return v.status == 502 && v.ctype == "text/html" }},
		{OutageEmpty503, func(v sight) bool { return v.status == 503 && v.body == "" }},
	} {
		t.Run(string(test.kind), func(t *testing.T) {
			before := len(s.Ledger())
			if v := look(fresh(), first, "13900000001"); v.status != 200 {
				t.Fatalf("before: %+v", v)
			}
			if err := s.BeginOutage(Outage{Kind: test.kind, Endpoint: first}); err != nil {
				t.Fatal(err)
			}
			c := fresh()
			if test.kind == OutageBlackHole {
				c.Timeout = 100 * time.Millisecond
			}
			if v := look(c, first, "13900000002"); !test.sees(v) {
				t.Errorf("the client sees %+v", v)
			}
			if v := look(fresh(), second, "13900000003"); v.status != 200 {
				t.Errorf("at the other endpoint: %+v", v)
			}
			if list := s.Outages(); len(list) != 1 || list[0].Kind != test.kind || list[0].Endpoint != first {
				t.Errorf("outages: %+v", list)
			}
			if err := s.EndOutages(); err != nil {
				t.Fatal(err)
			}
			if v := look(fresh(), first, "13900000004"); v.status != 200 {
				t.Errorf("afterwards: %+v", v)
			}
			if n := len(s.Ledger()) - before; n != 3 || len(s.Outages()) != 0 {
				t.Errorf("%d messages executed, want 3; outages %v", n, s.Outages())
			}
		})
	}
}

// TestOutageEndsCalls: who waits in a black hole is let go when it ends, and open connections are cut by a refusal.
func TestOutageEndsCalls(t *testing.T) {
	s := newServer(t, nil)
	host, _ := runTwo(t, s)
	if err := s.BeginOutage(Outage{Kind: OutageBlackHole}); err != nil {
		t.Fatal(err)
	}
	waits := make(chan sight, 1)
	go func() { waits <- look(fresh(), host, "13900000001") }()
	eventually(t, "the call is in the hole", func() bool { return s.Counters().Calls["other"]["outage_black_hole"] == 1 })
	if err := s.EndOutages(); err != nil {
		t.Fatal(err)
	}
	if v := <-waits; v.err == nil {
		t.Errorf("got %+v", v)
	}
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	look(fresh(), host, "13900000002") // the endpoint has taken the connection before
	if err := s.BeginOutage(Outage{Kind: OutageRefuse}); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a connection survived: %v", err)
	}
}

// TestOutageForATime: an outage ends by itself, and over the control API, where the request that begins a
// refusal is answered first.
func TestOutageForATime(t *testing.T) {
	s := newServer(t, nil)
	first, second := runTwo(t, s)
	put := func(host, body string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+host+"/sim/outages", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatalf("PUT %s: %v", body, err)
		}
		defer resp.Body.Close()
		_, _ = io.ReadAll(resp.Body)
		return resp.StatusCode
	}
	conn, err := net.Dial("tcp", first)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	look(fresh(), first, "13900000000") // the endpoint has taken the connection before
	if code := put(first, fmt.Sprintf(`[{"kind":"refuse","endpoint":%q,"for_ms":50},{"kind":"html502","endpoint":%q}]`, first, second)); code != 204 {
		t.Errorf("PUT: %d", code)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the connection has been written to")
	}
	eventually(t, "the first endpoint is back", func() bool {
		list := s.Outages()
		return len(list) == 1 && list[0].Endpoint == second
	})
	if v := look(fresh(), first, "13900000001"); v.status != 200 {
		t.Errorf("it is back: %+v", v)
	}
	if v := look(fresh(), second, "13900000001"); v.status != 502 {
		t.Errorf("the other one is not: %+v", v)
	}
	for _, bad := range []string{`[{"kind":"x"}]`, `[{"kind":"refuse","endpoint":"127.0.0.1:1"}]`, `[{"kind":"refuse","for_ms":-1}]`, `{}`} {
		if code := put(second, bad); code != http.StatusBadRequest || len(s.Outages()) != 1 {
			t.Errorf("%s: %d, outages %v", bad, code, s.Outages())
		}
	}
	var list []Outage
	if code := ask(t, s, "GET /sim/outages", "", &list); code != 200 || len(list) != 1 || list[0].Kind != OutageHTML502 {
		t.Errorf("GET: %d %v", code, list)
	}
	if code := ask(t, s, "DELETE /sim/outages", "", nil); code != http.StatusNoContent || len(s.Outages()) != 0 {
		t.Errorf("DELETE: %d %v", code, s.Outages())
	}
}
