package smpp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// A Backend decides what sessions do. *bridge.Bridge implements it.
type Backend interface {
	// Bind is called on the session's reader goroutine for each bind request
	// and may block (it commits). An error that is, or wraps, a *StatusError is
	// what the ESME receives; any other error is ESME_RBINDFAIL. The session's
	// SystemID, BindType and RemoteAddr are set. ctx ends when the session or
	// the server does.
	Bind(ctx context.Context, s *Session, req *Bind) (Options, error)

	// SubmitSM takes a submit_sm, or a data_sm as the submit_sm it amounts to. It must
	// not block on anything but back-pressure. It leads to exactly one s.Respond
	// with r, now or later, from any goroutine. *m is valid only during the call;
	// its strings may be kept.
	SubmitSM(s *Session, r Request, m *SubmitSM)

	// Handle takes a *SubmitMulti, *QuerySM, *CancelSM or *ReplaceSM, under the same
	// rules as SubmitSM; p may be kept. It leads to exactly one s.Respond or
	// s.RespondPDU with r.
	Handle(s *Session, r Request, p PDU)

	// Closed is called once for each session whose Bind succeeded, after its last
	// PDU was written and all its DeliverSM calls have been ended.
	Closed(s *Session)
}

// A Request names a request of an ESME that waits for its answer: submit_sm, data_sm,
// submit_multi, query_sm, cancel_sm or replace_sm. Each holds a slot of its session's
// window until it is answered.
type Request struct {
	Command  CommandID
	Sequence uint32
}

// ErrServerClosed is returned by Serve when the server is already draining.
var ErrServerClosed = errors.New("smpp server is draining")

// A Server runs SMPP sessions on one or more listeners.
type Server struct {
	cfg     Config
	backend Backend
	log     *slog.Logger
	metrics *metrics
	lastID  atomic.Uint64
	tracer  atomic.Pointer[Tracer]

	share    atomic.Int64 // octets that one session may have waiting to be written
	buffered atomic.Int64 // octets that all sessions held at their last tick

	mu        sync.Mutex
	sessions  map[*Session]netip.Addr // guarded by mu; every open connection, and whose it counts as while unbound
	unbound   int                     // guarded by mu; of them those not bound yet
	unboundBy map[netip.Addr]int      // guarded by mu; the same by address
	draining  bool                    // guarded by mu
	drain     chan struct{}           // closed when draining becomes true
	empty     chan struct{}           // closed when draining and no session is left
}

// NewServer returns a Server that asks b. Its metrics are registered at once.
func NewServer(cfg Config, b Backend) *Server {
	cfg = cfg.withDefaults()
	s := &Server{
		cfg:       cfg,
		backend:   b,
		log:       cfg.Log,
		metrics:   newMetrics(cfg.Registerer),
		sessions:  make(map[*Session]netip.Addr),
		unboundBy: make(map[netip.Addr]int),
		drain:     make(chan struct{}),
		empty:     make(chan struct{}),
	}
	s.shareLocked()
	return s
}

// Drain ends all sessions in good order. No connection is accepted any more, and
// a bind request is answered ESME_RSYSERR: another node, or this one after its
// restart, will take it. A submit_sm is answered ESME_RTHROTTLED, which every
// client in the field takes as "not accepted, try again". A session whose own
// submits and deliver_sm are all answered is sent an unbind and closed when the
// ESME has answered that, or has not within the response time-out.
//
// Drain returns nil when all sessions have ended. When ctx is done first, those
// left are cut and ctx's error is returned once they are gone.
func (s *Server) Drain(ctx context.Context) error {
	s.mu.Lock()
	if !s.draining {
		s.draining = true
		close(s.drain)
		s.closeEmptyLocked()
	}
	sessions := s.snapshotLocked()
	s.mu.Unlock()

	for _, sess := range sessions {
		sess.startDrain()
	}
	select {
	case <-s.empty:
		return nil
	case <-ctx.Done():
	}
	for _, sess := range sessions {
		sess.cut(endServer, ctx.Err())
	}
	<-s.empty
	return ctx.Err()
}

// Sessions returns how many connections are open, bound or not.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// A refusal is why a connection is closed on accept, or as soon as it is known whose
// it is: the closed list of the metric's label.
type refusal uint8

const (
	admitted refusal = iota
	refusedDraining
	refusedSessions
	refusedUnbound
	refusedAddress

	refusals // how many there are
)

var refusalNames = [refusals]string{
	"", "draining", "max_sessions", "max_unbound", "max_unbound_per_address",
}

func (r refusal) String() string { return refusalNames[r] }

// add admits a new connection's session, or says why not.
func (s *Server) add(sess *Session) refusal {
	var from netip.Addr
	if headerOf(sess.conn) == nil { // otherwise it is the load balancer's
		from = neighbourhood(sess.conn.RemoteAddr())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.draining:
		return refusedDraining
	case len(s.sessions) >= s.cfg.MaxSessions:
		return refusedSessions
	case s.unbound >= s.cfg.MaxUnbound:
		return refusedUnbound
	case s.unboundBy[from] >= s.cfg.MaxUnboundPerAddress && from.IsValid():
		return refusedAddress
	}
	s.sessions[sess] = from
	s.unbound++
	s.countLocked(from, 1)
	s.shareLocked()
	s.metrics.connections.Inc()
	return admitted
}

// located is called once for a session whose address a PROXY header has told.
func (s *Server) located(sess *Session) error {
	from := neighbourhood(sess.conn.RemoteAddr())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unboundBy[from] >= s.cfg.MaxUnboundPerAddress && from.IsValid() {
		s.metrics.refused[refusedAddress].Inc()
		return fmt.Errorf("more than smpp.%s", refusedAddress)
	}
	s.sessions[sess] = from
	s.countLocked(from, 1)
	return nil
}

// bound is called once for a session that is no longer unbound.
func (s *Server) bound(sess *Session) {
	s.metrics.sessions[sess.bindType].Inc()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unbound--
	s.countLocked(s.sessions[sess], -1)
}

// remove forgets a session that has ended; wasBound says whether bound was called.
func (s *Server) remove(sess *Session, wasBound bool) {
	s.metrics.connections.Dec()
	if wasBound {
		s.metrics.sessions[sess.bindType].Dec()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !wasBound {
		s.unbound--
		s.countLocked(s.sessions[sess], -1)
	}
	delete(s.sessions, sess)
	s.shareLocked()
	s.closeEmptyLocked()
}

// countLocked counts an unbound connection of an address; the zero Addr counts nowhere.
func (s *Server) countLocked(from netip.Addr, n int) {
	if !from.IsValid() {
		return
	}
	if s.unboundBy[from] += n; s.unboundBy[from] == 0 {
		delete(s.unboundBy, from)
	}
}

// neighbourhood is what counts as one address: of IPv6 the network that one customer
// is given, a /64.
func neighbourhood(addr net.Addr) netip.Addr {
	ip := ipOf(addr)
	if ip.Is6() {
		if network, err := ip.Prefix(64); err == nil {
			return network.Addr()
		}
	}
	return ip
}

// closeEmptyLocked wakes Drain. No session can be added while draining, so the
// last one leaves once; but a Drain with none left closes it first.
func (s *Server) closeEmptyLocked() {
	if s.draining && len(s.sessions) == 0 {
		select {
		case <-s.empty:
		default:
			close(s.empty)
		}
	}
}

func (s *Server) snapshotLocked() []*Session {
	all := make([]*Session, 0, len(s.sessions))
	for sess := range s.sessions {
		all = append(all, sess)
	}
	return all
}
