package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smppbridge/smpp"
	"smppbridge/smpp/smpptrace"
)

// trace makes a request with a body of the admin listener, and returns what it says of a trace.
func (s *system) trace(method, path, body string, want int) (st smpptrace.Status, text string) {
	s.t.Helper()
	code, text := request(s.t, method, "http://"+s.httpAddr.String()+path, body)
	if code != want {
		s.t.Fatalf("%s %s answered %d %.200s, want %d", method, path, code, text, want)
	}
	if strings.HasPrefix(text, "{") {
		if err := json.Unmarshal([]byte(text), &st); err != nil {
			s.t.Fatal(err)
		}
	}
	return st, text
}

// TestTraceOfAnAccount: from its start to its file, which is masked and the owner's; the log and the answers are
// masked too.
func TestTraceOfAnAccount(t *testing.T) {
	s := startSystem(t)
	c := s.bind("test", smpp.Transceiver)
	s.trace(http.MethodGet, "/v1/trace", "", http.StatusNotFound)
	s.trace(http.MethodDelete, "/v1/trace", "", http.StatusNotFound)
	s.trace(http.MethodGet, "/v1/trace/file", "", http.StatusNotFound)
	st, _ := s.trace(http.MethodPost, "/v1/trace", `{"system_id":"test","number":"+86`+phone+`"}`, http.StatusAccepted)
	if !st.Running || st.Unmasked || st.Until.Sub(st.Started) != smpptrace.DefaultTime || strings.Contains(st.Number, phone[3:7]) {
		t.Errorf("at its start: %+v", st)
	}
	again, body := s.trace(http.MethodPost, "/v1/trace", `{"system_id":"otp"}`, http.StatusConflict)
	if again.SystemID != "test" || !strings.Contains(body, smpptrace.ErrBusy.Error()) {
		t.Errorf("a second one: %s", body)
	}
	s.trace(http.MethodGet, "/v1/trace/file", "", http.StatusConflict)

	id := c.mustSubmit(phone, "private Grüße")
	c.mustSubmit("13700000000", "private")
	c.receipt(id)
	s.eventually("the receipt's answer is in it", func() bool {
		st, _ := s.trace(http.MethodGet, "/v1/trace", "", http.StatusOK)
		return st.PDUs == 4
	})
	s.trace(http.MethodDelete, "/v1/trace?file=trace-other.pcap", "", http.StatusOK)
	if st, _ := s.trace(http.MethodGet, "/v1/trace", "", http.StatusOK); !st.Running {
		t.Error("stopping another one stopped it")
	}
	st, _ = s.trace(http.MethodDelete, "/v1/trace?file="+st.File, "", http.StatusOK)
	if st.Running || st.Reason != smpptrace.EndedStopped || st.PDUs != 4 || st.Dropped != 0 {
		t.Errorf("at its end: %+v", st)
	}
	_, file := s.trace(http.MethodGet, "/v1/trace/file", "", http.StatusOK)
	if int64(len(file)) != st.Octets || !strings.Contains(file, id) {
		t.Errorf("%d octets, want %d, and the message_id in them", len(file), st.Octets)
	}
	// What is masked, with a digit on each side: four digits alone are also a time of day in a receipt.
	for _, secret := range []string{phone, phone[2:8], "private", password} {
		if strings.Contains(file, secret) {
			t.Error("the file has something private in it")
		}
	}
	path := filepath.Join(s.opts.DataDir, "traces", st.File)
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file's mode: %v, %v", info, err)
	}
	if got := strings.Count(s.logs.String(), `msg="pdu traced"`); got != 4 {
		t.Errorf("%d lines of the log, want 4", got)
	}
	for _, name := range []string{"..%2Fstate.db", "state.db", "trace-x.pcap", "trace-%2F..%2F..%2Fstate.db.pcap"} {
		s.trace(http.MethodGet, "/v1/trace/file?file="+name, "", http.StatusNotFound)
	}
	resp, err := http.Get("http://" + s.httpAddr.String() + "/v1/trace/file?file=" + st.File)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	_, _ = io.Copy(io.Discard, resp.Body)
	if got := resp.Header.Get("Content-Disposition"); !strings.Contains(got, st.File) {
		t.Errorf("Content-Disposition is %q", got)
	}
}

// TestTraceRequests: what cannot be traced is said, and what was sent is not repeated.
func TestTraceRequests(t *testing.T) {
	s := startSystem(t)
	for name, body := range map[string]string{
		"nothing": "", "no JSON": "private", "no filter": "{}", "unknown key": `{"system_id":"test","private":1}`,
		"two digits": `{"number":"12"}`, "no number": `{"number":"private"}`, "too long": `{"system_id":"test","seconds":601}`,
		"negative": `{"system_id":"test","seconds":-1}`, "huge": `{"system_id":"test","seconds":9223372036854775807}`,
		"very negative": `{"system_id":"test","seconds":-9223372036854775808}`,
		"large":         `{"system_id":"` + strings.Repeat("x", maxTraceRequest) + `"}`,
	} {
		if _, text := s.trace(http.MethodPost, "/v1/trace", body, http.StatusBadRequest); strings.Contains(text, "private") {
			t.Errorf("%s: answered %s", name, text)
		}
	}
	s.trace(http.MethodGet, "/v1/trace", "", http.StatusNotFound)
}

// TestUnmaskedTraceIsWarnedOf, and texts and numbers are still in no log.
func TestUnmaskedTraceIsWarnedOf(t *testing.T) {
	s := startSystem(t)
	st, _ := s.trace(http.MethodPost, "/v1/trace", `{"system_id":"test","seconds":600,"unmasked":true}`, http.StatusAccepted)
	c := s.bind("test", smpp.Transceiver)
	c.mustSubmit(phone, "private")
	logs := s.logs.String()
	if i := strings.Index(logs, `msg="trace started"`); i < 0 || !strings.Contains(logs[:i][strings.LastIndexByte(logs[:i], '\n')+1:], "level=WARN") {
		t.Error("its start was not warned of")
	}
	s.hangUp()
	s.stop() // the node's end is the trace's, too
	file, err := os.ReadFile(filepath.Join(s.opts.DataDir, "traces", st.File))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(file), phone) || strings.Contains(string(file), password) {
		t.Error("the file has no number, or a password")
	}
	if !strings.Contains(string(file), string(smpptrace.EndedStopped)) {
		t.Error("the file has no end")
	}
}
