package smpp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// serving is one call of Serve: a listener, its sessions and the goroutine that
// ticks over them.
type serving struct {
	srv *Server
	wg  sync.WaitGroup // one for each session

	mu       sync.Mutex
	sessions map[*Session]struct{} // guarded by mu

	held int64 // of Server.buffered; the ticker's alone
}

// Serve accepts connections on l until ctx ends or Drain is called, then closes l
// and returns when all goroutines it started have ended. When ctx ends its
// sessions are cut; Drain lets them finish. It may be called for several
// listeners. The error is l's when accepting fails for good, ErrServerClosed
// when the server is draining already, otherwise nil.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	select {
	case <-s.drain:
		l.Close()
		return ErrServerClosed
	default:
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v := &serving{srv: s, sessions: make(map[*Session]struct{})}
	var helpers sync.WaitGroup
	accepted, idle := make(chan struct{}), make(chan struct{})
	helpers.Go(func() { v.tick(idle) })
	helpers.Go(func() {
		select {
		case <-ctx.Done():
		case <-s.drain:
		case <-accepted:
		}
		l.Close()
	})
	err := v.accept(ctx, l)
	close(accepted)
	if err != nil {
		cancel()
	}
	helpers.Go(func() {
		select {
		case <-ctx.Done():
			v.cutAll(ctx.Err())
		case <-idle:
		}
	})
	v.wg.Wait()
	close(idle)
	helpers.Wait()
	v.hold(0)
	return err
}

// accept starts a session for each connection until the listener is closed. What
// keeps one connection from being accepted (too many open files, a peer that has
// gone again) passes: it waits a little and goes on.
func (v *serving) accept(ctx context.Context, l net.Listener) error {
	const longest = time.Second
	wait := 5 * time.Millisecond
	for {
		conn, err := l.Accept()
		if err == nil {
			wait = 5 * time.Millisecond
			v.start(ctx, conn)
			continue
		}
		if v.stopping(ctx) {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("accept on %s: %w", l.Addr(), err)
		}
		v.srv.log.Warn("accept", "err", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		case <-v.srv.drain:
		}
		wait = min(2*wait, longest)
	}
}

func (v *serving) stopping(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	case <-v.srv.drain:
		return true
	default:
		return false
	}
}

// start runs a session for conn, or closes it when there are too many.
func (v *serving) start(ctx context.Context, conn net.Conn) {
	sess := newSession(v, conn)
	if why := v.srv.add(sess); why != admitted {
		v.srv.metrics.refused[why].Inc()
		v.srv.log.Debug("connection refused", "remote", conn.RemoteAddr().String(), "reason", why.String())
		sess.raw.Close() // a goodbye of TLS could block
		return
	}
	tune(conn)
	v.mu.Lock()
	v.sessions[sess] = struct{}{}
	v.mu.Unlock()
	v.wg.Go(func() { sess.run(ctx) })
}

// remove forgets a session whose goroutines have ended.
func (v *serving) remove(sess *Session, wasBound bool) {
	v.mu.Lock()
	delete(v.sessions, sess)
	v.mu.Unlock()
	v.srv.remove(sess, wasBound)
}

func (v *serving) cutAll(why error) {
	for _, sess := range v.snapshot(nil) {
		sess.cut(endServer, why)
	}
}

func (v *serving) snapshot(into []*Session) []*Session {
	v.mu.Lock()
	defer v.mu.Unlock()
	for sess := range v.sessions {
		into = append(into, sess)
	}
	return into
}

// tick drives the timers of all sessions until stop is closed.
func (v *serving) tick(stop <-chan struct{}) {
	every := v.srv.cfg.tick()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var sessions []*Session
	last := time.Now()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		now := time.Now()
		// A process that did not run for a while has not listened either.
		elapsed := min(now.Sub(last), 4*every)
		last = now
		sessions = v.snapshot(sessions[:0])
		for _, sess := range sessions {
			sess.tick(elapsed)
		}
		v.relieve(sessions)
		clear(sessions) // an ended session is not kept alive by this slice
	}
}

// tune sets what latency and dead peers ask for, also below TLS and a PROXY header.
func tune(conn net.Conn) {
	if tcp, ok := rawConn(conn).(*net.TCPConn); ok {
		// Without TCP_NODELAY a response can wait 40 ms for an ACK. Both
		// calls fail only on a connection that is gone, which the reader finds.
		_ = tcp.SetNoDelay(true)
		_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{
			Enable: true, Idle: 60 * time.Second, Interval: 15 * time.Second, Count: 4,
		})
	}
}
