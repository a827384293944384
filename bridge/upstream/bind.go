package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"smppbridge/smpp"
)

// Results of binds, in metrics.
const (
	bindDone    = "bound"
	bindRefused = "refused"
	bindFailed  = "failed"
)

var (
	errLogin = errors.New("credentials")
	errTLS   = errors.New("tls")
	errOdd   = errors.New("not the answer to a bind")
)

// version is the interface_version of our binds.
const version = 0x34

// bind connects and binds as a transceiver.
func (r *route) bind(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, bindWithin)
	defer cancel()
	login, err := r.Credentials.login()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errLogin, err)
	}
	conn, err := r.c.cfg.Dial(ctx, "tcp", r.addr())
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if r.SMPP.TLS {
		if conn, err = r.secure(ctx, conn); err != nil {
			return nil, err
		}
	}
	l := newLink(r, conn)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	err = l.bind(login)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return l, nil
}

// secure makes conn a TLS connection.
func (r *route) secure(ctx context.Context, conn net.Conn) (net.Conn, error) {
	roots, err := r.Credentials.roots()
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("%w: %w", errLogin, err)
	}
	host, _, err := net.SplitHostPort(r.addr())
	if err != nil {
		conn.Close()
		return nil, err
	}
	secured := tls.Client(conn, &tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS12})
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%w: %w", errTLS, err)
	}
	return secured, nil
}

// bind binds (SMPP 3.4, 4.1.5), before the link serves anything else. The connection is closed by whoever called when it
// takes too long.
func (l *link) bind(login login) error {
	req := &smpp.Bind{Type: smpp.Transceiver, SystemID: login.systemID, Password: login.password,
		SystemType: l.r.SMPP.SystemType, InterfaceVersion: version}
	if err := req.Check(); err != nil {
		return fmt.Errorf("%w: %w", errLogin, err)
	}
	if err := l.conn.SetDeadline(time.Now().Add(bindWithin)); err != nil {
		return err
	}
	seq := l.next()
	if _, err := l.conn.Write(smpp.Append(nil, smpp.StatusOK, seq, req)); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	h, body, err := l.frames.Next()
	if err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	if h.Status != smpp.StatusOK && h.Sequence == seq && h.ID.IsResponse() {
		return &smpp.StatusError{Status: h.Status, Err: errors.New("bind refused")}
	}
	p, err := smpp.Decode(h, body)
	resp, ok := p.(*smpp.BindResp)
	if err != nil || !ok || h.ID != smpp.BindTransceiverRespID || h.Sequence != seq {
		return fmt.Errorf("%w: %s", errOdd, h.ID)
	}
	l.centre = printable(resp.SystemID)
	return l.conn.SetDeadline(time.Time{})
}

// printable is s where it can be logged.
func printable(s string) string {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return ""
		}
	}
	return s
}

// bindFault is what calls are answered with after a bind that failed, and the result that is counted.
func bindFault(err error) (code, result string) {
	var refused *smpp.StatusError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.Is(err, errLogin):
		return codeNoLogin, bindFailed
	case errors.Is(err, errTLS), errors.As(err, &unknown):
		return codeTLS, bindFailed
	case errors.As(err, &refused):
		switch refused.Status {
		case smpp.StatusInvPaswd, smpp.StatusInvSysID, smpp.StatusBindFail, smpp.StatusInvSysTyp, smpp.StatusProhibited:
			return codeRefused, bindRefused
		}
		return codeNotBound, bindRefused
	}
	return codeUnreachable, bindFailed
}
