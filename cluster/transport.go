package cluster

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/raft"
)

// helloTimeout bounds the greeting of a connection, the TLS handshake included; dialTimeout the wait for
// a connection; rpcTimeout that for an answer of a Raft peer (of a snapshot: for each 256 KiB of it).
const (
	helloTimeout = 5 * time.Second
	dialTimeout  = 2 * time.Second
	rpcTimeout   = 5 * time.Second
)

// commitNotice is after how much silence a leader tells its followers what is committed, once to twice of
// it: under load the next entries tell it. It is what a follower's store is behind in a cluster with little
// to do, and the default of 50 ms would be felt in each Sync and receipt. What is no news is not sent (pipeline).
const commitNotice = 5 * time.Millisecond

// maxGreeting bounds the connections that have not greeted yet. Above it the oldest is dropped: a node's
// hello takes milliseconds, a stranger's silence for ever.
const maxGreeting = 64

// A port is the node's cluster port: one TCP listener whose connections carry different streams.
// It is Raft's StreamLayer for those that carry Raft.
type port struct {
	cfg      Config
	listener net.Listener
	dial     func(addr string, timeout time.Duration) (net.Conn, error)
	self     func() identity
	nodeAt   func(addr string) string // which node is said to be at addr; "" = not known
	raft     chan net.Conn            // connections that carry Raft
	mesh     chan *portConn           // connections that carry the streams of a mesh
	closed   chan struct{}
	wg       sync.WaitGroup // accept loop and greetings; ended by Close
	refusals lull

	mu       sync.Mutex
	conns    map[*portConn]struct{} // guarded by mu; open connections, both ways; nil once closed
	greeting []*portConn            // guarded by mu; accepted, not greeted yet, the oldest first
}

// listenPort opens the cluster port. It accepts once run is called.
func listenPort(cfg Config, self func() identity) (*port, error) {
	l := cfg.Listener
	if l == nil {
		var err error
		if l, err = net.Listen("tcp", cmp.Or(cfg.Listen, cfg.Addr)); err != nil {
			return nil, fmt.Errorf("cluster port: %w", err)
		}
	}
	p := &port{
		cfg:      cfg,
		listener: l,
		dial:     cfg.Dial,
		self:     self,
		nodeAt:   func(string) string { return "" },
		raft:     make(chan net.Conn),
		mesh:     make(chan *portConn),
		closed:   make(chan struct{}),
		conns:    make(map[*portConn]struct{}),
	}
	if p.dial == nil {
		p.dial = p.dialTCP
	}
	return p, nil
}

// run begins to accept.
func (p *port) run() { p.wg.Go(p.acceptLoop) }

// dialTCP ends with the port, at the latest.
func (p *port) dialTCP(addr string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	dialed := make(chan struct{})
	defer close(dialed)
	go func() { // ends with the dial
		select {
		case <-p.closed:
			cancel()
		case <-dialed:
		}
	}()
	return new(net.Dialer).DialContext(ctx, "tcp", addr)
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

// greet learns what the connection carries, and hands it over.
func (p *port) greet(c net.Conn) {
	conn := p.track(c, true)
	if conn == nil {
		return
	}
	_ = conn.SetDeadline(time.Now().Add(helloTimeout))
	if p.cfg.ServerTLS != nil {
		conn.Conn = tls.Server(c, p.cfg.ServerTLS)
	}
	kind, peer, err := welcome(conn, p.self())
	p.greeted(conn, peer)
	if err != nil {
		p.refused("refused a connection to the cluster port", c.RemoteAddr(), err)
		conn.Close()
		return
	}
	_ = conn.SetDeadline(time.Time{})
	var to chan *portConn
	toRaft := p.raft
	if kind == streamMesh {
		to, toRaft = p.mesh, nil
	}
	select {
	case toRaft <- conn:
	case to <- conn:
	case <-p.closed:
		conn.Close()
	}
}

// refused tells the operator, once a minute for each host and cause. The name that a stranger gives itself makes no
// other cause: it may give a new one each time.
func (p *port) refused(msg string, addr net.Addr, err error) {
	if addr == nil || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
		return // a probe that only looked whether the port is open
	}
	host, _, _ := net.SplitHostPort(addr.String())
	if !p.refusals.over(msg+host, time.Now()) {
		return
	}
	p.cfg.Log.Warn(msg, "remote", addr.String(), "err", err)
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

// Dial implements raft.StreamLayer. Raft's calls carry no name of the node they are for, so the node that
// answers is compared with the one that the configuration has at addr: entries that one node writes must
// never count for two.
func (p *port) Dial(addr raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	conn, err := p.connect(streamRaft, string(addr), p.nodeAt(string(addr)), timeout)
	if err != nil {
		return nil, err // not a *portConn that is nil
	}
	return conn, nil
}

// connect dials addr and greets the node there, which must be the one that is sought.
func (p *port) connect(kind byte, addr, seeks string, timeout time.Duration) (*portConn, error) {
	timeout = min(timeout, dialTimeout)
	c, err := p.dial(addr, timeout)
	if err != nil {
		return nil, err
	}
	conn := p.track(c, false)
	if conn == nil {
		return nil, net.ErrClosed
	}
	_ = conn.SetDeadline(time.Now().Add(timeout))
	if p.cfg.ClientTLS != nil {
		conn.Conn = tls.Client(c, clientTLS(p.cfg.ClientTLS, addr))
	}
	peer, err := greeting(conn, kind, p.self(), seeks)
	if err != nil {
		err = fmt.Errorf("greet %s: %w", addr, err)
		if errors.Is(err, errStranger) {
			p.refused("a node is not what it should be", c.RemoteAddr(), err)
		}
		conn.Close()
		return nil, err
	}
	p.greeted(conn, peer)
	return conn, conn.SetDeadline(time.Time{})
}

// clientTLS fills in whose certificate is expected, if cfg does not say it.
func clientTLS(cfg *tls.Config, addr string) *tls.Config {
	if cfg.ServerName != "" {
		return cfg
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	cfg = cfg.Clone()
	cfg.ServerName = host
	return cfg
}

// Addr implements net.Listener.
func (p *port) Addr() net.Addr {
	if p.cfg.Listen != "" {
		return advertised(p.cfg.Addr) // the listener's may be a wildcard, which others would take for themselves
	}
	return p.listener.Addr()
}

// advertised is an address that is not the listener's own.
type advertised string

// Network implements net.Addr.
func (advertised) Network() string { return "tcp" }

func (a advertised) String() string { return string(a) }

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
		_ = c.tcp.Close()
	}
	p.wg.Wait()
	return err
}

func (p *port) track(c net.Conn, greets bool) *portConn {
	limitSilence(c)
	conn := &portConn{Conn: c, tcp: c, port: p}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns == nil {
		_ = c.Close()
		return nil
	}
	p.conns[conn] = struct{}{}
	if greets {
		if len(p.greeting) == maxGreeting {
			_ = p.greeting[0].tcp.Close()
			p.greeting = slices.Delete(p.greeting, 0, 1)
		}
		p.greeting = append(p.greeting, conn)
	}
	return conn
}

func (p *port) greeted(conn *portConn, peer identity) {
	p.mu.Lock()
	defer p.mu.Unlock()
	conn.peer = peer
	if i := slices.Index(p.greeting, conn); i >= 0 {
		p.greeting = slices.Delete(p.greeting, i, i+1)
	}
}

// tcpUserTimeout is TCP_USER_TIMEOUT of tcp(7), which package syscall does not name.
const tcpUserTimeout = 18

// limitSilence has the kernel give a connection up on which octets sent are not acknowledged for so long:
// a partition drops packets without a word, and by its end the pauses between two attempts of TCP have
// grown to many seconds, in which the nodes could talk again.
func limitSilence(c net.Conn) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(rpcTimeout.Milliseconds()))
	})
}

// A portConn is a connection that its port knows of until it is closed.
type portConn struct {
	net.Conn
	tcp  net.Conn // under TLS; Conn itself without it
	port *port
	peer identity // of the other end, as it said in its hello; written under port.mu, before anybody else has conn
}

// Close implements net.Conn. It closes at once: TLS's farewell would wait for a peer that may be cut off,
// and what is sent here says itself where it ends.
func (c *portConn) Close() error {
	c.port.mu.Lock()
	delete(c.port.conns, c)
	c.port.mu.Unlock()
	return c.tcp.Close()
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
	for _, s := range b.servers() {
		if s.ID == id {
			return s.Address, nil
		}
	}
	return "", fmt.Errorf("no address of node %s", id)
}

// nodeAt returns the node that Raft means when it dials addr, "" if that is not known.
func (b *addressBook) nodeAt(addr string) string {
	if addr == b.port.Addr().String() {
		return string(b.self)
	}
	for _, s := range b.servers() { // before the peers, who may have left their addresses to others
		if at, err := b.ServerAddr(s.ID); err == nil && string(at) == addr {
			return string(s.ID)
		}
	}
	for id, at := range b.peers {
		if string(at) == addr {
			return string(id)
		}
	}
	return ""
}

// servers returns the members of Raft's configuration.
func (b *addressBook) servers() []raft.Server {
	if r := b.raft.Load(); r != nil {
		return r.GetConfiguration().Configuration().Servers
	}
	return nil
}
