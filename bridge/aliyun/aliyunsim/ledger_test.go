package aliyunsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestLedgerUnderLoad checks that concurrent calls are all there once, and that the bound holds.
func TestLedgerUnderLoad(t *testing.T) {
	const workers, calls = 8, 500
	s := newServer(t, nil)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range calls {
				number := fmt.Sprintf("139%04d%04d", w, i)
				if a := do(t, s, sendSms(free(number, number)).v3()); a.Code != "OK" {
					t.Errorf("got %s", a.Code)
				}
			}
		})
	}
	wg.Wait()
	seen, ids := map[string]bool{}, map[string]bool{}
	for i, e := range s.Ledger() {
		if e.Seq != int64(i+1) {
			t.Fatalf("entry %d has seq %d", i, e.Seq)
		}
		seen[e.Phone], ids[e.BizID] = true, true
	}
	if len(seen) != workers*calls || len(ids) != workers*calls {
		t.Errorf("%d phones and %d BizIds, want %d", len(seen), len(ids), workers*calls)
	}
	if n := s.Counters(); n.Executed != workers*calls || n.Calls["SendSms"]["OK"] != workers*calls {
		t.Errorf("counters %+v", n)
	}
}

// fill adds n records to a ledger, one phone after the other out of a hundred.
func fill(l *ledger, n int) {
	a := &account{Account: &Account{Name: "dev"}}
	tmpl, _ := newTemplate(&Template{Code: "SMS_1", Content: "${c}"})
	for i := range n {
		l.add(record{at: int64(i), phone: phone(13900000000 + i%100), account: a, template: tmpl, sign: "s",
			params: fmt.Sprintf(`{"c":"%d"}`, i), biz: int64(i)})
	}
}

func TestLedgerBounded(t *testing.T) {
	const limit, n = 10_000, 100_000
	l := newLedger(limit)
	fill(l, n)
	list, first := l.since(0, n)
	if len(list) < limit-chunkSize || len(list) > limit+chunkSize || first+int64(len(list)) != n+1 {
		t.Errorf("%d records from %d, want about the last %d", len(list), first, limit)
	}
	for i := range list {
		if list[i].at+1 != first+int64(i) {
			t.Fatalf("record %d is number %d", i, list[i].at+1)
		}
	}
	s := l.summary()
	if s.Messages != len(list) || s.Dropped != first-1 {
		t.Errorf("summary %+v", s)
	}
	rows := l.ofPhone(13900000007, func(*record) (bool, bool) { return true, true })
	if want := len(list) / 100; len(rows) < want-1 || len(rows) > want+1 {
		t.Errorf("%d records of one phone, want about %d", len(rows), want)
	}
	fill(l, 1)
	l.setState(1, StateLost) // long gone
	l.reset()
	if list, _ := l.since(0, n); len(list) != 0 {
		t.Errorf("%d records after a reset", len(list))
	}
	fill(l, 1)
	if _, first := l.since(0, n); first != n+2 {
		t.Errorf("the seq after a reset is %d, want %d", first, n+2)
	}
}

func TestLedgerSince(t *testing.T) {
	l := newLedger(0)
	fill(l, 3*chunkSize)
	for _, test := range []struct {
		seq, limit  int64
		first, want int64
	}{
		{0, 10, 1, 10}, {1, 10, 1, 10}, {chunkSize, 3, chunkSize, 3}, {chunkSize - 1, 2 * chunkSize, chunkSize - 1, 2 * chunkSize},
		{3 * chunkSize, 10, 3 * chunkSize, 1}, {3*chunkSize + 1, 10, 3*chunkSize + 1, 0},
	} {
		list, first := l.since(test.seq, int(test.limit))
		if int64(len(list)) != test.want || first != test.first {
			t.Errorf("since %d, %d: %d from %d, want %d from %d", test.seq, test.limit, len(list), first, test.want, test.first)
		}
		for i := range list {
			if list[i].at+1 != first+int64(i) {
				t.Fatalf("since %d: record %d is number %d", test.seq, i, list[i].at+1)
			}
		}
	}
}

// TestSummaryFindsRepeats checks that a text sent twice to a phone is found, however it was spelled.
func TestSummaryFindsRepeats(t *testing.T) {
	s := newServer(t, nil)
	send := func(number, params, outID string) {
		v := with(free(number, ""), "TemplateParam", params, "OutId", outID)
		if a := do(t, s, sendSms(v).v3()); a.Code != "OK" {
			t.Fatal(a.Code)
		}
	}
	send("13900000001", `{"content":"once"}`, "o1")
	send("13900000002", `{"content":"一"}`, "o2")
	send("13900000002", `{ "content" : "\u4e00" }`, "o3")
	send("13900000003", `{"content":"一"}`, "o3")
	batch := url.Values{"PhoneNumberJson": {`["8613900000002","13900000004"]`}, "SignNameJson": {`["速通银行","速通银行"]`},
		"TemplateCode": {"SMS_100000003"}, "TemplateParamJson": {`[{"content":"一"},{"content":"x"}]`}, "OutId": {"o4"}}
	if a := do(t, s, testRequest{action: "SendBatchSms", form: batch, query: url.Values{}}.v3()); a.Code != "OK" {
		t.Fatal(a.Code)
	}
	got := s.Summary()
	if got.Messages != 6 || got.Calls != 5 || got.RepeatedOutIDs != 1 || got.Repeated != 1 || got.Extra != 2 {
		t.Errorf("summary %+v", got)
	}
	if want := "[{13900000002 [2 3 5]}]"; fmt.Sprint(got.Repeats) != want {
		t.Errorf("repeats %v, want %s", got.Repeats, want)
	}
}

// TestQuerySendDetails checks rows by day at UTC+8, lag, result, account and page.
func TestQuerySendDetails(t *testing.T) {
	clock := newClock()
	clock.advance(13*time.Hour + 59*time.Minute) // 23:59:30 at UTC+8
	s := newServer(t, func(c *Config) {
		c.Now, c.DetailLag = clock.now, 2*time.Second
		c.Reports.Delay = 4 * time.Second
		c.Outcomes = map[string]Outcome{"2": {ErrCode: "EXPIRED"}, "3": {NoReport: true}}
		other := c.Accounts[0]
		other.Keys = []Key{{ID: "other", Secret: "s"}}
		c.Accounts = append(c.Accounts, other)
	})
	ask := func(key string, v url.Values) (total int, rows []map[string]any, code string) {
		q := testRequest{action: "QuerySendDetails", query: v, now: clock.now(), keyID: key, secret: "s"}
		if key == "" {
			q.secret = ""
		}
		var body struct {
			TotalCount        int
			Code              string
			SmsSendDetailDTOs struct{ SmsSendDetailDTO []map[string]any }
		}
		a := do(t, s, q.v3())
		if err := json.Unmarshal([]byte(a.body), &body); err != nil {
			t.Fatal(err)
		}
		return body.TotalCount, body.SmsSendDetailDTOs.SmsSendDetailDTO, body.Code
	}
	of := func(number, date string) url.Values {
		return url.Values{"PhoneNumber": {number}, "SendDate": {date}, "PageSize": {"10"}, "CurrentPage": {"1"}}
	}
	send := func(number, text string) string {
		q := sendSms(free(number, text))
		q.now = clock.now()
		return do(t, s, q.v3()).BizId
	}
	count := func(what string, key string, v url.Values, want int) {
		t.Helper()
		if n, rows, code := ask(key, v); n != want || code != "OK" || len(rows) != min(want, 10) {
			t.Errorf("%s: %d rows of %d, %s, want %d", what, len(rows), n, code, want)
		}
	}
	const today, tomorrow = "20251121", "20251122"
	biz := send("13900000001", "before midnight")
	count("within the lag", "", of("13900000001", today), 0)
	clock.advance(3 * time.Second)
	if _, rows, _ := ask("", of("13900000001", today)); len(rows) != 1 || rows[0]["SendStatus"] != 1.0 ||
		rows[0]["ReceiveDate"] != nil || rows[0]["ErrCode"] != nil {
		t.Errorf("waiting: %v", rows)
	}
	clock.advance(3 * time.Second)
	want := map[string]any{"SendDate": "2025-11-21 23:59:30", "SendStatus": 3.0, "ReceiveDate": "2025-11-21 23:59:34",
		"ErrCode": "DELIVERED", "TemplateCode": "SMS_100000003", "Content": "【速通银行】before midnight",
		"PhoneNum": "13900000001", "OutId": "out-13900000001"}
	if _, rows, _ := ask("", of("13900000001", today)); len(rows) != 1 || fmt.Sprint(rows[0]) != fmt.Sprint(want) {
		t.Errorf("final:\n got %v\nwant %v", rows, want)
	}
	clock.advance(time.Minute) // past midnight at UTC+8
	send("13900000001", "after midnight")
	send("13900000002", "expires")
	send("13900000003", "never heard of")
	clock.advance(time.Minute)
	count("yesterday", "", of("13900000001", today), 1)
	count("the new day", "", of("13900000001", tomorrow), 1)
	count("by BizId", "", with(of("13900000001", today), "BizId", biz), 1)
	count("by another BizId", "", with(of("13900000001", tomorrow), "BizId", biz), 0)
	count("another spelling", "", of("+8613900000001", today), 0)
	count("another account", "other", of("13900000001", today), 0)
	if _, rows, _ := ask("", of("13900000002", tomorrow)); len(rows) != 1 || rows[0]["SendStatus"] != 2.0 || rows[0]["ErrCode"] != "EXPIRED" {
		t.Errorf("failed: %v", rows)
	}
	if _, rows, _ := ask("", of("13900000003", tomorrow)); len(rows) != 1 || rows[0]["SendStatus"] != 1.0 {
		t.Errorf("without a result: %v", rows)
	}
	for i := range 11 {
		send("13900000004", fmt.Sprint("text ", i))
	}
	clock.advance(time.Minute)
	count("first page", "", of("13900000004", tomorrow), 11)
	if _, rows, _ := ask("", with(of("13900000004", tomorrow), "CurrentPage", "2")); len(rows) != 1 || rows[0]["Content"] != "【速通银行】text 0" {
		t.Errorf("second page: %v", rows)
	}
	for _, v := range []url.Values{of("13900000001", "20251021"), of("13900000001", "20251123"), of("13900000001", "2025-11-21"),
		with(of("13900000001", today), "PageSize", "51"), with(of("13900000001", today), "CurrentPage", "0")} {
		if _, _, code := ask("", v); code != "isv.INVALID_PARAMETERS" {
			t.Errorf("%v: got %s", v, code)
		}
	}
	count("30 days ago", "", of("13900000001", "20251023"), 0)
	clock.advance(30 * 24 * time.Hour)
	if _, _, code := ask("", of("13900000001", today)); code != "isv.INVALID_PARAMETERS" {
		t.Errorf("31 days ago: got %s", code)
	}
	count("31 days ago is today's 30", "", of("13900000001", tomorrow), 1)
}

func TestLists(t *testing.T) {
	s := newServer(t, richConfig)
	ask := func(action string, v url.Values) listAnswer {
		a := do(t, s, testRequest{action: action, query: v}.v3())
		var out listAnswer
		if err := json.Unmarshal([]byte(a.body), &out); err != nil || a.status != http.StatusOK {
			t.Fatalf("%d, %v", a.status, err)
		}
		return out
	}
	list := ask("QuerySmsTemplateList", nil)
	if list.TotalCount != 9 || len(list.SmsTemplateList) != 9 || list.CurrentPage != 1 || list.PageSize != 10 {
		t.Fatalf("templates: %+v", list)
	}
	for i, want := range []struct {
		outer, inner int
		status       Status
	}{{0, 2, StatusPass}, {1, 0, StatusPass}, {1, 0, StatusPass}, {1, 0, StatusPass}, {1, 0, StatusNotPass}, {3, 6, StatusPass}} {
		got := list.SmsTemplateList[i]
		if got.OuterTemplateType != want.outer || got.TemplateType != want.inner || got.AuditStatus != want.status ||
			(got.Reason.RejectInfo != "") != (want.status == StatusNotPass) {
			t.Errorf("template %d: %+v, want %+v", i, got, want)
		}
	}
	if got := ask("QuerySmsSignList", url.Values{"PageIndex": {"2"}, "PageSize": {"3"}}); len(got.SmsSignList) != 1 ||
		got.TotalCount != 4 || got.SmsSignList[0].SignName != "验证专用" || got.SmsSignList[0].BusinessType != "验证码" {
		t.Errorf("signatures: %+v", got)
	}
	if got := ask("QuerySmsSignList", url.Values{"PageIndex": {"9"}}); got.Code != "OK" || len(got.SmsSignList) != 0 {
		t.Errorf("beyond the last page: %+v", got)
	}
	for _, v := range []url.Values{{"PageIndex": {"0"}}, {"PageSize": {"51"}}, {"PageSize": {"x"}}, {"PageIndex": {"x"}}} {
		if got := ask("QuerySmsTemplateList", v); got.Code != "isv.INVALID_PARAMETERS" {
			t.Errorf("%v: got %s", v, got.Code)
		}
	}
}

// TestUnlisted checks that a message can be executed, and yet not be listed for a while.
func TestUnlisted(t *testing.T) {
	clock := newClock()
	s := newServer(t, func(c *Config) {
		c.Now, c.DetailLag = clock.now, time.Second
		c.Faults = Faults{{Kind: FaultReportUnlisted, DelayMS: 2000, Count: 1}}
	})
	listed := func() int {
		q := testRequest{action: "QuerySendDetails", now: clock.now(), query: url.Values{"PhoneNumber": {"13900000001"},
			"SendDate": {beijing(clock.now()).Format("20060102")}, "PageSize": {"10"}, "CurrentPage": {"1"}}}
		return strings.Count(do(t, s, q.v3()).body, `"SendDate"`)
	}
	for _, text := range []string{"first", "second"} {
		q := sendSms(free("13900000001", text))
		q.now = clock.now()
		if a := do(t, s, q.v3()); a.Code != "OK" {
			t.Fatal(a.Code)
		}
	}
	for i, want := range []int{0, 1, 1, 2} {
		if got := listed(); got != want {
			t.Errorf("after %d s: %d messages listed, want %d", i, got, want)
		}
		clock.advance(time.Second)
	}
}
