package main

import (
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

// clusterNode answers as a node's admin listener does, from a script.
type clusterNode struct {
	mu      sync.Mutex
	asked   []string // guarded by mu; method, path and body
	answers map[string][]string
}

// newClusterNode starts one. Each path has its answers in order, the last of which repeats: a status and a body.
func newClusterNode(t *testing.T, answers map[string][]string) (*clusterNode, string) {
	n := &clusterNode{answers: answers}
	srv := httptest.NewServer(n)
	t.Cleanup(srv.Close)
	return n, strings.TrimPrefix(srv.URL, "http://")
}

func (n *clusterNode) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+string(body)))
	list := n.answers[r.URL.Path]
	if len(list) == 0 {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if len(list) > 1 {
		n.answers[r.URL.Path] = list[1:]
	}
	code := 0
	_, err = fmt.Sscan(list[0], &code)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Smppbridge-Index", "77")
	w.WriteHeader(code)
	fmt.Fprint(w, strings.TrimPrefix(list[0], fmt.Sprint(code, " ")))
}

// statusOf is what a node says of a cluster with these members.
func statusOf(t *testing.T, c clusterStatus) string {
	t.Helper()
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return "200 " + string(b)
}

// three is a cluster whose third member joins.
func three(vote bool) clusterStatus {
	return clusterStatus{
		Node: "n1", Addr: "10.0.0.1:7775", Ready: "ready", ClusterID: "ab12", Epoch: 1, Lineage: "0123abcd", Version: 1, Supported: 2, Leader: "n2", Term: 5, InTouch: true,
		Members: []clusterMember{
			{ID: "n1", Addr: "10.0.0.1:7775", Voter: true, Applied: 90, Version: 2},
			{ID: "n2", Addr: "10.0.0.2:7775", Voter: true, Leader: true, HeardMS: 312, Applied: 100, Version: 2, ClockMS: -12},
			{ID: "n3", Addr: "10.0.0.3:7775", Voter: vote, HeardMS: -1},
		},
	}
}

// run is smppctl cluster against a node.
func (n *clusterNode) run(t *testing.T, addr string, args ...string) (string, string) {
	t.Helper()
	out, err := runCommand(t, "", append(append([]string{"cluster"}, args...), "--http", addr)...)
	if err != nil {
		return out, err.Error()
	}
	return out, ""
}

func TestClusterStatus(t *testing.T) {
	waits := clusterStatus{Node: "n4", Addr: "10.0.0.4:7775", Ready: "starting: waiting for the cluster: not a member"}
	lost := three(true)
	lost.Leader, lost.Ready, lost.Members[1].Leader = "", "no node leads", false
	for _, tt := range []struct {
		name string
		doc  clusterStatus
		want string
	}{
		{"three members", three(false), `cluster ab12, epoch 1, lineage 0123abcd, version 1, leader n2, term 5
NODE  ADDRESS        ROLE         HEARD  BEHIND   CLOCK    VERSION
n1    10.0.0.1:7775  voter        -      10       -        2
n2    10.0.0.2:7775  leader       300ms  0        -12ms    2
n3    10.0.0.3:7775  catching up  never  unknown  unknown  unknown
`},
		{"no leader", lost, `cluster ab12, epoch 1, lineage 0123abcd, version 1, no leader, term 5
n1 is not ready: no node leads
NODE  ADDRESS        ROLE   HEARD  BEHIND   CLOCK    VERSION
n1    10.0.0.1:7775  voter  -      10       -        2
n2    10.0.0.2:7775  voter  300ms  0        -12ms    2
n3    10.0.0.3:7775  voter  never  unknown  unknown  unknown
`},
		{"a node that waits", waits, `n4 is no member of a cluster. Ask a member to join it: smppctl cluster join n4 10.0.0.4:7775
n4 is not ready: starting: waiting for the cluster: not a member
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, addr := newClusterNode(t, map[string][]string{"/v1/cluster": {statusOf(t, tt.doc)}})
			if out, err := n.run(t, addr, "status"); err != "" || out != tt.want {
				t.Errorf("got %s\n%s\nwant\n%s", err, out, tt.want)
			}
		})
	}
	n, addr := newClusterNode(t, map[string][]string{"/v1/cluster": {`200 {"term":18446744073709551615}`}})
	if out, err := n.run(t, addr, "status", "--json"); err != "" || out != "{\n  \"term\": 18446744073709551615\n}\n" {
		t.Errorf("--json: %s %s", out, err)
	}
}

// TestClusterJoinWaitsForTheVote: join ends when the new member votes, and says what keeps it.
func TestClusterJoinWaitsForTheVote(t *testing.T) {
	gone := three(false)
	gone.Members = gone.Members[:2]
	const joined = `200 {"node":"n3"}`
	for _, tt := range []struct {
		name   string
		status []string
		join   string
		args   []string
		out    string
		err    string
	}{
		{"it votes", []string{statusOf(t, three(false)), "503 ", statusOf(t, three(true))}, joined, nil,
			"n3 is a member and catches up\nn3 has a vote\n", ""},
		{"nobody waits", nil, joined, []string{"--no-wait"}, "n3 is a member; it gets a vote when it has caught up\n", ""},
		{"somebody removes it", []string{statusOf(t, three(false)), statusOf(t, gone)}, joined, nil,
			"n3 is a member and catches up\n", "n3 is not a member any more: somebody has removed it"},
		{"not in time", []string{statusOf(t, three(false))}, joined, []string{"--within", "1ms"},
			"n3 is a member and catches up\n", "n3 has no vote yet: it is unknown behind; it goes on: see `smppctl cluster status`"},
		{"refused", nil, `409 {"error":"10.0.0.3:7775 is n7"}`, nil, "", "the node answers 409 Conflict: 10.0.0.3:7775 is n7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, addr := newClusterNode(t, map[string][]string{"/v1/cluster": tt.status, "/v1/cluster/join": {tt.join}})
			out, err := n.run(t, addr, append([]string{"join", "n3", "10.0.0.3:7775"}, tt.args...)...)
			if out != tt.out || err != tt.err {
				t.Errorf("got  %q, %q\nwant %q, %q", out, err, tt.out, tt.err)
			}
			if want := `POST /v1/cluster/join {"addr":"10.0.0.3:7775","node":"n3"}`; n.asked[0] != want {
				t.Errorf("asked %s\nwant  %s", n.asked[0], want)
			}
		})
	}
}

func TestClusterCommands(t *testing.T) {
	for _, tt := range []struct {
		name   string
		args   []string
		answer string
		asked  string
		out    string
		err    string
	}{
		{"remove", []string{"remove", "n3"}, `200 {"node":"n3"}`, `POST /v1/cluster/remove {"node":"n3"}`, "n3 is no member any more\n", ""},
		{"remove refused", []string{"remove", "n3"}, `409 {"error":"two would be left"}`, `POST /v1/cluster/remove {"node":"n3"}`, "",
			"the node answers 409 Conflict: two would be left"},
		{"transfer", []string{"transfer"}, `200 {"leader":"n2"}`, `POST /v1/cluster/transfer {"node":""}`, "n2 leads\n", ""},
		{"transfer to one", []string{"transfer", "n3"}, `200 {"leader":""}`, `POST /v1/cluster/transfer {"node":"n3"}`, "another node leads\n", ""},
		{"leave", []string{"leave"}, `200 {"left":"n1"}`, `POST /v1/cluster/leave {}`, "n1 has left\n", ""},
		{"leave refused", []string{"leave"}, `409 {"error":"alone"}`, `POST /v1/cluster/leave {}`, "", "the node answers 409 Conflict: alone"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, addr := newClusterNode(t, map[string][]string{"/v1/cluster/" + tt.args[0]: {tt.answer}})
			out, err := n.run(t, addr, tt.args...)
			if out != tt.out || err != tt.err {
				t.Errorf("got  %q, %q\nwant %q, %q", out, err, tt.out, tt.err)
			}
			if n.asked[0] != tt.asked {
				t.Errorf("asked %s\nwant  %s", n.asked[0], tt.asked)
			}
		})
	}
	out, err := runCommand(t, "", "cluster", "status", "--http", "127.0.0.1:1")
	if err == nil || !strings.HasSuffix(err.Error(), "is it running? --http names its admin listener") {
		t.Errorf("nobody there: %s %v", out, err)
	}
}

// TestClusterSnapshotIsWhole: the file is there only if all of it is, is the owner's, and overwrites nothing.
func TestClusterSnapshotIsWhole(t *testing.T) {
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "half")
		_ = http.NewResponseController(w).Flush() // it would go with the end
		panic(http.ErrAbortHandler)
	}))
	defer broken.Close()
	n, addr := newClusterNode(t, map[string][]string{"/v1/cluster/snapshot": {"200 state"}})
	dir := t.TempDir()
	file := filepath.Join(dir, "backup")
	out, err := n.run(t, broken.URL, "snapshot", file)
	if entries, _ := os.ReadDir(dir); out != "" || !strings.HasPrefix(err, "write the snapshot: unexpected EOF") || len(entries) > 0 {
		t.Errorf("half a snapshot: %q %q, and %d files", out, err, len(entries))
	}
	out, err = n.run(t, addr, "snapshot", file)
	if err != "" || out != file+": 5 octets, all up to entry 77 of the log\n" {
		t.Errorf("a snapshot: %q %q", out, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 || info.Size() != 5 {
		t.Errorf("the file: %v %v", info, err)
	}
	if out, err = n.run(t, addr, "snapshot", file); !strings.HasPrefix(err, file+" exists: ") {
		t.Errorf("a second one: %q %q", out, err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d files, want one", len(entries))
	}
}
