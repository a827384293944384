package bridge

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"smppbridge/configs"
	"smppbridge/smpp"
)

// A refusal is why a bind is refused. Its reason is a metric's label and for our log; the ESME
// sees the status alone, and of all that may pass again, or that is none of its business, the same:
// clients take ESME_RINVPASWD and ESME_RINVSYSID for final and do not come back.
type refusal struct {
	reason string
	told   smpp.StatusError
}

func (r *refusal) Error() string { return r.told.Error() }

// Unwrap returns the status that the ESME is told.
func (r *refusal) Unwrap() error { return &r.told }

func refuse(reason string, st smpp.Status, err error) *refusal {
	return &refusal{reason: reason, told: smpp.StatusError{Status: st, Err: err}}
}

// Why a bind is refused, in the order in which it is looked at: cheap things first, the password
// last but one. That a system_id is unknown is told, as the standard wants it, at no cost: the time
// an answer takes reveals no more than its status does.
var (
	refusedNoPolicy      = refuse("no_policy", smpp.StatusSysErr, errNoPolicy)
	refusedAddressLocked = refuse("address_locked", smpp.StatusBindFail, errors.New("address is locked out"))
	refusedUnknown       = refuse("unknown_account", smpp.StatusInvSysID, errUnknownAccount)
	refusedFrom          = refuse("address", smpp.StatusBindFail, errors.New("address is not among the account's"))
	refusedType          = refuse("type", smpp.StatusBindFail, errors.New("account may not bind in this way"))
	refusedTLS           = refuse("tls", smpp.StatusBindFail, errors.New("account needs TLS"))
	refusedCertificate   = refuse("certificate", smpp.StatusBindFail, errors.New("client certificate is missing or not the account's"))
	refusedPairLocked    = refuse("pair_locked", smpp.StatusBindFail, errors.New("account is locked out at this address"))
	refusedAccountLocked = refuse("account_locked", smpp.StatusBindFail, errors.New("account is locked out at addresses not known to be its own"))
	refusedPassword      = refuse("password", smpp.StatusInvPaswd, errWrongPassword)
	refusedLimit         = refuse("limit", smpp.StatusBindFail, errBindLimit)
)

// refusedOther is the reason of a bind that could not be decided: its ESME went away, or nothing
// could be committed.
const refusedOther = "other"

// refusalReasons is the closed list of reasons.
var refusalReasons = []string{
	refusedNoPolicy.reason, refusedAddressLocked.reason, refusedUnknown.reason, refusedFrom.reason, refusedType.reason,
	refusedTLS.reason, refusedCertificate.reason, refusedPairLocked.reason, refusedAccountLocked.reason,
	refusedPassword.reason, refusedLimit.reason, refusedOther,
}

// reasonOf is the reason of the refusal in err.
func reasonOf(err error) string {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.reason
	}
	return refusedOther
}

// An access is who may bind as an account: the policy's bind section.
type access struct {
	types []smpp.BindType // empty = all
	from  []netip.Prefix  // empty = any
	tls   string          // any, required or certificate
	names []string        // of the certificate; empty = any
}

// bindTypes are the policy's names.
var bindTypes = map[string]smpp.BindType{
	"transmitter": smpp.Transmitter, "receiver": smpp.Receiver, "transceiver": smpp.Transceiver,
}

func newAccess(c *configs.AccountBind) (access, error) {
	a := access{tls: c.TLS, names: c.Certificates}
	for _, name := range c.Types {
		t, ok := bindTypes[name]
		if !ok {
			return a, fmt.Errorf("bind type %q is not known", name)
		}
		a.types = append(a.types, t)
	}
	for _, s := range c.From {
		p, err := configs.ParseNetwork(s)
		if err != nil {
			return a, err
		}
		a.from = append(a.from, p)
	}
	return a, nil
}

// check returns nil if p may bind, and why not otherwise.
func (a *access) check(p *peer) error {
	switch {
	case len(a.from) > 0 && !slices.ContainsFunc(a.from, func(n netip.Prefix) bool { return n.Contains(p.addr) }):
		return refusedFrom
	case len(a.types) > 0 && !slices.Contains(a.types, p.bind):
		return refusedType
	case a.tls != "any" && p.tls == nil:
		return refusedTLS
	case a.tls == "certificate" && !a.certified(p.tls):
		return refusedCertificate
	}
	return nil
}

// lists reports whether addr is one of the account's by itself, not as part of a network: its operator
// vouches for it.
func (a *access) lists(addr netip.Addr) bool {
	return slices.ContainsFunc(a.from, func(n netip.Prefix) bool { return n.IsSingleIP() && n.Addr() == addr })
}

// certified reports whether the client's certificate was verified and has one of the account's names.
func (a *access) certified(c *tls.ConnectionState) bool {
	if len(c.VerifiedChains) == 0 || len(c.PeerCertificates) == 0 {
		return false
	}
	leaf := c.PeerCertificates[0]
	has := append([]string{leaf.Subject.CommonName}, leaf.DNSNames...)
	return len(a.names) == 0 || slices.ContainsFunc(a.names, func(want string) bool {
		return slices.ContainsFunc(has, func(name string) bool { return strings.EqualFold(name, want) })
	})
}

// A peer is the other end of a session, as far as binding is concerned.
type peer struct {
	addr netip.Addr // zero if its address is not of IP
	bind smpp.BindType
	tls  *tls.ConnectionState // nil = plain
}

func peerOf(s *smpp.Session) *peer {
	p := &peer{addr: addrOf(s.RemoteAddr()), bind: s.BindType()}
	if state, ok := s.TLS(); ok {
		p.tls = &state
	}
	return p
}

// addrOf is the IP address in a: an IPv4 address as such, without the zone of one that is local.
func addrOf(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap().WithZone("")
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// network is what an attacker with p's address has for himself: that address of IPv4, and of IPv6,
// where everybody has many, the /64 that is given to one site.
func (p *peer) network() netip.Prefix {
	n, err := p.addr.Prefix(min(p.addr.BitLen(), 64))
	if err != nil { // no IP address: all such are one
		return netip.Prefix{}
	}
	return n
}

// networkName is how logs call a network.
func networkName(n netip.Prefix) string {
	switch {
	case !n.IsValid():
		return "unknown"
	case n.IsSingleIP():
		return n.Addr().String()
	}
	return n.String()
}
