package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"github.com/hashicorp/yamux"
)

// A call is one request under way.
type call struct {
	request []byte
	limit   int // of the answer
	state   atomic.Int32
	done    chan struct{} // closed when answer and err are set
	answer  []byte
	err     error
}

// The states of a call. Who asks may give it up before its first octet is written; later nobody but the
// other node knows what became of it.
const (
	callWaits int32 = iota
	callSent
	callGivenUp
)

// newCall copies the request: a call that was given up may still be read.
func newCall(subject string, request []byte) *call {
	return &call{request: encodeRequest(subject, request), limit: maxRequest(subject), done: make(chan struct{})}
}

// A peer is another node as this one reaches it.
type peer struct {
	mesh   *mesh
	id     string
	at     string        // where it is, if not where the address book says
	places chan struct{} // capacity maxAsked

	mu       sync.Mutex
	session  *yamux.Session // guarded by mu; nil, or perhaps ended
	addr     string         // guarded by mu; where session leads to
	dialing  chan struct{}  // guarded by mu; closed when the dial under way has ended; nil if none is
	err      error          // guarded by mu; of the last dial
	failures int            // guarded by mu; dials in a row
	retryAt  time.Time      // guarded by mu; until when nothing is dialled after a failure
}

func newPeer(m *mesh, id string) *peer {
	return &peer{mesh: m, id: id, places: make(chan struct{}, maxAsked)}
}

// exchange carries out c, which has a place, and ends when ctx does.
func (p *peer) exchange(ctx context.Context, c *call) {
	defer func() { <-p.places }()
	defer close(c.done)
	session, err := p.connect(ctx)
	if err != nil {
		c.err = fmt.Errorf("%w: %w", errNotSent, err)
		return
	}
	stream, err := session.OpenStream()
	if err != nil {
		c.err = fmt.Errorf("%w: %w", errNotSent, err)
		return
	}
	defer stream.Close()
	stop := context.AfterFunc(ctx, func() { _ = stream.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if !c.state.CompareAndSwap(callWaits, callSent) {
		c.err = errNotSent
		return
	}
	if _, err := stream.Write(c.request); err != nil {
		c.err = err
		return
	}
	c.answer, c.err = readAnswer(stream, c.limit)
}

// connect returns the session with the peer. It dials if there is none, shares the dial that is under
// way, and fails at once in the pause after one that failed: the caller knows better whether to wait.
func (p *peer) connect(ctx context.Context) (*yamux.Session, error) {
	session, dialing, err := p.current()
	if session != nil || err != nil {
		return session, err
	}
	select {
	case <-dialing:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.session == nil && p.err == nil {
		return nil, errPeerClosed
	}
	return p.session, p.err
}

// current returns the session, or the dial to wait for, or why there is neither.
func (p *peer) current() (*yamux.Session, <-chan struct{}, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.session != nil && !p.session.IsClosed():
		return p.session, nil, nil
	case p.dialing != nil:
		return nil, p.dialing, nil
	case time.Now().Before(p.retryAt):
		return nil, nil, p.err
	}
	p.session, p.dialing = nil, make(chan struct{})
	if !p.mesh.spawn(p.dial) {
		p.dialing = nil
		return nil, nil, errPeerClosed
	}
	return nil, p.dialing, nil
}

// dial makes a session and ends the wait for it.
func (p *peer) dial() {
	session, addr, err := p.open()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.session, p.addr, p.err = session, addr, err
	if err != nil {
		pause := min(minRedial<<min(p.failures, 10), maxRedial)
		p.retryAt = time.Now().Add(pause/2 + rand.N(pause))
		p.failures++
	} else {
		p.failures, p.retryAt = 0, time.Time{}
	}
	close(p.dialing)
	p.dialing = nil
}

func (p *peer) open() (*yamux.Session, string, error) {
	addr := p.at
	if addr == "" {
		at, err := p.mesh.book.ServerAddr(raft.ServerID(p.id))
		if err != nil {
			return nil, "", err
		}
		addr = string(at)
	}
	conn, err := p.mesh.port.connect(streamMesh, addr, p.id, dialTimeout)
	if err != nil {
		return nil, addr, err
	}
	session, err := yamux.Client(conn, &p.mesh.mux)
	if err != nil {
		conn.Close()
		return nil, addr, err
	}
	select {
	case <-p.mesh.stop: // drop has perhaps been and gone
		_ = session.Close()
		return nil, addr, errPeerClosed
	default:
		return session, addr, nil
	}
}

// The pause after a failed dial grows between these.
const (
	minRedial = 20 * time.Millisecond
	maxRedial = time.Second
)

// drop ends the session. The next request makes another one.
func (p *peer) drop() {
	p.mu.Lock()
	session := p.session
	p.session = nil
	p.mu.Unlock()
	if session != nil {
		_ = session.Close()
	}
}

// elsewhere says whether the session leads to another address than addr.
func (p *peer) elsewhere(addr string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.session != nil && p.addr != addr
}

// A muxLog takes what yamux logs, as Debug: what it means is in the errors of the requests.
type muxLog struct{ log *slog.Logger }

// Print implements yamux.Logger.
func (l muxLog) Print(v ...any) { l.log.Debug("mesh", "event", fmt.Sprint(v...)) }

// Printf implements yamux.Logger.
func (l muxLog) Printf(format string, v ...any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug("mesh", "event", fmt.Sprintf(format, v...))
	}
}

// Println implements yamux.Logger.
func (l muxLog) Println(v ...any) {
	l.log.Debug("mesh", "event", strings.TrimSuffix(fmt.Sprintln(v...), "\n"))
}

// isNotSent says whether surely nothing of a request reached the other node.
func isNotSent(err error) bool { return errors.Is(err, errNotSent) }
