package configs

import (
	"fmt"
	"time"
)

func (n *Node) checkSMPP(c *checker) {
	s := &n.SMPP
	c.systemID("smpp.system_id", s.SystemID)
	const most = 1_000_000
	c.between("smpp.max_sessions", s.MaxSessions, 1, most)
	c.between("smpp.max_unbound", s.MaxUnbound, 1, most)
	if s.MaxUnbound > s.MaxSessions {
		c.addf("smpp.max_unbound", "%d is more than smpp.max_sessions (%d)", s.MaxUnbound, s.MaxSessions)
	}
	c.between("smpp.max_unbound_per_address", s.MaxUnboundPerAddress, 1, most)
	c.between("smpp.max_buffered", s.MaxBuffered, 1, most)
	const hour, least = Duration(time.Hour), Duration(100 * time.Millisecond)
	c.lasting("smpp.bind_timeout", s.BindTimeout, least, hour)
	c.lasting("smpp.enquire_link", s.EnquireLink, least, hour)
	c.lasting("smpp.response_timeout", s.ResponseTimeout, least, hour)
	c.lasting("smpp.write_timeout", s.WriteTimeout, least, hour)
	s.TLS.check(c)
	s.Proxy.check(c)
}

// check leaves files that no listener uses alone: emptying listen switches TLS off.
func (t *SMPPTLS) check(c *checker) {
	if t.Listen != "" {
		for _, file := range []struct{ key, path string }{{"cert_file", t.CertFile}, {"key_file", t.KeyFile}} {
			if file.path == "" {
				c.addf("smpp.tls."+file.key, "is missing; the listener needs one")
			}
		}
	}
	c.oneOf("smpp.tls.clients", t.Clients, "optional", "required")
	if t.Clients == "required" && t.ClientCA == "" {
		c.addf("smpp.tls.client_ca", "is missing; clients: required needs one")
	}
	c.oneOf("smpp.tls.minimum", t.Minimum, "1.2", "1.3")
}

func (p *Proxy) check(c *checker) {
	for i, from := range p.From {
		if _, err := ParseNetwork(from); err != nil {
			c.addf(fmt.Sprintf("smpp.proxy.from[%d]", i), "%s", err)
		}
	}
	if p.Required && len(p.From) == 0 {
		c.addf("smpp.proxy.from", "is missing; required: true is about connections from these")
	}
}
