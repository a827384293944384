package clustertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Loss says what becomes of what one node sends another.
type Loss int

const (
	// None: everything arrives.
	None Loss = iota
	// Drop: nothing arrives and nobody is told, as with a pulled cable. Connections hang, and carry on where
	// they were if the link is healed before they are given up.
	Drop
	// Reset: connections break at once, and new ones are refused.
	Reset
)

// A link is one direction between two nodes.
type link struct{ from, to int }

// ends are the addresses of a connection: connections to several addresses may have the dialling end in common.
type ends struct{ dialling, listening string }

// A fabric is the network between the nodes of a cluster.
type fabric struct {
	mu      sync.Mutex
	index   map[string]int     // guarded by mu; nodes by the address they listen on
	dialled map[ends]int       // guarded by mu; who dialled
	losses  map[link]Loss      // guarded by mu
	delay   time.Duration      // guarded by mu; of each read
	stalls  float64            // guarded by mu; chance of a read to be held up
	stall   time.Duration      // guarded by mu; for how long
	conns   map[*conn]struct{} // guarded by mu
	changed chan struct{}      // guarded by mu; closed and replaced when anything above changes but the conns
}

func newFabric() *fabric {
	return &fabric{
		index: make(map[string]int), dialled: make(map[ends]int), losses: make(map[link]Loss),
		conns: make(map[*conn]struct{}), changed: make(chan struct{}),
	}
}

// change makes a change and has all who wait look again.
func (f *fabric) change(make func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	make()
	f.notify()
}

// notify tells of a change. f.mu is held.
func (f *fabric) notify() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// set gives the links from each of from to each of to a loss.
func (f *fabric) set(how Loss, from, to []int) {
	f.change(func() {
		for _, a := range from {
			for _, b := range to {
				if a != b {
					f.losses[link{a, b}] = how
				}
			}
		}
		if how != Reset {
			return
		}
		for c := range f.conns {
			a, b := c.net.node, c.other()
			if slices.Contains(from, a) && slices.Contains(to, b) || slices.Contains(from, b) && slices.Contains(to, a) {
				c.reset()
			}
		}
	})
}

// look returns the loss of a link, and what is closed when that may change.
func (f *fabric) look(l link) (Loss, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.losses[l], f.changed
}

// lag returns for how long a read is held up.
func (f *fabric) lag() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.delay
	if f.stalls > 0 && rand.Float64() < f.stalls {
		d += f.stall
	}
	return d
}

// A network is one node's way to the others: once cut, it carries nothing in or out.
type network struct {
	fabric *fabric
	node   int

	mu       sync.Mutex
	listener net.Listener // guarded by mu
	down     bool         // guarded by mu
}

var errCut = errors.New("the network is cut")

// network makes the network of a node that listens on l.
func (f *fabric) network(node int, l net.Listener) *network {
	f.change(func() { f.index[l.Addr().String()] = node })
	return &network{fabric: f, node: node, listener: l}
}

// open returns the listener for a node's start: the first time the one that reserved the address.
func (n *network) open(addr string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = false
	l := n.listener
	n.listener = nil
	if l == nil {
		var err error
		if l, err = net.Listen("tcp", addr); err != nil {
			return nil, err
		}
	}
	return &listener{Listener: l, net: n}, nil
}

func (n *network) isDown() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.down
}

// dial waits, as TCP does, as long as its packets or the answers to them are lost.
func (n *network) dial(addr string, timeout time.Duration) (net.Conn, error) {
	until := time.NewTimer(timeout)
	defer until.Stop()
	n.fabric.mu.Lock()
	to, known := n.fabric.index[addr]
	n.fabric.mu.Unlock()
	for known {
		there, changed := n.fabric.look(link{n.node, to})
		back, _ := n.fabric.look(link{to, n.node})
		if n.isDown() {
			return nil, errCut
		}
		if there == Reset || back == Reset {
			return nil, errors.New("connection refused")
		}
		if there == None && back == None {
			break
		}
		select {
		case <-changed:
		case <-until.C:
			return nil, fmt.Errorf("dial %s: %w", addr, os.ErrDeadlineExceeded)
		}
	}
	c, err := net.DialTimeout("tcp", addr, timeout)
	if err != nil {
		return nil, err
	}
	return n.track(c, to, known)
}

// cut ends all connections and refuses new ones, until open.
func (n *network) cut() {
	n.mu.Lock()
	n.down = true
	n.mu.Unlock()
	n.fabric.change(func() {
		for c := range n.fabric.conns {
			if c.net == n {
				_ = c.Conn.Close()
			}
		}
	})
}

func (n *network) track(c net.Conn, to int, dialled bool) (net.Conn, error) {
	f := n.fabric
	f.mu.Lock()
	defer f.mu.Unlock()
	if n.isDown() {
		_ = c.Close()
		return nil, errCut
	}
	t := &conn{Conn: c, net: n, closed: make(chan struct{}), poked: make(chan struct{}, 1)}
	t.peer.Store(-1)
	if dialled {
		t.peer.Store(int32(to))
		f.dialled[ends{c.LocalAddr().String(), c.RemoteAddr().String()}] = n.node
	}
	f.conns[t] = struct{}{}
	return t, nil
}

// A listener lets no connection in while its network is cut.
type listener struct {
	net.Listener
	net *network
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if t, err := l.net.track(c, 0, false); err == nil {
			return t, nil
		}
	}
}

// A conn hands over what the other end has written when the link from there lets it pass. What is under
// way meanwhile waits in the kernel's buffers, and here.
type conn struct {
	net.Conn
	net    *network
	peer   atomic.Int32 // the node at the other end; -1 = not known yet
	closed chan struct{}
	once   sync.Once
	poked  chan struct{} // capacity 1: the deadline has changed

	mu       sync.Mutex
	deadline time.Time // guarded by mu; of reads

	held    []byte // the reader's: read, but not let through before a deadline
	heldErr error  // the reader's: what follows held
	holds   bool   // the reader's
}

// other returns the node at the other end, -1 if it is not known yet: of a connection that came in it is
// once something was read, because then its dialler is known to the fabric. f.mu is held.
func (c *conn) other() int {
	if p := c.peer.Load(); p >= 0 {
		return int(p)
	}
	if p, ok := c.net.fabric.dialled[ends{c.RemoteAddr().String(), c.LocalAddr().String()}]; ok {
		c.peer.Store(int32(p))
	}
	return int(c.peer.Load())
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	if !c.holds {
		n, err := c.Conn.Read(p)
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
			return n, err
		}
		c.held, c.heldErr, c.holds = append(c.held[:0], p[:n]...), err, true
	}
	if err := c.pass(); err != nil {
		return 0, err
	}
	n := copy(p, c.held)
	c.held = c.held[n:]
	if len(c.held) > 0 {
		return n, nil
	}
	c.holds = false
	return n, c.heldErr
}

// pass waits until the link lets something pass.
func (c *conn) pass() error {
	f := c.net.fabric
	f.mu.Lock()
	from := c.other()
	f.mu.Unlock()
	if from < 0 {
		return nil
	}
	for {
		loss, changed := f.look(link{from, c.net.node})
		if loss == None {
			break
		}
		if err := c.wait(changed, nil); err != nil {
			return err
		}
	}
	if lag := f.lag(); lag > 0 {
		t := time.NewTimer(lag)
		defer t.Stop()
		return c.wait(nil, t.C)
	}
	return nil
}

// wait returns when one of the channels tells, or with an error when the connection is closed or the
// deadline passes.
func (c *conn) wait(changed <-chan struct{}, lag <-chan time.Time) error {
	for {
		c.mu.Lock()
		deadline := c.deadline
		c.mu.Unlock()
		var late <-chan time.Time
		if !deadline.IsZero() {
			t := time.NewTimer(time.Until(deadline))
			defer t.Stop()
			late = t.C
		}
		select {
		case <-changed:
			return nil
		case <-lag:
			return nil
		case <-c.poked:
		case <-late:
			return os.ErrDeadlineExceeded
		case <-c.closed:
			return net.ErrClosed
		}
	}
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	c.deadline = t
	c.mu.Unlock()
	select {
	case c.poked <- struct{}{}:
	default:
	}
	return c.Conn.SetReadDeadline(t)
}

// reset closes the connection as a router does that forbids it: the other end learns it at once.
func (c *conn) reset() {
	if t, ok := c.Conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Conn.Close()
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.once.Do(func() { close(c.closed) })
	f := c.net.fabric
	f.mu.Lock()
	delete(f.conns, c)
	if at := (ends{c.LocalAddr().String(), c.RemoteAddr().String()}); f.dialled[at] == c.net.node {
		delete(f.dialled, at)
	}
	f.mu.Unlock()
	return c.Conn.Close()
}
