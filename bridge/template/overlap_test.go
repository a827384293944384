package template

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func mustSet(t testing.TB, templates []Template, options ...SetOption) *Set {
	t.Helper()
	s, err := New(templates, []string{"测试"}, options...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOverlaps(t *testing.T) {
	digits := func(lo, hi int) map[string]VarRule { return map[string]VarRule{"v": {Kind: Digits, Min: lo, Max: hi}} }
	free := map[string]VarRule{"v": {Kind: Free}}
	tests := []struct {
		name           string
		a, b           Template
		winner         string // empty: no text in common
		hidden, byCode bool
	}{
		{"nothing in common", Template{"A", "甲${v}", nil}, Template{"B", "乙${v}", nil}, "", false, false},
		{"beginnings alike", Template{"A", "甲${v}丙", nil}, Template{"B", "甲${v}丁", nil}, "", false, false},
		{"a catch-all", Template{"A", "${v}", free}, Template{"B", "您的验证码是${v}。", nil}, "B", false, false},
		{"kinds keep them apart", Template{"A", "码${v}", digits(1, 6)}, Template{"B", "码${v}",
			map[string]VarRule{"v": {Kind: Time, Min: 1, Max: 1}}}, "A", false, true},
		{"lengths keep them apart", Template{"A", "码${v}", digits(1, 3)}, Template{"B", "码${v}", digits(4, 6)}, "", false, false},
		{"the same but for the code", Template{"B", "码${v}", nil}, Template{"A", "码${x}", nil}, "A", true, true},
		{"a part of the other", Template{"A", "码${v}", nil}, Template{"B", "码${v}", digits(4, 6)}, "A", true, true},
		{"the other way round", Template{"B", "码${v}", nil}, Template{"A", "码${v}", digits(4, 6)}, "A", false, true},
		{"a literal that is a value", Template{"A", "码1234", nil}, Template{"B", "码${v}", digits(4, 4)}, "A", false, false},
		{"a URL in one only", Template{"A", "见${v}", free}, Template{"B", "见${v}", map[string]VarRule{"v": {Max: 1000}}}, "A", true, true},
		{"a URL in the other", Template{"B", "见${v}", free}, Template{"A", "见${v}", map[string]VarRule{"v": {Max: 1000}}}, "A", false, true},
		{"more literals", Template{"A", "尊敬的${v}先生，您好", nil}, Template{"B", "尊敬的${v}，您好", nil}, "A", false, false},
		{"values that are half a text", Template{"A", "甲${v}，乙${w}丁", nil}, Template{"B", "甲${v}，丙${w}丁", nil}, "", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustSet(t, []Template{tt.a, tt.b})
			list, undecided := s.Overlaps(nil)
			if undecided != 0 || len(list) > 1 || (len(list) == 1) != (tt.winner != "") {
				t.Fatalf("got %+v, %d undecided; want the winner %q", list, undecided, tt.winner)
			}
			if tt.winner == "" {
				return
			}
			o := list[0]
			if o.Winner != tt.winner || o.Hidden != tt.hidden || o.ByCode != tt.byCode {
				t.Errorf("got %+v; want the winner %s, hidden %v, by code %v", o, tt.winner, tt.hidden, tt.byCode)
			}
			m, err := s.Match(o.Text, Options{Sign: "测试"})
			if err != nil || m.Code != o.Winner {
				t.Errorf("%q is sent as %+v, %v", o.Text, m, err)
			}
			sub, err := s.Subset([]string{o.Loser}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if m, err := s.Match(o.Text, Options{Sign: "测试", Allowed: sub}); err != nil || m.Code != o.Loser {
				t.Errorf("without %s %q is sent as %+v, %v", o.Winner, o.Text, m, err)
			}
		})
	}
}

// TestOverlapsOfRandomTemplates compares what is said of pairs with what becomes of many texts.
func TestOverlapsOfRandomTemplates(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 7))
	texts := randomTexts(rng, 3000)
	hidden, overlapping := 0, 0
	for range 1000 {
		s := mustSet(t, []Template{randomTemplate(rng, "A"), randomTemplate(rng, "B")})
		list, _ := s.Overlaps(nil)
		onlyLoser, both := "", ""
		for _, text := range texts {
			switch a, b := s.takes(s.templates[0].pattern, text), s.takes(s.templates[1].pattern, text); {
			case a && b:
				both = text
			case len(list) > 0 && (a && list[0].Loser == "A" || b && list[0].Loser == "B"):
				onlyLoser = text
			}
		}
		switch {
		case len(list) == 0 && both != "":
			t.Errorf("%q and %q: no overlap is seen, but %q fits both", s.templates[0].Text, s.templates[1].Text, both)
		case len(list) > 0 && list[0].Hidden && onlyLoser != "":
			t.Errorf("%q and %q: %s counts as hidden, but %q fits it alone", s.templates[0].Text, s.templates[1].Text, list[0].Loser, onlyLoser)
		}
		overlapping += len(list)
		if len(list) > 0 && list[0].Hidden {
			hidden++
		}
	}
	if overlapping < 50 || hidden < 10 || overlapping == 1000 {
		t.Errorf("%d pairs overlap and %d are hidden: too few of one kind to say anything", overlapping, hidden)
	}
}

func randomTemplate(rng *rand.Rand, code string) Template {
	var b strings.Builder
	vars := map[string]VarRule{}
	for i := range 1 + rng.IntN(2) {
		b.WriteString(strings.Repeat("x", rng.IntN(5)/4) + strings.Repeat("1", rng.IntN(5)/4) + "c")
		name := fmt.Sprintf("v%d", i)
		least := 1 + rng.IntN(2)
		vars[name] = VarRule{Kind: []Kind{Digits, Alnum, Any, Name, Number}[rng.IntN(5)], Min: least, Max: least + rng.IntN(3)}
		b.WriteString("${" + name + "}")
	}
	b.WriteString(strings.Repeat("1", rng.IntN(5)/4))
	return Template{Code: code, Text: b.String(), Vars: vars}
}

func randomTexts(rng *rand.Rand, n int) []string {
	list := make([]string, n)
	for i := range list {
		var b strings.Builder
		for range 2 + rng.IntN(7) {
			b.WriteByte("xc1c1-c "[rng.IntN(8)])
		}
		list[i] = strings.TrimSpace(b.String())
	}
	return list
}

// TestOverlapsOfSomebody: a pair that nobody may use is no finding.
func TestOverlapsOfSomebody(t *testing.T) {
	s := mustSet(t, []Template{{"A", "${v}", nil}, {"B", "码${v}", nil}, {"C", "码${w}", nil}})
	list, _ := s.Overlaps(func(a, b string) bool { return a == "A" || b == "A" })
	if len(list) != 2 || list[0].Loser != "A" || list[1].Loser != "A" {
		t.Errorf("got %+v", list)
	}
}

// TestOverlapsOfMany: many templates that begin and end alike are compared in a moment.
func TestOverlapsOfMany(t *testing.T) {
	var list []Template
	for i := range 150 {
		list = append(list, Template{Code: fmt.Sprintf("SMS_%04d", i), Text: fmt.Sprintf("尊敬的${name}，您的第%04d号订单${order}已发货，请查收。", i)})
	}
	start := time.Now()
	overlaps, undecided := mustSet(t, list).Overlaps(nil)
	t.Logf("%d overlaps, %d undecided, in %v", len(overlaps), undecided, time.Since(start))
	if undecided != 0 || len(overlaps) != 0 { // a name that is "甲，您的第0002号订单乙" is no name
		t.Errorf("%d pairs overlap, %d are undecided", len(overlaps), undecided)
	}
}

func TestNeighboursAndLengths(t *testing.T) {
	s := mustSet(t, []Template{{"A", "余额${a}${b}元", map[string]VarRule{"a": {Kind: Alnum, Min: 2, Max: 2}, "b": {Kind: Number, Max: 10}}},
		{"B", "x${a}-${b}", nil}})
	if n := s.Neighbours(); len(n) != 1 || n[0] != (Neighbours{"A", "a", "b"}) {
		t.Errorf("neighbours: %+v", n)
	}
	if least, most, ok := s.Lengths("A"); least != 6 || most != 15 || !ok {
		t.Errorf("lengths %d to %d, %v", least, most, ok)
	}
	if _, _, ok := s.Lengths("C"); ok {
		t.Error("a template that is not there has lengths")
	}
	if Signature("测试") != 4 {
		t.Error("a signature counts its brackets")
	}
}
