package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"smppbridge/bridge"
	"smppbridge/bridge/aliyun/aliyunsim"
	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/smpp/smpptest"
	"smppbridge/store"
)

// request asks one of the node's HTTP listeners and returns status and body; 0 if nobody listens.
func request(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // the node's end waits for no idle ones
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(got)
}

// admin asks the admin listener.
func (s *system) admin(method, path string) (int, string) {
	s.t.Helper()
	return request(s.t, method, "http://"+s.httpAddr.String()+path, "")
}

// push posts to the callback listener.
func (s *system) push(path, body string) (int, string) {
	s.t.Helper()
	return request(s.t, http.MethodPost, "http://"+s.callbackAddr.String()+path, body)
}

// decoded asks the admin listener for a document.
func decoded[T any](s *system, path string) (v T) {
	s.t.Helper()
	code, body := s.admin(http.MethodGet, path)
	if code != http.StatusOK {
		s.t.Fatalf("%s answered %d", path, code)
	}
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		s.t.Fatalf("%s: %v", path, err)
	}
	return v
}

// TestReadyOnlyWhenReady: alive from the first moment to the last, ready only between start and stop.
func TestReadyOnlyWhenReady(t *testing.T) {
	s := startSystem(t, func(o *options) { // testStopping looks at a drain at its leisure
		o.DrainTime, o.SMPP.ResponseTimeout = configs.Duration(time.Minute), configs.Duration(time.Minute)
	})
	code, body := s.admin(http.MethodGet, "/readyz")
	if code != http.StatusOK || !strings.Contains(body, `"ready"`) {
		t.Errorf("a running node's /readyz: %d %s", code, body)
	}
	t.Run("starting", func(t *testing.T) { testStarting(t, s) })
	t.Run("stopping", func(t *testing.T) { testStopping(t, s) })
}

// testStarting: a node that waits for its data, which s has, is alive and not ready. It waits for two seconds: on a busy machine
// it may have given up, and nobody listens, before all has been asked.
func testStarting(t *testing.T, s *system) {
	opts := s.opts
	opts.HTTP.Listen = freeAddr(t)
	url := "http://" + opts.HTTP.Listen
	failed := make(chan error, 1)
	go func() {
		_, err := start(t.Context(), opts)
		failed <- err
	}()
	s.eventually("it says that it is starting", func() bool {
		code, body := request(t, http.MethodGet, url+"/readyz", "")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "starting")
	})
	for path, want := range map[string]int{
		"GET /healthz": http.StatusOK, "GET /metrics": http.StatusOK, "GET /v1/status": http.StatusServiceUnavailable,
		"GET /v1/messages/0000000001": http.StatusServiceUnavailable, "POST /v1/pause": http.StatusServiceUnavailable,
	} {
		method, path, _ := strings.Cut(path, " ")
		if code, body := request(t, method, url+path, ""); code != want && !strings.Contains(body, "connection refused") {
			t.Errorf("%s while starting: %d %s, want %d", path, code, body, want)
		}
	}
	if err := <-failed; err == nil || !strings.Contains(err.Error(), "start store: ") {
		t.Errorf("the second node on the same data: %v, want an error of its store", err)
	}
	code, _ := request(t, http.MethodGet, url+"/healthz", "")
	want(t, "/healthz of a node that did not start", code, 0)
}

// testStopping: a node whose sessions are being unbound is alive and not ready.
func testStopping(t *testing.T, s *system) {
	c := s.bind("test", smpp.Transceiver)
	stopped := make(chan struct{})
	go func() { defer close(stopped); s.stop() }()
	h, _ := c.Expect(smpp.UnbindID) // and the drain waits for the answer
	code, body := s.admin(http.MethodGet, "/readyz")
	if code != http.StatusServiceUnavailable || !strings.Contains(body, "draining") {
		t.Errorf("/readyz while draining: %d %s", code, body)
	}
	code, _ = s.admin(http.MethodGet, "/healthz")
	want(t, "/healthz while draining", code, http.StatusOK)
	want(t, "ready in /v1/status", decoded[statusDoc](s, "/v1/status").Ready, "draining")
	c.Respond(h.Sequence, smpp.StatusOK, &smpp.UnbindResp{})
	<-stopped
	code, _ = s.admin(http.MethodGet, "/healthz")
	want(t, "/healthz of a stopped node", code, 0)
}

// statusDoc is what the tests read of /v1/status.
type statusDoc struct {
	Node, Ready, Leader string
	Paused              bool
	PolicyVersion       uint64 `json:"policy_version"`
	Messages            map[string]uint64
	Outbox              int
	Binds               []json.RawMessage
}

// TestStatusPauseResume: a paused node accepts and sends nothing, and says so.
func TestStatusPauseResume(t *testing.T) {
	s := startSystem(t)
	c := s.bind("test", smpp.Transceiver)
	code, _ := s.admin(http.MethodGet, "/v1/pause")
	want(t, "GET /v1/pause", code, http.StatusMethodNotAllowed)
	want(t, "paused after it", s.bridge.Paused(), false)
	code, body := s.admin(http.MethodPost, "/v1/pause")
	if code != http.StatusOK || !strings.Contains(body, `"paused": true`) {
		t.Errorf("POST /v1/pause: %d %s", code, body)
	}
	first := c.mustSubmit(phone, "private")
	s.sync()
	d := decoded[statusDoc](s, "/v1/status")
	want(t, "node", d.Node, "n1")
	want(t, "leader", d.Leader, "n1")
	want(t, "ready", d.Ready, "ready")
	want(t, "paused", d.Paused, true)
	want(t, "policy_version", d.PolicyVersion, uint64(1))
	want(t, "accepted messages", d.Messages["accepted"], uint64(1))
	want(t, "binds", len(d.Binds), 1)

	// What is accepted and waits long enough to be noticed is still not sent.
	for range 20 {
		c.mustSubmit(phone, "private")
	}
	want(t, "executed while paused", s.executed(phone), 0)
	code, body = s.admin(http.MethodPost, "/v1/resume")
	if code != http.StatusOK || !strings.Contains(body, `"paused": false`) {
		t.Errorf("POST /v1/resume: %d %s", code, body)
	}
	want(t, "stat", c.receipt(first).State, smpp.StateDelivered)
	s.eventually("all are final", func() bool { return decoded[statusDoc](s, "/v1/status").Messages["final"] == 21 })
	want(t, "paused after resume", decoded[statusDoc](s, "/v1/status").Paused, false)
}

// TestWhereIsMySMS: /v1/messages/{id} shows what became of a message, not to whom it went in full,
// nor what it said.
func TestWhereIsMySMS(t *testing.T) {
	s := startSystem(t, func(o *options) { o.Paused = true })
	c := s.bind("test", smpp.Transceiver)
	began := time.Now().Truncate(time.Millisecond)
	id := c.mustSubmit("+86 139-1234-5678", "private", func(m *smpp.SubmitSM) { m.ValidityPeriod = "000000001000000R" })
	answered := time.Now()
	w := decoded[bridge.Where](s, "/v1/messages/"+id)
	want(t, "state", w.State, "accepted")
	if at := w.ExpiresAt.Add(-10 * time.Minute); at.Before(began) || at.After(answered) {
		t.Errorf("it expires 10 minutes after %v, and was submitted from %v to %v", at, began, answered)
	}
	s.bridge.Resume()
	c.receipt(id)
	w = decoded[bridge.Where](s, "/v1/messages/"+id)
	want(t, "message_id", w.MessageID, id)
	want(t, "system_id", w.SystemID, "test")
	want(t, "phone", w.Phone, "139****5678")
	want(t, "template_code", w.Template, "SMS_100000003")
	want(t, "state", w.State, "final")
	want(t, "message_state", w.Ending, uint8(smpp.StateDelivered))
	want(t, "attempts", w.Tries, 1)
	want(t, "route", w.Route, "sim")
	if e := s.sim.Ledger()[0]; w.OutID != e.OutID || w.BizID != e.BizID || w.DoneAt.Before(w.AcceptedAt) {
		t.Errorf("out_id, biz_id or done_at are not the API's: %+v", w)
	}
	_, body := s.admin(http.MethodGet, "/v1/messages/"+id)
	for _, secret := range []string{phone, "139-1234", "private", password} {
		if strings.Contains(body, secret) {
			t.Errorf("the answer has something private in it")
		}
	}
	for path, want := range map[string]int{
		"/v1/messages/00000fffff":                            http.StatusNotFound,
		"/v1/messages/ffffffffffffffff":                      http.StatusNotFound,
		"/v1/messages/0":                                     http.StatusBadRequest,
		"/v1/messages/":                                      http.StatusNotFound,
		"/v1/messages/hello":                                 http.StatusBadRequest,
		"/v1/messages/-1":                                    http.StatusBadRequest,
		"/v1/messages/10000000000000000":                     http.StatusBadRequest,
		"/v1/messages/" + strings.Repeat("0", 2000) + "%00":  http.StatusBadRequest,
		"/v1/messages/" + id + "/text":                       http.StatusNotFound,
		"/v1/nothing":                                        http.StatusNotFound,
		"/callback/" + s.opts.CallbackSecret + "/smsreport/": http.StatusNotFound,
	} {
		if code, body := s.admin(http.MethodGet, path); code != want {
			t.Errorf("GET %.40s answered %d %.80s, want %d", path, code, body, want)
		}
	}
}

// TestPushedReport: a report with the right secret ends its message; nothing else does anything.
func TestPushedReport(t *testing.T) {
	s := startSystem(t)
	s.fault(aliyunsim.Fault{Kind: aliyunsim.FaultReportWithhold})
	c := s.bind("test", smpp.Transceiver)
	id := c.mustSubmit(phone, "private")
	s.eventually("the API has it", func() bool { return s.state(id) == store.StateSent })
	e := s.sim.Ledger()[0]
	report := fmt.Sprintf(`{"phone_number":%q,"success":false,"err_code":"MOBILE_NOT_ON_SERVICE","err_msg":"x",`+
		`"send_time":"2026-01-02 03:04:05","report_time":"2026-01-02 03:04:06","sms_size":"1","biz_id":%q,"out_id":%q}`, e.Phone, e.BizID, e.OutID)
	right := "/callback/" + callbackSecret
	for _, c := range []struct {
		name, path, body string
		want             int
	}{
		{"a wrong secret", "/callback/a-secret-of-callback/smsreport", "[" + report + "]", http.StatusNotFound},
		{"no secret", "/callback//smsreport", "[" + report + "]", http.StatusNotFound},
		{"another path", right + "/other", "[" + report + "]", http.StatusNotFound},
		{"a report for a message", right + "/smsup", "[" + report + "]", http.StatusBadRequest},
		{"no JSON", right + "/smsreport", "hello, private", http.StatusBadRequest},
		{"nothing", right + "/smsreport", "", http.StatusBadRequest},
		{"half of it", right + "/smsreport", "[" + report[:40], http.StatusBadRequest},
		{"no report", right + "/smsreport", `[{"hello":1},[],7,null]`, http.StatusBadRequest},
		{"an empty list", right + "/smsreport", "[]", http.StatusOK},
		{"too much", right + "/smsreport", "[" + strings.Repeat(" ", 4<<20) + report + "]", http.StatusRequestEntityTooLarge},
		{"a report of nobody's message", right + "/smsreport",
			"[" + strings.NewReplacer(e.OutID, "x"+e.OutID, e.BizID, "1^0").Replace(report) + "]", http.StatusOK},
	} {
		if code, body := s.push(c.path, c.body); code != c.want {
			t.Errorf("%s: answered %d %.80s, want %d", c.name, code, body, c.want)
		}
		want(t, "state after "+c.name, s.state(id), store.StateSent)
	}
	code, _ := request(t, http.MethodGet, "http://"+s.callbackAddr.String()+right+"/smsreport", "")
	want(t, "GET", code, http.StatusMethodNotAllowed)

	for range 2 { // the second one is a repetition, and changes nothing
		code, body := s.push(right+"/smsreport", `[{"hello":1},`+report+"]")
		if code != http.StatusOK || !strings.Contains(body, `"code":0`) {
			t.Fatalf("the report: answered %d %s", code, body)
		}
	}
	r := c.receipt(id)
	want(t, "stat", r.State, smpp.StateUndeliverable)
	second := c.mustSubmit(phone, "private")
	s.eventually("the API has the second", func() bool { return s.state(second) == store.StateSent })
	want(t, "receipts", len(c.receipts), 1)
}

// TestMetrics: those that the alerts and the README name are there, in good form, and nothing that
// an ESME or the API says becomes a label: a series for each phone number would end in a full memory.
func TestMetrics(t *testing.T) {
	s := startSystem(t)
	s.hostileTraffic(1)
	problems, err := testutil.GatherAndLint(s.registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
	list, err := os.ReadFile("../../configs/testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, text := s.admin(http.MethodGet, "/metrics")
	for name := range strings.FieldsSeq(string(list)) {
		if !strings.Contains(text, "\n# TYPE "+name+" ") {
			t.Errorf("%s is missing", name)
		}
	}
	s.eventually("the account's templates are listed", func() bool {
		_, text := s.admin(http.MethodGet, "/metrics")
		return strings.Contains(text, "\nsmppbridge_bridge_catalog_age_seconds{")
	})
	before := s.series()
	for _, series := range before {
		if privateLabel.MatchString(templateLabel.ReplaceAllString(series, "")) {
			t.Errorf("%s has a label from an open set", series)
		}
	}
	s.hostileTraffic(2)
	for _, series := range s.series() {
		if !slices.Contains(before, series) {
			t.Errorf("%s is new: a label from an open set", series)
		}
	}
	for series, least := range map[string]string{
		`smppbridge_bridge_submits_total{account="test",status="ESME_ROK"}`:                        "[1-9]",
		`smppbridge_bridge_submits_total{account="otp",status="ESME_RINVDFTMSGID"}`:                "2",
		`smppbridge_smpp_responses_total{command="bind_transceiver_resp",status="ESME_RINVSYSID"}`: "2",
		`smppbridge_aliyun_calls_total{code="other",route="sim"}`:                                  "2",
		`smppbridge_aliyun_reports_total{result="forbidden"}`:                                      "2",
		`smppbridge_cluster_leader`:                                                                "1",
		`smppbridge_bridge_receipts_total{result="delivered"}`:                                     "[1-9]",
		`smppbridge_smpp_responses_total{command="deliver_sm_resp",status="other"}`:                "2",
		`smppbridge_smpp_pdus_total{command="other",direction="in"}`:                               "2",
	} {
		at := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + " " + least)
		s.eventually(series+" is "+least, func() bool { // some are counted after what they count was seen
			_, text := s.admin(http.MethodGet, "/metrics")
			return at.MatchString(text)
		})
	}
}

// privateLabel recognises label values that are not names: numbers of 5 digits and more, and what
// hostileTraffic says.
var privateLabel = regexp.MustCompile(`\{.*(\d{5}|hostile|NEW|private).*\}`)

// templateLabel is a TemplateCode of the policy, which closes the set.
var templateLabel = regexp.MustCompile(`template="SMS_10000000[0-9]"`)

// bucketBound is a histogram's own label, which its definition closes.
var bucketBound = regexp.MustCompile(`(_bucket\{.*)le="[^"]*"`)

// hostileTraffic has ESMEs, the API and strangers say things that nobody has said before, and other
// ones for each n.
func (s *system) hostileTraffic(n int) {
	s.t.Helper()
	stranger := smpptest.Dial(s.t, s.smppAddr.String())
	want(s.t, "bind", stranger.Bind(smpp.Transceiver, fmt.Sprint("hostile-", n), fmt.Sprint("no-", n)), smpp.StatusInvSysID)
	stranger.Close()
	c := s.bind("test", smpp.Transceiver)
	otp := s.bind("otp", smpp.Transmitter)
	defer s.hangUp()
	c.SendRaw(smpp.AppendHeader(nil, smpp.CommandID(0x00010000+n), 0, 77))
	if h, _ := c.take(); h.ID != smpp.GenericNackID {
		s.t.Fatalf("an unknown command_id answered %s", h.ID)
	}
	st, _ := otp.submit(phone, fmt.Sprint("private ", n))
	want(s.t, "a text without a template", st, smpp.StatusInvDftMsgID)

	s.fault(aliyunsim.Fault{Kind: aliyunsim.FaultBusiness, Code: fmt.Sprint("isv.NEW_", n), Count: 1})
	rejected := c.mustSubmit(fmt.Sprintf("137%08d", n), "private")
	want(s.t, "stat", c.receipt(rejected).State, smpp.StateRejected)
	s.push(fmt.Sprintf("/callback/hostile-%d/smsreport", n), "[]")

	last := c.mustSubmit(fmt.Sprintf("136%08d", n), "private")
	for { // a deliver_sm_resp with a status that the standard does not have
		if h, p := c.Next(); p.CommandID() == smpp.DeliverSMID {
			c.Respond(h.Sequence, smpp.Status(0x400+n), &smpp.DeliverSMResp{})
			break
		}
	}
	s.eventually("the receipt is dealt with", func() bool { return s.state(last) == store.StateFinal && s.store.Figures().Outbox == 0 })
}

// series lists the series of /metrics, without their values.
func (s *system) series() (list []string) {
	s.t.Helper()
	_, text := s.admin(http.MethodGet, "/metrics")
	for line := range strings.Lines(text) {
		if i := strings.LastIndexByte(line, ' '); strings.HasPrefix(line, "smppbridge_") && i > 0 {
			list = append(list, bucketBound.ReplaceAllString(line[:i], "$1"))
		}
	}
	return list
}
