package aliyun

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"smppbridge/store"
)

func trustedTLS() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{trusted}} }

// listen serves raw connections, one goroutine each, until the test ends.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serve(conn)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
	})
	return l.Addr().String()
}

// readRequest reads a request's header; it has no body.
func readRequest(conn net.Conn) {
	var seen strings.Builder
	buffer := make([]byte, 4096)
	for !strings.Contains(seen.String(), "\r\n\r\n") {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		seen.Write(buffer[:n])
	}
}

// refused is an address at which nobody listens. A port that was free a moment ago may be somebody else's by now.
func refused(t *testing.T) string {
	t.Helper()
	return "127.0.0.1:1"
}

// Errors before a request is written are retried; errors after it never are.
func TestTransportFailures(t *testing.T) {
	reset := func(conn net.Conn) {
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
	write := func(text string) func(net.Conn) {
		return func(conn net.Conn) {
			readRequest(conn)
			_, _ = io.WriteString(conn, text)
			_ = conn.Close()
		}
	}
	tests := []struct {
		name  string
		route func(t *testing.T) Route
		kind  store.OutcomeKind
		code  string
	}{
		{"dial refused", at(refused), store.OutcomeRetry, "unreachable"},
		{"dial refused, TLS", secure(refused), store.OutcomeRetry, "unreachable"},
		{"no such name", func(t *testing.T) Route { return plainRoute(t, "http://does-not-exist.invalid") }, store.OutcomeRetry, "unreachable"},
		{"untrusted certificate", func(t *testing.T) Route { return tlsRoute(t, serveTLS(t, nil, respond(200, okBody)).URL) },
			store.OutcomeRetry, "tls"},
		{"wrong name in certificate", func(t *testing.T) Route {
			_, port, _ := net.SplitHostPort(serveTLS(t, trustedTLS(), respond(200, okBody)).Listener.Addr().String())
			return tlsRoute(t, "https://localhost:"+port)
		}, store.OutcomeRetry, "tls"},
		{"old TLS only", func(t *testing.T) Route {
			cfg := trustedTLS()
			cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
			return tlsRoute(t, serveTLS(t, cfg, respond(200, okBody)).URL)
		}, store.OutcomeRetry, "tls"},
		{"plain HTTP where TLS is expected", func(t *testing.T) Route {
			return tlsRoute(t, "https://"+serve(t, respond(200, okBody)).Listener.Addr().String())
		}, store.OutcomeRetry, "tls"},
		{"garbage where TLS is expected", secure(raw(func(conn net.Conn) {
			_, _ = io.WriteString(conn, "220 mail.invalid ESMTP\r\n")
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		})), store.OutcomeRetry, "tls"},
		// The SDK's error is that of a connection lost after the request.
		{"closed during the TLS handshake", secure(raw(func(conn net.Conn) { _ = conn.Close() })), store.OutcomeRetry, "unreachable"},

		{"closed before reading", at(raw(func(conn net.Conn) { _ = conn.Close() })), store.OutcomeUncertain, "connection_lost"},
		{"reset after the first byte", at(raw(func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1)); reset(conn) })),
			store.OutcomeUncertain, "connection_lost"},
		{"closed after reading", at(raw(write(""))), store.OutcomeUncertain, "connection_lost"},
		{"reset after reading", at(raw(func(conn net.Conn) { readRequest(conn); reset(conn) })), store.OutcomeUncertain, "connection_lost"},
		{"closed in the header", at(raw(write("HTTP/1.1 200 OK\r\nContent-Le"))), store.OutcomeUncertain, "connection_lost"},
		{"not HTTP", at(raw(write("hello\r\n\r\n"))), store.OutcomeUncertain, "connection_lost"},
		{"closed in the body", at(raw(write("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + okBody))), store.OutcomeUncertain, "bad_answer"},
		{"alert after the request", func(t *testing.T) Route { return tlsRoute(t, "https://"+alertAfterRequest(t)) },
			store.OutcomeUncertain, "connection_lost"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, nil, tt.route(t))
			// Twice: the second call may find a connection that the first left behind.
			for range 2 {
				a := send(t, c, testCall())
				if a.Kind != tt.kind || a.Code != tt.code || a.Account {
					t.Errorf("got kind %d, code %s (%v), want %d, %s", a.Kind, a.Code, a.Cause, tt.kind, tt.code)
				}
			}
		})
	}
}

// at, secure and raw make routes to an address, with TLS, and to a raw listener.
func at(address func(*testing.T) string) func(*testing.T) Route {
	return func(t *testing.T) Route { return plainRoute(t, "http://"+address(t)) }
}

func secure(address func(*testing.T) string) func(*testing.T) Route {
	return func(t *testing.T) Route { return tlsRoute(t, "https://"+address(t)) }
}

func raw(serve func(net.Conn)) func(*testing.T) string {
	return func(t *testing.T) string { return listen(t, serve) }
}

// alertAfterRequest is a TLS server that reads the request and then sends something that is no
// TLS record, as a middlebox does that gives up on a connection.
func alertAfterRequest(t *testing.T) string {
	return listen(t, func(conn net.Conn) {
		session := tls.Server(conn, trustedTLS())
		readRequest(session)
		_, _ = conn.Write([]byte{21, 3, 3, 0, 2, 2, 80})
		_ = conn.Close()
	})
}

// No answer in time: before the header, and in the middle of the body.
func TestTransportTimeout(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	tests := []struct {
		name   string
		handle http.HandlerFunc
	}{
		{"no answer", func(http.ResponseWriter, *http.Request) { <-release }},
		{"half an answer", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(200)
			_, _ = io.WriteString(w, okBody[:20])
			_ = http.NewResponseController(w).Flush()
			<-release
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			route := plainRoute(t, serveImpatiently(t, tt.handle))
			route.Timeout = time.Second // of the dial too, which a busy machine must not take for the answer
			a := send(t, newClient(t, nil, route), testCall())
			if a.Kind != store.OutcomeUncertain || a.Code != "timeout" {
				t.Errorf("got %+v, want uncertain, timeout", a)
			}
		})
	}
}

// serveImpatiently is a server that does not wait for its handlers at the end.
func serveImpatiently(t *testing.T, h http.HandlerFunc) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-ended
	})
	return "http://" + l.Addr().String()
}

// A redirect means that the first request was written, whatever becomes of the second.
func TestRedirects(t *testing.T) {
	var second atomic.Int32
	other := serve(t, func(w http.ResponseWriter, r *http.Request) {
		second.Add(1)
		respond(200, "<html>portal</html>")(w, r)
	})
	tests := []struct {
		name     string
		status   int
		location string
		code     string
	}{
		{"302 to a page", 302, other.URL + "/portal", "bad_answer"},
		{"307 to a page", 307, other.URL + "/portal", "bad_answer"},
		{"302 to nobody", 302, "http://" + refused(t) + "/?OutId=sb-1-77", "redirected"},
		{"307 to nobody", 307, "http://" + refused(t) + "/?OutId=sb-1-77", "redirected"},
		{"302 to another scheme", 302, "https://" + refused(t) + "/", "redirected"},
		{"302 to itself", 302, "/", "redirected"},
		{"302 to nowhere", 302, "", "bad_answer"},
		{"302 to no URL", 302, "http://%zz/", "connection_lost"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if tt.location != "" {
					w.Header().Set("Location", tt.location)
				}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, okBody)
			})
			a := send(t, newClient(t, nil, plainRoute(t, srv.URL)), testCall())
			if a.Kind != store.OutcomeUncertain || a.Code != tt.code {
				t.Errorf("got kind %d, %v; want uncertain, %s", a.Kind, a.Cause, tt.code)
			}
		})
	}
	if second.Load() == 0 {
		t.Error("no redirect was followed: this test tests nothing")
	}
}

// Calls go through the proxy they are told of. What fails on the way to it was surely not sent;
// what it answers to CONNECT is not to be told from a lost connection.
func TestProxy(t *testing.T) {
	forwarding := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if r.URL.Host != "dysmsapi.invalid" || r.URL.Query().Get("OutId") != "sb-1-77" {
			t.Errorf("the proxy was asked for host %q", r.URL.Host)
		}
		respond(200, okBody)(w, r)
	})
	tests := []struct {
		name  string
		plain bool
		proxy string
		kind  store.OutcomeKind
		code  string
	}{
		{"plain", true, forwarding.URL, store.OutcomeAccepted, "OK"},
		{"CONNECT refused", false, forwarding.URL, store.OutcomeRetry, "unreachable"},
		{"no proxy there", false, "http://" + refused(t), store.OutcomeRetry, "unreachable"},
		{"no proxy there, plain", true, "http://" + refused(t), store.OutcomeRetry, "unreachable"},
		{"no SOCKS proxy there", false, "socks5://" + refused(t), store.OutcomeRetry, "unreachable"},
		{"SOCKS proxy that is none", false, "socks5://" + listen(t, func(conn net.Conn) {
			_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
			_, _ = conn.Read(make([]byte, 16))
			_ = conn.Close()
		}), store.OutcomeRetry, "unreachable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			route := plainRoute(t, "http://dysmsapi.invalid")
			route.Plain = tt.plain
			c := newClient(t, nil, route)
			proxy, err := url.Parse(tt.proxy)
			if err != nil {
				t.Fatal(err)
			}
			// As newRoute does with what the environment says, which Go reads once per process.
			r := c.route("main")
			r.options = runtimeOptions(r.Route, proxy)
			if err := warmPool(r.Route, r.options); err != nil {
				t.Fatal(err)
			}
			if a := send(t, c, testCall()); a.Kind != tt.kind || a.Code != tt.code {
				t.Errorf("got %+v, want kind %d, %s", a, tt.kind, tt.code)
			}
		})
	}
}

// A panic inside the SDK is an answer that nobody understands.
func TestSDKPanics(t *testing.T) {
	r, err := newRoute(plainRoute(t, "http://"+refused(t)))
	if err != nil {
		t.Fatal(err)
	}
	q, err := newRequest(testCall())
	if err != nil {
		t.Fatal(err)
	}
	f, bizID := r.call(nil, keysOf(testKeyID, testSecret, ""), q)
	if a := builtin.answer(ended{sendAction, 1, f}, time.Now()); a.Kind != store.OutcomeUncertain || a.Code != "sdk_panic" || bizID != "" {
		t.Errorf("got %+v", a)
	}
	r.base = nil
	if _, err := r.queryDetails(testPhone, "20260304", 1); err == nil || !strings.Contains(err.Error(), "sdk_panic") {
		t.Errorf("query: %v", err)
	}
}

// Only alerts of a handshake prove that nothing was sent.
func TestHandshakeAlerts(t *testing.T) {
	for alert, sure := range map[tls.AlertError]bool{40: true, 70: true, 71: true, 86: true, 112: true, 120: true, 0: false, 20: false, 42: false, 80: false, 90: false} {
		f := classifyOperation(&net.OpError{Op: "remote error", Err: alert})
		if got := f.code == codeTLS; got != sure {
			t.Errorf("alert %d: %+v", alert, f)
		}
	}
	if isHandshakeAlert(io.EOF) {
		t.Error("EOF is no alert")
	}
}
