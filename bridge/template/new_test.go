package template

import (
	"slices"
	"strings"
	"testing"
)

func TestNewFaults(t *testing.T) {
	many := strings.Repeat("${a}x", maxVariables+1)
	tests := []struct {
		name string
		t    Template
		want string // part of the error, after the code
	}{
		{"empty", Template{Text: " \n"}, "text is empty"},
		{"not UTF-8", Template{Text: "a\xff"}, "text is not UTF-8"},
		{"open variable", Template{Text: "a${b"}, "${ of variable 1 is not closed"},
		{"second open variable", Template{Text: "${a}b${c"}, "${ of variable 2 is not closed"},
		{"no name", Template{Text: "a${}"}, `variable name ""`},
		{"odd name", Template{Text: "a${b c}"}, `variable name "b c"`},
		{"nested", Template{Text: "a${b${c}}"}, `variable name "b${c"`},
		{"twice", Template{Text: "${a}b${a}"}, "variable a appears twice"},
		{"signature in front", Template{Text: "【阿里云】${a}"}, "carries a signature"},
		{"signature behind", Template{Text: "${a}【阿里云】"}, "carries a signature"},
		{"too many variables", Template{Text: many}, "at most 32"},
		{"rule without variable", Template{Text: "a", Vars: map[string]VarRule{"b": {}}}, `rule for "b"`},
		{"negative", Template{Text: "${a}", Vars: map[string]VarRule{"a": {Min: -1}}}, "variable a: min -1 is negative"},
		{"upside down", Template{Text: "${a}", Vars: map[string]VarRule{"a": {Min: 5, Max: 4}}}, "max 4 is less than min 5"},
		{"too long", Template{Text: "${a}", Vars: map[string]VarRule{"a": {Kind: Free, Max: 1001}}}, "max 1001 is more than 1000"},
		{"no such kind", Template{Text: "${a}", Vars: map[string]VarRule{"a": {Kind: kinds}}}, "unknown kind"},
		{"side by side", Template{Text: "${a}${b}"}, "nothing tells where ${a} ends and ${b} begins"},
		{"kinds overlap", Template{Text: "${a}${b}", Vars: map[string]VarRule{"a": {Kind: Digits}, "b": {Kind: Alnum}}}, "nothing tells"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.t.Code = "SMS_7"
			_, err := New([]Template{tt.t}, nil)
			if err == nil || !strings.HasPrefix(err.Error(), "template SMS_7: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New(%q) = %v, want template SMS_7: …%s…", tt.t.Text, err, tt.want)
			}
		})
	}
}

func TestNewReportsAllFaults(t *testing.T) {
	_, err := New([]Template{
		{Code: "A", Text: "a${"}, {Code: "B", Text: "b"}, {Code: "B", Text: "c"}, {Text: "d"},
		{Code: "E", Text: "${x}${x}", Vars: map[string]VarRule{"y": {}}},
	}, []string{"阿里云", "【x】", "", "阿里云", " y"})
	if err == nil {
		t.Fatal("New succeeded")
	}
	for _, want := range []string{
		"template A: ${ of", "template B: code is used twice", "template number 4: code is empty",
		"template E: variable x appears twice", `rule for "y"`, `signature "【x】"`, `signature ""`, `signature " y"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
}

func TestNewAcceptsNeighboursThatRulesKeepApart(t *testing.T) {
	set := mustNew(t, []Template{
		{Code: "KINDS", Text: "甲${a}${b}", Vars: map[string]VarRule{"a": {Kind: Digits}, "b": {Kind: Name}}},
		{Code: "FIXED", Text: "乙${a}${b}", Vars: map[string]VarRule{"a": {Kind: Alnum, Min: 3, Max: 3}, "b": {Kind: Alnum}}},
		{Code: "FIXED2", Text: "丙${a}${b}完", Vars: map[string]VarRule{"a": {Kind: Any}, "b": {Kind: Any, Min: 2, Max: 2}}},
	})
	for text, want := range map[string]string{
		"甲123张三": `阿里云 KINDS {"a":"123","b":"张三"}`,
		"乙abcde": `阿里云 FIXED {"a":"abc","b":"de"}`,
		"丙一二三四完": `阿里云 FIXED2 {"a":"一二","b":"三四"}`,
		"甲张三":    `variable_refused: template KINDS, variable a`,
		"乙abc":   `variable_refused: template FIXED, variable a`,
	} {
		if got := describe(set.Match(text, Options{Sign: "阿里云"})); got != want {
			t.Errorf("Match(%q) = %s, want %s", text, got, want)
		}
	}
}

// TestNewKeepsNothing: the caller may go on using what it passed.
func TestNewKeepsNothing(t *testing.T) {
	vars := map[string]VarRule{"a": {Kind: Digits}}
	templates := []Template{{Code: "A", Text: "x${a}", Vars: vars}}
	set := mustNew(t, templates)
	vars["a"] = VarRule{Kind: Alnum}
	templates[0].Code = "B"
	if got, ok := set.Lookup("A"); !ok || got.Vars["a"].Kind != Digits || got.Text != "x${a}" {
		t.Errorf("Lookup(A) = %+v, %v", got, ok)
	}
	if _, ok := set.Lookup("B"); ok || set.Len() != 1 || !set.HasSignature("阿里云") || set.HasSignature("x") {
		t.Errorf("the set changed: Len %d", set.Len())
	}
}

func TestEmptySet(t *testing.T) {
	set := mustNew(t, nil)
	if got := describe(set.Match("x", Options{Sign: "阿里云"})); got != "no_template" {
		t.Errorf("Match = %s", got)
	}
}

func TestParseKind(t *testing.T) {
	for k := range kinds {
		if got, err := ParseKind(k.String()); err != nil || got != k {
			t.Errorf("ParseKind(%q) = %v, %v", k.String(), got, err)
		}
	}
	if got, err := ParseKind("money"); err != nil || got != Number {
		t.Errorf("ParseKind(money) = %v, %v", got, err)
	}
	if _, err := ParseKind("Digits"); err == nil || !strings.Contains(err.Error(), "digits, alnum") {
		t.Errorf("ParseKind(Digits) = %v, want the names to choose from", err)
	}
	if got := Kind(200).String(); got != "Kind(200)" {
		t.Errorf("String = %s", got)
	}
	for name, rule := range attributes {
		if got, err := rule.normal(); err != nil || got != rule {
			t.Errorf("attribute %s: rule %+v is not normal: %+v, %v", name, rule, got, err)
		}
	}
	if got, ok := AttributeRule("numberCaptcha"); !ok || got != (VarRule{Digits, 4, 6}) {
		t.Errorf("AttributeRule(numberCaptcha) = %+v, %v", got, ok)
	}
}

func TestKinds(t *testing.T) {
	tests := map[Kind]struct{ takes, refuses []string }{
		Any:    {[]string{"任意 text, 123", "é", "豈", "\t"}, []string{"【", "★", "😀", "a\xff", "\xe5\x8f", "👍🏽"}},
		Digits: {[]string{"0123456789"}, []string{"a", "１", "1 2", "一"}},
		Alnum:  {[]string{"aZ09"}, []string{"a-b", "é", "字"}},
		Number: {[]string{"-1,234.50", "+3"}, []string{"1元", "1e", "¥1"}},
		Time:   {[]string{"2026-11-21 10:30:00", "11月21日上午10点", "10：30～11：00"}, []string{"明年见", "Monday", "10_30"}},
		Phone:  {[]string{"+86-571", "10086"}, []string{"(010)", "1 2"}},
		Name:   {[]string{"张三", "O'Brien-Lee Jr.", "买买提·吐尔逊", "Ünal"}, []string{"张3", "a，b", "张\xff"}},
		Free:   {[]string{"【★😀】"}, []string{"\xff"}},
	}
	for kind, tt := range tests {
		rule, _ := VarRule{Kind: kind}.normal()
		for _, v := range tt.takes {
			if !rule.accepts(v) {
				t.Errorf("%s refuses %q", kind, v)
			}
		}
		for _, v := range tt.refuses {
			if rule.accepts(v) {
				t.Errorf("%s takes %q", kind, v)
			}
		}
	}
}

// TestDisjoint compares with the characters themselves.
func TestDisjoint(t *testing.T) {
	for a := range kinds {
		for b := range kinds {
			want := true
			for c := rune(1); c <= 0xFFFF && want; c++ {
				if c != 0xFFFD && !(0xD800 <= c && c < 0xE000) {
					want = !(a.has(c, 3) && b.has(c, 3))
				}
			}
			if got := a.disjoint(b); got != want {
				t.Errorf("%s.disjoint(%s) = %v, want %v", a, b, got, want)
			}
		}
	}
}

func TestURLs(t *testing.T) {
	rule := DefaultRule()
	for _, v := range []string{
		"http://a", "HTTPS://x.y", "www.a", "见WWW.b", "t.cn/Ab1", "dwz.win/x", "a.com", "A.CN.", "10.0.0.1", "在1.2.3.45处", "x.Net",
	} {
		if !rule.hasURL(v) {
			t.Errorf("%q passes for no URL", v)
		}
	}
	for _, v := range []string{
		"", "10:30", "1.5", "1.2.3", "1.2.3.", "a.b", ".com", "。com", "a.", "Jr. Smith", "a:/b", "1.a.2.3", "a.comb", "ww.a", "见.cn", "v1.2-beta",
	} {
		if rule.hasURL(v) {
			t.Errorf("%q passes for a URL", v)
		}
	}
	if (VarRule{Kind: Free}).hasURL("http://a") {
		t.Error("a Free variable is looked into")
	}
}

func TestReasons(t *testing.T) {
	var names []string
	for _, r := range Reasons() {
		names = append(names, r.String())
	}
	slices.Sort(names)
	if len(slices.Compact(names)) != int(reasons) || slices.Contains(names, "") || Reason(99).String() != "other" {
		t.Errorf("reasons are not distinct labels: %q", names)
	}
}
