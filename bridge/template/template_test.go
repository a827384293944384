package template

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// mustNew compiles templates of the form "CODE text" with the rules of rulesFor.
func mustNew(t testing.TB, templates []Template, signs ...string) *Set {
	t.Helper()
	if len(signs) == 0 {
		signs = []string{"阿里云", "速通银行"}
	}
	s, err := New(templates, signs)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return s
}

func TestMatch(t *testing.T) {
	code := map[string]VarRule{"code": {Digits, 4, 6}}
	set := mustNew(t, []Template{
		{Code: "OTP", Text: "您的验证码是${code}，5分钟内有效。", Vars: code},
		{Code: "OTP_ANY", Text: "您的验证码是${code}，${rest}"},
		{Code: "ORDER", Text: "尊敬的${name}，您的订单${order}已发货，请注意查收。", Vars: map[string]VarRule{"order": {Kind: Alnum}}},
		{Code: "SPENT", Text: "您的账户于${time}支出${amount}元，余额${balance}元。", Vars: map[string]VarRule{
			"time": {Kind: Time}, "amount": {Kind: Number}, "balance": {Kind: Number}}},
		{Code: "FIXED", Text: "系统维护中。"},
		{Code: "SHORT", Text: "${x}退订", Vars: map[string]VarRule{"x": {Any, 2, 5}}},
	})
	tests := []struct{ name, text, want string }{
		{"one variable", "【阿里云】您的验证码是123456，5分钟内有效。", `阿里云 OTP {"code":"123456"}`},
		{"signature at the end", "您的验证码是1234，5分钟内有效。【速通银行】", `速通银行 OTP {"code":"1234"}`},
		{"spaces around text and signature", " \t【阿里云】 系统维护中。\r\n", `阿里云 FIXED {}`},
		{"default signature", "系统维护中。", `速通银行 FIXED {}`},
		{"first of two signatures", "【阿里云】系统维护中。【速通银行】", `no_template`},
		{"second when the first is unknown", "【x】退订【速通银行】", `bad_character: template SHORT, variable x`},
		{"unknown signature", "【别家】系统维护中。", `unknown_signature`},
		{"square brackets are text", "[阿里云]系统维护中。", `no_template`},
		{"a bracket that does not close is text", "【阿里云系统维护中。", `no_template`},
		{"only a signature", "【阿里云】", `no_template`},
		{"empty", "", `no_template`},
		{"less specific when a rule refuses", "您的验证码是abc，5分钟内有效。", `速通银行 OTP_ANY {"code":"abc","rest":"5分钟内有效。"}`},
		{"too long for the default rule", "您的验证码是1，" + strings.Repeat("长", 36), `variable_refused: template OTP_ANY, variable rest`},
		{"two variables", "尊敬的张三，您的订单A1已发货，请注意查收。", `速通银行 ORDER {"name":"张三","order":"A1"}`},
		{"the separator within a value", "尊敬的李，您的订单四，您的订单B2已发货，请注意查收。", `速通银行 ORDER {"name":"李，您的订单四","order":"B2"}`},
		{"three variables", "您的账户于11月21日10:00支出1,000.50元，余额-3元。", `速通银行 SPENT {"time":"11月21日10:00","amount":"1,000.50","balance":"-3"}`},
		{"empty value", "您的验证码是，5分钟内有效。", `variable_refused: template OTP, variable code`},
		{"too short", "x退订", `variable_refused: template SHORT, variable x`},
		{"too long", "xxxxxx退订", `variable_refused: template SHORT, variable x`},
		{"characters count, not octets", "一二三四五退订", `速通银行 SHORT {"x":"一二三四五"}`},
		{"emoji", "你好😀退订", `bad_character: template SHORT, variable x`},
		{"octets that are not UTF-8", "a\xffb退订", `variable_refused: template SHORT, variable x`},
		{"full width is not folded", "系统维护中｡", `no_template`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := describe(set.Match(tt.text, Options{Sign: "速通银行"}))
			if got != tt.want {
				t.Errorf("Match(%q)\n got %s\nwant %s", tt.text, got, tt.want)
			}
		})
	}
}

// describe puts what Match returns on one line.
func describe(m Match, err error) string {
	if miss := (*NoMatch)(nil); errors.As(err, &miss) {
		return miss.Error()
	}
	if err != nil {
		return "unexpected: " + err.Error()
	}
	return fmt.Sprintf("%s %s %s", m.SignName, m.Code, m.Params)
}
