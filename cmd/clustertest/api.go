//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/alexedwards/argon2id"

	"smppbridge/bridge/aliyun/aliyunsim"
)

// The API's limits, which the nodes are told of in the policy.
const (
	apiPort = "8080"
	apiQPS  = 700 // twice what is called for; after an outage it is reached
	// A template of one-time codes whose phones get several, more than the API allows.
	templateCapped = "SMS_100000005"
)

// An api is the simulated API, with its ledger, and what stands in front of the nodes' callbacks.
type api struct {
	sim      *aliyunsim.Server
	password string // hash of the accounts' password
	balancer *balancer
	done     chan error
	last     int64 // the last mark
}

// newAPI starts the API at its address in the test network. It ends with ctx.
func newAPI(ctx context.Context, o options) (*api, error) {
	hash, err := argon2id.CreateHash(password, &argon2id.Params{
		Memory: 8 << 10, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32,
	})
	if err != nil {
		return nil, err
	}
	a := &api{password: hash, balancer: newBalancer(), done: make(chan error, 1)}
	cfg := aliyunsim.DevConfig() // no limit on calls: what exceeds ours is to be seen in the ledger
	cfg.Accounts[0].Templates = append(cfg.Accounts[0].Templates, aliyunsim.Template{
		Code: templateCapped, Content: "动态密码${code}，请勿转发。", Type: aliyunsim.TypeCode,
	})
	cfg.Accounts = append(cfg.Accounts, secondAccount(cfg.Accounts[0]))
	for i := range cfg.Accounts {
		cfg.Accounts[i].Templates = append(cfg.Accounts[i].Templates, mixTemplates()...)
	}
	cfg.Outcomes = map[string]aliyunsim.Outcome{failingSuffix: {ErrCode: "MOBILE_NOT_ON_SERVICE"}}
	cfg.LedgerLimit = 0
	cfg.Seed = o.seed
	cfg.ReportURL = "http://callbacks/callback/" + callbackSecret + "/smsreport"
	cfg.Transport = a.balancer
	// A connection that rests is closed: many calls begin with a dial, and a node can be frozen in it.
	cfg.IdleTimeout = 300 * time.Millisecond
	cfg.Reports = aliyunsim.ReportConfig{
		Delay: 100 * time.Millisecond, Jitter: 200 * time.Millisecond, Window: 20 * time.Millisecond,
		Timeout: 2 * time.Second, Retries: repeated(300*time.Millisecond, 3000),
	}
	if a.sim, err = aliyunsim.New(cfg); err != nil {
		return nil, err
	}
	var list []net.Listener
	for _, port := range []string{apiPort, mixPortA, mixPortB} {
		ln, err := net.Listen("tcp4", endpoint(port))
		if err != nil {
			return nil, err
		}
		list = append(list, ln)
	}
	go func() { a.done <- a.sim.Run(ctx, list[0], list[1:]...) }() // ends with ctx
	return a, nil
}

// endpoint is where the API is.
func endpoint(port string) string { return net.JoinHostPort(apiIP().String(), port) }

func (a *api) wait() { <-a.done }

// pushTo says which nodes' callbacks reports are pushed to.
func (a *api) pushTo(nodes []*node) {
	var hosts []string
	for _, n := range nodes {
		hosts = append(hosts, net.JoinHostPort(n.ip.String(), callbackPort))
	}
	a.balancer.set(hosts)
}

func repeated(d time.Duration, n int) []time.Duration {
	list := make([]time.Duration, n)
	for i := range list {
		list[i] = d
	}
	return list
}

// A balancer takes each POST to one node after the other, and to the next one when a node does not take it: what
// Alibaba Cloud has one URL for.
type balancer struct {
	transport *http.Transport

	mu    sync.Mutex
	hosts []string // guarded by mu
	next  int      // guarded by mu
	sick  sickness // guarded by mu
}

// sickness is how often what stands in front of the nodes answers for them, with status 503.
type sickness struct {
	before float64 // and no node sees the POST
	after  float64 // although a node has taken it
}

func newBalancer() *balancer {
	dialer := &net.Dialer{Timeout: 500 * time.Millisecond, LocalAddr: &net.TCPAddr{IP: apiIP()}}
	return &balancer{transport: &http.Transport{
		DialContext: dialer.DialContext, ResponseHeaderTimeout: time.Second, IdleConnTimeout: time.Second,
	}}
}

func (b *balancer) set(hosts []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hosts = hosts
}

// ail has the balancer fail from now on.
func (b *balancer) ail(s sickness) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sick = s
}

// fails chooses how one POST fails.
func (b *balancer) fails() (before, after bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	x := rand.Float64()
	return x < b.sick.before, x >= b.sick.before && x < b.sick.before+b.sick.after
}

// order returns the hosts in the order in which they are tried this time.
func (b *balancer) order() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []string
	for i := range b.hosts {
		list = append(list, b.hosts[(b.next+i)%len(b.hosts)])
	}
	b.next++
	return list
}

// RoundTrip implements http.RoundTripper.
func (b *balancer) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	before, after := b.fails()
	if before {
		return unavailable(req), nil
	}
	err = fmt.Errorf("no node")
	for _, host := range b.order() {
		again := req.Clone(req.Context())
		again.URL.Host, again.Body = host, io.NopCloser(bytes.NewReader(body))
		var resp *http.Response
		if resp, err = b.transport.RoundTrip(again); err != nil {
			continue
		}
		if resp.StatusCode < http.StatusInternalServerError {
			if after {
				_ = resp.Body.Close()
				return unavailable(req), nil
			}
			return resp, nil
		}
		_ = resp.Body.Close()
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil, err
}

// unavailable is an answer that no node gave.
func unavailable(req *http.Request) *http.Response {
	return &http.Response{Request: req, StatusCode: http.StatusServiceUnavailable, Body: http.NoBody, Header: http.Header{}}
}

// mark is where in the ledger the next message will be.
func (a *api) mark() int64 {
	_, a.last = a.sim.LedgerSince(a.last, 1<<30)
	return a.last
}

// entries are what was executed from a mark on.
func (a *api) entries(since int64) []aliyunsim.Entry {
	list, _ := a.sim.LedgerSince(since, 1<<30)
	return list
}

// unreported counts the reports that are still to be pushed.
func (a *api) unreported() int { return a.sim.Counters().Reports.Pending }

// limitControls counts the calls that the API refused because a phone had had enough.
func (a *api) limitControls() int {
	n := int64(0)
	for _, codes := range a.sim.Counters().Calls {
		n += codes["isv.BUSINESS_LIMIT_CONTROL"]
	}
	return int(n)
}
