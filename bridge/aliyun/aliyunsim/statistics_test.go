package aliyunsim

import (
	"encoding/json"
	"net/url"
	"reflect"
	"testing"
	"time"
)

// TestQuerySendStatistics checks what is counted by day at UTC+8, kind of template, signature, account and result.
func TestQuerySendStatistics(t *testing.T) {
	clock := newClock()
	clock.advance(13*time.Hour + 59*time.Minute) // 23:59:30 at UTC+8
	s := newServer(t, func(c *Config) {
		c.Now, c.Reports.Delay = clock.now, 4*time.Second
		c.Outcomes = map[string]Outcome{"2": {ErrCode: "EXPIRED"}, "3": {NoReport: true}}
		other := c.Accounts[0]
		other.Keys = []Key{{ID: "other", Secret: "s"}}
		c.Accounts = append(c.Accounts, other)
	})
	send := func(v url.Values) {
		q := sendSms(v)
		q.now = clock.now()
		if a := do(t, s, q.v3()); a.Code != "OK" {
			t.Fatal(a.Code)
		}
	}
	ask := func(key string, more ...string) (rows []statisticsRow, code string) {
		v := url.Values{"StartDate": {"20251101"}, "EndDate": {"20251130"}, "IsGlobe": {"1"}, "PageIndex": {"1"}, "PageSize": {"50"}}
		for i := 0; i < len(more); i += 2 {
			v.Set(more[i], more[i+1])
		}
		q := testRequest{action: "QuerySendStatistics", query: v, now: clock.now(), keyID: key}
		if key != "" {
			q.secret = "s"
		}
		var out statisticsAnswer
		if err := json.Unmarshal([]byte(do(t, s, q.v3()).body), &out); err != nil {
			t.Fatal(err)
		}
		return out.Data.TargetList, out.Code
	}
	send(free("13900000001", "before midnight"))
	clock.advance(time.Minute)
	for _, phone := range []string{"13900000001", "13900000002", "13900000003"} {
		send(free(phone, "after midnight"))
	}
	send(with(free("13900000009", ""), "TemplateCode", "SMS_100000001", "TemplateParam", `{"code":"1234"}`))
	clock.advance(time.Second)
	before := []statisticsRow{{"20251122", 4, 0, 0, 4}, {"20251121", 1, 1, 0, 0}}
	after := []statisticsRow{{"20251122", 4, 2, 1, 1}, {"20251121", 1, 1, 0, 0}}
	if got, code := ask(""); !reflect.DeepEqual(got, before) || code != "OK" {
		t.Errorf("%s: got %v, want %v", code, got, before)
	}
	clock.advance(time.Minute)
	for _, test := range []struct {
		name string
		key  string
		more []string
		want []statisticsRow
	}{
		{"all", "", nil, after},
		{"the first page of two", "", []string{"PageSize", "1"}, after[:1]},
		{"the second", "", []string{"PageSize", "1", "PageIndex", "2"}, after[1:]},
		{"one day", "", []string{"EndDate", "20251121"}, after[1:]},
		{"codes", "", []string{"TemplateType", "0"}, []statisticsRow{{"20251122", 1, 1, 0, 0}}},
		{"another signature", "", []string{"SignName", "阿里云测试"}, []statisticsRow{}},
		{"abroad", "", []string{"IsGlobe", "2"}, []statisticsRow{}},
		{"another account", "other", nil, []statisticsRow{}},
	} {
		got, code := ask(test.key, test.more...)
		if code != "OK" || len(got) != len(test.want) || len(got) > 0 && !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %s, got %v, want %v", test.name, code, got, test.want)
		}
	}
	for _, bad := range [][]string{{"StartDate", "2025-11-01"}, {"EndDate", "20251031"}, {"IsGlobe", "3"}, {"PageSize", "51"}, {"TemplateType", "x"}} {
		if _, code := ask("", bad...); code != "isv.INVALID_PARAMETERS" {
			t.Errorf("%v: %s", bad, code)
		}
	}
}
