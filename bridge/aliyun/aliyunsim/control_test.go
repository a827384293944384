package aliyunsim

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// ask makes a request to a control endpoint and decodes its answer into v, if there is one.
func ask(t *testing.T, s *Server, request, body string, v any) int {
	t.Helper()
	method, path, _ := strings.Cut(request, " ")
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	if v != nil && w.Code == http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), v); err != nil {
			t.Fatalf("%s: %q: %v", request, w.Body, err)
		}
	}
	return w.Code
}

func TestControlFaults(t *testing.T) {
	s := newServer(t, nil)
	var got Faults
	if status := ask(t, s, "GET /sim/faults", "", &got); status != 200 || got == nil || len(got) != 0 {
		t.Errorf("at first: %d %v", status, got)
	}
	body := `[{"kind":"html502","probability":1,"count":3,"executed":true},{"kind":"report_late","delay_ms":5,"jitter_ms":2}]`
	if status := ask(t, s, "PUT /sim/faults", body, nil); status != 200 {
		t.Fatalf("PUT: %d", status)
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, sendSms(free("13900000001", "a")).v3())
	if w.Code != http.StatusBadGateway || len(s.Ledger()) != 1 {
		t.Errorf("status %d and %d messages under the fault", w.Code, len(s.Ledger()))
	}
	ask(t, s, "GET /sim/faults", "", &got)
	if len(got) != 2 || got[0].Count != 2 || !got[0].Executed || got[1].DelayMS != 5 {
		t.Errorf("afterwards: %+v", got)
	}
	for _, bad := range []string{`[{"kind":"x"}]`, `{"kind":"drop"}`, `[{"kind":"drop","dealy_ms":1}]`, `[`} {
		if status := ask(t, s, "PUT /sim/faults", bad, nil); status != http.StatusBadRequest {
			t.Errorf("%s: status %d", bad, status)
		}
	}
	if len(s.Faults()) != 2 {
		t.Error("a refused PUT changed the faults")
	}
	if status := ask(t, s, "DELETE /sim/faults", "", nil); status != http.StatusNoContent || len(s.Faults()) != 0 {
		t.Errorf("DELETE: %d, left %v", status, s.Faults())
	}
}

func TestControlLedger(t *testing.T) {
	s := newServer(t, func(c *Config) { c.ReportURL = "http://127.0.0.1:9/" })
	for _, n := range []string{"13900000001", "13900000002", "13900000003"} {
		if a := do(t, s, sendSms(free(n, "same")).v3()); a.Code != "OK" {
			t.Fatal(a.Code)
		}
	}
	var page struct {
		Entries []map[string]any
		Next    int64
	}
	ask(t, s, "GET /sim/ledger?limit=2", "", &page)
	if len(page.Entries) != 2 || page.Next != 3 {
		t.Fatalf("first page: %+v", page)
	}
	for name, want := range map[string]any{"seq": 1.0, "account": "dev", "api": "SendSms", "sign": "速通银行",
		"template": "SMS_100000003", "params": `{"content":"same"}`, "phone": "13900000001", "out_id": "out-13900000001",
		"err_code": "DELIVERED", "state": "pending"} {
		if got := page.Entries[0][name]; got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	ask(t, s, "GET /sim/ledger?since=3", "", &page)
	if len(page.Entries) != 1 || page.Next != 4 {
		t.Errorf("second page: %+v", page)
	}
	for _, bad := range []string{"since=x", "limit=0", "limit=x", "limit=1000000"} {
		if status := ask(t, s, "GET /sim/ledger?"+bad, "", nil); status != http.StatusBadRequest {
			t.Errorf("%s: status %d", bad, status)
		}
	}
	var summary Summary
	if ask(t, s, "GET /sim/ledger/summary", "", &summary); summary.Messages != 3 || summary.Repeated != 0 || summary.States["pending"] != 3 {
		t.Errorf("summary %+v", summary)
	}
	var counts Counters
	if ask(t, s, "GET /sim/counters", "", &counts); counts.Executed != 3 || counts.Calls["SendSms"]["OK"] != 3 || counts.Reports.Pending != 3 {
		t.Errorf("counters %+v", counts)
	}
	if status := ask(t, s, "DELETE /sim/ledger", "", nil); status != http.StatusNoContent || len(s.Ledger()) != 0 {
		t.Errorf("DELETE: %d, left %d", status, len(s.Ledger()))
	}
	if status := ask(t, s, "GET /sim/nothing", "", nil); status != http.StatusNotFound {
		t.Errorf("unknown endpoint: %d", status)
	}
}

func TestControlReports(t *testing.T) {
	s := newServer(t, nil)
	if status := ask(t, s, "PUT /sim/reports/url", `{"url":"http://127.0.0.1:9/"}`, nil); status != http.StatusNoContent || !s.pusher.enabled() {
		t.Errorf("PUT url: %d", status)
	}
	if err := s.SetFaults(Faults{{Kind: FaultReportWithhold}}); err != nil {
		t.Fatal(err)
	}
	if a := do(t, s, sendSms(free("13900000001", "a")).v3()); a.Code != "OK" {
		t.Fatal(a.Code)
	}
	if n := s.Counters().Reports; n.Withheld != 1 || n.Pending != 0 {
		t.Errorf("counters %+v", n)
	}
	var got map[string]int
	if ask(t, s, "POST /sim/reports/release", "", &got); got["released"] != 1 {
		t.Errorf("released %v", got)
	}
	if n := s.Counters().Reports; n.Withheld != 0 || n.Pending != 1 {
		t.Errorf("counters after the release %+v", n)
	}
}

// TestTLS checks that a client which trusts the certificate is served, and that others are not.
func TestTLS(t *testing.T) {
	s := newServer(t, func(c *Config) { c.TLS = true })
	host := run(t, s)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	q := sendSms(free("13900000001", "a"))
	q.host = host
	r := q.v3()
	r.URL.Scheme = "https"
	res, err := (&http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if a := decode(t, res); a.Code != "OK" || res.ProtoMajor != 1 {
		t.Errorf("got %s by HTTP/%d", a.Code, res.ProtoMajor)
	}
	if _, err := (&http.Client{Transport: &http.Transport{}}).Do(r); err == nil {
		t.Error("a client that does not know the certificate was served")
	}
	if newServer(t, nil).Certificate() != nil {
		t.Error("a certificate without TLS")
	}
}
