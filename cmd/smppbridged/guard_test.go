package main

import (
	"net/http"
	"strings"
	"testing"
)

// TestAdminGuard: what a browser sends for a page of another site changes nothing, and a page that has this address under a
// name of its own reads nothing; smppctl, curl, probes and scrapers are served.
func TestAdminGuard(t *testing.T) {
	s := startSystem(t)
	addr := s.httpAddr.String()
	_, port, _ := strings.Cut(addr, ":")
	const post, get = http.MethodPost, http.MethodGet
	tests := []struct {
		name, method, path string
		host, header       string
		want               int
	}{
		{"smppctl", post, "/v1/pause", "", "", http.StatusOK},
		{"a page of another site", post, "/v1/resume", "", "Sec-Fetch-Site: cross-site", http.StatusForbidden},
		{"an older browser", post, "/v1/resume", "", "Origin: http://evil.example", http.StatusForbidden},
		{"a page of another port", post, "/v1/cluster/leave", "", "Origin: http://127.0.0.1:1", http.StatusForbidden},
		{"a form", post, "/v1/trace", "", "Sec-Fetch-Site: same-site", http.StatusForbidden},
		{"DELETE", http.MethodDelete, "/v1/trace", "", "Sec-Fetch-Site: cross-site", http.StatusForbidden},
		{"a name that was made to resolve here", get, "/v1/cluster/snapshot", "evil.example:" + port, "", http.StatusMisdirectedRequest},
		{"the same, by the page itself", post, "/v1/resume", "evil.example:" + port, "Sec-Fetch-Site: same-origin", http.StatusMisdirectedRequest},
		{"the same without a port", get, "/debug/pprof/heap", "evil.example", "", http.StatusMisdirectedRequest},
		{"a name like an address", get, "/v1/status", "127.0.0.1.evil.example", "", http.StatusMisdirectedRequest},
		{"a scraper that has a name for the node", get, "/metrics", "n1.internal:" + port, "", http.StatusOK},
		{"a probe that has one", get, "/readyz", "n1.internal", "", http.StatusOK},
		{"localhost", get, "/v1/status", "LocalHost:" + port, "", http.StatusOK},
		{"another address", get, "/v1/status", "[::1]:" + port, "", http.StatusOK},
		{"an address without a port", get, "/v1/status", "[2001:db8::1]", "", http.StatusOK},
		{"somebody's wish in the browser", post, "/v1/resume", "", "Sec-Fetch-Site: none", http.StatusOK},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, "http://"+addr+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = tt.host
			if key, value, ok := strings.Cut(tt.header, ": "); ok {
				req.Header.Set(key, value)
			}
			resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			want(t, tt.method+" "+tt.path, resp.StatusCode, tt.want)
		})
	}
	want(t, "paused in the end", s.bridge.Paused(), false)
}

// TestOwnHost: the name that http.listen has is answered, and a request without one.
func TestOwnHost(t *testing.T) {
	tests := []struct {
		host, own string
		want      bool
	}{
		{"n1.example:9775", "n1.example", true},
		{"N1.example", "n1.example", true},
		{"n2.example:9775", "n1.example", false},
		{"evil.example", "", false},
		{"", "", true},
		{"localhost.evil.example:9775", "localhost", false},
	}
	for _, tt := range tests {
		if got := isOwnHost(tt.host, tt.own); got != tt.want {
			t.Errorf("isOwnHost(%q, %q) = %t, want %t", tt.host, tt.own, got, tt.want)
		}
	}
}

// TestCallbackFrom: who may not push gets no further than his address, even with the secret.
func TestCallbackFrom(t *testing.T) {
	for from, want := range map[string]int{"127.0.0.0/8": http.StatusOK, "192.0.2.0/24": http.StatusForbidden} {
		s := startSystem(t, func(o *options) { o.Callback.From = []string{from} })
		if got, _ := s.push("/callback/"+callbackSecret+"/smsreport", "[]"); got != want {
			t.Errorf("from %s: HTTP %d, want %d", from, got, want)
		}
	}
}

// TestPprof: profiles are there, on the admin listener only; the command line is not shown.
func TestPprof(t *testing.T) {
	s := startSystem(t)
	for path, match := range map[string]string{
		"/debug/pprof/":                   "goroutine",
		"/debug/pprof/goroutine?debug=1":  "goroutine profile: total",
		"/debug/pprof/heap?debug=1":       "heap profile",
		"/debug/pprof/profile?seconds=1":  "",
		"/debug/pprof/trace?seconds=0.05": "go 1.",
		"/debug/pprof/symbol":             "num_symbols",
	} {
		if code, body := s.admin(http.MethodGet, path); code != http.StatusOK || !strings.Contains(body, match) {
			t.Errorf("%s answered %d %.60q, want 200 and %q", path, code, body, match)
		}
	}
	code, _ := s.admin(http.MethodGet, "/debug/pprof/cmdline")
	want(t, "/debug/pprof/cmdline", code, http.StatusNotFound)
	for _, path := range []string{"/debug/pprof/", "/metrics", "/v1/status", "/v1/pause", "/"} {
		code, _ := s.push(path, "")
		want(t, "the callback listener's "+path, code, http.StatusNotFound)
	}
}
