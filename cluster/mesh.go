package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"github.com/hashicorp/yamux"
)

// maxAsk bounds a request and an answer between nodes; those of a proposal may be as large as a command.
const maxAsk = 1 << 20

// maxAsked bounds the requests that one node has under way at another one. Whoever asks waits for a
// place, and the node asked reads no more than that.
const maxAsked = 256

// A Handler answers the requests of other nodes about one subject. Its context ends with the node, and
// when the one who asks has gone.
type Handler func(ctx context.Context, from string, request []byte) ([]byte, error)

var (
	// errNotSent is wrapped by errors of a request of which surely nothing reached the other node.
	errNotSent = errors.New("not sent")

	errNoHandler  = errors.New("nobody answers this subject")
	errPeerClosed = fmt.Errorf("%w: the node stops", errNotSent)
)

// Answer has h answer what other nodes Ask about subject. It is called before they do: a request about a
// subject that nobody answers yet is refused.
func (n *Node) Answer(subject string, h func(ctx context.Context, from string, request []byte) ([]byte, error)) {
	n.mesh.handle(subject, h)
}

// Ask sends a request to another node and returns its answer. Its error tells nothing of whether the
// other node has done something. A node may ask itself. Requests and answers have at most 1 MiB.
func (n *Node) Ask(ctx context.Context, node, subject string, request []byte) ([]byte, error) {
	return n.mesh.ask(ctx, node, subject, request)
}

// A mesh carries requests between nodes: to each peer one connection of its own, over which streams run,
// one for each request. A connection is made when it is needed and kept as long as the peer is a member.
// Its goroutines end with close.
type mesh struct {
	port *port
	book *addressBook
	log  *slog.Logger
	mux  yamux.Config

	stop chan struct{}  // closed by close
	wg   sync.WaitGroup // dials, requests under way, connections that came in

	mu       sync.Mutex
	handlers map[string]Handler // guarded by mu
	peers    map[string]*peer   // guarded by mu
	closed   bool               // guarded by mu; nothing is added to wg any more
}

func newMesh(cfg Config, p *port, book *addressBook) *mesh {
	m := &mesh{
		port: p, book: book, log: cfg.Log, mux: *yamux.DefaultConfig(),
		stop: make(chan struct{}), handlers: make(map[string]Handler), peers: make(map[string]*peer),
	}
	// A peer that answers nothing for two heartbeat timeouts is given up: that is when another leads.
	m.mux.KeepAliveInterval = cfg.HeartbeatTimeout / 2
	m.mux.ConnectionWriteTimeout = cfg.HeartbeatTimeout * 3 / 2
	m.mux.AcceptBacklog = 2 * maxAsked // those given up count until their answer is there
	m.mux.MaxStreamWindowSize = 1 << 20
	m.mux.StreamOpenTimeout = 0 // a peer that is busy is not a peer that is gone
	m.mux.StreamCloseTimeout = 10 * time.Second
	m.mux.LogOutput, m.mux.Logger = nil, muxLog{cfg.Log}
	return m
}

func (m *mesh) handle(subject string, h Handler) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.handlers[subject] = h
}

func (m *mesh) handler(subject string) Handler {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.handlers[subject]
}

// spawn runs f in a goroutine that close waits for, or not at all once the mesh is closed.
func (m *mesh) spawn(f func()) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.wg.Go(f)
	return true
}

// close ends all connections, requests and handlers, and waits for them.
func (m *mesh) close() {
	m.mu.Lock()
	closed := m.closed
	m.closed = true
	m.mu.Unlock()
	if !closed {
		close(m.stop)
	}
	for _, p := range m.all() {
		p.drop()
	}
	m.wg.Wait()
}

func (m *mesh) all() []*peer {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []*peer
	for _, p := range m.peers {
		all = append(all, p)
	}
	return all
}

func (m *mesh) peer(id string) *peer {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.peers[id]
	if p == nil {
		p = newPeer(m, id)
		m.peers[id] = p
	}
	return p
}

// ask is Node.Ask for subjects of any size.
func (m *mesh) ask(ctx context.Context, node, subject string, request []byte) ([]byte, error) {
	if node == string(m.book.self) {
		return m.askSelf(ctx, subject, request)
	}
	if len(request) > maxRequest(subject) {
		return nil, fmt.Errorf("ask %s: %w: a request of %d octets", node, errNotSent, len(request))
	}
	p := m.peer(node)
	select {
	case p.places <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("ask %s: %w: %w", node, errNotSent, context.Cause(ctx))
	case <-m.stop:
		return nil, fmt.Errorf("ask %s: %w", node, errPeerClosed)
	}
	answer, err := m.await(ctx, newCall(subject, request), p.exchange)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", node, err)
	}
	return answer, nil
}

// await runs one call and returns its outcome, or that ctx has ended: the call then ends by itself.
func (m *mesh) await(ctx context.Context, c *call, run func(ctx context.Context, c *call)) ([]byte, error) {
	if !m.spawn(func() { run(ctx, c) }) {
		c.state.Store(callGivenUp)
		run(ctx, c) // gives its place back
		return nil, errPeerClosed
	}
	select {
	case <-c.done:
		return c.answer, c.err
	case <-ctx.Done():
		if c.state.CompareAndSwap(callWaits, callGivenUp) {
			return nil, fmt.Errorf("%w: %w", errNotSent, context.Cause(ctx))
		}
		return nil, context.Cause(ctx)
	}
}

func (m *mesh) askSelf(ctx context.Context, subject string, request []byte) ([]byte, error) {
	h := m.handler(subject)
	if h == nil {
		return nil, errNoHandler
	}
	return h(ctx, string(m.book.self), request)
}

// askAt asks the node that is said to be at addr, which need not be a member, over a connection of its
// own.
func (m *mesh) askAt(ctx context.Context, node, addr, subject string, request []byte) ([]byte, error) {
	p := newPeer(m, node)
	p.at = addr
	p.places <- struct{}{}
	answer, err := m.await(ctx, newCall(subject, request), func(ctx context.Context, c *call) {
		defer p.drop()
		p.exchange(ctx, c)
	})
	if err != nil {
		return nil, fmt.Errorf("ask %s at %s: %w", node, addr, err)
	}
	return answer, nil
}

// tend drops the connections to nodes that are no members any more, or have moved, until ctx ends.
func (m *mesh) tend(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for _, p := range m.all() {
			addr, err := m.book.ServerAddr(raft.ServerID(p.id))
			if err != nil || p.elsewhere(string(addr)) {
				p.drop()
			}
		}
	}
}
