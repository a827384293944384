package configs

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

func (c *policyCheck) checkRoute(key string, r *Route) {
	switch {
	case !nameShape.MatchString(r.Name):
		c.addf(key+".name", "%s is not a name; allowed: 1 to 32 letters, digits, \".\", \"_\" and \"-\"", quote(r.Name))
	case c.routes[r.Name]:
		c.addf(key+".name", "%s is already a route", quote(r.Name))
	case r.Name == RouteDryRun:
		c.addf(key+".name", "%s is the way of accounts with dry_run", quote(r.Name))
	}
	c.routes[r.Name] = true
	c.oneOf(key+".kind", r.Kind, KindDysmsapi, KindSMPP)
	c.checkKind(key, r)
	host, ok := endpointHost(r.Endpoint)
	switch {
	case r.Endpoint == "" && r.Kind == KindSMPP:
		c.addf(key+".endpoint", "is missing; a route of kind: smpp needs one")
	case strings.Contains(r.Endpoint, "://"):
		c.addf(key+".endpoint", "%s has a scheme; allowed: host or host:port (HTTPS unless plain)", quote(r.Endpoint))
	case !ok:
		c.addf(key+".endpoint", "%s is not an endpoint; allowed: host or host:port", quote(r.Endpoint))
	case r.Plain && strings.HasSuffix(strings.ToLower(strings.TrimSuffix(host, ".")), "aliyuncs.com"):
		c.addf(key+".plain", "would send phone numbers over HTTP; allowed: with simulators only")
	}
	if !nameShape.MatchString(r.Credentials) {
		c.addf(key+".credentials", "%s is not a name of the node configuration's credentials", quote(r.Credentials))
	}
	c.between(key+".qps", r.QPS, 1, 100_000)
	c.between(key+".workers", r.Workers, 1, 4096) // aliyun.MaxWorkers
	c.between(key+".query_qps", r.QueryQPS, 1, 5000)
	c.lasting(key+".timeout", r.Timeout, Duration(100*time.Millisecond), Duration(time.Minute))
	c.checkShare(key, r)
}

// checkShare checks which messages go by a route.
func (c *policyCheck) checkShare(key string, r *Route) {
	if !nameShape.MatchString(r.Account) && !c.faulty[key+".credentials"] {
		c.addf(key+".account", "%s is not a name; allowed: 1 to 32 letters, digits, \".\", \"_\" and \"-\"", quote(r.Account))
	}
	c.between(key+".priority", r.Priority, 0, 1000)
	c.between(key+".weight", r.Weight, 1, 1000)
	c.list(key+".templates", r.Templates, "template", func(code string) bool { return c.templates[code] != nil })
	c.list(key+".signatures", r.Signatures, "signature", func(s string) bool { return c.signatures[s] })
}

// MaxRoutes is how many routes a policy may have.
const MaxRoutes = 64

// checkWaysOut checks whether every account has a route, and those that it names.
func (c *policyCheck) checkWaysOut() {
	if len(c.Routes) > MaxRoutes {
		c.addf("routes", "there are %d; allowed: %d", len(c.Routes), MaxRoutes)
	}
	common := slices.ContainsFunc(c.Routes, func(r Route) bool { return !r.OnlyNamed })
	for i := range c.Accounts {
		key, a := fmt.Sprintf("accounts[%d]", i), &c.Accounts[i]
		if a.Route != "" && !c.routes[a.Route] {
			c.addf(key+".route", "%s is not a route; there are: %s", quote(a.Route), strings.Join(sortedKeys(c.routes), ", "))
		}
		if a.Route != "" && len(a.Routes) > 0 {
			c.addf(key+".routes", "stands beside route; name all of them here, and remove route")
		}
		c.list(key+".routes", a.Routes, "route", func(name string) bool { return c.routes[name] })
		if a.Route == "" && len(a.Routes) == 0 && len(c.Routes) > 0 && !common {
			c.addf(key+".routes", "must be named: all routes of this policy are only_named")
		}
	}
	if len(c.Accounts) > 0 && len(c.Routes) == 0 {
		c.addf("routes", "there is no way out for the accounts; at least one route is needed")
	}
}

// endpointHost returns the host of host[:port].
func endpointHost(endpoint string) (string, bool) {
	host, port, ok := splitAddr(endpoint)
	if ok {
		return host, host != "" && port != 0
	}
	return endpoint, net.ParseIP(endpoint) != nil || hostShape.MatchString(endpoint)
}
