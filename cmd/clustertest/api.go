//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
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
	ln, err := net.Listen("tcp4", net.JoinHostPort(apiIP().String(), apiPort))
	if err != nil {
		return nil, err
	}
	go func() { a.done <- a.sim.Run(ctx, ln) }() // ends with ctx
	return a, nil
}

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
	err = fmt.Errorf("no node")
	for _, host := range b.order() {
		again := req.Clone(req.Context())
		again.URL.Host, again.Body = host, io.NopCloser(bytes.NewReader(body))
		var resp *http.Response
		if resp, err = b.transport.RoundTrip(again); err != nil {
			continue
		}
		if resp.StatusCode < http.StatusInternalServerError {
			return resp, nil
		}
		_ = resp.Body.Close()
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil, err
}

// policy is what the nodes are to do. Uncertain attempts are settled within seconds, not minutes, and what a phone
// may not be sent is worthless soon, so that a round is over soon.
func (a *api) policy() string {
	return fmt.Sprintf(`signatures: [阿里云测试]
classes:
  notice: {resend_after: %[1]s}
  otp: {resend_after: %[1]s, validity: 1m, on_uncertain: report, urgent: true}
  capped: {resend_after: %[1]s, validity: 10s, on_uncertain: report, phone_limits: [{per: minute, limit: 1}]}
templates:
  - {code: SMS_100000003, class: notice, text: "${content}", phone_limit: false, vars: {content: {kind: free, max: 1000}}}
  - {code: SMS_100000001, class: otp, text: "您的验证码是${code}，5分钟内有效，请勿泄露。", vars: {code: {kind: digits, min: 4, max: 6}}}
  - {code: %[7]s, class: capped, text: "动态密码${code}，请勿转发。", vars: {code: {kind: digits, min: 4, max: 6}}}
routes:
  - {name: sim, kind: dysmsapi, endpoint: "%[2]s", plain: true, qps: %[3]d, workers: 32, timeout: 2s}
accounts:
  - {system_id: notice, password_hash: "%[4]s", binds: 100, sign_name: 阿里云测试, templates: [SMS_100000003]}
  - {system_id: pair, password_hash: "%[4]s", binds: 100, sign_name: 阿里云测试, templates: [SMS_100000003]}
  - {system_id: otp, password_hash: "%[4]s", binds: 100, sign_name: 阿里云测试, templates: [SMS_100000001]}
  - {system_id: capped, password_hash: "%[4]s", binds: 100, sign_name: 阿里云测试, templates: [%[7]s]}
  - {system_id: long, password_hash: "%[4]s", binds: 100, sign_name: 阿里云测试, templates: [SMS_100000003], validity: 15s}
  - {system_id: submitted, password_hash: "%[4]s", binds: 100, sign_name: 阿里云测试, templates: [SMS_100000003], ack: submitted}
  - {system_id: rated, password_hash: "%[4]s", binds: 100, sign_name: 阿里云测试, templates: [SMS_100000003], rate: %[5]d, burst: %[6]d}
`, resendAfter, net.JoinHostPort(apiIP().String(), apiPort), apiQPS, a.password, ratedRate, ratedBurst, templateCapped)
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
