package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/smpp/smpptest"
	"smppbridge/store"
)

// These tests are about several nodes as main starts them: that the parts are wired, that nodes join, stop and leave in
// order. What happens when they die is tested by cmd/clustertest, with processes that do.

// TestThreeNodes: three nodes are one system, whichever of them an ESME binds to.
func TestThreeNodes(t *testing.T) {
	f := startThree(t)
	t.Run("one cluster", func(t *testing.T) { f.testOneCluster(t) })
	t.Run("receipts anywhere", func(t *testing.T) { f.testReceiptsAnywhere(t) })
	t.Run("a bind's limit is the cluster's", func(t *testing.T) { f.testBindLimit(t) })
	t.Run("pause", func(t *testing.T) { f.testPause(t) })
	t.Run("snapshot", func(t *testing.T) { f.testSnapshot(t) })
	t.Run("transfer", func(t *testing.T) { f.testTransfer(t) })
	t.Run("refusals", func(t *testing.T) { f.testClusterRefusals(t) })
}

func (f *fleet3) testOneCluster(t *testing.T) {
	f.nodes[0].eventually("all nodes have heard who votes and who leads", func() bool {
		leader := f.nodes[0].clusterDoc().Leader
		return leader != "" && !slices.ContainsFunc(f.nodes, func(s *system) bool {
			d := s.clusterDoc()
			return d.Leader != leader || !d.InTouch || d.Ready != "ready" || len(d.Members) != 3 ||
				slices.ContainsFunc(d.Members, func(m memberDoc) bool { return !m.Voter })
		})
	})
	first := f.nodes[0].clusterDoc()
	if first.ClusterID == "" || first.Epoch != 1 || len(first.Lineage) != 8 || first.Supported != store.Version || first.Term == 0 {
		t.Errorf("the first node says %+v", first)
	}
	for _, s := range f.nodes {
		d := s.clusterDoc()
		want(t, "node", d.Node, s.opts.NodeID)
		want(t, "addr", d.Addr, s.opts.Cluster.Advertise)
		want(t, "ready", d.Ready, "ready")
		want(t, "leader", d.Leader, first.Leader)
		want(t, "cluster_id", d.ClusterID, first.ClusterID)
		want(t, "in_touch", d.InTouch, true)
		want(t, "members", len(d.Members), 3)
		for i, m := range d.Members {
			want(t, "member", m.ID, f.nodes[i].opts.NodeID)
			want(t, "its address", m.Addr, f.nodes[i].opts.Cluster.Advertise)
			want(t, "it votes", m.Voter, true)
		}
	}
	// The cluster's version rises once all members have said what they support.
	f.nodes[0].eventually("all are of this version", func() bool { return f.nodes[2].clusterDoc().Version == store.Version })
}

// testReceiptsAnywhere: what any node accepts is sent once, and its receipt comes to a bind on another.
func (f *fleet3) testReceiptsAnywhere(t *testing.T) {
	receiver := f.nodes[2].bind("test", smpp.Receiver)
	var ids []string
	for i, s := range f.nodes {
		c := s.bind("test", smpp.Transmitter)
		for k := range 10 {
			ids = append(ids, c.mustSubmit(fmt.Sprintf("1391234%d%03d", i, k), "private"))
		}
	}
	for _, id := range ids {
		want(t, "stat", receiver.receipt(id).State, smpp.StateDelivered)
	}
	want(t, "receipts", len(receiver.receipts), len(ids))
	want(t, "sent", len(f.sim.Ledger()), len(ids))
	for _, s := range f.nodes {
		code, body := s.ask(http.MethodGet, "/v1/messages/"+ids[0], "")
		if code != http.StatusOK || !strings.Contains(body, `"final"`) {
			t.Errorf("%s: where is %s: %d %s", s.opts.NodeID, ids[0], code, body)
		}
	}
	for _, s := range f.nodes {
		s.hangUp()
	}
	f.nodes[0].eventually("all have unbound", func() bool { return len(f.nodes[0].store.AllBinds()) == 0 })
}

// testBindLimit: account test has five binds, on all nodes together.
func (f *fleet3) testBindLimit(t *testing.T) {
	for i := range 5 {
		// Sessions that do not answer are replaced; these do.
		go staysAlive(f.nodes[i%3].bind("test", smpp.Receiver).Conn()) // ends with the connection
	}
	for _, s := range f.nodes {
		e := smpptest.Dial(t, s.smppAddr.String())
		if st := e.Bind(smpp.Receiver, "test", password); st == smpp.StatusOK {
			t.Errorf("a sixth bind at %s was let in", s.opts.NodeID)
		}
		e.Close()
	}
	for _, s := range f.nodes {
		s.hangUp()
	}
	f.nodes[0].eventually("all have unbound", func() bool { return len(f.nodes[0].store.AllBinds()) == 0 })
}

// staysAlive answers enquire_link for as long as the connection lasts.
func staysAlive(conn net.Conn) {
	r := smpp.NewReader(conn, smpp.MaxPDU)
	for {
		h, _, err := r.Next()
		if err != nil {
			return
		}
		if h.ID == smpp.EnquireLinkID {
			if _, err := conn.Write(smpp.Append(nil, smpp.StatusOK, h.Sequence, &smpp.EnquireLinkResp{})); err != nil {
				return
			}
		}
	}
}

// testPause: whichever node is asked, none sends; and none forgets it when another begins to lead.
func (f *fleet3) testPause(t *testing.T) {
	leader, other := f.leader()
	other.asksAll("/v1/pause")
	code, body := other.ask(http.MethodPost, "/v1/pause", "") // one may not be reached in time: all of them know it
	if !strings.Contains(body, `"paused": true`) {
		t.Errorf("pause: %d %s", code, body)
	}
	for _, s := range f.nodes {
		want(t, s.opts.NodeID+" paused", s.bridge.Paused(), true)
	}
	before := len(f.sim.Ledger())
	c := leader.bind("test", smpp.Transceiver)
	id := c.mustSubmit(phone, "private")
	want(t, "sent while paused", len(f.sim.Ledger()), before)
	other.asksAll("/v1/resume")
	want(t, "stat", c.receipt(id).State, smpp.StateDelivered)
	leader.hangUp()
}

// testSnapshot: any node's snapshot is a state file with all that any node has accepted.
func (f *fleet3) testSnapshot(t *testing.T) {
	leader, other := f.leader()
	c := leader.bind("test", smpp.Transceiver)
	file := filepath.Join(t.TempDir(), "backup")
	for range 20 {
		id := c.mustSubmit(phone, "private")
		code, body := other.ask(http.MethodGet, "/v1/cluster/snapshot", "")
		want(t, "snapshot", code, http.StatusOK)
		if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		f.testBackup(t, file, id)
	}
	leader.hangUp()
}

// testBackup looks for a message in a backup.
func (f *fleet3) testBackup(t *testing.T, file, id string) {
	t.Helper()
	st, err := store.Open(file, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	n, err := store.ParseNumber(id)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := st.Lookup(n); err != nil {
		t.Errorf("the message that was accepted last: %v", err)
	}
	want(t, "cluster_id", st.ClusterID(), f.nodes[0].store.ClusterID())
}

func (f *fleet3) testTransfer(t *testing.T) {
	_, other := f.leader()
	f.handOverTo(other)
	c := f.nodes[0].bind("test", smpp.Transceiver)
	want(t, "stat", c.receipt(c.mustSubmit(phone, "private")).State, smpp.StateDelivered)
	f.nodes[0].hangUp()
}

// testClusterRefusals: what cannot be is refused with a reason, and changes nothing.
func (f *fleet3) testClusterRefusals(t *testing.T) {
	s := f.nodes[0]
	for _, tt := range []struct {
		path, body string
		code       int
		says       string
	}{
		{"join", ``, http.StatusBadRequest, "body"},
		{"join", `{"node":"n4"}`, http.StatusBadRequest, "is not host:port"},
		{"join", `{"addr":"127.0.0.1:7775"}`, http.StatusBadRequest, "node is missing"},
		{"join", `{"node":"n4","addr":"10.0.0.4"}`, http.StatusBadRequest, "is not host:port"},
		{"join", `{"node":"n4","addr":"127.0.0.1:7775","voter":true}`, http.StatusBadRequest, "body"},
		{"join", fmt.Sprintf(`{"node":"n4","addr":%q}`, s.opts.Cluster.Advertise), http.StatusConflict, "n4"},
		{"remove", `{"node":"n9"}`, http.StatusConflict, "n9"},
		{"remove", `{}`, http.StatusBadRequest, "node is missing"},
		{"transfer", `{"node":"n9"}`, http.StatusConflict, "n9"},
		{"transfer", `{"addr":"x"}`, http.StatusBadRequest, "addr"},
	} {
		code, body := s.ask(http.MethodPost, "/v1/cluster/"+tt.path, tt.body)
		if code != tt.code || !strings.Contains(body, tt.says) {
			t.Errorf("%s %s: %d %s, want %d and %q", tt.path, tt.body, code, body, tt.code, tt.says)
		}
	}
	want(t, "members", len(s.clusterDoc().Members), 3)
}

// TestWaitingNodeSaysWhatFor: a node without data and without bootstrap is alive, not ready, tells how to join it, and ends
// cleanly when it is stopped before anybody has.
func TestWaitingNodeSaysWhatFor(t *testing.T) {
	s := prepareThree(t).nodes[1]
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := start(ctx, s.opts)
		done <- unlessStopped(ctx, err)
	}()
	s.eventually("/readyz says what it waits for", func() bool {
		code, body := s.ask(http.MethodGet, "/readyz", "")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "starting: waiting for the cluster: ") && strings.Contains(body, "join")
	})
	d := s.clusterDoc()
	want(t, "node", d.Node, "n2")
	want(t, "addr", d.Addr, s.opts.Cluster.Advertise)
	want(t, "members", len(d.Members), 0)
	for path, code := range map[string]int{"/healthz": http.StatusOK, "/metrics": http.StatusOK, "/v1/status": http.StatusServiceUnavailable} {
		if got, body := s.ask(http.MethodGet, path, ""); got != code {
			t.Errorf("%s: %d %s, want %d", path, got, body, code)
		}
	}
	code, _ := s.ask(http.MethodPost, "/v1/cluster/leave", "{}")
	want(t, "leave", code, http.StatusServiceUnavailable)
	s.eventually("the log says what it waits for", func() bool { return strings.Contains(s.logs.String(), "msg=waiting for=\"the cluster\"") })
	cancel()
	if err := soon(t, done, "end"); err != nil {
		t.Errorf("a node that is stopped while it waits: %v", err)
	}
}

// TestStopOfOneIsNotSeen: a leader that is stopped in order hands over: its ESMEs are unbound, and those of the other nodes
// see no error. It comes back with its data, and the cluster is whole.
func TestStopOfOneIsNotSeen(t *testing.T) {
	f := startThree(t)
	leader, other := f.leader()
	mine, theirs := leader.bind("otp", smpp.Transceiver), other.bind("test", smpp.Transceiver)
	mine.receipt(mine.mustSubmit(phone, "您的验证码是471153，5分钟内有效，请勿泄露。"))
	stopped := make(chan struct{})
	go func() { defer close(stopped); leader.stop() }()
	h, _ := mine.Expect(smpp.UnbindID)
	mine.Respond(h.Sequence, smpp.StatusOK, &smpp.UnbindResp{})
	var ids []string
	for over := false; !over; {
		ids = append(ids, theirs.mustSubmit(fmt.Sprintf("139%08d", len(ids)), "private"))
		select {
		case <-stopped:
			over = true
		default:
		}
	}
	ids = append(ids, theirs.mustSubmit("13900000000", "private"))
	// Reports that were pushed to the node that has gone come again.
	f.sim.SetReportURL("http://" + other.callbackAddr.String() + "/callback/" + callbackSecret + "/smsreport")
	for _, id := range ids {
		want(t, "stat", theirs.receipt(id).State, smpp.StateDelivered)
	}
	want(t, "sent", len(f.sim.Ledger()), len(ids)+1)
	other.hangUp() // it would be sent the other's receipts
	leader.hangUp()
	leader.start()
	want(t, "members", len(leader.clusterDoc().Members), 3)
	c := leader.bind("test", smpp.Transceiver)
	want(t, "stat", c.receipt(c.mustSubmit(phone, "private")).State, smpp.StateDelivered)
}

// TestAllStopAndStart: a cluster that was off is started node by node, and has all it had.
func TestAllStopAndStart(t *testing.T) {
	f := startThree(t)
	c := f.nodes[1].bind("test", smpp.Transmitter)
	id := c.mustSubmit(phone, "private")
	for _, s := range f.nodes {
		s.hangUp()
		s.stop()
	}
	first := f.nodes[2].startLater()
	f.nodes[2].eventually("the first waits for a leader", func() bool {
		code, body := f.nodes[2].ask(http.MethodGet, "/readyz", "")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "waiting for the cluster")
	})
	second := f.nodes[1].startLater()
	f.started(f.nodes[2], first)
	f.started(f.nodes[1], second)
	r := f.nodes[2].bind("test", smpp.Receiver)
	want(t, "stat", r.receipt(id).State, smpp.StateDelivered)
	f.started(f.nodes[0], f.nodes[0].startLater())
	f.nodes[0].eventually("the third has it", func() bool { return f.nodes[0].state(id) == store.StateFinal })
	want(t, "sent", f.nodes[0].executed(phone), 1)
}

// TestNodeLeaves: a leader that is asked to leave drains, is no member any more, and ends; one that is removed ends by itself. The last
// one cannot leave.
func TestNodeLeaves(t *testing.T) {
	f := startThree(t)
	leader, other := f.leader()
	c := leader.bind("test", smpp.Transceiver)
	c.mustSubmit(phone, "private")
	answer := make(chan string, 1)
	go func() {
		code, body := leader.ask(http.MethodPost, "/v1/cluster/leave", "{}")
		answer <- fmt.Sprint(code, " ", body)
	}()
	for { // the receipt may come before
		if h, p := c.take(); p.CommandID() == smpp.UnbindID {
			c.Respond(h.Sequence, smpp.StatusOK, &smpp.UnbindResp{})
			break
		}
	}
	if got := soon(t, answer, "answer"); !strings.HasPrefix(got, "200 ") || !strings.Contains(got, leader.opts.NodeID) {
		t.Errorf("leave: %s", got)
	}
	<-leader.done
	want(t, "its end", leader.err, nil)
	other.sync()
	want(t, "members", len(other.clusterDoc().Members), 2)
	want(t, "binds", len(other.store.AllBinds()), 0)
	f.testRemoved(t, leader, other)
}

// testRemoved goes on with two nodes.
func (f *fleet3) testRemoved(t *testing.T, gone, stays *system) {
	var third *system
	for _, s := range f.nodes {
		if s != gone && s != stays {
			third = s
		}
	}
	code, body := stays.ask(http.MethodPost, "/v1/cluster/remove", fmt.Sprintf(`{"node":%q}`, third.opts.NodeID))
	want(t, "remove: "+body, code, http.StatusOK)
	soon(t, third.done, "end of the node that was removed")
	want(t, "its exit code", exitCode(third.err), exitData)
	third.end = func() {} // what it ended with is as it should be
	code, body = stays.ask(http.MethodPost, "/v1/cluster/leave", "{}")
	if code != http.StatusConflict || !strings.Contains(body, "stop it instead") {
		t.Errorf("the last one is asked to leave: %d %s", code, body)
	}
	c := stays.bind("test", smpp.Transceiver)
	f.sim.SetReportURL("http://" + stays.callbackAddr.String() + "/callback/" + callbackSecret + "/smsreport")
	want(t, "stat", c.receipt(c.mustSubmit("13912345670", "private")).State, smpp.StateDelivered)
}

// TestFollowersOfDifferentFiles: nodes that follow files with different policies do not take turns for ever: a start replaces
// only what this node has put itself.
func TestFollowersOfDifferentFiles(t *testing.T) {
	f := prepareThree(t, func(o *options) { o.Policy = nil })
	f.nodes[0].opts.Node.Policy.Follow = true
	base := newSystem(t, f.sim, "127.0.0.1:1").opts.Policy
	policy := func(rev int) []byte { return fmt.Appendf(bytes.Clone(base), "# revision %d\n", rev) }
	f.nodes[0].opts.Policy = policy(1)
	f.nodes[0].start()
	second := f.nodes[1]
	second.opts.Node.Policy = configs.NodePolicy{File: "policy.yaml", Follow: true}
	second.opts.Policy = policy(2)
	started := second.startLater()
	f.nodes[0].join(second)
	f.started(second, started)
	inForce := func(rev int) {
		t.Helper()
		for _, s := range f.nodes[:2] {
			s.eventually(fmt.Sprintf("revision %d at %s", rev, s.opts.NodeID), func() bool {
				return bytes.Equal(s.store.Policy().Doc, policy(rev))
			})
		}
	}
	inForce(1)
	if !strings.Contains(second.logs.String(), "the policy in force is not this node's file") {
		t.Error("the second node does not say that its file is not in force")
	}
	// Somebody's wish counts; and what a node has put itself it replaces at a start.
	if err := second.putPolicy(t.Context(), policy(3)); err != nil {
		t.Fatal(err)
	}
	inForce(3)
	second.opts.Policy = policy(4)
	second.stop()
	f.started(second, second.startLater())
	inForce(4)
}
