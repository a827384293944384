package main

import (
	"context"
	"fmt"
	"time"

	"smppbridge/bridge"
	"smppbridge/bridge/aliyun"
	"smppbridge/bridge/upstream"
	"smppbridge/configs"
)

// senders makes calls over the routes of both kinds.
type senders struct {
	api      *aliyun.Client
	upstream *upstream.Client
}

var _ bridge.Sender = senders{}

// of is the client that has the route. The API's says what is to be said of one that the policy has no more.
func (s senders) of(route string) bridge.Sender {
	if s.upstream.Has(route) {
		return s.upstream
	}
	return s.api
}

// Send implements bridge.Sender.
func (s senders) Send(ctx context.Context, c bridge.Call) bridge.Answer {
	return s.of(c.Route).Send(ctx, c)
}

// Find implements bridge.Sender.
func (s senders) Find(ctx context.Context, route, outID, phone string, begun time.Time) (bridge.Found, error) {
	return s.of(route).Find(ctx, route, outID, phone, begun)
}

// Sent implements bridge.Sender.
func (s senders) Sent(ctx context.Context, route, phone string, from, to time.Time) ([]bridge.SentSMS, error) {
	return s.of(route).Sent(ctx, route, phone, from, to)
}

// logins opens the credentials of routes of kind smpp.
func logins(cfg map[string]configs.Credential) (map[string]*upstream.Credentials, error) {
	m := make(map[string]*upstream.Credentials)
	for name, c := range cfg {
		if c.Source != configs.SourceSMPP {
			continue
		}
		login, err := upstream.FromFile(c.File, c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("credentials.%s: %w", name, err)
		}
		m[name] = login
	}
	return m, nil
}

// startSender makes the clients of both kinds of routes, without routes, and the reader of queues, without queues.
func (n *node) startSender(context.Context) (err error) {
	if n.sender, err = aliyun.New(aliyun.Config{Log: n.log, Registerer: n.registry}); err != nil {
		return err
	}
	if n.queues, err = aliyun.NewQueues(n.log, n.registry); err != nil {
		return err
	}
	n.upstream, err = upstream.New(upstream.Config{Log: n.log, Registerer: n.registry, Now: n.cluster.Now})
	return err
}

// setRoutes gives the clients the routes of a policy, and what the API's answers mean, and has its queues read.
func (n *node) setRoutes(p *configs.Policy) error {
	table, err := outcomeTable(p)
	if err != nil {
		return err
	}
	var centres []upstream.Route
	routes := make([]aliyun.Route, 0, len(p.Routes))
	for i := range p.Routes {
		r := &p.Routes[i]
		creds, login := n.opts.Credentials[r.Credentials], n.opts.Logins[r.Credentials]
		switch {
		case r.Kind == configs.KindSMPP && login == nil, r.Kind != configs.KindSMPP && creds == nil:
			return fmt.Errorf("route %s: the node's configuration has no credentials %q for a route of kind %s", r.Name, r.Credentials, r.Kind)
		case r.Kind == configs.KindSMPP:
			centres = append(centres, upstream.Route{
				Name: r.Name, Account: r.Account, Endpoint: r.Endpoint, Credentials: login,
				QPS: r.QPS, Timeout: r.Timeout.Std(), SMPP: r.SMPP,
			})
		default:
			routes = append(routes, aliyun.Route{
				Name: r.Name, Endpoint: r.Endpoint, Plain: r.Plain, Credentials: creds,
				Workers: r.Workers, Timeout: r.Timeout.Std(),
			})
		}
	}
	if err := n.upstream.SetRoutes(centres); err != nil {
		return err
	}
	if err := n.sender.SetRoutes(routes); err != nil {
		return err
	}
	n.sender.SetOutcomes(table)
	return n.setQueues(p)
}
