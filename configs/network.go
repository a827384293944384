package configs

import (
	"fmt"
	"net/netip"
)

// ParseNetwork reads an address or a network in CIDR notation, as lists of addresses have them. A single address
// is the network of itself. An IPv4 network is written as such, never inside IPv6: addresses are unmapped before
// they are compared with it.
func ParseNetwork(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, addrErr := netip.ParseAddr(s)
		if addrErr != nil || a.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%s is not an address or network; allowed: such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32", quote(s))
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	switch {
	case p.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%s is an IPv4 address inside IPv6; write it as IPv4", quote(s))
	case p.Masked() != p:
		return netip.Prefix{}, fmt.Errorf("%s has bits set behind its length; allowed: %s, or a single address", quote(s), p.Masked())
	}
	return p, nil
}

// networks faults the items of a list of addresses and networks that are none, or repeated.
func (c *checker) networks(key string, items []string) {
	seen := map[string]bool{}
	for i, item := range items {
		at := fmt.Sprintf("%s[%d]", key, i)
		if _, err := ParseNetwork(item); err != nil {
			c.addf(at, "%v", err)
		}
		c.once(at, item, seen)
	}
}
