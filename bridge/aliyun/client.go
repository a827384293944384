package aliyun

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	dysms "github.com/alibabacloud-go/dysmsapi-20170525/v3/client"
	"github.com/prometheus/client_golang/prometheus"

	"smppbridge/bridge"
	"smppbridge/store"
)

// Client makes calls of Dysmsapi over named routes. It implements bridge.Sender and is safe for
// concurrent use.
type Client struct {
	log     *slog.Logger
	now     func() time.Time
	metrics *callMetrics

	table  atomic.Pointer[Table]
	mu     sync.Mutex // one SetRoutes or SetOutcomes at a time
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
	c.table.Store(builtin)
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
		c.metrics.addRoute(name, c.table.Load())
	}
	c.routes.Store(&next)
	c.log.Info("sms routes set", "routes", len(next))
	return nil
}

// SetOutcomes replaces the table of what the API's codes mean, for answers that come from now on.
func (c *Client) SetOutcomes(t *Table) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.table.Store(t)
	if routes := c.routes.Load(); routes != nil {
		for name := range *routes {
			c.metrics.addRoute(name, t)
		}
	}
}

// Outcomes is the table in force.
func (c *Client) Outcomes() *Table { return c.table.Load() }

// route returns the named route, nil when there is none.
func (c *Client) route(name string) *route { return (*c.routes.Load())[name] }

// Send makes the call and returns how it ended: SendSms for one recipient, SendBatchSms for several.
func (c *Client) Send(ctx context.Context, call bridge.Call) bridge.Answer {
	r := c.route(call.Route)
	if r == nil {
		// The policy has changed since the call was planned.
		c.metrics.count(codeOther, codeNoRoute)
		return c.answer(call, failure{code: codeNoRoute})
	}
	a := c.send(ctx, r, call)
	c.metrics.count(r.Name, a.Code)
	return a
}

// answer is the Answer to a call of which f is left.
func (c *Client) answer(call bridge.Call, f failure) bridge.Answer {
	e := ended{action: sendAction, recipients: len(call.Recipients), failure: f}
	if e.recipients > 1 {
		e.action = batchAction
	}
	return c.table.Load().answer(e, c.now())
}

// cross makes the call, unless the connection comes too late for it.
func (c *Client) cross(r *route, sdk *dysms.Client, keys Keys, q request) (failure, string) {
	by := q.before
	if !by.IsZero() {
		by = by.Add(r.ConnectTimeout)
	}
	x := cross(by, c.now)
	defer x.end()
	sdk.SetRpcHeaders(x.headers())
	f, bizID := r.call(sdk, keys, q)
	return x.judge(f), bizID
}

// send is Send on a known route.
func (c *Client) send(ctx context.Context, r *route, call bridge.Call) bridge.Answer {
	request, err := newRequest(call)
	if err != nil {
		return c.answer(call, failure{code: codeUnsupported, detail: err.Error()})
	}
	sdk, code := r.take(ctx, call.Before, c.now)
	if sdk == nil {
		return c.answer(call, failure{code: code})
	}
	defer r.give(sdk)
	keys, err := r.keys()
	if err != nil {
		return c.answer(call, failure{code: codeNoCredentials, detail: err.Error()})
	}
	start := c.now()
	if !call.Before.IsZero() && past(call.Before, start) {
		return c.answer(call, failure{code: codeTooLate})
	}
	f, bizID := c.cross(r, sdk, keys, request)
	c.metrics.observe(r.Name, c.now().Sub(start))
	if refreshes(f.code) {
		r.refreshKeys()
	}
	if f.detail == "" {
		f.detail = c.table.Load().describeUnknown(f.code, call.Recipients)
	}
	a := c.answer(call, f)
	a.BizID = bizID
	if a.Kind == store.OutcomeRejected {
		a.Said = c.table.Load().unknownCode(f.code, call.Recipients)
	}
	return a
}
