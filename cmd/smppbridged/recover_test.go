package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smppbridge/bridge/aliyun/aliyunsim"
	"smppbridge/smpp"
	"smppbridge/store"
)

// recover runs `smppbridged recover` on the system's data.
func (s *system) recover(args ...string) (out string, err error) {
	s.t.Helper()
	config := filepath.Join(s.t.TempDir(), "node.yaml")
	// The credentials are not there: systemd puts them there for the service, not for an operator.
	write(s.t, config, fmt.Sprintf("node_id: %s\ndata_dir: %s\ncluster: {listen: %q}\n"+
		"callback: {secret_file: $CREDENTIALS_DIRECTORY/callback}\ncredentials: {default: {source: file, file: $CREDENTIALS_DIRECTORY/key}}\n",
		s.opts.NodeID, s.opts.DataDir, s.opts.Cluster.Listen))
	var b strings.Builder
	root := newRoot()
	root.SetOut(&b)
	root.SetErr(&b)
	root.SetArgs(append([]string{"recover", "--config", config}, args...))
	err = root.ExecuteContext(s.t.Context())
	return b.String(), err
}

// mustRecover runs it to its end.
func (s *system) mustRecover(args ...string) string {
	s.t.Helper()
	out, err := s.recover(append(args, "--yes")...)
	if err != nil {
		s.t.Fatalf("recover: %v\n%s", err, out)
	}
	return out
}

// refuses checks that it changes nothing, and why.
func (s *system) refuses(code int, says string, args ...string) {
	s.t.Helper()
	out, err := s.recover(args...)
	if err == nil || exitCode(err) != code || !strings.Contains(err.Error(), says) {
		s.t.Errorf("recover %q: %v, want exit code %d and %q\n%s", args, err, code, says, out)
	}
}

// TestLostMajorityIsNotSentTwice: two of three nodes are lost after they have sent messages that the third knows only as
// accepted. It is recovered: what they have sent is found by asking the API and not sent again, what they have not is
// sent, and all receipts come. The others join again with nothing.
func TestLostMajorityIsNotSentTwice(t *testing.T) {
	f := startThree(t, singly)
	leader, left := f.leader()
	leader.asksAll("/v1/pause")
	c := left.bind("test", smpp.Transmitter)
	var sent, unsent []string
	for i := range 10 {
		sent = append(sent, c.mustSubmit(fmt.Sprintf("139000000%d0", i), fmt.Sprint("private sent ", i)))
		unsent = append(unsent, c.mustSubmit(fmt.Sprintf("139000000%d1", i), fmt.Sprint("private unsent ", i)))
	}
	left.sync()
	left.hangUp()
	left.stop()

	// The two that are left send a half of it, and are lost with what they know.
	if err := f.sim.SetFaults(aliyunsim.Faults{{Kind: aliyunsim.FaultThrottle, Suffix: "1"}}); err != nil {
		t.Fatal(err)
	}
	f.sim.SetReportURL("http://" + freeAddr(t) + "/nowhere")
	leader.ask(http.MethodPost, "/v1/resume", "") // it says that one node does not answer
	leader.eventually("they have sent", func() bool { return len(f.sim.Ledger()) == len(sent) })
	for _, s := range f.nodes {
		if s != left {
			s.stop()
		}
	}
	if err := f.sim.SetFaults(nil); err != nil {
		t.Fatal(err)
	}

	left.refuses(exitUsage, "--yes")
	out := left.mustRecover()
	if !strings.Contains(out, "of n1 n2 n3") || !strings.Contains(out, "epoch 2 begins") || !strings.Contains(out, "20 messages") {
		t.Errorf("recover says:\n%s", out)
	}
	left.refuses(exitUsage, "start it", "--yes")
	left.start()
	r := left.bind("test", smpp.Receiver)
	for _, id := range append(sent, unsent...) {
		want(t, "stat", r.receipt(id).State, smpp.StateDelivered)
	}
	for i := range 10 {
		want(t, "what was sent", left.executed(fmt.Sprintf("139000000%d0", i)), 1)
		want(t, "what was not", left.executed(fmt.Sprintf("139000000%d1", i)), 1)
	}
	want(t, "epoch", left.clusterDoc().Epoch, uint64(2))
	if l := left.clusterDoc().Lineage; !strings.Contains(out, "lineage "+l) {
		t.Errorf("the node is of lineage %s, recover said %s", l, out)
	}

	for _, s := range f.nodes {
		if s == left {
			continue
		}
		s.opts.DataDir, s.opts.Cluster.Bootstrap = t.TempDir(), false
		started := s.startLater()
		left.join(s)
		f.started(s, started)
	}
	want(t, "members", len(left.clusterDoc().Members), 3)
	e := f.nodes[0].bind("test", smpp.Transceiver)
	r.Close()
	want(t, "stat", e.receipt(e.mustSubmit(phone, "private")).State, smpp.StateDelivered)
}

// backUp writes the node's snapshot to a file.
func (s *system) backUp() string {
	s.t.Helper()
	code, body := s.ask(http.MethodGet, "/v1/cluster/snapshot", "")
	want(s.t, "snapshot", code, http.StatusOK)
	file := filepath.Join(s.t.TempDir(), "backup")
	write(s.t, file, body)
	return file
}

// TestBackupAndBack: what was accepted before the backup is there, nothing is sent twice, and the data that were there are kept.
func TestBackupAndBack(t *testing.T) {
	s := startSystem(t, func(o *options) { o.HTTP.Listen = freeAddr(t) })
	c := s.bind("test", smpp.Transceiver)
	before := c.mustSubmit("13900000001", "private before")
	c.receipt(before)
	pause, _ := s.ask(http.MethodPost, "/v1/pause", "")
	want(t, "pause", pause, http.StatusOK)
	open := c.mustSubmit("13900000002", "private open")
	backup := s.backUp()
	resume, _ := s.ask(http.MethodPost, "/v1/resume", "")
	want(t, "resume", resume, http.StatusOK)
	c.receipt(open) // sent, but not in the backup
	after := c.mustSubmit("13900000003", "private after")
	c.receipt(after)
	s.refuses(exitUsage, "in use", "--backup", backup, "--replace", "--yes")
	s.hangUp()
	s.stop()

	s.refuses(exitUsage, "has data", "--backup", backup, "--yes")
	s.refuses(exitUsage, "--backup", "--replace", "--yes")
	s.refuses(exitUsage, "with --yes", "--backup", backup, "--replace")
	damaged := filepath.Join(t.TempDir(), "damaged")
	octets, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	write(t, damaged, string(octets[:len(octets)/2]))
	s.refuses(exitData, damaged, "--backup", damaged, "--replace", "--yes")
	s.mustRecover("--backup", backup, "--replace")
	names, err := filepath.Glob(filepath.Join(s.opts.DataDir, "*"))
	if err != nil || len(names) != 3 || !strings.Contains(names[1], replacedName) {
		t.Errorf("in the data directory: %q, %v", names, err)
	}
	s.start()
	want(t, "state of the one before", s.state(before), store.StateFinal)
	n, err := store.ParseNumber(after)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.store.Lookup(n); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the one after: %v, want ErrNotFound", err)
	}
	c = s.bind("test", smpp.Transceiver)
	want(t, "stat", c.receipt(open).State, smpp.StateDelivered)
	want(t, "stat", c.receipt(c.mustSubmit("13900000004", "private anew")).State, smpp.StateDelivered)
	for i := 1; i <= 4; i++ {
		want(t, fmt.Sprint("executions ", i), s.executed(fmt.Sprintf("1390000000%d", i)), 1)
	}
}

// TestBackupCutShort: a crash between the steps of a recovery from a backup leaves a node that does not start, rather than one
// that begins a cluster of its own, and a recovery that can be repeated.
func TestBackupCutShort(t *testing.T) {
	from := startSystem(t, func(o *options) { o.HTTP.Listen = freeAddr(t) })
	c := from.bind("test", smpp.Transceiver)
	id := c.mustSubmit("13900000001", "private before")
	c.receipt(id)
	backup := from.backUp()
	cluster := from.store.ClusterID()
	for name, leave := range map[string]func(done, dir string) error{
		"before the log's rename": func(done, dir string) error { return os.Rename(done, filepath.Join(dir, recoveringName)) },
		"before the file's rename": func(done, dir string) error {
			return errors.Join(os.Mkdir(filepath.Join(dir, recoveringName), 0o700),
				os.Rename(filepath.Join(done, raftName), filepath.Join(dir, raftName)),
				os.Rename(filepath.Join(done, stateName), filepath.Join(dir, recoveringName, stateName)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, from.sim, "127.0.0.1:1")
			s.opts.DataDir = filepath.Join(t.TempDir(), "done")
			s.mustRecover("--backup", backup)
			done := s.opts.DataDir
			s.opts.DataDir = t.TempDir()
			if err := leave(done, s.opts.DataDir); err != nil {
				t.Fatal(err)
			}
			if _, err := start(t.Context(), s.opts); err == nil || exitCode(err) != exitData {
				t.Errorf("start of a node whose recovery was cut short: %v", err)
			}
			s.refuses(exitData, "cut short", "--yes")
			s.mustRecover("--backup", backup)
			s.opts.HTTP.Listen = freeAddr(t)
			s.start()
			s.endWithTest()
			d := s.clusterDoc()
			want(t, "epoch", d.Epoch, uint64(2))
			want(t, "cluster_id", d.ClusterID, cluster)
			want(t, "state", s.state(id), store.StateFinal)
		})
	}
}
