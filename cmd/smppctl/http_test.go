package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestWhereAndStatus(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"ready":"ready","cluster":{"CommitIndex":18446744073709551615}}`)
	})
	mux.HandleFunc("GET /v1/messages/{id}", func(w http.ResponseWriter, r *http.Request) {
		switch id := r.PathValue("id"); id {
		case "000000002a", "a/b":
			fmt.Fprintf(w, `{"message_id":%q}`, id)
		case "broken":
			fmt.Fprint(w, "<html>")
		case "busy":
			http.Error(w, "", http.StatusServiceUnavailable)
		default:
			http.Error(w, `{"error":"no such message"}`, http.StatusNotFound)
		}
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	bare := strings.TrimPrefix(srv.URL, "http://")
	for _, tt := range []struct {
		name, addr string
		args       []string
		out, err   string
	}{
		{"a message", bare, []string{"where", "000000002a"}, "{\n  \"message_id\": \"000000002a\"\n}\n", ""},
		{"an id is one element of the path", bare, []string{"where", "a/b"}, "{\n  \"message_id\": \"a/b\"\n}\n", ""},
		{"address with scheme", srv.URL + "/", []string{"where", "000000002a"}, "{\n  \"message_id\": \"000000002a\"\n}\n", ""},
		{"numbers are not rounded", bare, []string{"status"},
			"{\n  \"ready\": \"ready\",\n  \"cluster\": {\n    \"CommitIndex\": 18446744073709551615\n  }\n}\n", ""},
		{"unknown message", bare, []string{"where", "x"}, "", "the node answers 404 Not Found: no such message"},
		{"no reason given", bare, []string{"where", "busy"}, "", "the node answers 503 Service Unavailable"},
		{"not JSON", bare, []string{"where", "broken"}, "", "read the node's answer: invalid character"},
		{"nobody there", "127.0.0.1:1", []string{"status"}, "", "ask the node: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := runCommand(t, "", append(tt.args, "--http", tt.addr)...)
			if out != tt.out {
				t.Errorf("got  %q\nwant %q", out, tt.out)
			}
			if (err == nil) != (tt.err == "") || err != nil && !strings.HasPrefix(err.Error(), tt.err) {
				t.Errorf("got error %v, want %q", err, tt.err)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	if out, err := runCommand(t, "", "version"); err != nil || !strings.HasPrefix(out, "smppctl ") || len(out) < len("smppctl x\n") {
		t.Errorf("got %q, %v", out, err)
	}
}
