package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"smppbridge/bridge"
)

// A Sink takes what message centres bring: delivery reports, incoming messages, and answers that come late. *bridge.Bridge
// implements it.
type Sink interface {
	bridge.Sink
	bridge.Settler
}

// Config is what New needs.
type Config struct {
	Log        *slog.Logger          // nil: no log
	Registerer prometheus.Registerer // nil: no metrics
	Now        func() time.Time      // the time of receipts and incoming messages; nil: time.Now
	// Dial connects to a message centre; nil: by TCP.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Client makes calls over routes of kind smpp. It implements bridge.Sender and is safe for concurrent use. It is bound only
// while Run runs.
type Client struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	changed chan struct{} // capacity 1: the routes have

	mu     sync.Mutex // one SetRoutes at a time
	routes atomic.Pointer[map[string]*route]
	sink   atomic.Pointer[Sink]
}

var _ bridge.Sender = (*Client)(nil)

// errNoSink says that Run was called before Deliver.
var errNoSink = errors.New("upstream: nobody takes receipts")

// New makes a Client without routes.
func New(cfg Config) (*Client, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Dial == nil {
		cfg.Dial = new(net.Dialer).DialContext
	}
	c := &Client{cfg: cfg, log: cfg.Log, changed: make(chan struct{}, 1)}
	c.routes.Store(&map[string]*route{})
	var err error
	if c.metrics, err = newMetrics(cfg.Registerer, c.Bound); err != nil {
		return nil, fmt.Errorf("upstream: metrics: %w", err)
	}
	return c, nil
}

// Deliver says who takes receipts. It is called before Run.
func (c *Client) Deliver(sink Sink) { c.sink.Store(&sink) }

// SetRoutes replaces all routes. Those that are as they were keep their binds; calls under way end on the route they began
// on. When it returns an error nothing has changed.
func (c *Client) SetRoutes(routes []Route) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := *c.routes.Load()
	next := make(map[string]*route, len(routes))
	for _, cfg := range routes {
		if _, twice := next[cfg.Name]; twice {
			return fmt.Errorf("upstream: route %q is named twice", cfg.Name)
		}
		if r := old[cfg.Name]; r != nil && r.Route == cfg {
			next[cfg.Name] = r
			continue
		}
		r, err := c.newRoute(cfg)
		if err != nil {
			return fmt.Errorf("upstream: route %q: %w", cfg.Name, err)
		}
		next[cfg.Name] = r
	}
	for name := range next {
		c.metrics.addRoute(name)
	}
	c.routes.Store(&next)
	select {
	case c.changed <- struct{}{}:
	default: // Run is to look anyway
	}
	return nil
}

// Has reports whether there is a route of that name.
func (c *Client) Has(route string) bool { return (*c.routes.Load())[route] != nil }

// Run binds all routes, and again whenever a bind ends, until ctx does. Then it waits for the answers to calls under way,
// unbinds, and returns ctx's error.
func (c *Client) Run(ctx context.Context) error {
	if c.sink.Load() == nil {
		return errNoSink
	}
	running := make(map[*route]context.CancelFunc)
	var work sync.WaitGroup
	defer work.Wait()
	for {
		want := *c.routes.Load()
		for r, cancel := range running {
			if want[r.Name] != r {
				cancel()
				delete(running, r)
			}
		}
		for _, r := range want {
			if running[r] != nil {
				continue
			}
			ctx, cancel := context.WithCancel(ctx)
			running[r] = cancel
			work.Go(func() { r.run(ctx) })
		}
		select {
		case <-ctx.Done():
			for _, cancel := range running {
				cancel()
			}
			return ctx.Err()
		case <-c.changed:
		}
	}
}

// Send submits the call's message and returns how that ended.
func (c *Client) Send(ctx context.Context, call bridge.Call) bridge.Answer {
	r := (*c.routes.Load())[call.Route]
	if r == nil { // the policy has changed since the call was planned
		return answers[codeNoRoute]
	}
	a := r.send(ctx, &call)
	c.metrics.count(r.Name, a.Code)
	return a
}

// Find returns bridge.ErrCannotAsk: what query_sm wants is a message_id, which an unanswered submit_sm has none of.
func (c *Client) Find(context.Context, string, string, string, time.Time) (bridge.Found, error) {
	return bridge.Found{}, bridge.ErrCannotAsk
}

// Sent returns bridge.ErrCannotAsk.
func (c *Client) Sent(context.Context, string, string, time.Time, time.Time) ([]bridge.SentSMS, error) {
	return nil, bridge.ErrCannotAsk
}

// Bound reports whether the named route is bound now.
func (c *Client) Bound(name string) bool {
	r := (*c.routes.Load())[name]
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.link != nil
}
