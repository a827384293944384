package aliyun

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"smppbridge/bridge"
	"smppbridge/store"
)

// What reaches the wire, in both signature styles.
func TestSendWritesTheCall(t *testing.T) {
	for _, old := range []bool{false, true} {
		got := make(chan url.Values, 1)
		headers := make(chan http.Header, 1)
		srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
			got <- r.URL.Query()
			headers <- r.Header
			respond(200, okBody)(w, r)
		})
		route := plainRoute(t, srv.URL)
		route.RPCV1 = old
		a := send(t, newClient(t, nil, route), testCall())
		if a.Kind != store.OutcomeAccepted || a.BizID != "166810747624160111^0" {
			t.Errorf("RPC v1 %v: answer %+v", old, a)
		}
		query, header := <-got, <-headers
		for name, want := range map[string]string{
			"PhoneNumbers": testPhone, "SignName": "速通银行", "TemplateCode": "SMS_100000001",
			"TemplateParam": testParams, "OutId": "sb-1-77",
		} {
			if query.Get(name) != want {
				t.Errorf("RPC v1 %v: %s = %q, want %q", old, name, query.Get(name), want)
			}
		}
		signedACS3 := strings.HasPrefix(header.Get("Authorization"), "ACS3-HMAC-SHA256 Credential="+testKeyID)
		if signedACS3 == old || (query.Get("AccessKeyId") == testKeyID) != old {
			t.Errorf("RPC v1 %v: Authorization %q, AccessKeyId in query %q", old, header.Get("Authorization"), query.Get("AccessKeyId"))
		}
	}
}

// A security token travels with its key.
func TestSendWithToken(t *testing.T) {
	got := make(chan string, 1)
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("x-acs-security-token")
		respond(200, okBody)(w, r)
	})
	route := plainRoute(t, srv.URL)
	var err error
	if route.Credentials, err = Static(testKeyID, testSecret, "token0123"); err != nil {
		t.Fatal(err)
	}
	send(t, newClient(t, nil, route), testCall())
	if token := <-got; token != "token0123" {
		t.Errorf("x-acs-security-token = %q", token)
	}
}

func TestSendNotCalled(t *testing.T) {
	var calls atomic.Int32
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		respond(200, okBody)(w, r)
	})
	broken := plainRoute(t, srv.URL)
	broken.Name, broken.Credentials = "keyless", noKeys{}
	zero := plainRoute(t, srv.URL)
	zero.Name, zero.Credentials = "zero", static{}
	c := newClient(t, nil, plainRoute(t, srv.URL), broken, zero)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	tests := []struct {
		name    string
		ctx     context.Context
		change  func(*bridge.Call)
		kind    store.OutcomeKind
		code    string
		account bool
	}{
		{"too late", nil, func(c *bridge.Call) { c.Before = time.Now() }, store.OutcomeRetry, "too_late", false},
		{"the machine stood still for an hour", nil, func(c *bridge.Call) { c.Before = setBy(time.Now().Add(time.Minute), -time.Hour) },
			store.OutcomeRetry, "too_late", false},
		{"context ended", ended, func(*bridge.Call) {}, store.OutcomeRetry, "canceled", false},
		{"unknown route", nil, func(c *bridge.Call) { c.Route = "gone" }, store.OutcomeRetry, "no_route", false},
		{"no keys", nil, func(c *bridge.Call) { c.Route = "keyless" }, store.OutcomeRetry, "no_credentials", true},
		{"keys that are none", nil, func(c *bridge.Call) { c.Route = "zero" }, store.OutcomeRetry, "no_credentials", true},
		{"no recipient", nil, func(c *bridge.Call) { c.Recipients = nil }, store.OutcomeRejected, "unsupported", false},
		{"two recipients", nil, func(c *bridge.Call) { c.Recipients = append(c.Recipients, c.Recipients[0]) },
			store.OutcomeRejected, "unsupported", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			call := testCall()
			tt.change(&call)
			if tt.ctx == nil {
				tt.ctx = context.Background()
			}
			a := c.Send(tt.ctx, call)
			checkAnswer(t, a)
			if a.Kind != tt.kind || a.Code != tt.code || a.Account != tt.account {
				t.Errorf("got %+v, want kind %d, code %s, account %v", a, tt.kind, tt.code, tt.account)
			}
		})
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("%d calls reached the server, want none", n)
	}
}

// setBy returns t as a clock had shown it that was set by d before it, or stood still until after it: its monotonic
// reading stays. No function of package time makes such a time.
func setBy(t time.Time, d time.Duration) time.Time {
	type layout struct {
		wall uint64 // with a monotonic reading: 1 bit for that, 33 bits of seconds, 30 bits of nanoseconds
		ext  int64
		loc  *time.Location
	}
	(*layout)(unsafe.Pointer(&t)).wall += uint64(int64(d/time.Second)) << 30
	return t
}

// noKeys are credentials that have none.
type noKeys struct{}

func (noKeys) Keys() (Keys, error) { return Keys{}, errKeys }

// A call that waits for a worker gives up when its time has passed, and so does one whose context
// ends; neither calls.
func TestSendWaitsForAWorker(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	var calls atomic.Int32
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		arrived <- struct{}{}
		<-release
		respond(200, okBody)(w, r)
	})
	route := plainRoute(t, srv.URL)
	route.Workers = 1
	c := newClient(t, nil, route)
	first := make(chan bridge.Answer)
	go func() { first <- c.Send(context.Background(), testCall()) }()
	<-arrived

	late := testCall()
	late.Before = time.Now().Add(20 * time.Millisecond)
	if a := send(t, c, late); a.Code != "too_late" {
		t.Errorf("no free worker until Before: %+v, want too_late", a)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if a := c.Send(ctx, testCall()); a.Code != "canceled" {
		t.Errorf("no free worker until ctx ended: %+v, want canceled", a)
	}
	close(release)
	if a := <-first; a.Kind != store.OutcomeAccepted {
		t.Errorf("first call: %+v", a)
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("%d calls reached the server, want 1", n)
	}
}

// The SDK cannot be cancelled: an answer that comes after the context has ended still counts.
func TestSendOutlivesContext(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-release
		respond(200, okBody)(w, r)
	})
	c := newClient(t, nil, plainRoute(t, srv.URL))
	ctx, cancel := context.WithCancel(context.Background())
	got := make(chan bridge.Answer)
	go func() { got <- c.Send(ctx, testCall()) }()
	<-arrived
	cancel()
	close(release)
	if a := <-got; a.Kind != store.OutcomeAccepted {
		t.Errorf("answer after ctx: %+v, want accepted", a)
	}
}

// 64 goroutines share a client while its routes are replaced. Run with -race.
func TestSendConcurrently(t *testing.T) {
	srv := serve(t, respond(200, okBody))
	route := plainRoute(t, srv.URL)
	route.Workers = 64
	c := newClient(t, nil, route)
	var group sync.WaitGroup
	var accepted atomic.Int32
	for range 64 {
		group.Go(func() {
			for range 10 {
				if c.Send(context.Background(), testCall()).Kind == store.OutcomeAccepted {
					accepted.Add(1)
				}
			}
		})
	}
	for i := range 20 {
		route.Workers = 64 + i
		if err := c.SetRoutes([]Route{route}); err != nil {
			t.Error(err)
		}
	}
	group.Wait()
	if n := accepted.Load(); n != 640 {
		t.Errorf("%d calls accepted, want 640", n)
	}
}

// A connection serves many calls, also when the first calls come all at once: of those each has one of its own, as none
// is answered before all are there, and later calls need no others.
func TestConnectionsAreKept(t *testing.T) {
	var opened atomic.Int32
	const workers = 32
	var arrived atomic.Int32
	all := make(chan struct{})
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if arrived.Add(1) == workers {
			close(all)
		}
		select {
		case <-all:
			respond(200, okBody)(w, r)
		case <-r.Context().Done(): // the call has given up
		}
	}))
	srv.TLS = trustedTLS()
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	srv.StartTLS()
	defer srv.Close()
	route := tlsRoute(t, srv.URL)
	route.Workers = workers
	route.Timeout, route.ConnectTimeout = patience, patience
	c := newClient(t, nil, route)
	sendMany := func(n int) {
		var group sync.WaitGroup
		for range n {
			group.Go(func() {
				if a := c.Send(context.Background(), testCall()); a.Kind != store.OutcomeAccepted {
					t.Errorf("%+v", a)
				}
			})
		}
		group.Wait()
	}
	sendMany(workers)
	if first := opened.Load(); first != workers {
		t.Errorf("%d calls at once opened %d connections", workers, first)
	}
	sendMany(400)
	if more := opened.Load() - workers; more != 0 {
		t.Errorf("400 more calls opened %d more connections", more)
	}
}

func TestSetRoutes(t *testing.T) {
	srv := serve(t, respond(200, okBody))
	c := newClient(t, nil, plainRoute(t, srv.URL))
	good := plainRoute(t, srv.URL)
	tests := []struct {
		name   string
		change func(*Route)
		want   string
	}{
		{"no name", func(r *Route) { r.Name = "" }, "name must be"},
		{"reserved name", func(r *Route) { r.Name = "other" }, "name must be"},
		{"no endpoint", func(r *Route) { r.Endpoint = "" }, "endpoint must be"},
		{"endpoint with scheme", func(r *Route) { r.Endpoint = "https://dysmsapi.aliyuncs.com" }, "endpoint must be"},
		{"endpoint with path", func(r *Route) { r.Endpoint = "dysmsapi.aliyuncs.com/x" }, "endpoint must be"},
		{"endpoint with user", func(r *Route) { r.Endpoint = "u:p@dysmsapi.aliyuncs.com" }, "endpoint must be"},
		{"port only", func(r *Route) { r.Endpoint = ":80" }, "endpoint must be"},
		{"no credentials", func(r *Route) { r.Credentials = nil }, "no credentials"},
		{"negative workers", func(r *Route) { r.Workers = -1 }, "workers must be"},
		{"too many workers", func(r *Route) { r.Workers = MaxWorkers + 1 }, "workers must be"},
		{"negative timeout", func(r *Route) { r.Timeout = -1 }, "timeouts must be"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bad := good
			tt.change(&bad)
			err := c.SetRoutes([]Route{bad})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	if err := c.SetRoutes([]Route{good, good}); err == nil || !strings.Contains(err.Error(), "named twice") {
		t.Errorf("the same name twice: %v", err)
	}
	if a := send(t, c, testCall()); a.Kind != store.OutcomeAccepted {
		t.Errorf("after refused changes the old route must work: %+v", a)
	}
	if err := c.SetRoutes(nil); err != nil {
		t.Errorf("no routes: %v", err)
	}
	if a := send(t, c, testCall()); a.Code != "no_route" {
		t.Errorf("after the route was removed: %+v", a)
	}
}

// A route's time-outs, in the units that the SDK takes them in.
func TestRouteDefaults(t *testing.T) {
	r, err := newRoute(Route{Name: "main", Endpoint: "dysmsapi.aliyuncs.com", Credentials: testKeys(t)})
	if err != nil {
		t.Fatal(err)
	}
	o := r.options
	if *o.ReadTimeout != 5000 || *o.ConnectTimeout != 2 || *o.MaxIdleConns < cap(r.idle) || *o.Autoretry || cap(r.idle) != DefaultWorkers {
		t.Errorf("options %+v, %d workers", o, cap(r.idle))
	}
	for connect, want := range map[time.Duration]int{time.Millisecond: 1, time.Second: 1, 1001 * time.Millisecond: 2} {
		o := runtimeOptions(Route{Timeout: time.Second, ConnectTimeout: connect}, nil)
		if *o.ConnectTimeout != want {
			t.Errorf("ConnectTimeout %v is %d s for the SDK, want %d", connect, *o.ConnectTimeout, want)
		}
	}
}

// A bad proxy would lock the SDK up; debug output would print what must not be printed.
func TestNewRefusesEnvironment(t *testing.T) {
	for name, value := range map[string]string{
		"HTTPS_PROXY": "http://user:" + testSecret + "@[::1", "http_proxy": "ftp://proxy.invalid", "HTTP_PROXY": "%zz",
		"DEBUG": "x,tea",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			_, err := New(Config{Routes: []Route{plainRoute(t, "http://127.0.0.1:1")}})
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Fatalf("%s=%q: error %v, want one that names it", name, value, err)
			}
			checkNoSecret(t, err.Error())
		})
	}
}
