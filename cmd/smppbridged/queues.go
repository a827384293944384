package main

import (
	"context"
	"fmt"
	"slices"

	"smppbridge/bridge/aliyun"
	"smppbridge/configs"
)

// setQueues has the message queues of a policy read. Those that are read already go on: to begin anew would hide for a while what
// is being received.
func (n *node) setQueues(p *configs.Policy) error {
	if n.queuesRead != nil && slices.Equal(p.Queues, n.queuesRead) {
		return nil
	}
	list := make([]aliyun.Queue, 0, len(p.Queues))
	for i := range p.Queues {
		q := &p.Queues[i]
		creds := n.opts.Credentials[q.Credentials]
		if creds == nil {
			return fmt.Errorf("queue %s: the node's configuration has no credentials %q", q.Name, q.Credentials)
		}
		list = append(list, aliyun.Queue{
			Name: q.Name, Endpoint: q.Endpoint, TokenEndpoint: q.TokenEndpoint, Plain: q.Plain, Credentials: creds,
			Reports: q.Reports, Incoming: q.Incoming, Receivers: q.Receivers,
		})
	}
	if err := n.queues.Set(list); err != nil {
		return err
	}
	n.queuesRead = slices.Clone(p.Queues)
	return nil
}

// readQueues reads the queues while this node leads.
func (n *node) readQueues(ctx context.Context) error { return n.queues.Run(ctx, n.bridge) }
