package aliyunsim

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// checkParseParams compares parseParams with encoding/json.
func checkParseParams(t *testing.T, s string) {
	t.Helper()
	var raw map[string]json.RawMessage
	want := map[string]string{}
	ok := utf8.ValidString(s) && json.Unmarshal([]byte(s), &raw) == nil && raw != nil
	for name, value := range raw {
		var v string
		if value[0] != '"' || json.Unmarshal(value, &v) != nil {
			ok = false
		}
		want[name] = v
	}
	got, gotOK := parseParams(s)
	if gotOK && !ok {
		t.Fatalf("%q was taken", s)
	}
	if ok && !gotOK {
		// encoding/json keeps only the last of equal keys; an earlier value may have been no string.
		if strings.Count(s, ":") <= len(raw) {
			t.Fatalf("%q was refused", s)
		}
		return
	}
	for name, value := range want {
		if v, found := find(got, name); ok && (!found || v != value) {
			t.Fatalf("%q: %q is %q, want %q", s, name, v, value)
		}
	}
}

func TestParseParams(t *testing.T) {
	for _, s := range []string{
		`{}`, ` { } `, `{"a":"b"}`, `{"a":"b","c":"d"}`, "{\n\"a\" : \"b\" ,\t\"c\":\"\"}", `{"a":"\u4f60\n\"\\"}`,
		`{"\u0061":"x"}`, `{"a":"b","a":"c"}`, `{"a":"b",}`, `{"a"}`, `{"a":}`, `{,}`, `{"a":"b"`, `{"a":"b`, `{"a":"\`, `{"a":"\x"}`,
		`{"a":1}`, `{"a":null}`, `{"a":{}}`, `[]`, `null`, `"a"`, ``, `{"a":"b"} `, `{"a":"b"}{}`, "{\"a\":\"\n\"}", "{\"a\":\"\xff\"}",
		`{"你":"好"}`, `{"a":"\ud800"}`,
	} {
		checkParseParams(t, s)
	}
}

func FuzzParseParams(f *testing.F) {
	f.Add(`{"code":"123456"}`)
	f.Add(`{"a":"\u4f60\n","b":"","a":"c"}`)
	f.Fuzz(func(t *testing.T, s string) { checkParseParams(t, s) })
}

func TestRender(t *testing.T) {
	tmpl, err := newTemplate(&Template{Content: "尊敬的${name}，${name}的订单${order}"})
	if err != nil {
		t.Fatal(err)
	}
	got := tmpl.render("速通", []param{{"order", "old"}, {"name", "${order}"}, {"order", "A1"}})
	if want := "【速通】尊敬的${order}，${order}的订单A1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	length, bad := tmpl.checkParams("速通", []param{{"name", "张"}, {"order", "A1"}})
	if want := len([]rune("【速通】尊敬的张，张的订单A1")); bad != nil || length != want {
		t.Errorf("length %d, %v, want %d", length, bad, want)
	}
}

func TestParts(t *testing.T) {
	for characters, want := range map[int]int{1: 1, 70: 1, 71: 2, 134: 2, 135: 3, 500: 8} {
		if got := parts(characters); got != want {
			t.Errorf("%d characters: got %d, want %d", characters, got, want)
		}
	}
}
