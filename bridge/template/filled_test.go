package template

import (
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
)

// TestFilledTemplate: what is counted is what is sent, whatever JSON makes of it.
func TestFilledTemplate(t *testing.T) {
	s := mustSet(t, []Template{{"A", "甲${a}乙${b}", map[string]VarRule{"a": {Kind: Free}, "b": {Kind: Free}}}, {"B", "无变量", nil}})
	for _, value := range []string{"1", "中文", `"quoted" \ and	tab`, "é🙂𠀀", strings.Repeat("长", 500), "\x01\x1f", `\u0041`} {
		params, err := s.Params("A", map[string]string{"a": value, "b": "x" + value})
		if err != nil {
			t.Fatal(err)
		}
		want := "甲" + value + "乙x" + value
		if got, ok := s.Text("A", params); !ok || got != want {
			t.Errorf("%q: text %q, %v", value, got, ok)
		}
		if n, ok := s.Characters("A", params); !ok || n != utf8.RuneCountInString(want) {
			t.Errorf("%q: %d characters, %v; want %d", value, n, ok, utf8.RuneCountInString(want))
		}
	}
	if n, ok := s.Characters("B", "{}"); n != 3 || !ok {
		t.Errorf("without variables: %d, %v", n, ok)
	}
	if _, ok := s.Characters("C", "{}"); ok {
		t.Error("a template that is not there has characters")
	}
	if _, ok := s.Text("A", "{"); ok {
		t.Error("what is not JSON has a text")
	}
}

func BenchmarkCharacters(b *testing.B) {
	s := mustSet(b, []Template{{"A", "您尾号${card}的账户于${time}支出人民币${amount}元，余额${balance}元。", nil}})
	params, err := s.Params("A", map[string]string{"card": "1234", "time": "11月21日15时30分", "amount": "1,234.56", "balance": "98,765.43"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Characters("A", params)
	}
}

func TestShape(t *testing.T) {
	for text, want := range map[string]string{
		"【速通】您的验证码是482913，5分钟内有效。": "【字】字9，9字。",
		"Dear Ms. O'Neil, £5":     "a a. a'a, *9",
		"  a\n\nb ":               "a a",
		"🙂🙂١٢":                    "*9",
		strings.Repeat("a.", 100): strings.Repeat("a.", 60) + "…",
	} {
		if got := Shape(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// TestTraditionalCharacters: the table is what it says it is.
func TestTraditionalCharacters(t *testing.T) {
	simplified, big5 := simplifiedchinese.HZGB2312.NewEncoder(), traditionalchinese.Big5.NewEncoder()
	n := 0
	for c := rune(0x4E00); c < 0xA000; c++ {
		_, err := simplified.String(string(c))
		b, noBig5 := big5.String(string(c))
		want := err != nil && noBig5 == nil && b[0] >= 0xA4 && b[0] <= 0xC6
		if traditional(c) != want {
			t.Errorf("%c: got %v", c, !want)
		}
		if want {
			n++
		}
	}
	for _, c := range "驗證碼訂單" {
		if !traditional(c) {
			t.Errorf("%c is not traditional", c)
		}
	}
	if n < 2000 || traditional('验') || traditional('中') || traditional('A') || traditional(0x20000) {
		t.Errorf("%d characters", n)
	}
}

func TestTraditionalIsRefused(t *testing.T) {
	templates := []Template{{"A", "尊敬的${name}您好", map[string]VarRule{"name": {Kind: Name}}}, {"B", "驗證碼${v}", nil},
		{"C", "全${v}", map[string]VarRule{"v": {Kind: Free}}}}
	for _, tt := range []struct{ text, code string }{{"尊敬的張三您好", "A"}, {"驗證碼1234", ""}, {"驗證碼訂單", "B"}, {"全訂單", ""}, {"尊敬的张三您好", ""}} {
		if _, err := mustSet(t, templates).Match(tt.text, Options{Sign: "测试"}); err != nil {
			t.Errorf("%s: refused where traditional characters are allowed: %v", tt.text, err)
		}
		s := mustSet(t, templates, RefuseTraditional())
		_, err := s.Match(tt.text, Options{Sign: "测试"})
		miss, _ := err.(*NoMatch)
		if (tt.code != "") != (miss != nil) || miss != nil && (miss.Reason != BadCharacter || miss.Code != tt.code) {
			t.Errorf("%s: %v, want %q to refuse it", tt.text, err, tt.code)
		}
		if e := s.Explain(tt.text, Options{Sign: "测试"}, 1); tt.code != "" && !strings.Contains(e.String(), "traditional Chinese") {
			t.Errorf("%s: explained as %s", tt.text, e)
		}
	}
	s := mustSet(t, templates, RefuseTraditional())
	if _, err := s.Params("A", map[string]string{"name": "張三"}); err == nil {
		t.Error("a parameter that was named is not looked into")
	}
}
