package clustertest

import (
	"errors"
	"net"
	"sync"
	"time"
)

// A network is one node's way to the others: once cut, it carries nothing in or out.
type network struct {
	mu       sync.Mutex
	listener net.Listener          // guarded by mu
	conns    map[net.Conn]struct{} // guarded by mu; both ways
	down     bool                  // guarded by mu
}

var errCut = errors.New("the network is cut")

func newNetwork(l net.Listener) *network {
	return &network{listener: l, conns: make(map[net.Conn]struct{})}
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

func (n *network) dial(addr string, timeout time.Duration) (net.Conn, error) {
	n.mu.Lock()
	down := n.down
	n.mu.Unlock()
	if down {
		return nil, errCut
	}
	c, err := net.DialTimeout("tcp", addr, timeout)
	if err != nil {
		return nil, err
	}
	return n.track(c)
}

// cut ends all connections and refuses new ones, until open.
func (n *network) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = true
	for c := range n.conns {
		_ = c.Close()
	}
	clear(n.conns)
}

func (n *network) track(c net.Conn) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		_ = c.Close()
		return nil, errCut
	}
	n.conns[c] = struct{}{}
	return &conn{Conn: c, net: n}, nil
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
		if t, err := l.net.track(c); err == nil {
			return t, nil
		}
	}
}

// A conn is forgotten by its network when it is closed.
type conn struct {
	net.Conn
	net *network
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.net.mu.Lock()
	delete(c.net.conns, c.Conn)
	c.net.mu.Unlock()
	return c.Conn.Close()
}
