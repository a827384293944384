package upstream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"smppbridge/bridge"
	"smppbridge/configs"
	"smppbridge/smpp"
)

// A Route is a message centre to which a Client binds as a transceiver. Two Routes that are equal are one.
type Route struct {
	Name        string
	Account     string // message_ids are told apart by it: receipts may come over any bind of a system_id
	Endpoint    string // host[:port]; without a port 2775, or 3550 with TLS
	Credentials *Credentials
	QPS         int
	Timeout     time.Duration // until a submit_sm without answer is uncertain
	SMPP        configs.RouteSMPP
}

// Timing of binds.
const (
	bindWithin  = 10 * time.Second // connecting, TLS and the bind
	firstRebind = 500 * time.Millisecond
	lastRebind  = time.Minute
	bindLasts   = 10 * time.Second // who was bound for so long binds again at once
)

// route is a Route with its bind.
type route struct {
	Route
	c        *Client
	alphabet smpp.Alphabet
	pacer    pacer
	tried    chan struct{} // closed when the first bind has succeeded or failed

	mu     sync.Mutex
	known  bool   // guarded by mu; tried is closed
	link   *link  // guarded by mu; nil: not bound
	why    string // guarded by mu; while there is no link: a code of answers
	lastID uint8  // guarded by mu; reference of the last text in parts
}

// alphabets are what data_coding 0 may mean, by the policy's names.
var alphabets = map[string]smpp.Alphabet{
	"gsm":    smpp.AlphabetGSM7,
	"ascii":  smpp.AlphabetASCII,
	"latin1": smpp.AlphabetLatin1,
	"utf8":   smpp.AlphabetUTF8,
	"gbk":    smpp.AlphabetGBK,
}

func (c *Client) newRoute(cfg Route) (*route, error) {
	alphabet, ok := alphabets[cfg.SMPP.Alphabet]
	switch {
	case !ok:
		return nil, fmt.Errorf("alphabet %q is not known", cfg.SMPP.Alphabet)
	case cfg.Credentials == nil:
		return nil, errors.New("no credentials of a message centre")
	case cfg.Endpoint == "" || cfg.QPS < 1 || cfg.Timeout <= 0:
		return nil, errors.New("endpoint, qps or timeout is missing")
	}
	return &route{Route: cfg, c: c, alphabet: alphabet, tried: make(chan struct{}), why: codeNotBound,
		pacer: pacer{every: time.Second / time.Duration(cfg.QPS)}, lastID: uint8(rand.Uint32())}, nil
}

// run binds, and again whenever the bind ends, until ctx does.
func (r *route) run(ctx context.Context) {
	defer r.set(nil, codeCanceled)
	wait := firstRebind
	for {
		lasted, err := r.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if lasted >= bindLasts {
			wait = firstRebind
		}
		r.c.log.WarnContext(ctx, "upstream not bound", "route", r.Name, "retry_in", wait, "err", err)
		if !sleep(ctx, wait-time.Duration(rand.Int64N(int64(wait)/4))) {
			return
		}
		wait = min(2*wait, lastRebind)
	}
}

// session is one connection, from dialling to its end. It returns for how long it was bound.
func (r *route) session(ctx context.Context) (lasted time.Duration, err error) {
	l, err := r.bind(ctx)
	if err != nil {
		code, result := bindFault(err)
		if ctx.Err() == nil {
			r.c.metrics.bind(r.Name, result)
			r.set(nil, code)
		}
		return 0, err
	}
	r.c.metrics.bind(r.Name, bindDone)
	r.c.log.InfoContext(ctx, "upstream bound", "route", r.Name, "remote", l.conn.RemoteAddr().String(), "system_id", l.centre)
	r.set(l, "")
	since := time.Now()
	err = l.serve(ctx)
	r.set(nil, codeNotBound)
	return time.Since(since), err
}

// set says that the route is bound, or why it is not.
func (r *route) set(l *link, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.link, r.why = l, why
	if !r.known && why != codeCanceled {
		r.known = true
		close(r.tried)
	}
}

// bound returns the link with one more user, or the answer to a call that cannot be made. While the first bind is under way
// it waits, until the call would come too late.
func (r *route) bound(ctx context.Context, before time.Time) (*link, bridge.Answer) {
	select {
	case <-r.tried:
	default:
		waiting, cancel := context.WithDeadline(ctx, before)
		defer cancel()
		select {
		case <-r.tried:
		case <-waiting.Done():
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.link != nil && r.link.use() {
		return r.link, bridge.Answer{}
	}
	if ctx.Err() != nil {
		return nil, answers[codeCanceled]
	}
	return nil, answers[orNotBound(r.why)]
}

func orNotBound(why string) string {
	if why == "" { // the link is ending
		return codeNotBound
	}
	return why
}

// addr is the endpoint with its port.
func (r *route) addr() string {
	if _, _, err := net.SplitHostPort(r.Endpoint); err == nil {
		return r.Endpoint
	}
	port := "2775"
	if r.SMPP.TLS {
		port = "3550"
	}
	return net.JoinHostPort(strings.Trim(r.Endpoint, "[]"), port)
}

// sleep waits for d and reports whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// pacer spreads the parts of long texts, which the cluster's meter of the route counts as one call.
type pacer struct {
	every time.Duration

	mu   sync.Mutex
	next time.Time // guarded by mu
}

// reserve returns how long to wait before the next part.
func (p *pacer) reserve(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next.Before(now) {
		p.next = now
	}
	p.next = p.next.Add(p.every)
	return p.next.Sub(now)
}
