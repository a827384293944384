package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// played is a node that answers one path with a document, and keeps what it was sent.
func played(t *testing.T, pattern string, answers ...string) (addr string, got *[]string) {
	t.Helper()
	got = new([]string)
	mux := http.NewServeMux()
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*got = append(*got, r.URL.RequestURI()+" "+string(body))
		fmt.Fprint(w, answers[min(len(*got), len(answers))-1])
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL, got
}

func TestPauseAndResume(t *testing.T) {
	addr, got := played(t, "POST /v1/brakes", `{}`)
	out, err := runCommand(t, "", "pause", "account", "bank", "--refuse", "--reason", "leak", "--by", "ops", "--http", addr)
	if want := `/v1/brakes {"by":"ops","kind":"account","mode":"refuse","name":"bank","reason":"leak"}`; err != nil || len(*got) != 1 || (*got)[0] != want {
		t.Errorf("%v, sent %q, want %s", err, *got, want)
	}
	if out != "account bank is stopped: refuse\n" {
		t.Errorf("printed %q", out)
	}
	if _, err := runCommand(t, "", "pause", "route", "main", "--by", "", "--http", addr); err != nil || !strings.Contains((*got)[1], `"mode":"hold"`) {
		t.Errorf("%v, sent %q, want hold", err, *got)
	}
	if _, err := runCommand(t, "", "pause", "account", "--http", addr); err == nil {
		t.Error("no error without a name")
	}
	addr, got = played(t, "DELETE /v1/brakes/{kind}/{name}", `{}`)
	out, err = runCommand(t, "", "resume", "template", "SMS_1", "--http", addr)
	if err != nil || out != "template SMS_1 goes on\n" || (*got)[0] != "/v1/brakes/template/SMS_1 " {
		t.Errorf("%v, printed %q, asked %q", err, out, *got)
	}
}

func TestBrakes(t *testing.T) {
	addr, _ := played(t, "GET /v1/brakes", `{"paused":true,"brakes":[
		{"kind":"account","name":"bank","mode":"refuse","by":"ops","reason":"codes\n leak","at":"2026-11-21T20:15:00+08:00","waiting":12},
		{"kind":"route","name":"main","mode":"hold","at":"2026-11-21T12:16:00Z"}]}`, `{"brakes":[]}`)
	want := `this node sends nothing at all while it leads: it is paused
KIND     NAME  MODE    SINCE                BY   WAITING  REASON
account  bank  refuse  2026-11-21 12:15:00  ops  12       codes leak
route    main  hold    2026-11-21 12:16:00  -    -        -
`
	if out, err := runCommand(t, "", "brakes", "--http", addr); err != nil || out != want {
		t.Errorf("%v\n%s\nwant\n%s", err, out, want)
	}
	if out, err := runCommand(t, "", "brakes", "--http", addr); err != nil || out != "nothing is stopped\n" {
		t.Errorf("%v, printed %q", err, out)
	}
}

// TestCancel: it counts, asks, and then cancels what it has counted.
func TestCancel(t *testing.T) {
	const counted, done = `{"before":"2026-11-21T12:15:00Z","messages":3,"cancelled":0}`, `{"before":"2026-11-21T12:15:00Z","messages":3,"cancelled":2}`
	args := func(addr string, more ...string) []string {
		return append([]string{"cancel", "--account", "bank", "--template", "SMS_1", "--http", addr}, more...)
	}
	addr, got := played(t, "POST /v1/cancel", counted, done)
	out, err := runCommand(t, "yes\n", args(addr)...)
	if err != nil || out != "3 messages wait\ncancel them? (yes) 2 cancelled\n" {
		t.Errorf("%v, printed %q", err, out)
	}
	if want := `/v1/cancel {"account":"bank","template":"SMS_1","before":"2026-11-21T12:15:00Z","dry_run":false}`; len(*got) != 2 || (*got)[1] != want ||
		!strings.Contains((*got)[0], `"dry_run":true`) {
		t.Errorf("sent %q", *got)
	}
	for _, answer := range []string{"no\n", "y\n", ""} {
		addr, got = played(t, "POST /v1/cancel", counted, done)
		if _, err := runCommand(t, answer, args(addr)...); err == nil || len(*got) != 1 {
			t.Errorf("%q: %v, sent %q", answer, err, *got)
		}
	}
	addr, got = played(t, "POST /v1/cancel", counted, done)
	if out, err := runCommand(t, "", args(addr, "--yes", "--before", "2026-11-21T20:00:00+08:00")...); err != nil || !strings.HasSuffix(out, "2 cancelled\n") ||
		!strings.Contains((*got)[0], `"before":"2026-11-21T20:00:00+08:00"`) {
		t.Errorf("--yes: %v, printed %q, sent %q", err, out, *got)
	}
	addr, got = played(t, "POST /v1/cancel", `{"messages":0}`)
	if out, err := runCommand(t, "", args(addr)...); err != nil || out != "0 messages wait\n" || len(*got) != 1 {
		t.Errorf("nothing waits: %v, printed %q, sent %q", err, out, *got)
	}
	for _, bad := range [][]string{{"cancel", "--http", addr}, args(addr, "--before", "yesterday")} {
		if _, err := runCommand(t, "", bad...); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

// TestUncertain: messages are asked for page by page, and printed for people.
func TestUncertain(t *testing.T) {
	const line = `{"message_id":"%010x","system_id":"bank","phone":"139****0000","class":"otp","route":"main","messages":1,
		"since":"2026-11-21T20:15:00+08:00","ask_at":"2026-11-21T20:15:45+08:00","then":"report","number":%d}`
	page := func(from, n int) string {
		lines := make([]string, n)
		for i := range lines {
			lines[i] = fmt.Sprintf(line, from+i, from+i)
		}
		return `{"total":1003,"messages":[` + strings.Join(lines, ",") + `]}`
	}
	addr, got := played(t, "GET /v1/uncertain", page(1, 1000), page(1001, 2))
	out, err := runCommand(t, "", "uncertain", "--limit", "1002", "--http", addr)
	if err != nil || len(*got) != 2 || (*got)[0] != "/v1/uncertain?after=0&limit=1000 " || (*got)[1] != "/v1/uncertain?after=1000&limit=2 " {
		t.Fatalf("%v, asked %q", err, *got)
	}
	lines := strings.Split(out, "\n")
	if want := "MESSAGE_ID  ACCOUNT  PHONE        CLASS  ROUTE  SINCE                ASKED     THEN    CALL"; lines[0] != want {
		t.Errorf("got  %s\nwant %s", lines[0], want)
	}
	if want := "0000000001  bank     139****0000  otp    main   2026-11-21 12:15:00  12:15:45  report  1"; lines[1] != want {
		t.Errorf("got  %s\nwant %s", lines[1], want)
	}
	if len(lines) != 1005 || lines[1003] != "and 1 more" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-2])
	}
	addr, _ = played(t, "GET /v1/uncertain", `{"total":0,"messages":[]}`)
	if out, err := runCommand(t, "", "uncertain", "--http", addr); err != nil || out != "none\n" {
		t.Errorf("%v, printed %q", err, out)
	}
}
