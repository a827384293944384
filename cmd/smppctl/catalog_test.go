package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smppbridge/configs"
)

const catalogDoc = `{"accounts":[
	{"account":"a","seen":"2026-11-21T20:15:00+08:00","heeds":true,
	 "templates":[
	  {"code":"SMS_1","name":"登录","type":"otp","state":"passed","text":"码${code}"},
	  {"code":"SMS_2","name":"发货","type":"notice","state":"rejected","text":"发货","reason":"文案内容不规范"},
	  {"code":"SMS_3","name":"两行\n名称","type":"promotion","state":"passed","text":"\"促销\"：${what}\n拒收请回复R"},
	  {"code":"SMS_4","type":"other","state":"passed","text":"${a}${b}"},
	  {"code":"SMS_5","type":"international","state":"passed","text":"Your code is ${code}"}],
	 "signatures":[{"name":"甲","state":"passed"},{"name":"乙","state":"rejected"},{"name":"丙: # 丁","state":"passed"}],
	 "differs":["SMS_1"],"lacking":{"templates":{"SMS_2":"rejected","SMS_9":"absent"},"signatures":{}}},
	{"account":"b","seen":"2026-11-20T12:00:00Z","heeds":false,
	 "templates":[{"code":"SMS_5","type":"international","state":"passed","text":"Your code is ${code}"}],"signatures":[],"lacking":{}}]}`

// startCatalog serves what a node says of the accounts.
func startCatalog(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/catalog", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, catalogDoc) })
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestTemplateList(t *testing.T) {
	url := startCatalog(t)
	out, err := runCommand(t, "", "template", "list", "--http", url)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"account a, asked at 2026-11-21 12:15:00\n", "account b, asked at 2026-11-20 12:00:00, not heeded",
		"SMS_1      otp            passed, differs from the policy  登录", "rejected", "文案内容不规范", "SMS_9      -              absent",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if out, err := runCommand(t, "", "template", "list", "--json", "--http", url); err != nil || !strings.Contains(out, `"SMS_9": "absent"`) {
		t.Errorf("--json: %v\n%s", err, out)
	}
}

// TestTemplatePull: what is printed is what a policy can have, and means the same there.
func TestTemplatePull(t *testing.T) {
	url := startCatalog(t)
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	const base = "signatures: [甲]\ntemplates:\n  - {code: SMS_1, text: \"码${code}\", class: otp}\n"
	if err := os.WriteFile(policy, []byte(base), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := runCommand(t, "", "template", "pull", "--policy", policy, "--http", url)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out, "SMS_1\n") || strings.Contains(out, "SMS_2") || strings.Contains(out, "乙") || strings.Count(out, "SMS_5") != 1 {
		t.Errorf("known, rejected or twice:\n%s", out)
	}
	if !strings.Contains(out, "# not as it is: ") || !strings.Contains(out, "# - code: SMS_4\n") {
		t.Errorf("variables side by side are no comment:\n%s", out)
	}
	p, err := configs.ParsePolicy("pulled", []byte(out))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if len(p.Signatures) != 1 || p.Signatures[0] != "丙: # 丁" || len(p.Templates) != 2 {
		t.Fatalf("pulled %+v %+v", p.Signatures, p.Templates)
	}
	if got := p.Templates[0]; got.Code != "SMS_3" || got.Text != "\"促销\"：${what}\n拒收请回复R" || got.Class != "promotion" {
		t.Errorf("pulled %+v", got)
	}
	if got := p.Templates[1]; got.Code != "SMS_5" || got.Class != "international" {
		t.Errorf("pulled %+v", got)
	}
	if err := os.WriteFile(policy, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := runCommand(t, "", "template", "pull", "--policy", policy, "--http", url, "--account", "c"); err == nil ||
		!strings.Contains(err.Error(), `no account "c"`) {
		t.Errorf("an account that is not there: %v", err)
	}
	if out, err := runCommand(t, "", "template", "pull", "--policy", policy, "--http", url, "--account", "b"); err != nil ||
		!strings.Contains(out, "has all of them") {
		t.Errorf("nothing to pull: %v\n%s", err, out)
	}
	out, err = runCommand(t, "", "template", "lint", "--policy", policy, "--ask", "--http", url)
	if err != nil && err != errLint || !strings.Contains(out, "2 templates") {
		t.Errorf("lint: %v\n%s", err, out)
	}
}
