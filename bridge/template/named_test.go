package template

import (
	"strings"
	"testing"
)

func TestNamed(t *testing.T) {
	set := mustNew(t, []Template{
		{Code: "FIXED", Text: "系统维护中。"},
		{Code: "OTP", Text: "您的验证码是${code}。", Vars: map[string]VarRule{"code": {Digits, 4, 6}}},
		{Code: "NOTE", Text: "通知：${note}"},
		{Code: "ANY", Text: "${content}", Vars: map[string]VarRule{"content": {Kind: Free}}},
		{Code: "TWO", Text: "${name}，余额${amount}元。", Vars: map[string]VarRule{"amount": {Kind: Number}}},
	})
	own, err := set.Subset([]string{"OTP"}, []string{"速通银行"})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, code, text string
		allowed          *Subset
		want             string
	}{
		{"no variables, no text", "FIXED", "", nil, "速通银行 FIXED {}"},
		{"no variables, a signature only", "FIXED", "【阿里云】", nil, "阿里云 FIXED {}"},
		{"no variables, its text", "FIXED", "【阿里云】系统维护中。", nil, "阿里云 FIXED {}"},
		{"no variables, another text", "FIXED", "系统很好。", nil, "no_template: template FIXED"},
		{"the value", "OTP", "4711", nil, `速通银行 OTP {"code":"4711"}`},
		{"the value with a signature", "OTP", "【阿里云】 4711", nil, `阿里云 OTP {"code":"4711"}`},
		{"the whole text", "OTP", "您的验证码是4711。", nil, `速通银行 OTP {"code":"4711"}`},
		{"a value of another kind", "OTP", "abcd", nil, "variable_refused: template OTP, variable code"},
		{"the whole text with such a value", "OTP", "您的验证码是abcd。", nil, "variable_refused: template OTP, variable code"},
		{"no value", "OTP", "", nil, "variable_refused: template OTP, variable code"},
		{"a value that is nearly the whole text", "NOTE", "通知 4711", nil, `速通银行 NOTE {"note":"通知 4711"}`},
		{"a value with a URL", "NOTE", "见 www.a.com", nil, "bad_character: template NOTE, variable note"},
		{"a text that fits a more specific template", "ANY", "系统维护中。", nil, `速通银行 ANY {"content":"系统维护中。"}`},
		{"two values in their text", "TWO", "张三，余额5元。", nil, `速通银行 TWO {"name":"张三","amount":"5"}`},
		{"a split that must be searched", "TWO", "甲，余额乙，余额5元。", nil, `速通银行 TWO {"name":"甲，余额乙","amount":"5"}`},
		{"one of two values refused", "TWO", "张三，余额五元。", nil, "variable_refused: template TWO, variable amount"},
		{"two values without their text", "TWO", "张三 5", nil, "no_template: template TWO"},
		{"two values and no text", "TWO", "", nil, "no_template: template TWO"},
		{"unknown code", "NONE", "4711", nil, "unknown_template"},
		{"unknown signature", "OTP", "【别家】4711", nil, "unknown_signature"},
		{"a signature that is not the account's", "OTP", "【阿里云】4711", own, "signature_not_allowed"},
		{"the template need not be the account's", "NOTE", "4711", own, `速通银行 NOTE {"note":"4711"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := describe(set.Named(tt.code, tt.text, Options{Sign: "速通银行", Allowed: tt.allowed}))
			if got != tt.want {
				t.Errorf("Named(%s, %q)\n got %s\nwant %s", tt.code, tt.text, got, tt.want)
			}
		})
	}
	if _, err := mustNew(t, nil).Named("OTP", "4711", Options{Allowed: own}); err != ErrForeignSubset {
		t.Errorf("a subset of another set: got %v, want ErrForeignSubset", err)
	}
}

// TestLongestText: a text at the bound of its template still matches, and the bound of a set is not
// far above its longest text: beyond it nothing is looked at.
func TestLongestText(t *testing.T) {
	set := mustNew(t, []Template{
		{Code: "SHORT", Text: "您的验证码是${code}。"},
		{Code: "LONG", Text: "通知：${a}，${b}完。", Vars: map[string]VarRule{"a": {Kind: Free, Max: 300}, "b": {Max: 20}}},
	})
	text := "【速通银行】" + "通知：" + strings.Repeat("𠀀", 300) + "，" + strings.Repeat("𠀀", 20) + "完。"
	if m, err := set.Match(text, Options{}); err != nil || m.Code != "LONG" {
		t.Fatalf("Match: %v %v", m, err)
	}
	if got := set.LongestText(); got < len(text) || got > len(text)+512 {
		t.Errorf("LongestText %d, the longest text has %d octets", got, len(text))
	}
}
