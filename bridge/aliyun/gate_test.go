package aliyun

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"smppbridge/store"
)

// A slowDoor is a listener before whose first connection's handshake something happens.
type slowDoor struct {
	net.Listener
	first atomic.Bool
	then  func()
}

func (l *slowDoor) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil && l.first.CompareAndSwap(false, true) {
		l.then()
	}
	return conn, err
}

// TestFrozenWhileDialling: a process that is frozen while a call's connection is made does not write the request when it is
// woken too late: it may have been sent again by then (promise 3). The time passes here before the TLS handshake.
func TestFrozenWhileDialling(t *testing.T) {
	tests := []struct {
		name   string
		frozen time.Duration
		kind   store.OutcomeKind
		code   string
		served int32
	}{
		{"a slow network", 30 * time.Second, store.OutcomeAccepted, "OK", 1},
		{"frozen", time.Minute, store.OutcomeRetry, "too_late", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var passed atomic.Int64 // how far the clock is ahead
			var served atomic.Int32
			inner, err := tls.Listen("tcp", "127.0.0.1:0", trustedTLS())
			if err != nil {
				t.Fatal(err)
			}
			door := &slowDoor{Listener: inner, then: func() { passed.Store(int64(tt.frozen)) }}
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				served.Add(1)
				if _, sent := r.Header[crossingHeader]; sent {
					t.Error("our header was sent")
				}
				respond(200, okBody)(w, r)
			})}
			ended := make(chan struct{})
			go func() { defer close(ended); _ = server.Serve(door) }()
			t.Cleanup(func() { _ = server.Close(); <-ended })
			route := tlsRoute(t, "https://"+inner.Addr().String())
			route.ConnectTimeout = 20 * time.Second
			c, err := New(Config{Routes: []Route{route}, Now: func() time.Time { return time.Now().Add(time.Duration(passed.Load())) }})
			if err != nil {
				t.Fatal(err)
			}
			call := testCall()
			call.Before = time.Now().Add(20 * time.Second)
			if a := send(t, c, call); a.Kind != tt.kind || a.Code != tt.code {
				t.Errorf("got %+v, want kind %d, %s", a, tt.kind, tt.code)
			}
			if got := served.Load(); got != tt.served {
				t.Errorf("%d requests were written, want %d", got, tt.served)
			}
			// The next call is none the worse for it: its connection has no deadline left.
			call.Before = c.now().Add(20 * time.Second)
			if a := send(t, c, call); a.Kind != store.OutcomeAccepted {
				t.Errorf("the next call: %+v", a)
			}
		})
	}
}

// TestKeptConnectionHasNoDeadline: the write deadline of a call ends with its request.
func TestKeptConnectionHasNoDeadline(t *testing.T) {
	conns := make(map[string]bool)
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		conns[r.RemoteAddr] = true // one call after the other
		respond(200, okBody)(w, r)
	})
	route := plainRoute(t, server.URL)
	route.ConnectTimeout = time.Millisecond
	c := newClient(t, nil, route)
	call := testCall()
	call.Before = time.Now().Add(2 * time.Second)
	if a := send(t, c, call); a.Kind != store.OutcomeAccepted {
		t.Fatalf("first call: %+v", a)
	}
	<-time.After(time.Until(call.Before.Add(50 * time.Millisecond)))
	call.Before = time.Time{}
	if a := send(t, c, call); a.Kind != store.OutcomeAccepted || len(conns) != 1 {
		t.Errorf("second call: %+v, over %d connections", a, len(conns))
	}
}
