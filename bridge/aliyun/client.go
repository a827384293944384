package aliyun

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"smppbridge/bridge"
)

// Client makes calls of Dysmsapi over named routes. It implements bridge.Sender and is safe for
// concurrent use.
type Client struct {
	log     *slog.Logger
	now     func() time.Time
	metrics *callMetrics

	mu     sync.Mutex // one SetRoutes at a time
	routes atomic.Pointer[map[string]*route]
}

var _ bridge.Sender = (*Client)(nil)

// Config is what New needs.
type Config struct {
	Routes     []Route
	Log        *slog.Logger          // nil: no log
	Registerer prometheus.Registerer // nil: no metrics
	Now        func() time.Time      // nil: time.Now
}

// New makes a Client. It fails when a route is not usable as configured, or when the environment
// would make the SDK print what must not be printed. It does not contact the API.
func New(cfg Config) (*Client, error) {
	if err := refuseDebug(); err != nil {
		return nil, err
	}
	watchCrossings()
	c := &Client{log: cfg.Log, now: cfg.Now}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.now == nil {
		c.now = time.Now
	}
	var err error
	if c.metrics, err = newCallMetrics(cfg.Registerer); err != nil {
		return nil, fmt.Errorf("aliyun: metrics: %w", err)
	}
	if err := c.SetRoutes(cfg.Routes); err != nil {
		return nil, err
	}
	return c, nil
}

// SetRoutes replaces all routes, for calls that start from now on; calls under way end on the
// route they began on. When it returns an error nothing has changed.
func (c *Client) SetRoutes(routes []Route) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := make(map[string]*route, len(routes))
	for _, cfg := range routes {
		if _, twice := next[cfg.Name]; twice {
			return fmt.Errorf("aliyun: route %q is named twice", cfg.Name)
		}
		r, err := newRoute(cfg)
		if err != nil {
			return fmt.Errorf("aliyun: route %q: %w", cfg.Name, err)
		}
		next[cfg.Name] = r
	}
	for name := range next {
		c.metrics.addRoute(name)
	}
	c.routes.Store(&next)
	c.log.Info("sms routes set", "routes", len(next))
	return nil
}

// route returns the named route, nil when there is none.
func (c *Client) route(name string) *route { return (*c.routes.Load())[name] }

// Send makes the call and returns how it ended. So far a call is for exactly one recipient.
func (c *Client) Send(ctx context.Context, call bridge.Call) bridge.Answer {
	r := c.route(call.Route)
	if r == nil {
		// The policy has changed since the call was planned.
		c.metrics.count(codeOther, codeNoRoute)
		return answer("SendSms", failure{code: codeNoRoute}, c.now())
	}
	a := c.send(ctx, r, call)
	c.metrics.count(r.Name, a.Code)
	return a
}

// send is Send on a known route.
func (c *Client) send(ctx context.Context, r *route, call bridge.Call) bridge.Answer {
	notCalled := func(code string) bridge.Answer { return answer("SendSms", failure{code: code}, c.now()) }
	if len(call.Recipients) != 1 {
		return notCalled(codeUnsupported)
	}
	sdk, code := r.take(ctx, call.Before, c.now)
	if sdk == nil {
		return notCalled(code)
	}
	defer r.give(sdk)
	keys, err := r.keys()
	if err != nil {
		return answer("SendSms", failure{code: codeNoCredentials, detail: err.Error()}, c.now())
	}
	start, by := c.now(), call.Before
	if !by.IsZero() {
		if past(by, start) {
			return notCalled(codeTooLate)
		}
		by = by.Add(r.ConnectTimeout)
	}
	x := cross(by, c.now)
	defer x.end()
	sdk.SetRpcHeaders(x.headers())
	f, bizID := r.sendSms(sdk, keys, call)
	f = x.judge(f)
	c.metrics.observe(r.Name, c.now().Sub(start))
	if refreshes(f.code) {
		r.refreshKeys()
	}
	a := answer("SendSms", f, c.now())
	a.BizID = bizID
	return a
}
