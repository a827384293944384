package aliyun_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"smppbridge/bridge"
	"smppbridge/bridge/aliyun"
	"smppbridge/bridge/aliyun/aliyunsim"
)

// TestTotals: what the simulator sent on a day of UTC+8 is told by kind of template.
func TestTotals(t *testing.T) {
	for _, rpcV1 := range []bool{false, true} {
		sim, c := startSim(t, func(cfg *aliyunsim.Config) { cfg.Outcomes = map[string]aliyunsim.Outcome{"2": {ErrCode: "EXPIRED"}} }, rpcV1)
		for i := 1; i <= 3; i++ {
			if a := c.Send(t.Context(), simCall(i)); a.BizID == "" {
				t.Fatalf("%+v", a)
			}
		}
		today := time.Now()
		for _, day := range []time.Time{today, today.AddDate(0, 0, -1)} {
			want := int64(0) // none yesterday, unless midnight has just passed
			for _, e := range sim.Ledger() {
				if dayOf(e.Time) == dayOf(day) {
					want++
				}
			}
			got, err := c.Totals(t.Context(), "main", day)
			sent := int64(0)
			for _, k := range got {
				if k.Kind != bridge.KindNotice {
					t.Errorf("kind %s, want %s", k.Kind, bridge.KindNotice)
				}
				sent += k.Sent
			}
			if err != nil || sent != want {
				t.Errorf("sent %d, %v, want %d", sent, err, want)
			}
		}
	}
}

// dayOf is the day of UTC+8 on which t is.
func dayOf(t time.Time) string {
	return t.In(time.FixedZone("", 8*60*60)).Format(time.DateOnly)
}

// TestTotalsAnswers: of an answer only what it surely says is taken, and one that says nothing is an error.
func TestTotalsAnswers(t *testing.T) {
	day := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	row := func(date string, n int) string {
		return fmt.Sprintf(`{"SendDate":%q,"TotalCount":%d,"RespondedSuccessCount":%d,"RespondedFailCount":1,"NoRespondedCount":0}`, date, n, n-1)
	}
	const form = `{"Code":"OK","Message":"OK","RequestId":"1","Data":{"TotalSize":1,"TargetList":[%s]}}`
	for name, tt := range map[string]struct {
		status int
		body   string
		want   []bridge.DayTotal
		code   string
	}{
		"a day":            {200, fmt.Sprintf(form, row("20260304", 7)), []bridge.DayTotal{{Kind: bridge.KindPromotion, Sent: 7, Delivered: 6, Failed: 1}}, ""},
		"another spelling": {200, fmt.Sprintf(form, row("2026-03-04", 7)), []bridge.DayTotal{{Kind: bridge.KindPromotion, Sent: 7, Delivered: 6, Failed: 1}}, ""},
		"another day":      {200, fmt.Sprintf(form, row("20260305", 7)), nil, ""},
		"nothing sent":     {200, fmt.Sprintf(form, ""), nil, ""},
		"no data":          {200, `{"Code":"OK","Message":"OK","RequestId":"1"}`, nil, "bad_answer"},
		"no permission":    {200, `{"Code":"isp.RAM_PERMISSION_DENY","Message":"x","RequestId":"1"}`, nil, "isp.RAM_PERMISSION_DENY"},
		"a fault":          {500, `{"Code":"InternalError","Message":"x","RequestId":"1","HostId":"h"}`, nil, "InternalError"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				q := r.URL.Query()
				if q.Get("StartDate") != "20260304" || q.Get("EndDate") != "20260304" || (q.Get("IsGlobe") == "2") != (q.Get("TemplateType") == "3") {
					t.Errorf("asked %v", q)
				}
				body := tt.body
				if tt.code == "" && q.Get("TemplateType") != "2" {
					body = fmt.Sprintf(form, "")
				}
				w.Header().Set("Content-Type", "application/json;charset=utf-8")
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(body))
			}))
			defer srv.Close()
			keys, err := aliyun.Static("id", "secret", "")
			if err != nil {
				t.Fatal(err)
			}
			c, err := aliyun.New(aliyun.Config{Routes: []aliyun.Route{{Name: "main", Endpoint: srv.Listener.Addr().String(), Plain: true,
				Credentials: keys, Workers: 1, Timeout: 10 * time.Second}}})
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Totals(context.Background(), "main", day)
			if !reflect.DeepEqual(got, tt.want) || (err == nil) != (tt.code == "") || err != nil && !strings.Contains(err.Error(), tt.code) {
				t.Errorf("got %v, %v; want %v, %s", got, err, tt.want, tt.code)
			}
			if _, err := c.Totals(context.Background(), "other", day); err == nil {
				t.Error("a route that there is not was asked")
			}
		})
	}
}
