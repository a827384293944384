package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"smppbridge/bridge/upstream"
	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

// upstreamPolicy sends by another message centre, and by the API while that is not well.
const upstreamPolicy = `
signatures: [阿里云测试]
classes:
  notice: {validity: 1h, on_uncertain: resend, resend_after: 1s}
templates:
  - {code: SMS_100000003, class: notice, text: "${content}", phone_limit: false, vars: {content: {kind: free, max: 1000}}}
routes:
  - {name: centre, kind: smpp, endpoint: "CENTRE", credentials: centre, qps: 1000, workers: 32, timeout: 5s, smpp: {tls: TLS, long: LONG}}
  - {name: sim, endpoint: "ENDPOINT", plain: true, qps: 1000, timeout: 5s, priority: 1}
accounts:
  - {system_id: test, password_hash: "HASH", binds: 5, sign_name: 阿里云测试}
  - {system_id: bound, password_hash: "HASH", sign_name: 阿里云测试, route: centre}
`

// chain is a node whose messages go by another one, which is its message centre.
type chain struct{ node, centre *system }

// startChain starts both; account is what the node is at its message centre.
func startChain(t *testing.T, account string, secure bool, long string) *chain {
	t.Helper()
	dir := t.TempDir()
	change, _ := withTLS(t, dir)
	centre := startSystem(t, change, func(o *options) { o.SMPP.Listen = freeAddr(t) }) // nobody else's when it comes back
	addr, ca := centre.smppAddr.String(), ""
	if secure {
		addr = strings.Replace(centre.smppTLSAddr.String(), "127.0.0.1", "localhost", 1)
		ca = filepath.Join(dir, "cert")
	}
	file := filepath.Join(dir, "login")
	write(t, file, "system_id: "+account+"\npassword: "+password+"\n")
	login, err := upstream.FromFile(file, ca)
	if err != nil {
		t.Fatal(err)
	}
	sim, api := newSimulator(t)
	node := newSystem(t, sim, api, func(o *options) {
		o.Logins = map[string]*upstream.Credentials{"centre": login}
		o.Policy = []byte(strings.NewReplacer("CENTRE", addr, "ENDPOINT", api, "HASH", hashOf(t, password),
			"TLS", fmt.Sprint(secure), "LONG", long).Replace(upstreamPolicy))
	})
	node.start()
	node.endWithTest()
	return &chain{node, centre}
}

// TestByAnotherCentre: an ESME's text goes by another message centre to the phone, and its receipt comes back with our
// message_id.
func TestByAnotherCentre(t *testing.T) {
	for _, tt := range []struct {
		secure bool
		long   string
	}{{false, configs.LongParts}, {true, configs.LongPayload}} {
		t.Run(fmt.Sprintf("tls %v, long texts in %s", tt.secure, tt.long), func(t *testing.T) {
			c := startChain(t, "test", tt.secure, tt.long)
			e := c.node.bind("test", smpp.Transceiver)
			for _, text := range []string{"private hello", "您的快递已到", strings.Repeat("很长的通知", 60)} {
				var ids []string
				if len(text) < 200 {
					ids = append(ids, e.mustSubmit("13912345678", text))
				} else {
					ids = append(ids, e.mustSubmit("13912345678", "", withPayload(t, text)))
				}
				for _, id := range ids {
					r := e.receipt(id)
					want(t, "stat", r.State, smpp.StateDelivered)
					want(t, "source_addr", r.pdu.SourceAddr, "13912345678")
				}
			}
			want(t, "sent by the message centre", c.centre.executed(phone), 3)
			want(t, "sent by the node's own API", c.node.executed(phone), 0)
		})
	}
}

// withPayload puts a text into message_payload.
func withPayload(t *testing.T, text string) func(*smpp.SubmitSM) {
	t.Helper()
	octets, err := smpp.EncodeText(smpp.DataCodingUCS2, smpp.AlphabetGSM7, text)
	if err != nil {
		t.Fatal(err)
	}
	return func(m *smpp.SubmitSM) {
		m.DataCoding, m.ShortMessage = smpp.DataCodingUCS2, ""
		m.TLVs = m.TLVs.With(smpp.TagMessagePayload, octets)
	}
}

// TestCentreIsAway: while the message centre is away messages go by the next route, those that may go by no other wait, and
// all of it comes back after it.
func TestCentreIsAway(t *testing.T) {
	c := startChain(t, "test", false, configs.LongParts)
	e, only := c.node.bind("test", smpp.Transceiver), c.node.bind("bound", smpp.Transceiver)
	want(t, "before", e.receipt(e.mustSubmit("13912345678", "one")).State, smpp.StateDelivered)
	want(t, "sent by the message centre", c.centre.executed(phone), 1)
	addr := c.centre.smppAddr.String()
	c.centre.hangUp()
	c.centre.stop()
	for range 3 {
		want(t, "meanwhile", e.receipt(e.mustSubmit("13912345678", "two")).State, smpp.StateDelivered)
	}
	want(t, "sent by the API", c.node.executed(phone), 3)
	waits := only.mustSubmit("13912345678", "three")
	c.centre.opts.SMPP.Listen = addr
	c.centre.start()
	want(t, "after", only.receipt(waits).State, smpp.StateDelivered)
	c.node.eventually("messages by the message centre again", func() bool {
		before := c.centre.executed(phone)
		e.receipt(e.mustSubmit("13912345678", "four"))
		return c.centre.executed(phone) > before
	})
}

// TestCentreRefuses: what the message centre says of a message is its end.
func TestCentreRefuses(t *testing.T) {
	c := startChain(t, "otp", false, configs.LongParts)
	e := c.node.bind("test", smpp.Transceiver)
	id := e.mustSubmit("13912345678", "private hello") // the account at the message centre sends codes only
	r := e.receipt(id)
	want(t, "stat", r.State, smpp.StateRejected)
	want(t, "err", r.Err, "031")
	want(t, "sent", c.centre.executed(phone)+c.node.executed(phone), 0)
}

// TestBindsWithTheLeader: of three nodes only the one that leads is bound, and receipts of what another one sent come by it.
func TestBindsWithTheLeader(t *testing.T) {
	change, _ := withTLS(t, t.TempDir())
	centre := startSystem(t, change)
	file := filepath.Join(t.TempDir(), "login")
	write(t, file, "test\n"+password+"\n")
	login, err := upstream.FromFile(file, "")
	if err != nil {
		t.Fatal(err)
	}
	f := startThree(t, func(o *options) {
		o.Logins = map[string]*upstream.Credentials{"centre": login}
		o.Policy = []byte(strings.NewReplacer("CENTRE", centre.smppAddr.String(), "ENDPOINT", "127.0.0.1:1", "HASH", hashOf(t, password),
			"TLS", "false", "LONG", "parts").Replace(upstreamPolicy))
	})
	leader, other := f.leader()
	e := other.bind("bound", smpp.Transceiver)
	want(t, "by the first leader", e.receipt(e.mustSubmit("13912345678", "one")).State, smpp.StateDelivered)
	bound := func() int { return len(centre.node.store.Binds("test")) }
	want(t, "binds", bound(), 1)
	f.handOver()
	leader.eventually("the new leader is bound, and the old one is not", func() bool { return !leader.node.upstream.Bound("centre") && bound() == 1 })
	id := e.mustSubmit("13912345678", "two")
	want(t, "by the next leader", e.receipt(id).State, smpp.StateDelivered)
	n, err := store.ParseNumber(id)
	if err != nil {
		t.Fatal(err)
	}
	if _, st, err := other.node.store.Lookup(n); err != nil || st.Tries != 1 {
		t.Errorf("%d tries (%v), want 1", st.Tries, err)
	}
	want(t, "sent", centre.executed(phone), 2)
}
