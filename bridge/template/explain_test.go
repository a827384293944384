package template

import (
	"errors"
	"strings"
	"testing"
)

func explained(t *testing.T) *Set {
	return mustNew(t, []Template{
		{Code: "OTP", Text: "您的验证码是${code}，5分钟内有效。", Vars: map[string]VarRule{"code": {Digits, 4, 6}}},
		{Code: "ORDER", Text: "尊敬的${name}，您的订单${order}已发货，请查收。"},
		{Code: "FIXED", Text: "系统维护中。"},
		{Code: "ANY", Text: "通知：${a}；${b}"},
	})
}

func TestExplain(t *testing.T) {
	set := explained(t)
	onlyOTP, err := set.Subset([]string{"OTP"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, text string
		allowed    *Subset
		code       string // of the nearest template
		why        string
	}{
		{"kind", "您的验证码是12ab，5分钟内有效。", nil, "OTP", `code = "12ab": "a" is not of kind digits`},
		{"length", "您的验证码是123，5分钟内有效。", nil, "OTP", `code = "123": 3 characters long, not 4 to 6`},
		{"beginning", "您的校验码是1234，5分钟内有效。", nil, "OTP", `from character 3 on it has "验证码是", the text "校验码是1234，5分钟"…`},
		{"beginning, within a character", "您的髌", nil, "OTP", `from character 3 on it has "验证码是", the text "髌"`},
		{"end", "您的验证码是1234，5分钟内失效。", nil, "OTP", `the text does not end with "，5分钟内有效。" after ${code}`},
		{"middle", "尊敬的张三，您的包裹A1已发货，请查收。", nil, "ORDER", `"，您的订单" does not follow ${name}`},
		{"fixed text", "系统维护中。请稍候", nil, "FIXED", `from character 7 on it has nothing, the text "请稍候"`},
		{"fixed text, short", "系统维护", nil, "FIXED", `from character 5 on it has "中。", the text nothing`},
		{"emoji", "通知：😀；二", nil, "ANY", `a = "😀": the API takes '😀' in no variable`},
		{"URL", "通知：一；见a.com", nil, "ANY", `b = "见a.com": holds a URL or an IP address, which the API takes in no variable`},
		{"match", "系统维护中。", nil, "FIXED", ""},
		{"not allowed", "系统维护中。", onlyOTP, "FIXED", "the account may not use it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := set.Explain("【阿里云】"+tt.text, Options{Allowed: tt.allowed}, 2)
			if len(e.Candidates) != 2 || e.Candidates[0].Code != tt.code || e.Candidates[0].Why != tt.why {
				t.Errorf("Explain(%q)\n got %+v\nwant %s: %s", tt.text, e.Candidates, tt.code, tt.why)
			}
			if e.SignName != "阿里云" || e.Body != tt.text || (e.Match != nil) != (tt.why == "") || (e.Err == nil) != (tt.why == "") {
				t.Errorf("Explain(%q) = %+v", tt.text, e)
			}
		})
	}
}

// TestExplainAgrees: a candidate matches by Explain exactly when Match takes it alone.
func TestExplainAgrees(t *testing.T) {
	set := explained(t)
	for _, text := range []string{"", "x", "系统维护中。", "通知：一；二；三", "通知：；", "您的验证码是1234，5分钟内有效。", "\xff\xe5", "您的\xe9"} {
		for _, c := range set.Explain(text, Options{Sign: "阿里云"}, 99).Candidates {
			alone, err := set.Subset([]string{c.Code}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := set.Match(text, Options{Sign: "阿里云", Allowed: alone}); (err == nil) != (c.Why == "") {
				t.Errorf("Match(%q) by %s alone: %v; Explain: %q", text, c.Code, err, c.Why)
			}
		}
	}
}

func TestExplainSignature(t *testing.T) {
	set := explained(t)
	e := set.Explain("【别家】系统维护中。", Options{Sign: "阿里云"}, 0)
	if e.SignName != "" || len(e.Candidates) != 0 || !strings.Contains(e.String(), "no match: unknown_signature\nsignature: (none)\n") {
		t.Errorf("Explain = %+v\n%s", e, e)
	}
	foreign, err := mustNew(t, nil).Subset(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if e := set.Explain("x", Options{Allowed: foreign}, 3); !errors.Is(e.Err, ErrForeignSubset) {
		t.Errorf("Explain with a foreign subset = %+v", e)
	}
}
