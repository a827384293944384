package aliyunsim

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// An OutageKind is how an endpoint is away.
type OutageKind string

// The kinds of outages. What is called during one is never executed.
const (
	// OutageRefuse refuses connections: nobody listens. Connections that are open are cut.
	OutageRefuse OutageKind = "refuse"
	// OutageBlackHole takes calls and does not answer them; when it ends their connections are closed.
	OutageBlackHole OutageKind = "black_hole"
	// OutageError500 answers every call InternalError with HTTP status 500.
	OutageError500 OutageKind = "error500"
	// OutageHTML502 answers every call HTTP status 502 with the HTML page of a load balancer.
	OutageHTML502 OutageKind = "html502"
	// OutageEmpty503 answers every call HTTP status 503 and nothing else.
	OutageEmpty503 OutageKind = "empty503"
)

// An Outage is an endpoint that is away for a time. The endpoints under /sim/ still answer there, but for
// OutageRefuse: that one is ended by its time, over another endpoint, or by Server.EndOutages.
type Outage struct {
	Kind OutageKind `json:"kind"`
	// Endpoint is the host:port that is away; empty means all.
	Endpoint string `json:"endpoint,omitempty"`
	// ForMS is how long; 0 means until it is ended.
	ForMS int `json:"for_ms,omitempty"`
}

// outages are the endpoints and which of them are away.
type outages struct {
	mu        sync.Mutex
	endpoints []*endpoint         // guarded by mu
	away      map[*endpoint]*away // guarded by mu
}

// away is an outage of one endpoint.
type away struct {
	Outage
	over  chan struct{} // closed when it ends
	timer *time.Timer   // nil: it does not end by itself
}

// An endpoint is a listener that can be taken away and comes back on the same address. It is a net.Listener for
// http.Server, which does not notice.
type endpoint struct {
	addr net.Addr

	mu     sync.Mutex
	back   *sync.Cond            // with mu: ln or closed has changed
	ln     net.Listener          // guarded by mu; nil while it is away
	closed bool                  // guarded by mu
	conns  map[net.Conn]struct{} // guarded by mu; open
}

func newEndpoint(ln net.Listener) *endpoint {
	e := &endpoint{addr: ln.Addr(), ln: ln, conns: map[net.Conn]struct{}{}}
	e.back = sync.NewCond(&e.mu)
	return e
}

// Accept waits for a connection, and while the endpoint is away for its return.
func (e *endpoint) Accept() (net.Conn, error) {
	for {
		e.mu.Lock()
		for e.ln == nil && !e.closed {
			e.back.Wait()
		}
		ln := e.ln
		e.mu.Unlock()
		if ln == nil {
			return nil, net.ErrClosed
		}
		conn, err := ln.Accept()
		switch here := e.admit(ln, conn, err == nil); {
		case here && err == nil:
			return &endpointConn{conn, e}, nil
		case here:
			return nil, err
		}
	}
}

// admit notes a connection that ln took, and reports whether ln is still what the endpoint listens with. If not, the
// connection, if there is one, came too late.
func (e *endpoint) admit(ln net.Listener, conn net.Conn, connected bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	here := e.ln == ln
	switch {
	case connected && here:
		e.conns[conn] = struct{}{}
	case connected:
		_ = conn.Close()
	}
	return here
}

// Close ends the endpoint for good.
func (e *endpoint) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	e.back.Broadcast()
	if e.ln == nil {
		return nil
	}
	err := e.ln.Close()
	e.ln = nil
	return err
}

// Addr is where the endpoint is, also while it is not.
func (e *endpoint) Addr() net.Addr { return e.addr }

// leave stops listening and cuts the connections.
func (e *endpoint) leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ln != nil {
		_ = e.ln.Close()
		e.ln = nil
	}
	for conn := range e.conns {
		_ = conn.Close()
	}
}

// comeBack listens on the same address again.
func (e *endpoint) comeBack() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.ln != nil {
		return nil
	}
	ln, err := net.Listen(e.addr.Network(), e.addr.String())
	if err != nil {
		return fmt.Errorf("listen again: %w", err)
	}
	e.ln = ln
	e.back.Broadcast()
	return nil
}

// endpointConn is a connection that its endpoint can cut.
type endpointConn struct {
	net.Conn
	of *endpoint
}

// NetConn returns the connection below, as that of package tls does.
func (c *endpointConn) NetConn() net.Conn { return c.Conn }

// Close closes the connection.
func (c *endpointConn) Close() error {
	c.of.mu.Lock()
	delete(c.of.conns, c.Conn)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// add makes an endpoint of ln.
func (o *outages) add(ln net.Listener) *endpoint {
	e := newEndpoint(ln)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.endpoints = append(o.endpoints, e)
	return e
}

// of returns the outage of e, nil if there is none.
func (o *outages) of(e *endpoint) *away {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.away[e]
}

// check returns the endpoints that out is about. The caller holds mu.
func (o *outages) check(out Outage) (list []*endpoint, err error) {
	for _, e := range o.endpoints {
		if out.Endpoint == "" || e.addr.String() == out.Endpoint {
			list = append(list, e)
		}
	}
	switch {
	case !slices.Contains([]OutageKind{OutageRefuse, OutageBlackHole, OutageError500, OutageHTML502, OutageEmpty503}, out.Kind):
		return nil, fmt.Errorf("unknown kind of outage %q", out.Kind)
	case out.ForMS < 0:
		return nil, errors.New("for_ms is negative")
	case len(list) == 0:
		return nil, fmt.Errorf("no endpoint %q", out.Endpoint)
	}
	return list, nil
}

// begin takes endpoints away. One that is away already is away anew.
func (o *outages) begin(out Outage, failed func(error)) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	list, err := o.check(out)
	if err != nil {
		return err
	}
	for _, e := range list {
		if err := o.end(e); err != nil {
			return err
		}
		a := &away{Outage: out, over: make(chan struct{})}
		a.Endpoint = e.addr.String()
		if out.Kind == OutageRefuse {
			e.leave()
		}
		if out.ForMS > 0 {
			a.timer = time.AfterFunc(time.Duration(out.ForMS)*time.Millisecond, func() { o.expire(e, a, failed) })
		}
		if o.away == nil {
			o.away = map[*endpoint]*away{}
		}
		o.away[e] = a
	}
	return nil
}

// expire ends a if it is still the outage of e.
func (o *outages) expire(e *endpoint, a *away, failed func(error)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.away[e] == a {
		if err := o.end(e); err != nil {
			failed(err)
		}
	}
}

// endAll brings all endpoints back.
func (o *outages) endAll() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var errs []error
	for _, e := range o.endpoints {
		errs = append(errs, o.end(e))
	}
	return errors.Join(errs...)
}

// end brings e back. The caller holds mu.
func (o *outages) end(e *endpoint) error {
	a := o.away[e]
	if a == nil {
		return nil
	}
	delete(o.away, e)
	if a.timer != nil {
		a.timer.Stop()
	}
	close(a.over)
	return e.comeBack()
}

// list returns the outages there are, in the order of the endpoints.
func (o *outages) list() []Outage {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := []Outage{}
	for _, e := range o.endpoints {
		if a := o.away[e]; a != nil {
			out = append(out, a.Outage)
		}
	}
	return out
}

// replace ends the outages there are and begins others, those that refuse connections after answered: the
// connection that asks for them is cut, too.
func (o *outages) replace(list []Outage, failed func(error), answered func()) error {
	o.mu.Lock()
	for _, out := range list {
		if _, err := o.check(out); err != nil {
			o.mu.Unlock()
			return err
		}
	}
	o.mu.Unlock()
	if err := o.endAll(); err != nil {
		return err
	}
	begin := func(refuse bool) (errs error) {
		for _, out := range list {
			if (out.Kind == OutageRefuse) == refuse {
				errs = errors.Join(errs, o.begin(out, failed))
			}
		}
		return errs
	}
	if err := begin(false); err != nil {
		return err
	}
	answered()
	if err := begin(true); err != nil {
		failed(err)
	}
	return nil
}

// BeginOutage takes one endpoint away, or all. It may be called while Run runs.
func (s *Server) BeginOutage(out Outage) error {
	return s.outages.begin(out, s.outageFailed)
}

func (s *Server) outageFailed(err error) {
	s.cfg.Log.Error("outage neither begins nor ends", "err", err)
}

// EndOutages brings all endpoints back.
func (s *Server) EndOutages() error { return s.outages.endAll() }

// Outages are the endpoints that are away.
func (s *Server) Outages() []Outage { return s.outages.list() }

// failAway answers a call to an endpoint that is away.
func (s *Server) failAway(w http.ResponseWriter, r *http.Request, a *away) {
	s.counters.answer("other", "outage_"+string(a.Kind))
	switch a.Kind {
	case OutageError500:
		bad := gatewayError(http.StatusInternalServerError, "InternalError", "The request processing has failed due to some unknown error.")
		id := s.ids.request()
		out := bad.answer(id)
		out.setHeader(w.Header(), id)
		w.WriteHeader(out.status)
		_, _ = w.Write(out.body)
	case OutageHTML502:
		sendHTML(w, http.StatusBadGateway, htmlError)
	case OutageEmpty503:
		w.WriteHeader(http.StatusServiceUnavailable)
	default: // OutageRefuse: it came in just before
		if a.Kind == OutageBlackHole {
			select {
			case <-a.over:
			case <-r.Context().Done():
			case <-s.calls.stop:
			}
		}
		closeConn(w)
	}
}
