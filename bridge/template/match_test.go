package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
)

func TestMostSpecificWins(t *testing.T) {
	set := mustNew(t, []Template{
		{Code: "ALL", Text: "${content}", Vars: map[string]VarRule{"content": {Kind: Free}}},
		{Code: "B", Text: "订单${a}已发货"},
		{Code: "C", Text: "订单${a}已${b}货"},
		{Code: "D", Text: "订单${a}已${b}货${c}。"},
		{Code: "A", Text: "${x}单${a}已发货"},
		{Code: "E", Text: "订单${z}已发货"},
		{Code: "F", Text: "订单1已发货"},
	})
	for text, want := range map[string]string{
		"订单2已发货":   "B", // 5 characters, as E, but the lower code
		"订单1已发货":   "F", // no variable at all
		"订单1已收货":   "C", // 4 characters
		"订单1已收货了。": "D",
		"下单1已发货":   "A",
		"什么都可以":    "ALL",
		"【速通银行】什么": "ALL",
		"订单已发货":    "ALL", // an empty value is too short
	} {
		m, err := set.Match(text, Options{Sign: "阿里云"})
		if err != nil || m.Code != want || set.templates[m.Index].Code != want {
			t.Errorf("Match(%q) = %s, %v; want %s", text, m.Code, err, want)
		}
	}
}

// TestFewerVariables: with as many literal characters, fewer variables win.
func TestFewerVariables(t *testing.T) {
	set := mustNew(t, []Template{{Code: "A", Text: "甲${a}乙${b}丙"}, {Code: "B", Text: "甲${a}乙丙"}})
	if got := describe(set.Match("甲1乙2乙丙", Options{Sign: "阿里云"})); got != `阿里云 B {"a":"1乙2"}` {
		t.Errorf("Match = %s", got)
	}
}

// TestBacktrack: a rule that refuses the leftmost split leads to another one.
func TestBacktrack(t *testing.T) {
	set := mustNew(t, []Template{
		{Code: "KIND", Text: "甲${a}-${b}", Vars: map[string]VarRule{"b": {Kind: Digits}}},
		{Code: "LENGTH", Text: "乙${a}-${b}-${c}。", Vars: map[string]VarRule{"a": {Min: 3}, "b": {Max: 2}}},
		{Code: "REPEAT", Text: "丙${a}一一${b}一${c}", Vars: map[string]VarRule{"b": {Min: 2}, "c": {Kind: Digits}}},
		{Code: "EMOJI", Text: "丁${a}，${b}", Vars: map[string]VarRule{"a": {Kind: Free}}},
		{Code: "URL", Text: "戊${a}，${b}", Vars: map[string]VarRule{"a": {Kind: Free}}},
	})
	for text, want := range map[string]string{
		"甲x-y-12":      `阿里云 KIND {"a":"x-y","b":"12"}`,
		"甲x-y-z":       `variable_refused: template KIND, variable b`,
		"乙1-2-3-4-5。":  `阿里云 LENGTH {"a":"1-2","b":"3","c":"4-5"}`,
		"丙一一一一一一一1":    `阿里云 REPEAT {"a":"一","b":"一一一","c":"1"}`,
		"丙xx一一一y一1":    `阿里云 REPEAT {"a":"xx","b":"一y","c":"1"}`,
		"丙一一":          `no_template`, // prefix and literal overlap
		"乙1-2。":        `no_template`,
		"丁一，★，二":       `阿里云 EMOJI {"a":"一，★","b":"二"}`,
		"丁一，二，★":       `bad_character: template EMOJI, variable b`,
		"戊一，a.com，二":   `bad_character: template URL, variable b`, // a URL moves no split
		"戊a.com，二":     `阿里云 URL {"a":"a.com","b":"二"}`,
		"戊一，10:30 1.5": `阿里云 URL {"a":"一","b":"10:30 1.5"}`,
	} {
		if got := describe(set.Match(text, Options{Sign: "阿里云"})); got != want {
			t.Errorf("Match(%q)\n got %s\nwant %s", text, got, want)
		}
	}
}

// TestManySeparators would not end if splits were tried one after the other.
func TestManySeparators(t *testing.T) {
	for _, k := range []int{2, 8, maxVariables} {
		template, text := separators(k, 6000)
		set := mustNew(t, []Template{template})
		want := fmt.Sprintf("variable_refused: template SMS_1, variable v%d", k-1)
		if got := describe(set.Match(text, Options{Sign: "阿里云"})); got != want {
			t.Errorf("%d variables, text that cannot match: %s, want %s", k, got, want)
		}
		short := strings.Repeat("一，", 400) + "123，"
		m, err := set.Match(short, Options{Sign: "阿里云"})
		var values map[string]string
		if err != nil || json.Unmarshal([]byte(m.Params), &values) != nil {
			t.Fatalf("%d variables, text that can match: %+v, %v", k, m, err)
		}
		if back := substitute(template.Text, values); back != short {
			t.Errorf("%d variables: values do not make the text again", k)
		}
	}
}

func TestParams(t *testing.T) {
	set := mustNew(t, []Template{
		{Code: "TWO", Text: "${b}，${a}", Vars: map[string]VarRule{"a": {Kind: Digits}, "b": {Kind: Free}}},
		{Code: "ANY", Text: "${a}完"},
		{Code: "NONE", Text: "无"},
	})
	tests := []struct {
		name, code string
		values     map[string]string
		want       string
	}{
		{"the text's order", "TWO", map[string]string{"a": "1", "b": "x"}, `{"b":"x","a":"1"}`},
		{"escaping", "TWO", map[string]string{"a": "1", "b": "\"\\\n\r\t\x00\x1f/<>&\u2028é😀"}, `{"b":"\"\\\n\r\t\u0000\u001f/<>&` + "\u2028é😀" + `","a":"1"}`},
		{"no variables", "NONE", nil, `{}`},
		{"unknown template", "SMS_9", nil, "unknown_template"},
		{"missing", "TWO", map[string]string{"a": "1"}, "missing_variable: template TWO, variable b"},
		{"too many", "TWO", map[string]string{"a": "1", "b": "2", "secret": "3"}, "unknown_variable: template TWO"},
		{"kind", "TWO", map[string]string{"a": "x", "b": "2"}, "variable_refused: template TWO, variable a"},
		{"length", "ANY", map[string]string{"a": strings.Repeat("长", 36)}, "variable_refused: template ANY, variable a"},
		{"emoji", "ANY", map[string]string{"a": "😀"}, "bad_character: template ANY, variable a"},
		{"URL", "ANY", map[string]string{"a": "a.com"}, "bad_character: template ANY, variable a"},
		{"not UTF-8", "TWO", map[string]string{"a": "1", "b": "\xff"}, "variable_refused: template TWO, variable b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := set.Params(tt.code, tt.values)
			if miss := (*NoMatch)(nil); errors.As(err, &miss) {
				got = miss.Error()
			}
			if got != tt.want {
				t.Fatalf("Params(%s, %q)\n got %s\nwant %s", tt.code, tt.values, got, tt.want)
			}
			var back map[string]string
			if err == nil && (json.Unmarshal([]byte(got), &back) != nil || fmt.Sprint(back) != fmt.Sprint(tt.values)) {
				t.Errorf("Params reads back as %q", back)
			}
		})
	}
}

func TestFill(t *testing.T) {
	set := mustNew(t, []Template{
		{Code: "ALL", Text: "${content}", Vars: map[string]VarRule{"content": {Kind: Free}}},
		{Code: "TWO", Text: "${a}，${b}"},
	})
	for code, want := range map[string]string{
		"ALL":  `速通银行 ALL {"content":"随便\"说\""}`,
		"TWO":  "unknown_template: template TWO",
		"NONE": "unknown_template: template NONE",
	} {
		if got := describe(set.Fill(code, "【速通银行】随便\"说\"", Options{})); got != want {
			t.Errorf("Fill(%s) = %s, want %s", code, got, want)
		}
	}
	if got := describe(set.Fill("ALL", "【别家】x", Options{})); got != "unknown_signature" {
		t.Errorf("Fill = %s", got)
	}
}

func TestAnyCharacter(t *testing.T) {
	set, err := New([]Template{{Code: "A", Text: "${a}完"}, {Code: "B", Text: "${b}止", Vars: map[string]VarRule{"b": {Kind: Number}}}},
		[]string{"阿里云"}, AnyCharacter())
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"★ www.a.com完":                `阿里云 A {"a":"★ www.a.com"}`,
		"1.2.3.4止":                    `阿里云 B {"b":"1.2.3.4"}`,
		strings.Repeat("长", 36) + "完": `variable_refused: template A, variable a`,
	} {
		if got := describe(set.Match(text, Options{Sign: "阿里云"})); got != want {
			t.Errorf("Match(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestSubset(t *testing.T) {
	set := mustNew(t, []Template{
		{Code: "A", Text: "您好${a}"}, {Code: "B", Text: "您好${b}"}, {Code: "C", Text: "${c}"}, {Code: "D", Text: "您好${d}。"},
	})
	subset := func(codes, signs []string) *Subset {
		t.Helper()
		sub, err := set.Subset(codes, signs)
		if err != nil {
			t.Fatal(err)
		}
		return sub
	}
	tests := []struct {
		name string
		sub  *Subset
		text string
		want string
	}{
		{"nil is everything", nil, "您好1。", `阿里云 D {"d":"1"}`},
		{"nil slices are everything", subset(nil, nil), "您好1。", `阿里云 D {"d":"1"}`},
		{"without the most specific", subset([]string{"C", "B", "A"}, nil), "您好1。", `阿里云 A {"a":"1。"}`},
		{"the second of two alike", subset([]string{"B", "C"}, nil), "您好1", `阿里云 B {"b":"1"}`},
		{"the least specific", subset([]string{"C"}, nil), "您好1", `阿里云 C {"c":"您好1"}`},
		{"none", subset([]string{}, nil), "您好1", `no_template`},
		{"refused by what is not allowed", subset([]string{"D"}, nil), "您好1", `no_template`},
		{"signature", subset(nil, []string{"速通银行"}), "您好1【速通银行】", `速通银行 A {"a":"1"}`},
		{"signature not allowed", subset(nil, []string{"速通银行"}), "【阿里云】您好1", `signature_not_allowed`},
		{"default signature not allowed", subset(nil, []string{}), "您好1", `signature_not_allowed`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := describe(set.Match(tt.text, Options{Sign: "阿里云", Allowed: tt.sub})); got != tt.want {
				t.Errorf("Match(%q) = %s, want %s", tt.text, got, tt.want)
			}
		})
	}
}

// TestSubsetNames: names are checked when a subset is made and may be asked for later.
func TestSubsetNames(t *testing.T) {
	set := mustNew(t, []Template{{Code: "A", Text: "您好${a}"}, {Code: "B", Text: "您好${b}"}})
	subset := func(codes, signs []string) *Subset {
		t.Helper()
		sub, err := set.Subset(codes, signs)
		if err != nil {
			t.Fatal(err)
		}
		return sub
	}
	if _, err := set.Subset([]string{"X", "A", "Y"}, []string{"z"}); err == nil ||
		err.Error() != "unknown template \"X\"\nunknown template \"Y\"\nunknown signature \"z\"" {
		t.Errorf("Subset of unknown names = %v", err)
	}
	sub := subset([]string{"B"}, []string{"阿里云"})
	if !sub.HasTemplate("B") || sub.HasTemplate("A") || sub.HasTemplate("X") || !sub.HasSignature("阿里云") || sub.HasSignature("速通银行") || sub.HasSignature("x") {
		t.Error("HasTemplate or HasSignature is wrong")
	}
	if all := subset(nil, nil); !all.HasTemplate("A") || all.HasTemplate("X") || !all.HasSignature("速通银行") {
		t.Error("HasTemplate or HasSignature of everything is wrong")
	}
	if _, err := mustNew(t, nil).Match("x", Options{Allowed: sub}); !errors.Is(err, ErrForeignSubset) {
		t.Errorf("Match with another set's subset = %v", err)
	}
	if miss := describe(set.Match("您好1", Options{})); miss != "no_signature" {
		t.Errorf("Match without a signature = %s", miss)
	}
	if miss := describe(set.Match("您好1", Options{Sign: "别家"})); miss != "unknown_signature" {
		t.Errorf("Match with an unknown default = %s", miss)
	}
}

// TestErrorsHoldNothingOfTheText: promise 7 of the design.
func TestErrorsHoldNothingOfTheText(t *testing.T) {
	set := mustNew(t, []Template{{Code: "A", Text: "码${code}。", Vars: map[string]VarRule{"code": {Kind: Digits, Min: 4, Max: 6}}}})
	for _, text := range []string{"码secret。", "secret", "【secret】码1。", "码secret😀。", "【阿里云】secret"} {
		if _, err := set.Match(text, Options{Sign: "阿里云"}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("Match(%q) = %v", text, err)
		}
	}
	for name, value := range map[string]string{"code": "secret", "secret": "1"} {
		if _, err := set.Params("A", map[string]string{name: value}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("Params(%s) = %v", name, err)
		}
	}
}

// TestLargeSets: in sets that are told apart in one place only, each template is
// found by its own text, also by many goroutines at once, and by none when it is not there.
func TestLargeSets(t *testing.T) {
	sets := map[string][]Template{"various": variety(3000), "permuted": permutations(5)}
	for name, format := range map[string]string{
		"prefix": "%s的${a}您好，${b}。", "suffix": "您好${a}，${b}，请%s。", "middle": "您好${a}，%s的订单${b}。", "none but a middle": "${a}%s${b}",
	} {
		sets[name] = alike(3000, format)
	}
	for name, templates := range sets {
		t.Run(name, func(t *testing.T) {
			set := mustNew(t, templates)
			var group sync.WaitGroup
			for part := range 4 {
				group.Go(func() {
					for i := part; i < len(templates); i += 4 {
						checkOwnText(t, set, templates[i], rand.New(rand.NewPCG(uint64(i), 0)))
					}
				})
			}
			group.Wait()
		})
	}
}

// checkOwnText matches what a template is sent as: the template itself is found, or one more specific.
func checkOwnText(t *testing.T, set *Set, own Template, r *rand.Rand) {
	values := map[string]string{}
	names, _ := set.Variables(own.Code)
	for _, name := range names {
		values[name] = fmt.Sprint(1000 + r.IntN(9000))
	}
	text := substitute(own.Text, values)
	m, err := set.Match(text, Options{Sign: "阿里云"})
	if err != nil {
		t.Errorf("Match(%q): %v", text, err)
		return
	}
	found, _ := set.Lookup(m.Code)
	if m.Code != own.Code && literalChars(found) < literalChars(own) {
		t.Errorf("Match(%q) = %s %q, less specific than %s %q", text, m.Code, found.Text, own.Code, own.Text)
	}
	if _, err := set.Match(text+"\u3001", Options{Sign: "阿里云"}); err == nil && literalChars(own) == len([]rune(own.Text)) {
		t.Errorf("Match(%q and more) found a template", text)
	}
}

func TestMatchAllocates(t *testing.T) {
	templates := variety(1000)
	set := mustNew(t, templates)
	hits, misses := texts(templates)
	if n := testing.AllocsPerRun(100, func() { _, _ = set.Match(hits[1], Options{}) }); n > 1 {
		t.Errorf("a hit allocates %v times, want only its parameters", n)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = set.Match(misses[1], Options{}) }); n > 1 {
		t.Errorf("a miss allocates %v times, want only its error", n)
	}
}

func FuzzTrim(f *testing.F) {
	for _, s := range []string{"", " ", "　", "a", "【x】 ", " 。", "　。　", "\u0085\u00a0x\u2003", "é ", "x\u1680", "\u2028一\u2029", "ab\u205f", "一。\u202f", "\xe4 ", "\xe4\xb8 "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "\ufffd")
		if got, want := trim(s), strings.TrimSpace(s); got != want {
			t.Errorf("trim(%q) = %q, want %q", s, got, want)
		}
	})
}

// TestSubsetOfTwins: of two templates with one text the account may use the second,
// which is less specific than another that is found first.
func TestSubsetOfTwins(t *testing.T) {
	templates := []Template{{Code: "A", Text: "您${x}好"}, {Code: "B", Text: "您好${x}"}, {Code: "C", Text: "您${x}好"}}
	for i := range few { // enough for a trie, in which B comes before its equals
		templates = append(templates, Template{Code: fmt.Sprintf("Z%d", i), Text: fmt.Sprintf("%d${x}", i)})
	}
	set := mustNew(t, templates)
	sub, err := set.Subset([]string{"B", "C"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := describe(set.Match("您好好", Options{Sign: "阿里云", Allowed: sub})); got != `阿里云 B {"x":"好"}` {
		t.Errorf("Match = %s", got)
	}
}
