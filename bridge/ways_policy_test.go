package bridge

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// waysPolicy has routes of two Alibaba Cloud accounts, and accounts for each way to use them.
const waysPolicy = `
signatures: [测试, 别的]
classes:
  code: {urgent: true, validity: 5m}
  single: {validity: 1m}
  many: {batch: 10}
  ads: {hours: "08:00-21:00", validity: 24h}
templates:
  - {code: SMS_1, class: code, text: "码${code}", phone_limit: false}
  - {code: SMS_2, class: single, text: "知${content}", phone_limit: false}
  - {code: SMS_3, class: many, text: "批${content}", phone_limit: false}
  - {code: SMS_4, class: many, text: "众${content}", phone_limit: false}
  - {code: SMS_5, class: ads, text: "推${content}", phone_limit: false}
routes:
  - {name: a1, endpoint: "127.0.0.1:1", workers: 4, account: a, qps: 1000}
  - {name: a2, endpoint: "127.0.0.1:2", workers: 4, account: a, qps: 1000, priority: 1}
  - {name: b1, endpoint: "127.0.0.1:3", workers: 4, account: b, qps: 1000, priority: 2}
  - {name: slow, endpoint: "127.0.0.1:4", workers: 4, qps: 2, only_named: true}
  - {name: one, endpoint: "127.0.0.1:5", workers: 1, qps: 1000, only_named: true, weight: 3}
  - {name: two, endpoint: "127.0.0.1:6", workers: 1, qps: 1000, only_named: true}
  - {name: part, endpoint: "127.0.0.1:7", workers: 4, qps: 1000, only_named: true, templates: [SMS_2]}
  - {name: rest, endpoint: "127.0.0.1:8", workers: 4, qps: 1000, only_named: true, templates: [SMS_1, SMS_3, SMS_4, SMS_5]}
accounts:
  - {system_id: any, password_hash: "HASH", sign_name: 测试}
  - {system_id: slow, password_hash: "HASH", sign_name: 测试, route: slow}
  - {system_id: main, password_hash: "HASH", sign_name: 测试, route: a1}
  - {system_id: one, password_hash: "HASH", sign_name: 测试, route: one}
  - {system_id: other, password_hash: "HASH", sign_name: 测试, route: one}
  - {system_id: shared, password_hash: "HASH", sign_name: 测试, routes: [one, two]}
  - {system_id: mixed, password_hash: "HASH", sign_name: 测试, routes: [part, rest]}
`

// inWays runs f under waysPolicy. Sending is paused until Resume.
func inWays(t *testing.T, f func(*testing.T, *rig), change ...func(*Config)) {
	t.Helper()
	inRig(t, func(t *testing.T, r *rig) {
		r.putPolicy(waysPolicy)
		pass(time.Second)
		f(t, r)
	}, append(change, func(c *Config) {
		c.Paused = true
		c.Session.EnquireLink = 10000 * time.Hour
	})...)
}

// to is the destination of submission i.
func to(i int) func(*smpp.SubmitSM) {
	return func(m *smpp.SubmitSM) { m.DestinationAddr = fmt.Sprintf("139%08d", i) }
}

// submits has n messages accepted, each to its own phone.
func (e *esme) submits(text string, n int) (numbers []store.Number) {
	e.r.t.Helper()
	for i := range n {
		e.submit(text, to(i))
	}
	for range n {
		numbers = append(numbers, e.number())
	}
	return numbers
}

// callsOn counts the calls of a route.
func (r *rig) callsOn(route string) (n int) {
	for _, c := range r.api.called() {
		if c.Route == route {
			n++
		}
	}
	return n
}

// accept is the answer to a call that went well.
func accept(c Call) Answer {
	return Answer{Kind: store.OutcomeAccepted, BizID: "biz^" + c.OutID, Whole: true}
}

// unreachable is the answer of a route that is down.
var unreachable = Answer{Kind: store.OutcomeRetry, Code: "unreachable", Err: "097", Outage: true, Whole: true}

// circuitOf is the state of a route's circuit.
func (r *rig) circuitOf(route string) string {
	r.t.Helper()
	list, ok := r.Routes()
	for i := range list {
		if list[i].Name == route {
			return list[i].Circuit
		}
	}
	r.t.Fatalf("no route %s (leading: %v)", route, ok)
	return ""
}

// order is the calls' first letters of route or account names, in the order they were made.
func (r *rig) order(name func(Call) string) string {
	var b strings.Builder
	for _, c := range r.api.called() {
		b.WriteString(name(c))
	}
	return b.String()
}
