package smpp

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	"github.com/pires/go-proxyproto"
)

// maxProxyHeader is the longest PROXY header taken: v2 may carry parameters, for
// instance of the TLS that the load balancer has ended.
const maxProxyHeader = 4 << 10

// Why a connection from a load balancer ends before SMPP.
var (
	errNoHeader    = errors.New("no PROXY header from a load balancer that has to send one")
	errNotTCP      = errors.New("a PROXY header for something that is not TCP")
	errHealthCheck = errors.New("the load balancer's own connection")
)

// A proxyConn is a connection from a load balancer that is trusted to tell whose it is.
type proxyConn struct {
	net.Conn
	required bool
	rest     []byte                      // what was read behind the header and not returned yet; the reader's alone
	client   atomic.Pointer[net.TCPAddr] // nil until the header has been read, or without one
}

// readHeader reads the header, and nothing of what follows is lost. It blocks until
// the peer has sent it or the connection is closed.
//
// A header v1 that does not arrive in one piece is refused, as the protocol allows: a
// load balancer sends it at once.
func (c *proxyConn) readHeader() error {
	r := bufio.NewReaderSize(c.Conn, maxProxyHeader)
	h, err := proxyproto.Read(r)
	switch {
	case errors.Is(err, proxyproto.ErrNoProxyProtocol):
		if c.required {
			return errNoHeader
		}
	case err != nil:
		return fmt.Errorf("read PROXY header: %w", err)
	case h.Command.IsLocal():
		return errHealthCheck
	default:
		client, ok := h.SourceAddr.(*net.TCPAddr)
		if !ok {
			return errNotTCP
		}
		c.client.Store(client)
	}
	if n := r.Buffered(); n > 0 {
		c.rest = make([]byte, n)
		_, err = r.Read(c.rest) // from its buffer alone
		return err
	}
	return nil
}

// endOfHeader says how a connection counts whose header was not one to go on with.
func endOfHeader(err error) endReason {
	if errors.Is(err, errHealthCheck) {
		return endHealthCheck
	}
	return endProxy
}

func (c *proxyConn) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.rest)
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		c.rest = nil
	}
	return n, nil
}

// RemoteAddr is the ESME's address, as soon as it is known.
func (c *proxyConn) RemoteAddr() net.Addr {
	if client := c.client.Load(); client != nil {
		return client
	}
	return c.Conn.RemoteAddr()
}

// NetConn returns the load balancer's connection.
func (c *proxyConn) NetConn() net.Conn { return c.Conn }

// CloseWrite tells the load balancer that nothing more comes.
func (c *proxyConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
