package aliyun

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"smppbridge/bridge"
	"smppbridge/store"
)

const pushSecret = "correct-horse-battery-staple"

// reporter records what it is given, call by call.
type reporter struct {
	calls    [][]bridge.IncomingReport
	messages [][]bridge.IncomingMessage
	err      error
}

func (r *reporter) Incoming(_ context.Context, messages []bridge.IncomingMessage) error {
	r.messages = append(r.messages, messages)
	return r.err
}

func (r *reporter) Report(_ context.Context, reports []bridge.IncomingReport) error {
	r.calls = append(r.calls, reports)
	return r.err
}

// pushTo makes one request of a handler, and checks that nothing of it is logged.
func pushTo(t *testing.T, r bridge.Sink, reg prometheus.Registerer, req *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	var logged bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w := httptest.NewRecorder()
	PushHandler(r, pushSecret, log, reg).ServeHTTP(w, req)
	checkNoSecret(t, logged.String()+w.Body.String())
	if strings.Contains(logged.String()+w.Body.String(), pushSecret) {
		t.Error("the secret is in the log or the answer")
	}
	return w
}

func post(path, body string) *http.Request {
	return httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
}

const reportPath = "/callback/" + pushSecret + "/smsreport"

// The documented form, and what else senders make of it.
func TestPushReports(t *testing.T) {
	done := time.Date(2026, 3, 5, 0, 0, 37, 0, beijing)
	delivered := bridge.IncomingReport{
		OutID: "sb-1-77", BizID: "1668^0", Phone: testPhone, Ending: store.EndDelivered, Err: "000", Code: "DELIVERED", DoneAt: done,
	}
	failed := delivered
	failed.Ending, failed.Err, failed.Code = store.EndUndeliverable, "101", "MOBILE_NOT_ON_SERVICE"
	withoutOutID := delivered
	withoutOutID.OutID = ""
	withoutBizID := delivered
	withoutBizID.BizID = ""
	numeric := delivered
	numeric.OutID, numeric.BizID = "67890", "12345"
	element := func(more string) string {
		return `{"phone_number":"13800001111","send_time":"2026-03-05 00:00:01","report_time":"2026-03-05 00:00:37",` + more + `}`
	}
	const ids = `,"biz_id":"1668^0","out_id":"sb-1-77"`
	ok := element(`"success":true,"err_code":"DELIVERED","err_msg":"用户接收成功","sms_size":"1"` + ids)
	tests := []struct {
		name string
		body string
		want []bridge.IncomingReport
	}{
		{"as documented", `[` + ok + `]`, []bridge.IncomingReport{delivered}},
		{"several", `[` + ok + `,` + element(`"success":false,"err_code":"MOBILE_NOT_ON_SERVICE"`+ids) + `]`, []bridge.IncomingReport{delivered, failed}},
		{"strings and numbers swapped", `[` + element(`"success":"true","err_code":"DELIVERED","sms_size":1,"biz_id":12345,"out_id":67890`) + `]`,
			[]bridge.IncomingReport{numeric}},
		{"success false as a string", `[` + element(`"success":"False","err_code":"MOBILE_NOT_ON_SERVICE"`+ids) + `]`, []bridge.IncomingReport{failed}},
		{"success absent", `[` + element(`"err_code":"DELIVERED"`+ids) + `]`, []bridge.IncomingReport{delivered}},
		{"out_id absent", `[` + element(`"success":true,"err_code":"DELIVERED","biz_id":"1668^0"`) + `]`, []bridge.IncomingReport{withoutOutID}},
		{"out_id null", `[` + element(`"success":true,"err_code":"DELIVERED","biz_id":"1668^0","out_id":null`) + `]`, []bridge.IncomingReport{withoutOutID}},
		{"biz_id absent", `[` + element(`"success":true,"err_code":"DELIVERED","out_id":"sb-1-77"`) + `]`, []bridge.IncomingReport{withoutBizID}},
		{"number with country code", `[` + strings.Replace(ok, `"13800001111"`, `"+8613800001111"`, 1) + `]`, []bridge.IncomingReport{delivered}},
		{"fields of other products", `[` + element(`"success":true,"err_code":"DELIVERED","message_id":{"a":[1]},"sign_name":"速通银行"`+ids) + `]`,
			[]bridge.IncomingReport{delivered}},
		{"a single object", ok, []bridge.IncomingReport{delivered}},
		{"white space around", " \n[" + ok + "]\n", []bridge.IncomingReport{delivered}},
		{"pending ones are left out", `[` + element(`"success":true,"err_code":"REQUEST_SUCCESS"`+ids) + `,` + ok + `]`, []bridge.IncomingReport{delivered}},
		{"bad ones are left out", `[1,null,[],"x",{},{"phone_number":{}},` + element(`"success":true`) + `,` + ok + `,` +
			element(`"err_code":[],"out_id":"x"`) + `]`, []bridge.IncomingReport{delivered}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &reporter{}
			w := pushTo(t, r, nil, post(reportPath, tt.body))
			if w.Code != http.StatusOK || w.Body.String() != `{"code":0,"msg":"接收成功"}` {
				t.Fatalf("answer %d %s", w.Code, w.Body)
			}
			if len(r.calls) != 1 {
				t.Fatalf("%d calls of Report, want 1", len(r.calls))
			}
			same := func(a, b bridge.IncomingReport) bool {
				at := a.DoneAt.Equal(b.DoneAt)
				a.DoneAt, b.DoneAt = time.Time{}, time.Time{}
				return at && a == b
			}
			if !slices.EqualFunc(r.calls[0], tt.want, same) {
				t.Errorf("got %+v, want %+v", r.calls[0], tt.want)
			}
		})
	}
}

// All reports of a request are one call, however many they are.
func TestPushIsOneReport(t *testing.T) {
	var body strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&body, `,{"phone_number":"13800001111","report_time":"2026-03-05 00:00:37","success":true,"err_code":"DELIVERED","out_id":"sb-1-%d"}`, i)
	}
	r := &reporter{}
	w := pushTo(t, r, nil, post(reportPath, "["+body.String()[1:]+"]"))
	if w.Code != http.StatusOK || len(r.calls) != 1 || len(r.calls[0]) != 5000 {
		t.Errorf("answer %d, %d calls", w.Code, len(r.calls))
	}
}

// A report without a readable time was made when it came.
func TestPushWithoutTime(t *testing.T) {
	r := &reporter{}
	before := time.Now()
	pushTo(t, r, nil, post(reportPath, `[{"phone_number":"13800001111","report_time":"yesterday","success":true,"out_id":"x"}]`))
	if len(r.calls) != 1 || r.calls[0][0].DoneAt.Before(before) || r.calls[0][0].DoneAt.After(time.Now()) {
		t.Errorf("got %+v", r.calls)
	}
}

// 200 is said only when the reports are safe.
func TestPushRefused(t *testing.T) {
	const good = `[{"phone_number":"13800001111","success":true,"err_code":"DELIVERED","out_id":"sb-1-77"}]`
	tests := []struct {
		name   string
		req    *http.Request
		err    error
		status int
		calls  int
	}{
		{"not committed", post(reportPath, good), errors.New("no leader"), 503, 1},
		{"wrong secret", post("/callback/wrong-horse-battery-staple/smsreport", good), nil, 404, 0},
		{"secret too short", post("/callback/correct/smsreport", good), nil, 404, 0},
		{"no secret", post("/callback//smsreport", good), nil, 404, 0},
		{"another path", post("/x/"+pushSecret+"/smsreport", good), nil, 404, 0},
		{"what is unknown", post("/callback/"+pushSecret+"/other", good), nil, 404, 0},
		{"longer path", post(reportPath+"/x", good), nil, 404, 0},
		{"GET", httptest.NewRequest(http.MethodGet, reportPath, nil), nil, 405, 0},
		{"GET with a wrong secret", httptest.NewRequest(http.MethodGet, "/callback/x/smsreport", nil), nil, 404, 0},
		{"incoming messages, wrong secret", post("/callback/x/smsup", `[]`), nil, 404, 0},
		{"empty", post(reportPath, ""), nil, 400, 0},
		{"not JSON", post(reportPath, "phone_number=13800001111"), nil, 400, 0},
		{"truncated", post(reportPath, good[:len(good)-2]), nil, 400, 0},
		{"garbage behind", post(reportPath, good+"x"), nil, 400, 0},
		{"broken object", post(reportPath, `{"phone_number":`), nil, 400, 0},
		{"broken read", post(reportPath, "").WithContext(context.Background()), nil, 400, 0},
		{"too large", post(reportPath, "["+strings.Repeat(" ", maxPushBody)+"]"), nil, 413, 0},
		{"nothing understood", post(reportPath, `[{"To":"85261234567"},1]`), nil, 400, 0},
		{"long id", post(reportPath, `[{"phone_number":"1","out_id":"`+strings.Repeat("x", 257)+`"}]`), nil, 400, 0},
		{"nothing at all", post(reportPath, `[]`), nil, 200, 0},
		{"nothing final", post(reportPath, `[{"phone_number":"13800001111","err_code":"REQUEST_SUCCESS","out_id":"x"}]`), nil, 200, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "broken read" {
				tt.req.Body = io.NopCloser(io.MultiReader(strings.NewReader(good), failingReader{}))
			}
			r := &reporter{err: tt.err}
			w := pushTo(t, r, nil, tt.req)
			if w.Code != tt.status || len(r.calls) != tt.calls {
				t.Errorf("answer %d, %d calls; want %d, %d", w.Code, len(r.calls), tt.status, tt.calls)
			}
			if closes := w.Header().Get("Connection") == "close"; closes != (tt.status == 404 && !strings.Contains(tt.req.URL.Path, "/callback/"+pushSecret)) {
				t.Errorf("Connection: close is %v", closes)
			}
		})
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// Without a secret nobody can report.
func TestPushWithoutSecret(t *testing.T) {
	r := &reporter{}
	for _, path := range []string{"/callback//smsreport", "/callback/smsreport", "/callback/x/smsreport"} {
		w := httptest.NewRecorder()
		PushHandler(r, "", nil, nil).ServeHTTP(w, post(path, `[{"phone_number":"1","out_id":"x","success":true}]`))
		if w.Code != 404 || len(r.calls) != 0 {
			t.Errorf("%s: answer %d, %d calls", path, w.Code, len(r.calls))
		}
	}
}

// The connection of somebody who guesses is closed.
func TestPushClosesGuesser(t *testing.T) {
	srv := httptest.NewServer(PushHandler(&reporter{}, pushSecret, nil, nil))
	defer srv.Close()
	response, err := srv.Client().Post(srv.URL+"/callback/guess/smsreport", "application/json", strings.NewReader("[]"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != 404 || !response.Close {
		t.Errorf("answer %d, closed %v", response.StatusCode, response.Close)
	}
}

func TestPushMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	const good = `{"phone_number":"13800001111","success":true,"err_code":"DELIVERED","out_id":"sb-1-77"}`
	const open = `{"phone_number":"13800001111","err_code":"REQUEST_SUCCESS","out_id":"x"}`
	pushTo(t, &reporter{}, reg, post(reportPath, `[`+good+`,`+good+`,`+open+`,7]`))
	pushTo(t, &reporter{err: errors.New("no leader")}, reg, post(reportPath, `[`+good+`,`+good+`,`+good+`]`))
	pushTo(t, &reporter{}, reg, post(reportPath, `x`))
	pushTo(t, &reporter{}, reg, post("/callback/x/smsreport", `x`))
	want := `
# HELP smppbridge_aliyun_reports_total Pushed delivery reports by result; requests, where there was nothing to count in them.
# TYPE smppbridge_aliyun_reports_total counter
smppbridge_aliyun_reports_total{result="bad"} 1
smppbridge_aliyun_reports_total{result="forbidden"} 1
smppbridge_aliyun_reports_total{result="malformed"} 1
smppbridge_aliyun_reports_total{result="pending"} 1
smppbridge_aliyun_reports_total{result="refused"} 3
smppbridge_aliyun_reports_total{result="taken"} 2
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "smppbridge_aliyun_reports_total"); err != nil {
		t.Error(err)
	}
}
