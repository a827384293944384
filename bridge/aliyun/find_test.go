package aliyun

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"smppbridge/bridge"
	"smppbridge/store"
)

// detailServer plays QuerySendDetails for one phone.
type detailServer struct {
	mu    sync.Mutex
	days  map[string][]string // rows, in JSON, by SendDate
	asked []string            // "SendDate/CurrentPage", and the phone if it is not the bare one
}

func (d *detailServer) handle(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	var page, size int
	_, _ = fmt.Sscan(q.Get("CurrentPage"), &page)
	_, _ = fmt.Sscan(q.Get("PageSize"), &size)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, q.Get("SendDate")+"/"+q.Get("CurrentPage"))
	if q.Get("PhoneNumber") != testPhone || r.Header.Get("x-acs-action") != "QuerySendDetails" {
		d.asked = append(d.asked, "wrong phone or action")
	}
	rows := d.days[q.Get("SendDate")]
	from, to := min((page-1)*size, len(rows)), min(page*size, len(rows))
	_, _ = fmt.Fprintf(w, `{"TotalCount":%d,"Message":"OK","RequestId":"7146","SmsSendDetailDTOs":{"SmsSendDetailDTO":[%s]},"Code":"OK"}`,
		len(rows), strings.Join(rows[from:to], ","))
}

func detailRow(outID string, status int, errCode string) string {
	return fmt.Sprintf(`{"SendDate":"2026-03-05 00:00:06","SendStatus":%d,"ReceiveDate":"2026-03-05 00:00:37","ErrCode":%q,`+
		`"TemplateCode":"SMS_100000001","Content":"【速通银行】482913","PhoneNum":%q,"OutId":%q}`, status, errCode, testPhone, outID)
}

// What a row of the API says about an uncertain call.
func TestFindMeaning(t *testing.T) {
	done := time.Date(2026, 3, 5, 0, 0, 37, 0, beijing)
	final := func(e store.Ending, err string) bridge.Found {
		return bridge.Found{Known: true, Final: true, Ending: e, Err: err, DoneAt: done}
	}
	open := bridge.Found{Known: true}
	tests := []struct {
		status  int
		errCode string
		want    bridge.Found
	}{
		{1, "", open},
		{1, "REQUEST_SUCCESS", open},
		{2, "MOBILE_NOT_ON_SERVICE", final(store.EndUndeliverable, "101")},
		{2, "isv.BLACK_KEY_CONTROL_LIMIT", final(store.EndRejected, "043")},
		{2, "", final(store.EndUndeliverable, "199")},
		{2, "DELIVERED", final(store.EndUndeliverable, "199")},
		{2, "REQUEST_SUCCESS", final(store.EndUnknown, "118")},
		{3, "DELIVERED", final(store.EndDelivered, "000")},
		{3, "DELIVRD", final(store.EndDelivered, "000")},
		{3, "0", final(store.EndDelivered, "000")},
		{9, "", open},
	}
	for _, tt := range tests {
		d := &detailServer{days: map[string][]string{"20260304": {detailRow("sb-1-76", 3, "DELIVERED"), detailRow("sb-1-77", tt.status, tt.errCode)}}}
		c := newClient(t, nil, plainRoute(t, serve(t, d.handle).URL))
		got, err := c.Find(context.Background(), "main", "sb-1-77", "+86"+testPhone, time.Date(2026, 3, 4, 12, 0, 0, 0, beijing))
		if err != nil || got.DoneAt.Equal(tt.want.DoneAt) != true {
			t.Errorf("SendStatus %d %s: done at %v, %v; want %v", tt.status, tt.errCode, got.DoneAt, err, tt.want.DoneAt)
		}
		got.DoneAt = tt.want.DoneAt
		if tt.want.Final {
			tt.want.Code = tt.errCode
		}
		if got != tt.want {
			t.Errorf("SendStatus %d %s: got %+v, want %+v", tt.status, tt.errCode, got, tt.want)
		}
	}
}

// Which days and pages are looked at, and that looking ends when the call is found.
func TestFindSearches(t *testing.T) {
	many := func(n int, last string) []string {
		rows := make([]string, n)
		for i := range rows {
			rows[i] = detailRow(fmt.Sprintf("sb-1-%d", 1000+i), 3, "DELIVERED")
		}
		rows[n-1] = detailRow(last, 3, "DELIVERED")
		return rows
	}
	noon := time.Date(2026, 3, 4, 12, 0, 0, 0, beijing)
	tests := []struct {
		name  string
		days  map[string][]string
		begun time.Time
		known bool
		asked []string
	}{
		{"nothing sent", nil, noon, false, []string{"20260304/1"}},
		{"others sent", map[string][]string{"20260304": many(3, "x")}, noon, false, []string{"20260304/1"}},
		{"exactly one page", map[string][]string{"20260304": many(50, "x")}, noon, false, []string{"20260304/1"}},
		{"last of three pages", map[string][]string{"20260304": many(101, "sb-1-77")}, noon, true,
			[]string{"20260304/1", "20260304/2", "20260304/3"}},
		{"just before midnight, counted after it", map[string][]string{"20260305": many(2, "sb-1-77")},
			time.Date(2026, 3, 4, 23, 59, 58, 0, beijing), true, []string{"20260304/1", "20260305/1"}},
		{"just after midnight, counted before it", map[string][]string{"20260304": many(2, "sb-1-77")},
			time.Date(2026, 3, 5, 0, 0, 1, 0, beijing), true, []string{"20260305/1", "20260304/1"}},
		{"the day is Beijing's", map[string][]string{"20260305": many(2, "sb-1-77")},
			time.Date(2026, 3, 4, 16, 0, 5, 0, time.UTC), true, []string{"20260305/1"}},
		{"sent hours before the call was begun: another system's", map[string][]string{"20260305": many(2, "sb-1-77")},
			time.Date(2026, 3, 5, 12, 0, 0, 0, beijing), false, []string{"20260305/1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &detailServer{days: tt.days}
			c := newClient(t, nil, plainRoute(t, serve(t, d.handle).URL))
			got, err := c.Find(context.Background(), "main", "sb-1-77", testPhone, tt.begun)
			if err != nil || got.Known != tt.known {
				t.Errorf("got %+v, %v; want known %v", got, err, tt.known)
			}
			if !slices.Equal(d.asked, tt.asked) {
				t.Errorf("asked for %v, want %v", d.asked, tt.asked)
			}
		})
	}
}

// "Not there" would be a licence to send again, so everything that is not surely the whole list is
// an error; and no error carries what the API said.
func TestFindFailures(t *testing.T) {
	list := func(total, rows string) string {
		return `{"TotalCount":` + total + `,"SmsSendDetailDTOs":{"SmsSendDetailDTO":[` + rows + `]},"Code":"OK"}`
	}
	tests := []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{"business error", 200, business("isv.MOBILE_NUMBER_ILLEGAL", testPhone), "isv.MOBILE_NUMBER_ILLEGAL"},
		{"no permission", 200, business("isp.RAM_PERMISSION_DENY", testPhone), "isp.RAM_PERMISSION_DENY"},
		{"throttled", 400, gateway("Throttling.User", testPhone), "Throttling.User (HTTP 400)"},
		{"wrong key", 404, gateway("InvalidAccessKeyId.NotFound", testKeyID), "InvalidAccessKeyId.NotFound (HTTP 404)"},
		{"hostile code", 400, gateway(testPhone, testPhone), "other (HTTP 400)"},
		{"HTML", 502, "<html>" + testPhone + "</html>", "bad_answer"},
		{"empty", 200, "", "bad_answer"},
		{"string", 200, `"` + testPhone + `"`, "bad_answer"},
		{"no code", 200, `{"TotalCount":0}`, "bad_answer"},
		{"no count", 200, `{"Code":"OK","SmsSendDetailDTOs":{"SmsSendDetailDTO":[]}}`, "bad_answer"},
		{"negative count", 200, list("-1", ""), "bad_answer"},
		{"count that is none", 200, list(`"many"`, ""), "bad_answer"},
		{"fewer rows than counted", 200, list("2", ""), "fewer rows"},
		{"count without a list", 200, `{"Code":"OK","TotalCount":2}`, "fewer rows"},
		{"pages without end", 200, list("999999", detailRow("x", 3, "")), "more pages"},
		{"status 202", 202, list("0", ""), "bad_answer"},
		{"rows of another type", 200, list("1", `"`+testPhone+`"`), "QuerySendDetails"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, nil, plainRoute(t, serve(t, respond(tt.status, tt.body)).URL))
			got, err := c.Find(context.Background(), "main", "sb-1-77", testPhone, time.Now())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %+v, %v; want an error with %q", got, err, tt.want)
			}
			checkNoSecret(t, fmt.Sprintf("%v %+v", err, err))
		})
	}
}

// Errors that need no server, and the counters of all results.
func TestFindWithoutAnswer(t *testing.T) {
	reg := prometheus.NewRegistry()
	dead := plainRoute(t, "http://"+refused(t))
	keyless := dead
	keyless.Name, keyless.Credentials = "keyless", noKeys{}
	d := &detailServer{days: map[string][]string{"20260304": {detailRow("sb-1-77", 1, "")}}}
	live := plainRoute(t, serve(t, d.handle).URL)
	live.Name = "live"
	c := newClient(t, reg, dead, keyless, live)
	begun := time.Date(2026, 3, 4, 12, 0, 0, 0, beijing)
	for route, want := range map[string]string{"main": "unreachable", "keyless": "no_credentials", "gone": "no_route"} {
		_, err := c.Find(context.Background(), route, "sb-1-77", testPhone, begun)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("route %s: error %v, want %s", route, err, want)
		}
		checkNoSecret(t, fmt.Sprint(err))
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Find(ended, "live", "sb-1-77", testPhone, begun); err != context.Canceled {
		t.Errorf("ended context: %v", err)
	}
	for outID, known := range map[string]bool{"sb-1-77": true, "sb-1-78": false} {
		if got, err := c.Find(context.Background(), "live", outID, testPhone, begun); err != nil || got.Known != known {
			t.Errorf("%s: %+v, %v", outID, got, err)
		}
	}
	want := `
# HELP smppbridge_aliyun_finds_total Queries whether an uncertain call was executed, by route and result.
# TYPE smppbridge_aliyun_finds_total counter
smppbridge_aliyun_finds_total{result="error",route="keyless"} 1
smppbridge_aliyun_finds_total{result="error",route="live"} 1
smppbridge_aliyun_finds_total{result="error",route="main"} 1
smppbridge_aliyun_finds_total{result="error",route="other"} 1
smppbridge_aliyun_finds_total{result="known",route="keyless"} 0
smppbridge_aliyun_finds_total{result="known",route="live"} 1
smppbridge_aliyun_finds_total{result="known",route="main"} 0
smppbridge_aliyun_finds_total{result="unknown",route="keyless"} 0
smppbridge_aliyun_finds_total{result="unknown",route="live"} 1
smppbridge_aliyun_finds_total{result="unknown",route="main"} 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "smppbridge_aliyun_finds_total"); err != nil {
		t.Error(err)
	}
}

// A search asks nothing more once its context has ended.
func TestFindStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		_, _ = io.WriteString(w, `{"TotalCount":60,"SmsSendDetailDTOs":{"SmsSendDetailDTO":[`+detailRow("x", 1, "")+`]},"Code":"OK"}`)
	})
	c := newClient(t, nil, plainRoute(t, srv.URL))
	if _, err := c.Find(ctx, "main", "sb-1-77", testPhone, time.Now()); err != context.Canceled {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

func TestBareNumber(t *testing.T) {
	for in, want := range map[string]string{
		"13800001111": "13800001111", "8613800001111": "13800001111", "+8613800001111": "13800001111",
		"008613800001111": "13800001111", "85261234567": "85261234567", "+85261234567": "85261234567",
		"8675512345678": "8675512345678", "x": "x", "": "", "+": "+", "1381111****": "1381111****",
	} {
		if got := bareNumber(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestParseTime(t *testing.T) {
	want := time.Date(2026, 3, 4, 16, 0, 37, 0, time.UTC)
	for _, in := range []string{"2026-03-05 00:00:37", " 2026-03-05 00:00:37 ", "2026-03-05T00:00:37+08:00", "2026-03-04T16:00:37Z"} {
		if got := parseTime(in); !got.Equal(want) {
			t.Errorf("%q: %v, want %v", in, got, want)
		}
	}
	for _, in := range []string{"", "0", "2026-03-05", "yesterday", "2026-13-05 00:00:37"} {
		if got := parseTime(in); !got.IsZero() {
			t.Errorf("%q: %v, want none", in, got)
		}
	}
}
