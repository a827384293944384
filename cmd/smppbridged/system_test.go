package main

import (
	"bytes"
	"context"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"smppbridge/bridge/aliyun"
	"smppbridge/bridge/aliyun/aliyunsim"
	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/smpp/smpptest"
	"smppbridge/store"
)

// systemPolicy has an account for each thing that tests want to see. Waits that are minutes in
// real life are seconds here; but a call has the time that a machine with other work may take for it.
const systemPolicy = `
signatures: [阿里云测试, 速通银行]
classes:
  otp: {validity: 5m, on_uncertain: report, resend_after: 1s}
  notice: {validity: 1h, on_uncertain: resend, resend_after: 1s}
templates:
  - {code: SMS_100000001, class: otp, text: "您的验证码是${code}，5分钟内有效，请勿泄露。", vars: {code: {kind: digits, min: 4, max: 6}}}
  - {code: SMS_100000003, class: notice, text: "${content}", phone_limit: false, vars: {content: {kind: free, max: 1000}}}
routes:
  - {name: sim, kind: dysmsapi, endpoint: "ENDPOINT", plain: true, qps: 100000, workers: 32, timeout: 20s}
accounts:
  - {system_id: test, password_hash: "HASH", binds: 5, sign_name: 阿里云测试, templates: [SMS_100000003]}
  - {system_id: otp, password_hash: "HASH", sign_name: 阿里云测试, templates: [SMS_100000001]}
  - {system_id: slow, password_hash: "HASH", sign_name: 阿里云测试, templates: [SMS_100000003], rate: 0.01, burst: 5}
  - {system_id: narrow, password_hash: "HASH", sign_name: 阿里云测试, templates: [SMS_100000003], window: 3}
  - {system_id: quota, password_hash: "HASH", sign_name: 阿里云测试, templates: [SMS_100000003], daily_quota: 4}
`

const (
	password       = "pw-7Qx9z"
	simSecret      = "sim-secret"
	callbackSecret = "a-secret-of-callbacks"
	phone          = "13912345678"
)

// system is a node in this process with a simulator beside it. Everything it logs is kept, and
// must not contain a text, a phone number or a secret (promise 7).
type system struct {
	*node
	t    *testing.T
	sim  *aliyunsim.Server
	opts options
	logs *logBuffer
	end  func()        // stops the node
	done chan struct{} // closed when it has ended
	err  error         // before done is closed: why

	clients []*client
}

// startSystem starts a node on an empty directory. change, if given, alters its options.
func startSystem(t *testing.T, change ...func(*options)) *system {
	t.Helper()
	sim, addr := newSimulator(t)
	s := newSystem(t, sim, addr, change...)
	s.start()
	s.endWithTest()
	return s
}

// newSimulator starts an API whose reports come soon.
func newSimulator(t *testing.T) (*aliyunsim.Server, string) {
	t.Helper()
	cfg := aliyunsim.DevConfig()
	cfg.Reports = aliyunsim.ReportConfig{Delay: 20 * time.Millisecond, Window: 5 * time.Millisecond,
		Retries: retryEvery(50*time.Millisecond, 1000)}
	sim, err := aliyunsim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return sim, serveSimulator(t, sim)
}

// newSystem prepares a node that sends to the simulator at addr.
func newSystem(t *testing.T, sim *aliyunsim.Server, addr string, change ...func(*options)) *system {
	t.Helper()
	key, err := aliyun.Static("sim-key", simSecret, "")
	if err != nil {
		t.Fatal(err)
	}
	s := &system{t: t, sim: sim, logs: new(logBuffer), end: func() {}}
	s.opts = options{
		Node:           configs.DefaultNode(),
		CallbackSecret: callbackSecret,
		Credentials:    map[string]aliyun.Credentials{configs.DefaultCredential: key},
		Policy:         []byte(strings.NewReplacer("ENDPOINT", addr, "HASH", hashOf(t, password)).Replace(systemPolicy)),
		Log:            slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	s.opts.NodeID, s.opts.DataDir = "n1", t.TempDir()
	for _, l := range []*string{&s.opts.SMPP.Listen, &s.opts.HTTP.Listen, &s.opts.Callback.Listen, &s.opts.Cluster.Listen} {
		*l = "127.0.0.1:0"
	}
	s.opts.DrainTime = configs.Duration(5 * time.Second)
	for _, d := range []*configs.Duration{&s.opts.SMPP.BindTimeout, &s.opts.SMPP.EnquireLink, &s.opts.SMPP.ResponseTimeout, &s.opts.SMPP.WriteTimeout} {
		*d = configs.Duration(patience)
	}
	for _, f := range change {
		f(&s.opts)
	}
	return s
}

// endWithTest stops the node when the test ends, and looks at what it has logged.
func (s *system) endWithTest() {
	s.t.Cleanup(func() {
		s.hangUp()
		s.stop()
		s.logs.check(s.t)
	})
}

func (s *system) start() {
	s.t.Helper()
	n, err := start(s.t.Context(), s.opts)
	if err != nil {
		s.t.Fatal(err)
	}
	s.attend(n)
}

// attend runs a node that has started.
func (s *system) attend(n *node) {
	s.node = n
	s.sim.SetReportURL("http://" + n.callbackAddr.String() + "/callback/" + callbackSecret + "/smsreport")
	ctx, cancel := context.WithCancel(context.Background())
	s.done = make(chan struct{})
	go func() { defer close(s.done); s.err = n.wait(ctx) }()
	s.end = sync.OnceFunc(func() {
		cancel()
		<-s.done
		if s.err != nil {
			s.t.Errorf("the end of node %s: %v", s.opts.NodeID, s.err)
		}
	})
}

func (s *system) stop() { s.end() }

// hangUp closes the clients' connections.
func (s *system) hangUp() {
	for _, c := range s.clients {
		c.Close()
	}
	s.clients = nil
}

// restart stops the node in order and starts it on the same data.
func (s *system) restart() {
	s.t.Helper()
	s.hangUp()
	s.stop()
	s.start()
}

// bind returns a bound ESME.
func (s *system) bind(account string, typ smpp.BindType) *client {
	s.t.Helper()
	c := &client{ESME: smpptest.Dial(s.t, s.smppAddr.String()), t: s.t}
	c.Timeout = patience
	s.clients = append(s.clients, c)
	c.MustBind(typ, account, password)
	return c
}

// executed is how often the simulator has sent something to phone.
func (s *system) executed(phone string) (n int) {
	for _, e := range s.sim.Ledger() {
		if e.Phone == phone {
			n++
		}
	}
	return n
}

// eventually waits until ok, which must come within patience.
func (s *system) eventually(what string, ok func() bool) {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			s.t.Fatalf("not within %v: %s", patience, what)
		}
		wait(s.t, s.t.Context(), 5*time.Millisecond)
	}
}

// sync waits until the node's store shows all that was answered before.
func (s *system) sync() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if err := s.cluster.Sync(ctx); err != nil {
		s.t.Fatal(err)
	}
}

// state returns a message's state.
func (s *system) state(id string) store.State {
	s.t.Helper()
	n, err := store.ParseNumber(id)
	if err != nil {
		s.t.Fatal(err)
	}
	s.sync()
	_, st, err := s.store.Lookup(n)
	if err != nil {
		s.t.Fatal(err)
	}
	return st.State
}

// client is an ESME that answers what it is sent.
type client struct {
	*smpptest.ESME
	t        *testing.T
	receipts []got // in the order of arrival
	incoming []*smpp.DeliverSM
}

// got is a receipt as it came.
type got struct {
	smpp.Receipt
	pdu *smpp.DeliverSM
}

// submit sends a text and returns the answer's status and message_id.
func (c *client) submit(to, text string, change ...func(*smpp.SubmitSM)) (smpp.Status, string) {
	c.t.Helper()
	dc := smpp.ChooseDataCoding(smpp.AlphabetGSM7, text)
	octets, err := smpp.EncodeText(dc, smpp.AlphabetGSM7, text)
	if err != nil {
		c.t.Fatal(err)
	}
	m := &smpp.SubmitSM{
		SourceAddrTON: 3, SourceAddr: "10690000", DestAddrTON: 1, DestAddrNPI: 1, DestinationAddr: to,
		DataCoding: dc, ShortMessage: octets, RegisteredDelivery: smpp.RegisteredDeliveryAlways,
	}
	for _, f := range change {
		f(m)
	}
	seq := c.Send(m)
	for {
		h, p := c.take()
		if resp, ok := p.(*smpp.SubmitSMResp); ok && h.Sequence == seq {
			return h.Status, resp.MessageID
		}
	}
}

// mustSubmit sends a text that is to be accepted and returns its message_id.
func (c *client) mustSubmit(to, text string, change ...func(*smpp.SubmitSM)) string {
	c.t.Helper()
	st, id := c.submit(to, text, change...)
	if st != smpp.StatusOK || id == "" {
		c.t.Fatalf("submit_sm answered %v, message_id %q", st, id)
	}
	return id
}

// take reads one PDU; it answers and keeps receipts.
func (c *client) take() (smpp.Header, smpp.PDU) {
	c.t.Helper()
	h, p := c.Next()
	switch p := p.(type) {
	case *smpp.DeliverSM:
		if p.ESMClass&smpp.ESMClassReceipt == 0 {
			c.incoming = append(c.incoming, p)
			c.Respond(h.Sequence, smpp.StatusOK, &smpp.DeliverSMResp{})
			break
		}
		r, err := smpp.ParseReceipt(p.ShortMessage, time.UTC)
		if err != nil {
			c.t.Fatalf("deliver_sm is not a receipt: %v", err)
		}
		c.receipts = append(c.receipts, got{r, p})
		c.Respond(h.Sequence, smpp.StatusOK, &smpp.DeliverSMResp{})
	case *smpp.EnquireLink:
		c.Respond(h.Sequence, smpp.StatusOK, &smpp.EnquireLinkResp{})
	}
	return h, p
}

// receipt waits for the receipt of a message.
func (c *client) receipt(id string) got {
	c.t.Helper()
	for {
		for _, r := range c.receipts {
			if r.MessageID == id {
				return r
			}
		}
		c.take()
	}
}

var hashes sync.Map // password -> hash: making one is slow by design

func hashOf(t *testing.T, password string) string {
	t.Helper()
	if h, ok := hashes.Load(password); ok {
		return h.(string)
	}
	h, err := argon2id.CreateHash(password, &argon2id.Params{Memory: 8 << 10, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
	if err != nil {
		t.Fatal(err)
	}
	hashes.Store(password, h)
	return h
}

// logBuffer keeps all that a node logs.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

var wholeNumber = regexp.MustCompile(`\b(86)?1[3-9]\d{9}\b`)

const privateCode = "471153"

var wholeCode = regexp.MustCompile(`\b` + privateCode + `\b`)

// privateWords occur in the texts that tests send.
var privateWords = []string{"您的验证码", privateCode, "private", "Grüße", password, simSecret, callbackSecret}

// isIn reports whether a private word is in a line. A code is not where its digits are part of other figures, as those of
// how long something took.
func isIn(line, word string) bool {
	if word == privateCode {
		return wholeCode.MatchString(line)
	}
	return strings.Contains(line, word)
}

// check fails the test if something private was logged. It does not say what.
func (l *logBuffer) check(t *testing.T) {
	t.Helper()
	for i, line := range strings.Split(l.String(), "\n") {
		if wholeNumber.MatchString(line) {
			t.Errorf("line %d of the log has a whole phone number", i+1)
		}
		for k, w := range privateWords {
			if isIn(line, w) {
				t.Errorf("line %d of the log has private word %d", i+1, k)
			}
		}
	}
}
