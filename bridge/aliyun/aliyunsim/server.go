package aliyunsim

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// controlPath is where the control endpoints are.
const controlPath = "/sim/"

// stopTimeout is how long Run waits for calls being answered when it ends.
const stopTimeout = 2 * time.Second

// A Server plays Dysmsapi. It is made by New; Run serves and pushes reports.
type Server struct {
	cfg       Config
	now       func() time.Time
	keys      map[string]*credential
	actions   map[string]*action
	outcomes  outcomes
	ids       *ids
	nonces    *nonces
	frequency *frequency
	faults    *faultSet
	ledger    *ledger
	pusher    *pusher
	ups       *ups
	counters  counters
	control   http.Handler
	queues    map[string]*mnsQueue // by name
	tokens    mnsTokens
	// mnsActions are the requests that queues take, by method.
	mnsActions map[string]*action
	cert       *tls.Certificate // nil unless Config.TLS

	calls   gate
	outages outages
	audits  audits
}

// New returns a Server that plays cfg. An error says what in the configuration is wrong.
func New(cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Faults.validate(); err != nil {
		return nil, err
	}
	keys, err := newRegistry(cfg.Accounts)
	if err != nil {
		return nil, err
	}
	results, err := newOutcomes(cfg.Outcomes)
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, now: cfg.Now, keys: keys, actions: actions(), outcomes: results,
		ids:       newIDs(cfg.Seed),
		nonces:    newNonces(cfg.NonceLimit),
		frequency: newFrequency(cfg.Limits),
		faults:    newFaultSet(cfg.Seed, cfg.Faults),
		ledger:    newLedger(cfg.LedgerLimit),
		calls:     gate{stop: make(chan struct{}), empty: make(chan struct{})},
	}
	s.mnsActions = mnsActions()
	if s.queues, err = newQueues(keys, cfg.Queues.Visibility); err != nil {
		return nil, err
	}
	s.pusher = newPusher(cfg, s.ledger)
	s.ups = newUps(cfg)
	s.pusher.enqueue = s.enqueueReport
	s.control = s.controlHandler()
	if cfg.TLS {
		if s.cert, err = selfSigned(cfg.Now()); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Run serves on ln, and on each of more as another endpoint of the same API, and pushes reports until ctx ends, and
// returns when all of its goroutines have. It may be called once. Reports that are still to be pushed then stay
// pending in the ledger.
func (s *Server) Run(ctx context.Context, ln net.Listener, more ...net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var pushing sync.WaitGroup
	pushing.Go(func() { s.pusher.run(ctx) })
	pushing.Go(func() { s.ups.run(ctx) })

	listeners := append([]net.Listener{ln}, more...)
	servers := make([]*http.Server, len(listeners))
	served := make(chan error, len(listeners))
	for i, ln := range listeners {
		e := s.outages.add(ln)
		servers[i] = s.server(e)
		go func() { served <- servers[i].Serve(s.secure(e)) }() // ends with Shutdown or Close below
	}
	select {
	case <-ctx.Done():
	case err := <-served: // a listener broke
		served <- err
	}
	s.calls.shut()
	cancel()
	grace, done := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer done()
	for _, srv := range servers {
		if srv.Shutdown(grace) != nil {
			_ = srv.Close()
		}
	}
	var errs []error
	for range servers {
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, err)
		}
	}
	<-s.calls.empty
	pushing.Wait()
	return errors.Join(append(errs, s.EndOutages())...)
}

// server is the HTTP server of one endpoint.
func (s *Server) server(e *endpoint) *http.Server {
	whole := s.Handler()
	return &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if a := s.outages.of(e); a != nil && !strings.HasPrefix(r.URL.Path, controlPath) && s.calls.enter() {
				defer s.calls.leave()
				s.failAway(w, r, a)
				return
			}
			whole.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: 30 * time.Second,
		IdleTimeout:       s.cfg.IdleTimeout,
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
}

// secure puts TLS on an endpoint, if the API is to speak it.
func (s *Server) secure(e *endpoint) net.Listener {
	if s.cert == nil {
		return e
	}
	return tls.NewListener(e, &tls.Config{Certificates: []tls.Certificate{*s.cert}, MinVersion: tls.VersionTLS12})
}

// Handler returns the API at /, the message queues at /queues/ and the control endpoints at /sim/. Reports are pushed while Run runs.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, controlPath) {
			s.control.ServeHTTP(w, r)
			return
		}
		if r.URL.Path == loginPath {
			sendHTML(w, http.StatusOK, loginPage)
			return
		}
		if !s.calls.enter() {
			closeConn(w)
			return
		}
		defer s.calls.leave()
		if strings.HasPrefix(r.URL.Path, mnsPath) {
			s.serveQueue(w, r)
			return
		}
		s.serve(w, r)
	})
}

// serve answers one call: the gateway's checks, then the service's, then whatever fault befalls it.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	c, err := s.readCall(r)
	if err != nil {
		s.write(w, c, gatewayError(http.StatusBadRequest, "InvalidParameter", "The parameters cannot be read.").answer(c.id))
		return
	}
	a, bad := s.admit(c)
	if bad != nil {
		s.write(w, c, bad.answer(c.id))
		return
	}
	c.action = a.name
	f := s.faults.ofCall(a.name, a, c.hasPhone)
	if f.latency > 0 && !s.wait(f.latency, nil) {
		closeConn(w)
		return
	}
	if f.Kind == "" {
		s.write(w, c, s.execution(a, c))
		return
	}
	s.fail(w, c, a, f)
}

// execution does what c asks for.
func (s *Server) execution(a *action, c *call) answer {
	out, bad := a.run(s, c)
	if bad != nil {
		return bad.answer(c.id)
	}
	return out
}

// write sends an answer.
func (s *Server) write(w http.ResponseWriter, c *call, a answer) {
	name := c.action
	if s.actions[name] == nil && name != actionReceive && name != actionDelete {
		name = "other"
	}
	s.counters.answer(name, a.code)
	a.setHeader(w.Header(), c.id)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // whoever has gone does not hear it
}

// wait returns true after d, or false when gone or Run ends before.
func (s *Server) wait(d time.Duration, gone <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-gone:
	case <-s.calls.stop:
	}
	return false
}

// hold returns when gone or Run ends.
func (s *Server) hold(gone <-chan struct{}) {
	select {
	case <-gone:
	case <-s.calls.stop:
	}
}

// SetFaults replaces the faults. An error says which is wrong; then nothing has changed.
func (s *Server) SetFaults(f Faults) error {
	if err := f.validate(); err != nil {
		return err
	}
	s.faults.set(f)
	return nil
}

// Faults returns the faults that are on, with the counts that remain.
func (s *Server) Faults() Faults { return s.faults.get() }

// SetReportURL changes where reports are pushed; "" stops pushing. It holds for messages executed from now on and
// for reports that are still to be pushed.
func (s *Server) SetReportURL(url string) { s.pusher.setURL(url) }

// ReleaseReports pushes the reports that a fault withheld and returns how many there are.
func (s *Server) ReleaseReports() int { return s.pusher.release() }

// Ledger returns all that was executed and is still remembered.
func (s *Server) Ledger() []Entry {
	var out []Entry
	s.ledger.each(func(seq int64, r *record) { out = append(out, r.entry(seq)) })
	return out
}

// LedgerSince returns at most limit entries from seq on, and the seq to ask for next.
func (s *Server) LedgerSince(seq int64, limit int) ([]Entry, int64) {
	list, first := s.ledger.since(seq, limit)
	out := make([]Entry, len(list))
	for i := range list {
		out[i] = list[i].entry(first + int64(i))
	}
	return out, first + int64(len(list))
}

// Summary counts what the ledger holds, and finds what was sent more than once.
func (s *Server) Summary() Summary { return s.ledger.summary() }

// ResetLedger forgets what was executed. The numbers of entries go on.
func (s *Server) ResetLedger() { s.ledger.reset() }
