package aliyunsim

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// richConfig adds to DevConfig what the checks of the service tell apart.
func richConfig(c *Config) {
	a := &c.Accounts[0]
	a.Signs = append(a.Signs, Sign{Name: "待审", Status: StatusInit}, Sign{Name: "验证专用", CodeOnly: true})
	a.Templates = append(a.Templates,
		Template{Code: "SMS_200000001", Content: "拒绝", Type: TypeNotice, Status: StatusNotPass},
		Template{Code: "SMS_200000002", Content: "Your code is ${code}", Type: TypeInternational},
		Template{Code: "SMS_200000003", Content: "您的口令${c}", Type: TypeCode,
			Variables: map[string]Variable{"c": {Attribute: AttributeCharacters}}},
		Template{Code: "SMS_200000004", Content: "请致电${phone}，应付${money}元", Type: TypeNotice, Unlimited: true,
			Variables: map[string]Variable{"phone": {Attribute: AttributePhone}, "money": {Attribute: AttributeMoney}}},
		Template{Code: "SMS_200000005", Content: "无变量", Type: TypeNotice, Unlimited: true})
	c.Limits.Off = true
	c.Outcomes = map[string]Outcome{"9999": {Code: "isv.AMOUNT_NOT_ENOUGH"}}
}

// TestSendSmsChecks has a row for each business error of SendSms: HTTP status 200, nothing executed.
func TestSendSmsChecks(t *testing.T) {
	const n = "13900000001"
	code := otp(n)
	notice := with(code, "TemplateCode", "SMS_100000002", "TemplateParam", `{"name":"张三","order":"A1"}`)
	param := func(v url.Values, json string) url.Values { return with(v, "TemplateParam", json) }
	name := func(value string) url.Values { return param(notice, `{"name":"`+value+`","order":"A1"}`) }
	many := strings.Repeat(n+",", 1000) + n

	tests := []struct {
		name   string
		params url.Values
		want   string
	}{
		{"code", code, "OK"},
		{"notice", notice, "OK"},
		{"1000 numbers", with(notice, "PhoneNumbers", many[:len(many)-len(n)-1]), "OK"},
		{"1001 numbers", with(notice, "PhoneNumbers", many), "isv.MOBILE_COUNT_OVER_LIMIT"},
		{"bad number", with(code, "PhoneNumbers", "12900000001"), "isv.MOBILE_NUMBER_ILLEGAL"},
		{"one bad number of two", with(code, "PhoneNumbers", n+",1"), "isv.MOBILE_NUMBER_ILLEGAL"},
		{"empty number", with(code, "PhoneNumbers", n+","), "isv.MOBILE_NUMBER_ILLEGAL"},
		{"scripted by suffix", with(code, "PhoneNumbers", "+8613900009999"), "isv.AMOUNT_NOT_ENOUGH"},
		{"unknown signature", with(code, "SignName", "别人"), "isv.SMS_SIGNATURE_ILLEGAL"},
		{"signature being audited", with(code, "SignName", "待审"), "isv.SMS_SIGNATURE_ILLEGAL"},
		{"signature for codes", with(code, "SignName", "验证专用"), "OK"},
		{"signature for codes, notice", with(notice, "SignName", "验证专用"), "isv.SMS_SIGNATURE_SCENE_ILLEGAL"},
		{"unknown template", with(code, "TemplateCode", "SMS_1"), "isv.SMS_TEMPLATE_ILLEGAL"},
		{"rejected template", with(code, "TemplateCode", "SMS_200000001"), "isv.SMS_TEMPLATE_ILLEGAL"},
		{"international", with(code, "TemplateCode", "SMS_200000002", "PhoneNumbers", "85261234567"), "OK"},
		{"international to the mainland", with(code, "TemplateCode", "SMS_200000002"), "isv.DOMESTIC_NUMBER_NOT_SUPPORTED"},
		{"domestic abroad", with(code, "PhoneNumbers", "85261234567"), "isv.MOBILE_NUMBER_ILLEGAL"},
		{"extension", with(notice, "SmsUpExtendCode", "123"), "OK"},
		{"extension of letters", with(notice, "SmsUpExtendCode", "12a"), "isv.EXTEND_CODE_ERROR"},
		{"long OutId", with(notice, "OutId", strings.Repeat("号", 257)), "isv.INVALID_PARAMETERS"},
		{"OutId of 256", with(notice, "OutId", strings.Repeat("号", 256)), "OK"},
		{"no params", with(code, "TemplateParam", ""), "isv.TEMPLATE_MISSING_PARAMETERS"},
		{"no params needed", with(code, "TemplateCode", "SMS_200000005", "TemplateParam", ""), "OK"},
		{"a param missing", param(notice, `{"name":"张三"}`), "isv.TEMPLATE_MISSING_PARAMETERS"},
		{"a param more", param(code, `{"code":"1234","more":"1"}`), "OK"},
		{"not JSON", param(code, `code=1234`), "isv.INVALID_JSON_PARAM"},
		{"a number", param(code, `{"code":1234}`), "isv.INVALID_JSON_PARAM"},
		{"an array", param(code, `["1234"]`), "isv.INVALID_JSON_PARAM"},
		{"more after the object", param(code, `{"code":"1234"}x`), "isv.INVALID_JSON_PARAM"},
		{"code of 3", param(code, `{"code":"123"}`), "isv.TEMPLATE_PARAMS_ILLEGAL"},
		{"code of 7", param(code, `{"code":"1234567"}`), "isv.TEMPLATE_PARAMS_ILLEGAL"},
		{"code with a letter", param(code, `{"code":"12a4"}`), "isv.TEMPLATE_PARAMS_ILLEGAL"},
		{"code with a letter where allowed", with(code, "TemplateCode", "SMS_200000003", "TemplateParam", `{"c":"12aB"}`), "OK"},
		{"code with a mark", with(code, "TemplateCode", "SMS_200000003", "TemplateParam", `{"c":"12-B"}`), "isv.TEMPLATE_PARAMS_ILLEGAL"},
		{"phone and money", with(code, "TemplateCode", "SMS_200000004", "TemplateParam", `{"phone":"010-12345678","money":"9.50"}`), "OK"},
		{"bad phone", with(code, "TemplateCode", "SMS_200000004", "TemplateParam", `{"phone":"call me","money":"9"}`), "isv.TEMPLATE_PARAMS_ILLEGAL"},
		{"bad money", with(code, "TemplateCode", "SMS_200000004", "TemplateParam", `{"phone":"1","money":"9.5.0"}`), "isv.TEMPLATE_PARAMS_ILLEGAL"},
		{"35 characters", name(strings.Repeat("字", 35)), "OK"},
		{"36 characters", name(strings.Repeat("字", 36)), "isv.PARAM_LENGTH_LIMIT"},
		{"nothing", name(""), "isv.PARAM_LENGTH_LIMIT"},
		{"URL", name("see https://a.cn"), "isv.PARAM_NOT_SUPPORT_URL"},
		{"bracket", name("【张三】"), "isv.UNSUPPORTED_CONTENT"},
		{"emoji", name("张三😀"), "isv.UNSUPPORTED_CONTENT"},
		{"traditional", name("張學友們"), "isv.UNSUPPORTED_CONTENT"},
		{"any text", free(n, "见 https://a.cn 【注】"+strings.Repeat("长", 900)), "OK"},
		{"any text, too long", free(n, strings.Repeat("长", 1001)), "isv.PARAM_LENGTH_LIMIT"},
		{"any text, emoji", free(n, "好😀"), "OK"},
	}
	s := newServer(t, richConfig)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := len(s.Ledger())
			a := do(t, s, sendSms(test.params).v3())
			if a.status != 200 || a.Code != test.want {
				t.Fatalf("got %d %s, want 200 %s", a.status, a.Code, test.want)
			}
			checkForm(t, a)
			executed := len(s.Ledger()) - before
			if want := strings.Count(test.params.Get("PhoneNumbers"), ",") + 1; test.want == "OK" && executed != want {
				t.Errorf("%d messages executed, want %d", executed, want)
			}
			if test.want != "OK" && (executed != 0 || a.BizId != "") {
				t.Errorf("%d messages executed with BizId %q after %s", executed, a.BizId, a.Code)
			}
			if test.want == "OK" && !regexp.MustCompile(`^\d{18}\^0$`).MatchString(a.BizId) {
				t.Errorf("BizId %q", a.BizId)
			}
		})
	}
}

// TestSendBatchSmsChecks has the same for SendBatchSms.
func TestSendBatchSmsChecks(t *testing.T) {
	batch := func(phones, signs, params string) url.Values {
		return url.Values{"PhoneNumberJson": {phones}, "SignNameJson": {signs}, "TemplateParamJson": {params},
			"TemplateCode": {"SMS_100000001"}, "OutId": {"o"}}
	}
	list := func(n int, item string) string { return "[" + strings.Repeat(item+",", n-1) + item + "]" }
	const phone, sign, param = `"13900000001"`, `"速通银行"`, `{"code":"1234"}`
	tests := []struct {
		name   string
		params url.Values
		want   string
		n      int
	}{
		{"one", batch(list(1, phone), list(1, sign), list(1, param)), "OK", 1},
		{"hundred", batch(list(100, phone), list(100, sign), list(100, param)), "OK", 100},
		{"hundred and one", batch(list(101, phone), list(101, sign), list(101, param)), "isv.MOBILE_COUNT_OVER_LIMIT", 0},
		{"none", batch("[]", "[]", "[]"), "isv.INVALID_PARAMETERS", 0},
		{"fewer signatures", batch(list(2, phone), list(1, sign), list(2, param)), "isv.INVALID_PARAMETERS", 0},
		{"more params", batch(list(2, phone), list(2, sign), list(3, param)), "isv.INVALID_PARAMETERS", 0},
		{"fewer extensions", with(batch(list(2, phone), list(2, sign), list(2, param)), "SmsUpExtendCodeJson", `["1"]`),
			"isv.INVALID_PARAMETERS", 0},
		{"extensions", with(batch(list(2, phone), list(2, sign), list(2, param)), "SmsUpExtendCodeJson", `["1","2"]`), "OK", 2},
		{"no params", with(batch(list(2, phone), list(2, sign), ""), "TemplateParamJson", ""), "isv.TEMPLATE_MISSING_PARAMETERS", 0},
		{"phones not JSON", batch("13900000001", list(1, sign), list(1, param)), "isv.INVALID_JSON_PARAM", 0},
		{"phones as numbers", batch("[13900000001]", list(1, sign), list(1, param)), "isv.INVALID_JSON_PARAM", 0},
		{"params as strings", batch(list(1, phone), list(1, sign), `["{}"]`), "isv.INVALID_JSON_PARAM", 0},
		{"one bad of two", batch(`["13900000001","1"]`, list(2, sign), list(2, param)), "isv.MOBILE_NUMBER_ILLEGAL", 0},
	}
	s := newServer(t, richConfig)
	for _, test := range tests {
		for _, place := range []string{"query", "form"} {
			t.Run(test.name+", "+place, func(t *testing.T) {
				q := testRequest{action: "SendBatchSms", query: test.params}
				if place == "form" {
					q.query, q.form = url.Values{"TemplateCode": test.params["TemplateCode"]}, with(test.params, "TemplateCode", "")
				}
				before := len(s.Ledger())
				a := do(t, s, q.v3())
				if executed := len(s.Ledger()) - before; a.Code != test.want || executed != test.n {
					t.Errorf("got %s and %d messages, want %s and %d", a.Code, executed, test.want, test.n)
				}
			})
		}
	}
	hundred := s.Ledger()[2:102] // after "one" in both places
	for _, e := range hundred {
		if e.BizID != hundred[0].BizID || e.OutID != "o" || e.API != "SendBatchSms" || e.Params != param {
			t.Fatalf("entry of the batch: %+v", e)
		}
	}
}

// TestPartial checks the other reading of what a call with one bad number does.
func TestPartial(t *testing.T) {
	s := newServer(t, func(c *Config) { c.Partial = true })
	numbers := "13900000001,1,13900000001,13900000002" // the third is over the limit of the first's minute
	a := do(t, s, sendSms(with(otp(""), "PhoneNumbers", numbers)).v3())
	if a.Code != "isv.MOBILE_NUMBER_ILLEGAL" || a.BizId != "" {
		t.Errorf("got %s with BizId %q, want the first error", a.Code, a.BizId)
	}
	var got []string
	for _, e := range s.Ledger() {
		got = append(got, e.Phone)
	}
	if fmt.Sprint(got) != "[13900000001 13900000002]" {
		t.Errorf("executed %v", got)
	}
}

func TestParsePhone(t *testing.T) {
	tests := []struct {
		in   string
		want phone // 0: refused
	}{
		{"13812345678", 13812345678}, {"+13812345678", 13812345678}, {"8613812345678", 13812345678},
		{"+8613812345678", 13812345678}, {"008613812345678", 13812345678}, {"19912345678", 19912345678},
		{"12812345678", 12812345678}, // abroad: North America
		{"8612812345678", 0}, {"1381234567", 1381234567}, {"+1381234567", 0}, {"85261234567", 85261234567},
		{"+85261234567", 0}, {"0085261234567", 0}, {"123456", 0}, {"1234567890123456", 0}, {"1381234567a", 0}, {"", 0},
		{"１３８12345678", 0}, {" 13812345678", 0},
	}
	for _, test := range tests {
		got, ok := parsePhone(test.in)
		if ok != (test.want != 0) || ok && got != test.want {
			t.Errorf("%q: got %d, %v, want %d", test.in, got, ok, test.want)
		}
	}
}

// TestNewRefuses checks that a registry which cannot be played is refused.
func TestNewRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"key twice", func(c *Config) { c.Accounts = append(c.Accounts, c.Accounts[0]) }, "twice"},
		{"key without secret", func(c *Config) { c.Accounts[0].Keys[0].Secret = "" }, "secret"},
		{"variable without end", func(c *Config) { c.Accounts[0].Templates[0].Content = "a ${b" }, "variable"},
		{"rule without variable", func(c *Config) { c.Accounts[0].Templates[0].Content = "a" }, "code"},
		{"outcome of letters", func(c *Config) { c.Outcomes = map[string]Outcome{"x": {}} }, "digits"},
		{"unknown fault", func(c *Config) { c.Faults = Faults{{Kind: "flood"}} }, "flood"},
	}
	for _, test := range tests {
		cfg := DevConfig()
		test.change(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error about %q", test.name, err, test.want)
		}
	}
}
