package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const traceName = "trace-bank-20260102T030405.pcap"

// tracingNode plays the part of a node's admin listener that has to do with traces.
type tracingNode struct {
	mu      sync.Mutex
	asked   []string // guarded by mu; method, path and body of each request
	looks   int      // guarded by mu; a trace ends when it was looked at so often
	other   bool     // guarded by mu; somebody else starts one then
	dropped int
	looked  chan struct{} // closed at the first look
}

func (n *tracingNode) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	n.asked = append(n.asked, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(body)))
	status := func(running bool, file, reason string) {
		fmt.Fprintf(w, `{"running":%v,"file":%q,"reason":%q,"pdus":7,"dropped":%d}`, running, file, reason, n.dropped)
	}
	switch {
	case r.Method == http.MethodPost:
		w.WriteHeader(http.StatusAccepted)
		status(true, traceName, "")
	case r.Method == http.MethodDelete:
		status(false, traceName, "stopped")
	case r.URL.Path == "/v1/trace/file":
		fmt.Fprint(w, "the file's octets")
	default:
		if n.looks--; n.looks > 0 || n.looks < -1 {
			if n.looked != nil {
				close(n.looked)
				n.looked = nil
			}
			status(true, traceName, "")
		} else if n.other {
			status(true, "trace-other-20260102T030406.pcap", "")
		} else {
			status(false, traceName, "time is up")
		}
	}
}

// TestTrace: a trace is started as asked for, waited for, and its file comes home.
func TestTrace(t *testing.T) {
	for _, tt := range []struct {
		name  string
		node  *tracingNode
		args  []string
		start string
		out   string
	}{
		{"of an account", &tracingNode{looks: 2}, []string{"--system-id", "bank"},
			`{"number":"","seconds":60,"system_id":"bank","unmasked":false}`, "tracing for 1m0s; Ctrl-C ends it\ntime is up: 7 PDUs\n%s\n"},
		{"of a number, unmasked", &tracingNode{looks: 1, dropped: 3}, []string{"--number", "+86139", "--for", "5s", "--unmasked"},
			`{"number":"+86139","seconds":5,"system_id":"","unmasked":true}`,
			"tracing for 5s; Ctrl-C ends it\ntime is up: 7 PDUs\n3 more were dropped: they came faster than they could be written\n%s\n"},
		{"before another one", &tracingNode{looks: 1, other: true}, []string{"--system-id", "bank"},
			`{"number":"","seconds":60,"system_id":"bank","unmasked":false}`, "tracing for 1m0s; Ctrl-C ends it\nended: 7 PDUs\n%s\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewServer(tt.node)
			defer srv.Close()
			file := filepath.Join(t.TempDir(), "x.pcap")
			out, err := runCommand(t, "", append([]string{"trace", "--http", srv.URL, "-o", file}, tt.args...)...)
			if want := fmt.Sprintf(tt.out, file); err != nil || out != want {
				t.Errorf("got  %q, %v\nwant %q", out, err, want)
			}
			if got, want := tt.node.asked[0], "POST /v1/trace "+tt.start; got != want {
				t.Errorf("asked %s\nwant  %s", got, want)
			}
			if got, want := tt.node.asked[len(tt.node.asked)-1], "GET /v1/trace/file?file="+traceName; got != want {
				t.Errorf("asked %s\nwant  %s", got, want)
			}
			wantFile(t, file)
		})
	}
}

func wantFile(t *testing.T, path string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != "the file's octets" {
		t.Errorf("the file has %q, %v", got, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("its mode: %v, %v", info, err)
	}
}

// TestTraceInterrupted: Ctrl-C ends the trace, ours and no other, and its file comes home under the node's name.
func TestTraceInterrupted(t *testing.T) {
	n := &tracingNode{looks: 1000, looked: make(chan struct{})}
	srv := httptest.NewServer(n)
	defer srv.Close()
	t.Chdir(t.TempDir())
	ctx, interrupt := context.WithCancel(t.Context())
	go func(looked <-chan struct{}) { <-looked; interrupt() }(n.looked)
	var out bytes.Buffer
	root := newRoot()
	root.SetArgs([]string{"trace", "--system-id", "bank", "--http", srv.URL})
	root.SetOut(&out)
	if err := root.ExecuteContext(ctx); err != nil || !strings.Contains(out.String(), "stopped: 7 PDUs\n"+traceName+"\n") {
		t.Errorf("got %q, %v", out.String(), err)
	}
	if got, want := n.asked[len(n.asked)-2], "DELETE /v1/trace?file="+traceName; got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
	wantFile(t, traceName)
}

// TestTraceRefused: the node's reason is said, and whose trace it is that runs.
func TestTraceRefused(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusConflict)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": "a trace is running", "system_id": "bank",
			"number": "139****5678", "until": "2026-01-02T03:04:05Z"})
	}))
	defer srv.Close()
	for _, tt := range []struct {
		args []string
		err  string
	}{
		{[]string{"--system-id", "x"}, "the node answers 409 Conflict: a trace is running (of bank 139****5678, until 03:04:05)"},
		{nil, "at least one of the flags in the group [system-id number] is required"},
		{[]string{"--system-id", "x", "--for", "0s"}, "--for: give whole seconds"},
		{[]string{"--system-id", "x", "--for", "1500ms"}, "--for: give whole seconds"},
		{[]string{"--system-id", "x", "--http", "127.0.0.1:1"}, "ask the node: "},
	} {
		_, err := runCommand(t, "", append([]string{"trace", "--http", srv.URL}, tt.args...)...)
		if err == nil || !strings.HasPrefix(err.Error(), tt.err) {
			t.Errorf("%v: got %v, want %s", tt.args, err, tt.err)
		}
	}
}
