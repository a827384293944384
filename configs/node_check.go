package configs

import (
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	nodeIDShape    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	clusterIDShape = regexp.MustCompile(`^[a-z0-9]{1,8}$`)
	secretShape    = regexp.MustCompile(`^[A-Za-z0-9_-]{16,128}$`)
	nameShape      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$`)
)

// IsNodeID reports whether id can be a node_id.
func IsNodeID(id string) bool { return nodeIDShape.MatchString(id) }

// systemIDMax is the longest system_id in octets: 16 with the closing NUL. SMPP 3.4, 5.2.1.
const systemIDMax = 15

// Validate returns every fault of n as [Faults], or nil.
func (n *Node) Validate() error {
	c := newChecker("")
	n.check(c)
	return c.err()
}

func (n *Node) check(c *checker) {
	if n.NodeID != "" && !IsNodeID(n.NodeID) {
		c.addf("node_id", "%s is not a node id; allowed: 1 to 63 letters, digits, \".\", \"_\" and \"-\", beginning with a letter or digit", quote(n.NodeID))
	}
	switch {
	case n.DataDir == "":
		c.addf("data_dir", "is missing; allowed: an absolute path")
	case !filepath.IsAbs(n.DataDir):
		c.addf("data_dir", "%s is not an absolute path", quote(n.DataDir))
	}
	n.checkSMPP(c)
	n.checkCallback(c)
	n.checkListeners(c)
	n.checkCluster(c)
	if n.Policy.Follow && n.Policy.File == "" {
		c.addf("policy.follow", "there is no file to follow; set policy.file, or follow: false")
	}
	c.oneOf("log.level", n.Log.Level, "debug", "info", "warn", "error")
	c.oneOf("log.format", n.Log.Format, "json", "text")
	n.checkCredentials(c)
	c.lasting("retention", n.Retention, Duration(time.Hour), Duration(90*24*time.Hour))
	c.lasting("drain_time", n.DrainTime, 0, Duration(10*time.Minute))
}

func (n *Node) checkCallback(c *checker) {
	cb := &n.Callback
	c.networks("callback.from", cb.From)
	switch {
	case cb.Secret != "" && cb.SecretFile != "":
		c.addf("callback.secret", "is given beside callback.secret_file; allowed: one of the two")
	case cb.Secret != "" && !secretShape.MatchString(cb.Secret):
		c.addf("callback.secret", "%s", secretRule)
	case cb.Listen != "" && cb.Secret == "" && cb.SecretFile == "":
		c.addf("callback.secret", "is missing; the listener has no other guard. Set callback.secret_file or callback.secret, or listen: \"\"")
	}
}

// secretRule does not repeat the secret.
const secretRule = "is not a path element that is hard to guess; allowed: 16 to 128 letters, digits, \"-\" and \"_\""

// checkListeners checks the addresses, and that no two take the same port.
func (n *Node) checkListeners(c *checker) {
	listeners := []struct{ key, addr string }{
		{"smpp.listen", n.SMPP.Listen},
		{"smpp.tls.listen", n.SMPP.TLS.Listen},
		{"http.listen", n.HTTP.Listen},
		{"callback.listen", n.Callback.Listen},
		{"cluster.listen", n.Cluster.Listen},
	}
	var users []int // of listeners, those that have a port
	for i, l := range listeners {
		if l.addr == "" && n.mayBeSilent(l.key) {
			continue
		}
		_, port, ok := splitAddr(l.addr)
		if !ok {
			c.addf(l.key, "%s is not an address; allowed: host:port, port 0 to 65535", quote(l.addr))
			continue
		}
		for _, u := range users {
			if port != 0 && overlap(l.addr, listeners[u].addr) {
				c.addf(l.key, "%s is taken by %s", l.addr, listeners[u].key)
			}
		}
		users = append(users, i)
	}
}

// overlap reports whether a machine cannot listen on both addresses: they have one port, and one host or all of them.
func overlap(a, b string) bool {
	hostA, portA, _ := splitAddr(a)
	hostB, portB, _ := splitAddr(b)
	is6 := func(host string) bool { return strings.Contains(host, ":") }
	covers := func(wild, host string) bool {
		return isWildcard(wild) && (wild != "0.0.0.0" || !is6(host)) // "" and :: take IPv4 too
	}
	return portA == portB && (hostA == hostB || covers(hostA, hostB) || covers(hostB, hostA))
}

// mayBeSilent reports whether the listener of key may be left out.
func (n *Node) mayBeSilent(key string) bool {
	switch key {
	case "callback.listen", "smpp.tls.listen":
		return true
	case "smpp.listen":
		return n.SMPP.TLS.Listen != ""
	}
	return false
}

// Warnings returns what is allowed in n but should not pass unseen, one sentence each.
func (n *Node) Warnings() []string {
	var w []string
	if a := n.HTTP.Listen; a != "" && !isLoopback(a) {
		w = append(w, "http.listen: the admin listener is not on loopback: whoever reaches "+a+" can read the whole state, with every text and number, pause sending, and remove members from the cluster")
	}
	if a := n.Callback.Listen; a != "" && !isLoopback(a) {
		w = append(w, "callback.listen: reports and their secret cross the network in plain HTTP to "+a+": put a TLS proxy in front of it")
	}
	if cl := n.Cluster; cl.Insecure && !(isLoopback(cl.Listen) && (cl.Advertise == "" || isLoopback(cl.Advertise))) {
		w = append(w, "cluster.insecure: texts and numbers cross the network unencrypted, and whoever reaches "+cl.Listen+" can read and write the state: only for a network that nobody else is on")
	}
	for _, from := range n.SMPP.Proxy.Networks() {
		if from.Bits() == 0 {
			w = append(w, "smpp.proxy.from: "+from.String()+": every client can say that it is at any address")
		}
	}
	if n.Callback.Listen == "" {
		w = append(w, "callback.listen: no reports can be pushed to this node")
	}
	return w
}

// systemID faults key unless id fits the field and can be typed. SMPP 3.4, 5.2.1.
func (c *checker) systemID(key, id string) {
	switch {
	case id == "":
		c.addf(key, "is missing; allowed: 1 to %d octets", systemIDMax)
	case len(id) > systemIDMax:
		c.addf(key, "%s has %d octets; allowed: 1 to %d", quote(id), len(id), systemIDMax)
	case slices.ContainsFunc([]byte(id), func(b byte) bool { return b <= ' ' || b > '~' }):
		c.addf(key, "%s is not printable ASCII without spaces", quote(id))
	}
}

// splitAddr splits host:port with a numeric port.
func splitAddr(addr string) (host string, port int, ok bool) {
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, false
	}
	port, err = strconv.Atoi(p)
	return host, port, err == nil && port >= 0 && port <= 65535 && isHost(host)
}

var hostShape = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})$`)

// isHost reports whether host is an IP address, a host name, or empty for all addresses.
func isHost(host string) bool { return host == "" || IsHost(host) }

// IsHost reports whether host is an IP address or could be a host name.
func IsHost(host string) bool { return net.ParseIP(host) != nil || hostShape.MatchString(host) }

func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// CheckPolicy returns as [Faults] what p needs of a node and n does not have: credentials of its routes and queues.
func (n *Node) CheckPolicy(p *Policy) error {
	c := newChecker("")
	for i, r := range p.Routes {
		key := fmt.Sprintf("routes[%d].credentials", i)
		cred, ok := n.Credentials[r.Credentials]
		switch {
		case !ok:
			c.addf(key, "%s is not among this node's credentials; there are: %s",
				quote(r.Credentials), strings.Join(sortedKeys(n.Credentials), ", "))
		case (cred.Source == SourceSMPP) != (r.Kind == KindSMPP):
			c.addf(key, "%s has source: %s, which is not for a route of kind: %s", quote(r.Credentials), cred.Source, r.Kind)
		}
	}
	for i, q := range p.Queues {
		key := fmt.Sprintf("queues[%d].credentials", i)
		switch cred, ok := n.Credentials[q.Credentials]; {
		case !ok:
			c.addf(key, "%s is not among this node's credentials; there are: %s",
				quote(q.Credentials), strings.Join(sortedKeys(n.Credentials), ", "))
		case cred.Source == SourceSMPP:
			c.addf(key, "%s has source: %s, which is not for a queue", quote(q.Credentials), cred.Source)
		}
	}
	return c.err()
}
