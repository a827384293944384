package aliyun

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"smppbridge/bridge"
)

const upPath = "/callback/" + pushSecret + "/smsup"

// The documented form, and what else senders make of it.
func TestPushIncoming(t *testing.T) {
	first := bridge.IncomingMessage{Phone: testPhone, DestCode: "10690000", SignName: "速通银行", Text: " 退订 ",
		SentAt: time.Date(2026, 3, 5, 0, 0, 1, 0, beijing), ID: "1234567890"}
	bare := bridge.IncomingMessage{Phone: testPhone, DestCode: "10690000"}
	const up = `{"phone_number":"13800001111","send_time":"2026-03-05 00:00:01","content":" 退订 ","sign_name":"速通银行","dest_code":"10690000","sequence_id":1234567890}`
	tests := []struct {
		name string
		body string
		want []bridge.IncomingMessage
	}{
		{"as documented", `[` + up + `]`, []bridge.IncomingMessage{first}},
		{"several", `[` + up + `,` + up + `]`, []bridge.IncomingMessage{first, first}},
		{"sequence_id as a string", strings.Replace(`[`+up+`]`, `1234567890`, `"1234567890"`, 1), []bridge.IncomingMessage{first}},
		{"a single object, as of the queue", up, []bridge.IncomingMessage{first}},
		{"number with country code", strings.Replace(`[`+up+`]`, `"138`, `"+86138`, 1), []bridge.IncomingMessage{first}},
		{"no more than who and to whom", `[{"phone_number":"13800001111","dest_code":10690000}]`, []bridge.IncomingMessage{bare}},
		{"fields of other products", strings.Replace(`[`+up+`]`, `{`, `{"x":{"y":[1]},`, 1), []bridge.IncomingMessage{first}},
		{"bad ones are left out", `[1,null,{},{"phone_number":"1"},{"dest_code":"1"},` + up + `]`, []bridge.IncomingMessage{first}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &reporter{}
			w := pushTo(t, r, nil, post(upPath, tt.body))
			if w.Code != http.StatusOK || w.Body.String() != `{"code":0,"msg":"接收成功"}` {
				t.Fatalf("answer %d %s", w.Code, w.Body)
			}
			if len(r.messages) != 1 || len(r.calls) != 0 {
				t.Fatalf("%d calls of Incoming, %d of Report; want 1, none", len(r.messages), len(r.calls))
			}
			same := func(a, b bridge.IncomingMessage) bool {
				at := a.SentAt.Equal(b.SentAt)
				a.SentAt, b.SentAt = time.Time{}, time.Time{}
				return at && a == b
			}
			if !slices.EqualFunc(r.messages[0], tt.want, same) {
				t.Errorf("got %+v, want %+v", r.messages[0], tt.want)
			}
		})
	}
}

// 200 is said only when the messages are safe: Alibaba Cloud does not come again after it.
func TestPushIncomingRefused(t *testing.T) {
	const good = `[{"phone_number":"13800001111","dest_code":"1069","content":"x"}]`
	tests := []struct {
		name          string
		req           *http.Request
		err           error
		status, calls int
	}{
		{"not committed", post(upPath, good), errors.New("no leader"), 503, 1},
		{"wrong secret", post("/callback/wrong-horse-battery-staple/smsup", good), nil, 404, 0},
		{"GET", httptest.NewRequest(http.MethodGet, upPath, nil), nil, 405, 0},
		{"not JSON", post(upPath, "content=x"), nil, 400, 0},
		{"too large", post(upPath, "["+strings.Repeat(" ", maxPushBody)+"]"), nil, 413, 0},
		{"nothing understood", post(upPath, `[{"phone_number":"13800001111"},1]`), nil, 400, 0},
		{"a report", post(upPath, `[{"phone_number":"13800001111","out_id":"x","success":true}]`), nil, 400, 0},
		{"longer than any text", post(upPath, `[{"phone_number":"1","dest_code":"1","content":"`+strings.Repeat("x", maxContent+1)+`"}]`), nil, 400, 0},
		{"nothing at all", post(upPath, `[]`), nil, 200, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &reporter{err: tt.err}
			if w := pushTo(t, r, nil, tt.req); w.Code != tt.status || len(r.messages) != tt.calls {
				t.Errorf("answer %d, %d calls; want %d, %d", w.Code, len(r.messages), tt.status, tt.calls)
			}
		})
	}
}

func TestPushIncomingMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	const good = `{"phone_number":"13800001111","dest_code":"1069","content":"x"}`
	pushTo(t, &reporter{}, reg, post(upPath, `[`+good+`,`+good+`,7]`))
	pushTo(t, &reporter{err: errors.New("no leader")}, reg, post(upPath, `[`+good+`,`+good+`,`+good+`]`))
	pushTo(t, &reporter{}, reg, post(upPath, `x`))
	want := `
# HELP smppbridge_aliyun_incoming_total Pushed incoming messages by result; requests, where there was nothing to count in them.
# TYPE smppbridge_aliyun_incoming_total counter
smppbridge_aliyun_incoming_total{result="bad"} 1
smppbridge_aliyun_incoming_total{result="malformed"} 1
smppbridge_aliyun_incoming_total{result="refused"} 3
smppbridge_aliyun_incoming_total{result="taken"} 2
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "smppbridge_aliyun_incoming_total"); err != nil {
		t.Error(err)
	}
}
