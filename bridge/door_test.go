package bridge

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"smppbridge/smpp"
	"smppbridge/smpp/smpptest"
	"smppbridge/store"
)

// doorPolicy has an account for each way of being let in, or not.
const doorPolicy = `
signatures: [测试]
templates:
  - {code: SMS_2, class: notice, text: "${content}", phone_limit: false, vars: {content: {kind: free, max: 500}}}
routes:
  - {name: main, endpoint: "127.0.0.1:1"}
accounts:
  - {system_id: any, password_hash: "HASH", sign_name: 测试}
  - {system_id: two, password_hash: "HASH", sign_name: 测试, binds: 2}
  - {system_id: near, password_hash: "HASH", sign_name: 测试, bind: {from: [192.0.2.0/24, "2001:db8:1::/48"]}}
  - {system_id: listed, password_hash: "HASH", sign_name: 测试, bind: {from: [0.0.0.0/0, 192.0.2.7]}}
  - {system_id: receiver, password_hash: "HASH", sign_name: 测试, bind: {types: [receiver]}}
  - {system_id: tls, password_hash: "HASH", sign_name: 测试, bind: {tls: required}}
  - {system_id: cert, password_hash: "HASH", sign_name: 测试, bind: {tls: certificate}}
  - {system_id: named, password_hash: "HASH", sign_name: 测试, bind: {tls: certificate, certificates: [core.bank.example, Bank Core]}}
  - {system_id: quirks, password_hash: "HASH", sign_name: 测试, error_body: none,
     session: {enquire_link: 2s, response_timeout: 3s, deliver_window: 1}}
`

// A street is where ESMEs with addresses come from.
type street struct {
	r      *rig
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// newStreet gives a rig doorPolicy and a listener whose connections have addresses.
func newStreet(r *rig) *street {
	r.t.Helper()
	r.putPolicy(doorPolicy)
	if err := r.loadPolicy(); err != nil {
		r.t.Fatal(err)
	}
	s := &street{r: r, conns: make(chan net.Conn), closed: make(chan struct{})}
	r.serve(s)
	return s
}

func (s *street) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

func (s *street) Close() error { s.once.Do(func() { close(s.closed) }); return nil }

func (s *street) Addr() net.Addr { return &net.TCPAddr{} }

// placed is a connection from somewhere.
type placed struct {
	net.Conn
	remote net.Addr
}

func (p *placed) RemoteAddr() net.Addr { return p.remote }

// sealed is one with TLS.
type sealed struct {
	placed
	state tls.ConnectionState
}

func (s *sealed) ConnectionState() tls.ConnectionState { return s.state }

// from connects an ESME at an address.
func (s *street) from(addr string) *esme { return s.with(addr, nil) }

// with connects an ESME with TLS.
func (s *street) with(addr string, state *tls.ConnectionState) *esme {
	s.r.t.Helper()
	ours, theirs := net.Pipe()
	p := placed{theirs, net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(addr), 40000))}
	if state != nil {
		s.conns <- &sealed{p, *state}
	} else {
		s.conns <- &p
	}
	e := &esme{smpptest.New(s.r.t, ours), s.r}
	e.Timeout = time.Minute
	return e
}

// clientCert is the state of a connection whose client certificate has these names.
func clientCert(verified bool, cn string, dns ...string) *tls.ConnectionState {
	leaf := &x509.Certificate{Subject: pkix.Name{CommonName: cn}, DNSNames: dns}
	state := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}
	if verified {
		state.VerifiedChains = [][]*x509.Certificate{{leaf}}
	}
	return state
}

// TestWhoMayBind: each way of not being let in has its status and its reason in the metrics.
func TestWhoMayBind(t *testing.T) {
	const near, far = "192.0.2.7", "198.51.100.7"
	tests := []struct {
		name, account, from string
		typ                 smpp.BindType
		tls                 *tls.ConnectionState
		password            string
		want                smpp.Status
		reason              string
	}{
		{"any", "any", far, smpp.Transceiver, nil, rigPassword, smpp.StatusOK, ""},
		{"unknown", "nobody", far, smpp.Transceiver, nil, rigPassword, smpp.StatusInvSysID, "unknown_account"},
		{"wrong password", "any", far, smpp.Transceiver, nil, "wrong", smpp.StatusInvPaswd, "password"},
		{"near", "near", near, smpp.Transceiver, nil, rigPassword, smpp.StatusOK, ""},
		{"near, in IPv6 clothes", "near", "::ffff:192.0.2.9", smpp.Transceiver, nil, rigPassword, smpp.StatusOK, ""},
		{"near, IPv6", "near", "2001:db8:1:2::3", smpp.Transceiver, nil, rigPassword, smpp.StatusOK, ""},
		{"far", "near", far, smpp.Transceiver, nil, rigPassword, smpp.StatusBindFail, "address"},
		{"far, IPv6", "near", "2001:db8:2::3", smpp.Transceiver, nil, rigPassword, smpp.StatusBindFail, "address"},
		{"far before the password is looked at", "near", far, smpp.Transceiver, nil, "wrong", smpp.StatusBindFail, "address"},
		{"allowed type", "receiver", far, smpp.Receiver, nil, rigPassword, smpp.StatusOK, ""},
		{"other type", "receiver", far, smpp.Transceiver, nil, rigPassword, smpp.StatusBindFail, "type"},
		{"TLS", "tls", far, smpp.Transmitter, &tls.ConnectionState{}, rigPassword, smpp.StatusOK, ""},
		{"no TLS", "tls", far, smpp.Transmitter, nil, rigPassword, smpp.StatusBindFail, "tls"},
		{"certificate wanted, no TLS", "cert", far, smpp.Transmitter, nil, rigPassword, smpp.StatusBindFail, "tls"},
		{"no certificate", "cert", far, smpp.Transmitter, &tls.ConnectionState{}, rigPassword, smpp.StatusBindFail, "certificate"},
		{"certificate not verified", "cert", far, smpp.Transmitter, clientCert(false, "x"), rigPassword, smpp.StatusBindFail, "certificate"},
		{"any certificate", "cert", far, smpp.Transmitter, clientCert(true, "x"), rigPassword, smpp.StatusOK, ""},
		{"certificate by CN", "named", far, smpp.Transmitter, clientCert(true, "Bank Core"), rigPassword, smpp.StatusOK, ""},
		{"certificate by DNS name", "named", far, smpp.Transmitter, clientCert(true, "", "x", "CORE.bank.example"), rigPassword, smpp.StatusOK, ""},
		{"other certificate", "named", far, smpp.Transmitter, clientCert(true, "x", "bank.example"), rigPassword, smpp.StatusBindFail, "certificate"},
	}
	inRig(t, func(t *testing.T, r *rig) {
		s := newStreet(r)
		for _, tt := range tests {
			before := r.refusals(tt.reason)
			e := s.with(tt.from, tt.tls)
			if got := e.Bind(tt.typ, tt.account, tt.password); got != tt.want {
				t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
			}
			if tt.reason != "" && r.refusals(tt.reason) != before+1 {
				t.Errorf("%s: not counted as %s", tt.name, tt.reason)
			}
			e.Close()
		}
		r.policy.Store(&policy{})
		if got := s.from(far).Bind(smpp.Receiver, "any", rigPassword); got != smpp.StatusSysErr || r.refusals("no_policy") != 1 {
			t.Errorf("without a policy: got %v, want ESME_RSYSERR", got)
		}
	})
}

// TestBindsSayWhoReceives: the replicated state knows of each bind whether it takes receipts. All nodes choose from
// that who delivers them.
func TestBindsSayWhoReceives(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		for typ, want := range map[smpp.BindType]bool{smpp.Transmitter: false, smpp.Receiver: true, smpp.Transceiver: true} {
			e := r.bind("any", typ)
			binds := r.store.Binds("any")
			if len(binds) != 1 || binds[0].Receives != want {
				t.Errorf("%v: the binds are %+v, want one with Receives %v", typ, binds, want)
			}
			e.Close()
			pass(time.Second)
		}
	})
}

// refusals is how many binds were refused for a reason; empty = 0.
func (r *rig) refusals(reason string) int {
	if reason == "" {
		return 0
	}
	return int(testutil.ToFloat64(r.door.refused.WithLabelValues(reason)))
}

// TestSessionAsThePolicySays: timers, windows and errors of an account.
func TestSessionAsThePolicySays(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		s := newStreet(r)
		e := s.from("192.0.2.7")
		e.MustBind(smpp.Transceiver, "quirks", rigPassword)
		began := time.Now()
		e.Expect(smpp.EnquireLinkID)
		if took := time.Since(began); took < 2*time.Second || took > 3*time.Second {
			t.Errorf("asked after %v of silence, want 2 s", took)
		}
		e.Expect(smpp.EnquireLinkID)
		if took := time.Since(began); took < 5*time.Second || took > 6*time.Second {
			t.Errorf("asked again after %v, want 2 s and 3 s", took)
		}
		e.Send(submitSM(""))
		h, _ := e.Expect(smpp.SubmitSMRespID)
		if h.Status == smpp.StatusOK || h.Length != smpp.HeaderLen {
			t.Errorf("an error has status %v and %d octets, want an error of 16 octets", h.Status, h.Length)
		}
	})
}

// TestNewPolicyEndsSessions: those that might not bind any more are sent an unbind; the others
// do not notice.
func TestNewPolicyEndsSessions(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		s := newStreet(r)
		bound := func(from, account string, typ smpp.BindType) *esme {
			e := s.from(from)
			e.MustBind(typ, account, rigPassword)
			return e
		}
		removed := bound("192.0.2.7", "any", smpp.Transceiver)
		moved := bound("192.0.2.7", "near", smpp.Transceiver)
		stays := bound("192.0.2.200", "near", smpp.Transceiver)
		typed := bound("192.0.2.7", "two", smpp.Transmitter)
		plain := bound("192.0.2.7", "quirks", smpp.Transceiver)
		r.putPolicy(strings.NewReplacer(
			"system_id: any", "system_id: other",
			"192.0.2.0/24", "192.0.2.128/25",
			"binds: 2", "binds: 2, bind: {types: [receiver]}",
			"error_body: none", "bind: {tls: required}",
		).Replace(doorPolicy))
		for name, e := range map[string]*esme{"removed": removed, "moved": moved, "type": typed, "plain": plain} {
			h, _ := e.Expect(smpp.UnbindID)
			e.Respond(h.Sequence, smpp.StatusOK, &smpp.UnbindResp{})
			e.ExpectClosed()
			t.Log(name, "ended")
		}
		pass(time.Second)
		stays.accepted("hello")
		if got := r.store.Figures().Binds; got != 1 {
			t.Errorf("%d binds are left, want 1", got)
		}
	})
}

// TestPolicyChangesWhileBinding: a bind that was allowed under the policy before does not slip through.
func TestPolicyChangesWhileBinding(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		s := newStreet(r)
		passed, open := r.gate()
		r.hold(passed)
		e := s.from("192.0.2.7")
		e.Send(&smpp.Bind{Type: smpp.Transceiver, SystemID: "near", Password: rigPassword, InterfaceVersion: 0x34})
		pass(time.Second)
		r.node.decide(nil)
		r.putPolicy(strings.Replace(doorPolicy, "192.0.2.0/24", "192.0.2.128/25", 1))
		pass(time.Second)
		open()
		if h, _ := e.Expect(smpp.BindTransceiverRespID); h.Status == smpp.StatusOK {
			t.Error("bound from an address that is not allowed")
		}
		e.ExpectClosed()
		pass(time.Second)
		if got := r.store.Figures().Binds; got != 0 {
			t.Errorf("%d binds are left, want 0", got)
		}
	})
}

// TestDoorMetrics: what is locked out and refused is in the metrics, well formed, from the start.
func TestDoorMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	inRig(t, func(t *testing.T, r *rig) {
		s := newStreet(r)
		for range 5 {
			s.from("192.0.2.7").Bind(smpp.Receiver, "any", "wrong")
		}
		problems, err := testutil.GatherAndLint(reg)
		if err != nil || len(problems) > 0 {
			t.Errorf("%v %v", problems, err)
		}
		want := `
# HELP smppbridge_bridge_lockouts What is locked out for wrong passwords on this node.
# TYPE smppbridge_bridge_lockouts gauge
smppbridge_bridge_lockouts{by="account"} 0
smppbridge_bridge_lockouts{by="address"} 0
smppbridge_bridge_lockouts{by="pair"} 1
# HELP smppbridge_bridge_sessions_replaced_total Sessions that did not answer and were closed because another bind of their account needed the place.
# TYPE smppbridge_bridge_sessions_replaced_total counter
smppbridge_bridge_sessions_replaced_total 0
`
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "smppbridge_bridge_lockouts",
			"smppbridge_bridge_sessions_replaced_total"); err != nil {
			t.Error(err)
		}
		if got := testutil.CollectAndCount(r.door.refused); got != len(refusalReasons) {
			t.Errorf("%d reasons are counted, want %d", got, len(refusalReasons))
		}
	}, func(c *Config) { c.Registerer = reg })
}

// hold makes BindOpens wait until passed is closed.
func (r *rig) hold(passed <-chan struct{}) {
	r.node.decide(func(c store.Command) fate {
		if _, ok := c.(*store.BindOpen); ok {
			<-passed
		}
		return applied
	})
}
