package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	dysmsapi "github.com/alibabacloud-go/dysmsapi-20170525/v3/client"
	"github.com/alibabacloud-go/tea/tea"
)

const exampleRegistry = `{
  "accounts": [{
    "name": "shop",
    "keys": [{"id": "shop-key", "secret": "shop-secret"}],
    "signs": [{"name": "小店"}],
    "templates": [{"code": "SMS_1", "type": 1, "content": "${n}件商品", "variables": {"n": {"max": 3}}}]
  }],
  "outcomes": {"404": {"err_code": "INVALID_NUMBER"}}
}`

// start runs the command until the test ends and returns the URL that it says it listens on.
func start(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	done := make(chan error, 1)
	c := command()
	c.SetArgs(append(args, "--listen", "127.0.0.1:0"))
	c.SetOut(w)
	go func() { done <- c.ExecuteContext(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("aliyunsim: %v", err)
		}
	})
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url := regexp.MustCompile(`https?://[0-9.:]+`).FindString(line)
	if url == "" {
		t.Fatalf("no address in %q", line)
	}
	return url
}

// TestRegistryFile sends through an account of a file, and looks at the ledger.
func TestRegistryFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registry.json")
	if err := os.WriteFile(path, []byte(exampleRegistry), 0o600); err != nil {
		t.Fatal(err)
	}
	url := start(t, "--registry", path, "--latency", "1ms", "--qps", "0")
	c, err := dysmsapi.NewClient(&openapi.Config{Endpoint: tea.String(strings.TrimPrefix(url, "http://")), Protocol: tea.String("HTTP"),
		AccessKeyId: tea.String("shop-key"), AccessKeySecret: tea.String("shop-secret")})
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.SendSms(&dysmsapi.SendSmsRequest{PhoneNumbers: tea.String("13900000404"), SignName: tea.String("小店"),
		TemplateCode: tea.String("SMS_1"), TemplateParam: tea.String(`{"n":"12"}`)})
	if err != nil || tea.StringValue(res.Body.Code) != "OK" {
		t.Fatalf("got %v, %v", res, err)
	}
	answer, err := http.Get(url + "/sim/ledger")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var page struct{ Entries []map[string]any }
	if err := json.NewDecoder(answer.Body).Decode(&page); err != nil {
		t.Fatal(err)
	}
	if len(page.Entries) != 1 || page.Entries[0]["account"] != "shop" || page.Entries[0]["err_code"] != "INVALID_NUMBER" {
		t.Errorf("ledger: %v", page.Entries)
	}
}

func TestTLSAddress(t *testing.T) {
	if url := start(t, "--tls"); !strings.HasPrefix(url, "https://") {
		t.Errorf("listens on %s", url)
	}
}

// TestTwoEndpoints: one of them can be taken away over the other.
func TestTwoEndpoints(t *testing.T) {
	url := start(t, "--listen", "127.0.0.1:0")
	host := strings.TrimPrefix(url, "http://")
	body := `[{"kind":"html502"}]`
	for range 2 {
		req, err := http.NewRequest(http.MethodPut, url+"/sim/outages", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil || res.StatusCode != http.StatusNoContent {
			t.Fatalf("PUT: %v, %v", res, err)
		}
		_ = res.Body.Close()
		answer, err := http.Get(url + "/sim/outages")
		if err != nil {
			t.Fatal(err)
		}
		var list []struct{ Endpoint string }
		if err := json.NewDecoder(answer.Body).Decode(&list); err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if strings.Contains(body, "endpoint") {
			if len(list) != 1 || list[0].Endpoint != host {
				t.Errorf("away are %v, want %s", list, host)
			}
			return
		}
		if len(list) != 2 || list[0] == list[1] {
			t.Fatalf("away are %v, want two endpoints", list)
		}
		body = `[{"kind":"black_hole","endpoint":"` + host + `"}]`
	}
}

// TestBadArguments checks that what cannot be played is said, and ends the command.
func TestBadArguments(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"no file", []string{"--registry", filepath.Join(dir, "none")}, "no such file"},
		{"not JSON", []string{"--registry", write("a", "accounts:")}, "invalid character"},
		{"unknown field", []string{"--registry", write("b", `{"acounts":[]}`)}, "acounts"},
		{"no accounts", []string{"--registry", write("c", `{}`)}, "no accounts"},
		{"bad template", []string{"--registry", write("d", strings.Replace(exampleRegistry, "${n}", "${n", 1))}, "SMS_1"},
		{"bad address", []string{"--listen", "127.0.0.1:x"}, "listen"},
		{"arguments", []string{"more"}, "unknown command"},
	}
	for _, test := range tests {
		c := command()
		c.SetArgs(test.args)
		c.SetOut(io.Discard)
		c.SetErr(io.Discard)
		if err := c.ExecuteContext(context.Background()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error about %q", test.name, err, test.want)
		}
	}
}
