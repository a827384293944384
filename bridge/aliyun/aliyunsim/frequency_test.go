package aliyunsim

import (
	"testing"
	"time"
)

// A step is a call at a time at UTC+8, on 21 November 2025 or the next day.
type step struct {
	at   string // "15:04:05", or "+15:04:05" for the next day
	want string // the message of the refusal, or nothing
}

// TestFrequency walks through the windows. Minutes and hours end with the clock's, days 24 hours after each send.
func TestFrequency(t *testing.T) {
	const (
		minute = "触发分钟级流控Permits:1"
		hour   = "触发小时级流控Permits:5"
		tenDay = "触发天级流控Permits:10"
		sum    = "触发天级流控Permits:2"
	)
	tests := []struct {
		name     string
		template string
		limits   Limits
		steps    []step
	}{
		{"one code in a clock minute", "SMS_100000001", Limits{}, []step{
			{"10:00:59", ""}, {"10:00:59", minute}, {"10:01:00", ""}, {"10:01:00", minute}, {"10:01:59", minute}, {"10:02:00", ""}}},
		{"five codes in a clock hour", "SMS_100000001", Limits{}, []step{
			{"10:55:00", ""}, {"10:56:00", ""}, {"10:57:00", ""}, {"10:58:00", ""}, {"10:59:00", ""}, {"10:59:59", minute},
			{"11:00:00", ""}, {"11:01:00", ""}, {"11:02:00", ""}, {"11:03:00", ""}, {"11:04:00", ""}, {"11:05:00", hour},
			{"11:59:59", hour}}},
		{"ten codes in 24 hours", "SMS_100000001", Limits{}, []step{
			{"10:00:00", ""}, {"10:01:00", ""}, {"10:02:00", ""}, {"10:03:00", ""}, {"10:04:00", ""},
			{"11:00:00", ""}, {"11:01:00", ""}, {"11:02:00", ""}, {"11:03:00", ""}, {"11:04:00", ""}, {"12:00:00", tenDay},
			{"23:59:59", tenDay}, {"+00:00:00", tenDay}, {"+09:59:59", tenDay}, {"+10:00:00", ""}, {"+10:00:59", minute},
			{"+10:01:00", ""}}},
		{"a refused call does not count", "SMS_100000001", Limits{}, []step{
			{"10:00:00", ""}, {"10:00:01", minute}, {"10:00:02", minute}, {"10:00:03", minute}, {"10:00:04", minute}, {"10:00:05", minute},
			{"10:01:00", ""}, {"10:02:00", ""}, {"10:03:00", ""}, {"10:04:00", ""}, {"10:05:00", hour}}},
		{"notices by the day", "SMS_100000002", Limits{OtherDay: 2}, []step{
			{"10:00:00", ""}, {"10:00:00", ""}, {"10:00:01", sum}, {"+09:59:59", sum}, {"+10:00:00", ""}}},
		{"switched off", "SMS_100000001", Limits{Off: true}, []step{{"10:00:00", ""}, {"10:00:00", ""}}},
		{"one limit off", "SMS_100000001", Limits{CodeMinute: -1}, []step{
			{"10:00:00", ""}, {"10:00:00", ""}, {"10:00:00", ""}, {"10:00:00", ""}, {"10:00:00", ""}, {"10:00:00", hour}}},
		{"unlimited template", "SMS_100000003", Limits{OtherDay: 1}, []step{{"10:00:00", ""}, {"10:00:00", ""}}},
	}
	params := map[string]string{"SMS_100000001": `{"code":"1234"}`, "SMS_100000002": `{"name":"a","order":"b"}`,
		"SMS_100000003": `{"content":"a"}`}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var now time.Time
			s := newServer(t, func(c *Config) { c.Limits = test.limits; c.Now = func() time.Time { return now } })
			for i, step := range test.steps {
				now = atBeijing(t, step.at)
				q := sendSms(with(otp("13900000001"), "TemplateCode", test.template, "TemplateParam", params[test.template]))
				q.now = now
				a := do(t, s, q.v3())
				got := ""
				if a.Code == "isv.BUSINESS_LIMIT_CONTROL" {
					got = a.Message
				} else if a.Code != "OK" {
					t.Fatalf("step %d: %s", i, a.Code)
				}
				if got != step.want {
					t.Errorf("step %d at %s: got %q, want %q", i, step.at, got, step.want)
				}
			}
		})
	}
}

func atBeijing(t *testing.T, s string) time.Time {
	t.Helper()
	date := "2025-11-21 "
	if s[0] == '+' {
		date, s = "2025-11-22 ", s[1:]
	}
	at, err := time.Parse(timeFormat+" -0700", date+s+" +0800")
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestFrequencyKeys checks what is counted together.
func TestFrequencyKeys(t *testing.T) {
	clock := newClock()
	s := newServer(t, func(c *Config) {
		c.Now = clock.now
		c.Limits = Limits{OtherDay: 1, CodeAll: 3}
		a := &c.Accounts[0]
		a.Signs = append(a.Signs, Sign{Name: "三"}, Sign{Name: "四"})
		a.Templates = append(a.Templates, Template{Code: "SMS_200000001", Content: "另一${code}", Type: TypeCode},
			Template{Code: "SMS_200000002", Content: "abroad ${code}", Type: TypeInternational})
	})
	notice := with(otp("13900000001"), "TemplateCode", "SMS_100000002", "TemplateParam", `{"name":"a","order":"b"}`)
	for i, step := range []struct {
		params map[string][]string
		want   string
	}{
		{otp("13900000001"), "OK"},
		{otp("13900000002"), "OK"}, // another phone
		{with(otp("13900000001"), "TemplateCode", "SMS_200000001"), "触发分钟级流控Permits:1"}, // the signature counts, not the template
		{with(otp("13900000001"), "PhoneNumbers", "+8613900000001"), "触发分钟级流控Permits:1"},
		{with(otp("13900000001"), "SignName", "阿里云测试"), "OK"},
		{with(otp("13900000001"), "SignName", "三"), "OK"},
		{with(otp("13900000001"), "SignName", "四"), "触发天级流控Permits:3"}, // all signatures together
		{notice, "OK"},
		{notice, "触发天级流控Permits:1"},
		{with(notice, "SignName", "三"), "OK"},
		{with(notice, "TemplateCode", "SMS_100000004", "TemplateParam", `{"time":"1","amount":"2","balance":"3"}`), "OK"},
		{with(otp("85261234567"), "TemplateCode", "SMS_200000002"), "OK"}, // abroad there is no limit
		{with(otp("85261234567"), "TemplateCode", "SMS_200000002"), "OK"},
	} {
		q := sendSms(step.params)
		q.now = clock.now()
		a := do(t, s, q.v3())
		if a.Message != step.want {
			t.Errorf("step %d: got %q, want %q", i, a.Message, step.want)
		}
	}
}

// TestFrequencyAllOrNothing checks that a call which one number's limit refuses counts for no number.
func TestFrequencyAllOrNothing(t *testing.T) {
	const minute, perDay = "触发分钟级流控Permits:1", "触发天级流控Permits:1"
	for template, limit := range map[string]string{"SMS_100000001": minute, "SMS_100000002": perDay} {
		s := newServer(t, func(c *Config) { c.Now, c.Limits.OtherDay = newClock().now, 1 })
		ask := func(numbers string) string {
			q := sendSms(with(otp(""), "PhoneNumbers", numbers, "TemplateCode", template,
				"TemplateParam", `{"code":"1234","name":"a","order":"b"}`))
			q.now = start
			return do(t, s, q.v3()).Message
		}
		for i, step := range []struct{ numbers, want string }{
			{"13900000001,13900000002,13900000002", limit},
			{"13900000001", "OK"},
			{"13900000002,13900000001", limit},
			{"13900000002", "OK"},
		} {
			if got := ask(step.numbers); got != step.want {
				t.Errorf("%s, step %d: got %q, want %q", template, i, got, step.want)
			}
		}
	}
}

// TestFrequencyForgets checks that phones of past days do not stay in memory.
func TestFrequencyForgets(t *testing.T) {
	s := newServer(t, nil)
	a := s.keys["sim-key"].account
	f := s.frequency
	charges := func(from, n int) {
		for i := range n {
			day := time.Duration(from/sweepEvery) * 25 * time.Hour
			c := charge{phone(13900000000 + from + i), a, "速通银行", a.templates["SMS_100000002"]}
			if bad := f.take([]charge{c}, start.Add(day)); bad != nil {
				t.Fatal(bad.message)
			}
		}
	}
	for i := range 3 {
		charges(i*sweepEvery, sweepEvery)
	}
	if n := len(f.windows); n > sweepEvery+1 {
		t.Errorf("%d windows after three days, want no more than one day's %d", n, sweepEvery)
	}
}
