package cluster

import (
	"cmp"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// The first octet of a connection to the cluster port says what it carries.
const streamRaft byte = 'R'

// helloTimeout bounds the wait for that first octet, rpcTimeout that for an answer of a peer (of a
// snapshot: for each 256 KiB of it).
const (
	helloTimeout = 5 * time.Second
	rpcTimeout   = 5 * time.Second
)

// A port is the node's cluster port: one TCP listener whose connections carry different streams.
// It is Raft's StreamLayer for those that carry Raft.
type port struct {
	listener net.Listener
	dial     func(addr string, timeout time.Duration) (net.Conn, error)
	raft     chan net.Conn // connections that carry Raft
	closed   chan struct{}
	wg       sync.WaitGroup // accept loop and greetings; ended by Close

	mu    sync.Mutex
	conns map[*portConn]struct{} // guarded by mu; open connections, both ways; nil once closed
}

// listenPort opens the cluster port and begins to accept.
func listenPort(cfg Config) (*port, error) {
	l := cfg.Listener
	if l == nil {
		var err error
		if l, err = net.Listen("tcp", cmp.Or(cfg.Listen, cfg.Addr)); err != nil {
			return nil, fmt.Errorf("cluster port: %w", err)
		}
	}
	p := &port{
		listener: l,
		dial:     cfg.Dial,
		raft:     make(chan net.Conn),
		closed:   make(chan struct{}),
		conns:    make(map[*portConn]struct{}),
	}
	if p.dial == nil {
		p.dial = func(addr string, timeout time.Duration) (net.Conn, error) {
			return net.DialTimeout("tcp", addr, timeout)
		}
	}
	p.wg.Go(p.acceptLoop)
	return p, nil
}

// acceptLoop runs until the listener is closed. A failed accept for another reason (too many open
// files) is tried again: a node that is deaf for good would be worse.
func (p *port) acceptLoop() {
	for {
		conn, err := p.listener.Accept()
		if err == nil {
			p.wg.Go(func() { p.greet(conn) })
			continue
		}
		select {
		case <-p.closed:
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// greet reads what the connection carries and hands it over.
func (p *port) greet(c net.Conn) {
	conn := p.track(c)
	if conn == nil {
		return
	}
	var hello [1]byte
	_ = c.SetReadDeadline(time.Now().Add(helloTimeout))
	if _, err := c.Read(hello[:]); err != nil || hello[0] != streamRaft {
		conn.Close()
		return
	}
	_ = c.SetReadDeadline(time.Time{})
	select {
	case p.raft <- conn:
	case <-p.closed:
		conn.Close()
	}
}

// Accept implements net.Listener for the connections that carry Raft.
func (p *port) Accept() (net.Conn, error) {
	select {
	case c := <-p.raft:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Dial implements raft.StreamLayer.
func (p *port) Dial(addr raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	c, err := p.dial(string(addr), timeout)
	if err != nil {
		return nil, err
	}
	conn := p.track(c)
	if conn == nil {
		return nil, net.ErrClosed
	}
	_ = conn.SetWriteDeadline(time.Now().Add(timeout))
	if _, err := conn.Write([]byte{streamRaft}); err != nil {
		conn.Close()
		return nil, fmt.Errorf("greet %s: %w", addr, err)
	}
	_ = conn.SetWriteDeadline(time.Time{})
	return conn, nil
}

// Addr implements net.Listener.
func (p *port) Addr() net.Addr { return p.listener.Addr() }

// Close ends the listener and every connection: Raft's transport does not close those that it reads
// from, and their goroutines would live as long as the peers do.
func (p *port) Close() error {
	p.mu.Lock()
	conns := p.conns
	p.conns = nil
	p.mu.Unlock()
	if conns == nil {
		return nil
	}
	close(p.closed)
	err := p.listener.Close()
	for c := range conns {
		_ = c.Conn.Close()
	}
	p.wg.Wait()
	return err
}

func (p *port) track(c net.Conn) *portConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns == nil {
		_ = c.Close()
		return nil
	}
	conn := &portConn{Conn: c, port: p}
	p.conns[conn] = struct{}{}
	return conn
}

// A portConn is a connection that its port knows of until it is closed.
type portConn struct {
	net.Conn
	port *port
}

// Close implements net.Conn.
func (c *portConn) Close() error {
	c.port.mu.Lock()
	delete(c.port.conns, c)
	c.port.mu.Unlock()
	return c.Conn.Close()
}

// An addressBook tells Raft where a node is: this one where it listens, Config.Peers before Raft's
// configuration, so that nodes can move while no leader is there to write it down.
type addressBook struct {
	self  raft.ServerID
	port  *port
	peers map[raft.ServerID]raft.ServerAddress
	raft  atomic.Pointer[raft.Raft] // nil while it starts
}

func newAddressBook(cfg Config, p *port) *addressBook {
	b := &addressBook{self: raft.ServerID(cfg.NodeID), port: p, peers: make(map[raft.ServerID]raft.ServerAddress)}
	for _, peer := range cfg.Peers {
		b.peers[raft.ServerID(peer.ID)] = raft.ServerAddress(peer.Addr)
	}
	return b
}

// ServerAddr implements raft.ServerAddressProvider.
func (b *addressBook) ServerAddr(id raft.ServerID) (raft.ServerAddress, error) {
	if id == b.self {
		return raft.ServerAddress(b.port.Addr().String()), nil
	}
	if addr, ok := b.peers[id]; ok {
		return addr, nil
	}
	if r := b.raft.Load(); r != nil {
		for _, s := range r.GetConfiguration().Configuration().Servers {
			if s.ID == id {
				return s.Address, nil
			}
		}
	}
	return "", fmt.Errorf("no address of node %s", id)
}
