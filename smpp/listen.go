package smpp

import (
	"crypto/tls"
	"net"
	"net/netip"
)

// A Transport is what lies between the connections of a listener and SMPP.
type Transport struct {
	TLS   *tls.Config // nil: none
	Proxy Proxies     // the load balancers in front, outside of TLS
}

// Proxies are the load balancers that may send a PROXY protocol header, v1 or v2.
// Whoever else sends one does not speak SMPP.
type Proxies struct {
	From     []netip.Prefix
	Required bool // their connections without a header are closed
}

// NewListener returns a listener of l's connections through t. Accept waits for
// nothing that a peer may be slow to send: header and handshake are the session's, on
// its own goroutine and within the bind time-out. Until the header has been read the
// connection's RemoteAddr is the load balancer's, from then on the ESME's.
func NewListener(l net.Listener, t Transport) net.Listener {
	return &listener{Listener: l, transport: t}
}

type listener struct {
	net.Listener
	transport Transport
}

func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if l.transport.Proxy.trust(conn.RemoteAddr()) {
		conn = &proxyConn{Conn: conn, required: l.transport.Proxy.Required}
	}
	if l.transport.TLS != nil {
		conn = tls.Server(conn, l.transport.TLS)
	}
	return conn, nil
}

// trust reports whether a header from addr is to be believed.
func (p *Proxies) trust(addr net.Addr) bool {
	ip := ipOf(addr)
	for _, from := range p.From {
		if from.Contains(ip) {
			return true
		}
	}
	return false
}

// ipOf returns an address without its port, or the zero Addr if it has no IP. IPv4 is
// IPv4, however the socket shows it.
func ipOf(addr net.Addr) netip.Addr {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// rawConn returns the connection below TLS and PROXY header.
func rawConn(conn net.Conn) net.Conn {
	for {
		outer, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return conn
		}
		conn = outer.NetConn()
	}
}

// headerOf returns the part of conn that has a PROXY header to read; nil if none has.
func headerOf(conn net.Conn) *proxyConn {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	p, _ := conn.(*proxyConn)
	return p
}

// open does what comes before SMPP on a new connection: it reads the PROXY header
// and shakes hands. It runs on the session's reader goroutine; the ticker closes the
// connection under it when the bind time-out is over. It reports whether the session
// goes on, and has ended it otherwise.
func (s *Session) open() bool {
	if p := headerOf(s.conn); p != nil {
		if err := p.readHeader(); err != nil {
			s.finish(endOfHeader(err), err)
			return false
		}
		if err := s.srv.located(s); err != nil {
			s.finish(endCrowd, err)
			return false
		}
	}
	if t, ok := s.conn.(*tls.Conn); ok {
		if err := t.Handshake(); err != nil {
			s.finish(endTLS, err)
			return false
		}
	}
	return true
}
