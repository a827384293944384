package configs

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
)

func (q *Queue) setDefaults() {
	q.Credentials = cmp.Or(q.Credentials, DefaultCredential)
	q.Endpoint = cmp.Or(q.Endpoint, "1943695596114318.mns.cn-hangzhou.aliyuncs.com")
	q.TokenEndpoint = cmp.Or(q.TokenEndpoint, "dybaseapi.aliyuncs.com")
	q.Receivers = cmp.Or(q.Receivers, 8)
}

func (q *Queue) hint(key string) string {
	if key == "queue" {
		return "name the queues in reports and incoming"
	}
	return (&Route{}).hint(key)
}

// queueShape is what the message service calls a queue.
var queueShape = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,119}$`)

// maxReceivers bounds the connections to a queue.
const maxReceivers = 256

func (c *policyCheck) checkQueues() {
	names, queues := map[string]bool{}, map[string]bool{}
	for i := range c.Queues {
		key, q := fmt.Sprintf("queues[%d]", i), &c.Queues[i]
		switch {
		case !nameShape.MatchString(q.Name):
			c.addf(key+".name", "%s is not a name; allowed: 1 to 32 letters, digits, \".\", \"_\" and \"-\"", quote(q.Name))
		case names[q.Name]:
			c.addf(key+".name", "%s is already a queue", quote(q.Name))
		}
		names[q.Name] = true
		c.checkQueueEndpoint(key+".endpoint", q.Endpoint, q.Plain)
		c.checkQueueEndpoint(key+".token_endpoint", q.TokenEndpoint, q.Plain)
		if !nameShape.MatchString(q.Credentials) {
			c.addf(key+".credentials", "%s is not a name of the node configuration's credentials", quote(q.Credentials))
		}
		for _, of := range []struct{ key, name string }{{".reports", q.Reports}, {".incoming", q.Incoming}} {
			switch {
			case of.name != "" && !queueShape.MatchString(of.name):
				c.addf(key+of.key, "%s is not the name of a queue; allowed: 1 to 120 letters, digits and \"-\"", quote(of.name))
			case of.name != "" && queues[of.name]:
				c.addf(key+of.key, "%s is read already", quote(of.name))
			}
			queues[of.name] = true
		}
		if q.Reports == "" && q.Incoming == "" {
			c.addf(key, "neither reports nor incoming names a queue")
		}
		c.between(key+".receivers", q.Receivers, 1, maxReceivers)
	}
}

func (c *policyCheck) checkQueueEndpoint(key, endpoint string, plain bool) {
	host, ok := endpointHost(endpoint)
	switch {
	case strings.Contains(endpoint, "://"):
		c.addf(key, "%s has a scheme; allowed: host or host:port (HTTPS unless plain)", quote(endpoint))
	case !ok:
		c.addf(key, "%s is not an endpoint; allowed: host or host:port", quote(endpoint))
	case plain && strings.HasSuffix(strings.ToLower(strings.TrimSuffix(host, ".")), "aliyuncs.com"):
		c.addf(key, "would be read over HTTP; plain is allowed with simulators only")
	}
}
