package configs

import (
	"fmt"
	"net"
	"strings"
	"unicode"
)

// checkCluster checks what concerns other nodes. That cluster.listen is an address at all, and nobody else's, is
// checked with the other listeners.
func (n *Node) checkCluster(c *checker) {
	cl := &n.Cluster
	if cl.ClusterID != "" && !clusterIDShape.MatchString(cl.ClusterID) {
		c.addf("cluster.cluster_id", "%s is not a cluster id; allowed: 1 to 8 of a-z and 0-9", quote(cl.ClusterID))
	}
	cl.checkAdvertise(c)
	cl.checkEncryption(c)
	cl.TLS.check(c)
}

// checkAdvertise checks that there is an address that the other nodes can dial.
func (cl *Cluster) checkAdvertise(c *checker) {
	if cl.Advertise == "" {
		if host, _, ok := splitAddr(cl.Listen); ok && isWildcard(host) {
			c.addf("cluster.advertise", "is missing; the other nodes cannot dial %s. Set it to this node's host:port", quote(cl.Listen))
		}
		return
	}
	switch host, port, ok := splitAddr(cl.Advertise); {
	case !ok || port == 0:
		c.addf("cluster.advertise", "%s is not an address; allowed: host:port, port 1 to 65535", quote(cl.Advertise))
	case isWildcard(host):
		c.addf("cluster.advertise", "%s names no host; allowed: the host:port that the other nodes dial", quote(cl.Advertise))
	}
}

// checkEncryption refuses a plain port on a network unless it is asked for: peers are known by their certificates
// alone, so whoever reaches a plain port can write the state.
func (cl *Cluster) checkEncryption(c *checker) {
	if !cl.TLS.Used() {
		for _, a := range []struct{ key, addr string }{{"cluster.listen", cl.Listen}, {"cluster.advertise", cl.Advertise}} {
			if _, _, ok := splitAddr(a.addr); ok && !isLoopback(a.addr) && !cl.Insecure {
				c.addf(a.key, "%s is not on loopback; allowed: a loopback address, or any with cluster.tls or insecure: true", quote(a.addr))
			}
		}
		return
	}
	if cl.Insecure {
		c.addf("cluster.insecure", "is given beside cluster.tls; allowed: one of the two")
	}
}

// isWildcard reports whether host means all of this machine's addresses.
func isWildcard(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

// Used reports whether nodes speak TLS to each other.
func (t ClusterTLS) Used() bool { return t.CertFile != "" || t.KeyFile != "" || t.CAFile != "" }

// check wants all three files or none: nodes verify each other in both directions.
func (t *ClusterTLS) check(c *checker) {
	if t.Used() {
		for _, file := range []struct{ key, path string }{{"cert_file", t.CertFile}, {"key_file", t.KeyFile}, {"ca_file", t.CAFile}} {
			if file.path == "" {
				c.addf("cluster.tls."+file.key, "is missing; TLS between nodes needs cert_file, key_file and ca_file")
			}
		}
	} else if len(t.Names) > 0 {
		c.addf("cluster.tls.names", "has no meaning without cert_file, key_file and ca_file")
	}
	seen := map[string]bool{}
	for i, name := range t.Names {
		at := fmt.Sprintf("cluster.tls.names[%d]", i)
		c.certName(at, name)
		c.once(at, name, seen)
	}
}

// maxCertName is the longest DNS name (RFC 1035, 2.3.4); a common name is shorter.
const maxCertName = 253

// certName faults key unless a certificate could have name as its common name or as a DNS name.
func (c *checker) certName(key, name string) {
	if name == "" || len(name) > maxCertName || strings.TrimSpace(name) != name || strings.ContainsFunc(name, unicode.IsControl) {
		c.addf(key, "%s is not a name of a certificate; allowed: 1 to %d octets without outer spaces", quote(name), maxCertName)
	}
}
