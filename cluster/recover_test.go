package cluster

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"smppbridge/store"
)

// widow makes of a node that is down one that has lost two others: its last configuration has them, and
// entries that its file does not have are in its log, as after a loss of power.
func widow(t *testing.T, s *site) (acked uint64) {
	t.Helper()
	s.start()
	s.accepts(1, 20)
	s.stop()
	l := reopenLog(t, s)
	last, _ := l.LastIndex()
	term, _ := l.GetUint64([]byte(currentTermKey))
	conf := raft.Configuration{}
	for _, id := range []raft.ServerID{"n1", "n2", "n3"} {
		conf.Servers = append(conf.Servers, raft.Server{ID: id, Address: raft.ServerAddress("127.0.0.1:" + string(id[1:]))})
	}
	entries := []*raft.Log{{Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(conf)}, {Type: raft.LogNoop}}
	for seq := uint64(21); seq <= 120; seq++ {
		entries = append(entries, &raft.Log{Type: raft.LogCommand, Data: store.Encode(time.Now().UnixMilli(), acceptCommand(seq, text(seq)))})
		if seq == 60 {
			entries = append(entries, &raft.Log{Type: raft.LogBarrier})
		}
	}
	for i, e := range entries {
		e.Index, e.Term = last+1+uint64(i), term
	}
	if err := errors.Join(l.StoreLogs(entries), l.Close()); err != nil {
		t.Fatal(err)
	}
	return 120
}

func reopenLog(t *testing.T, s *site) *raftLog {
	t.Helper()
	l, err := openLog(s.config().withDefaults(), newFault(nil), newRaftLogger(s.config().withDefaults().Log))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// recovers calls Recover as the daemon does.
func (s *site) recovers() (RecoverReport, error) {
	s.t.Helper()
	s.openStore()
	rep, err := Recover(s.config(), s.store)
	if cerr := s.store.Close(); cerr != nil {
		s.t.Error(cerr)
	}
	s.store = nil
	return rep, err
}

// TestRecover: all that the log has is applied, the node is a cluster of itself in the next epoch, and what may have been
// sent is uncertain.
func TestRecover(t *testing.T) {
	s := newSite(t, nil)
	acked := widow(t, s)
	s.openStore()
	plan, err := PlanRecovery(s.config(), s.store)
	index, term := s.store.Applied()
	if err != nil || plan.Applied != index || plan.Replayed != int(plan.LogLast-index) || s.store.Epoch() != 1 {
		t.Errorf("plan %+v, %v; applied %d, epoch %d", plan, err, index, s.store.Epoch())
	}
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	rep, err := s.recovers()
	if err != nil {
		t.Fatal(err)
	}
	if rep.Epoch != 2 || rep.Index < plan.Index || rep.Term <= term || rep.Uncertain != acked || rep.Leap < leastLeap ||
		rep.Backup || !slices.Equal(rep.Members, []string{"n1", "n2", "n3"}) {
		t.Errorf("report %+v, planned %+v", rep, plan)
	}
	if _, err := s.recovers(); !errors.Is(err, ErrNothingToRecover) {
		t.Errorf("recovered again: %v, want ErrNothingToRecover", err)
	}
	s.start()
	checkRecovered(t, s, acked)
	// It goes on, and starts again from what it has.
	n := s.accept(1000, "of the new epoch")
	s.stop()
	s.start()
	if m, _, err := s.store.Lookup(n); err != nil || m.Text != "of the new epoch" || n <= store.Number(rep.Leap) {
		t.Errorf("message %v of the new epoch: %q, %v", n, m.Text, err)
	}
	checkRecovered(t, s, acked)
}

// checkRecovered checks that a node that was recovered once has the messages up to acked, once, all of them held.
func checkRecovered(t *testing.T, s *site, acked uint64) {
	t.Helper()
	s.check(1, acked)
	for n := store.Number(1); uint64(n) <= acked; n++ {
		if _, st, err := s.store.Lookup(n); err != nil || st.State != store.StateUncertain || !st.Held {
			t.Errorf("message %v: %+v, %v, want it held", n, st, err)
		}
	}
	if e := s.store.Epoch(); e != 2 {
		t.Errorf("epoch %d, want 2", e)
	}
	servers := s.node.servers()
	if len(servers) != 1 || servers[0].ID != "n1" {
		t.Errorf("members %v, want n1 alone", servers)
	}
}

// recoverDir and recoverAt in the environment make the test binary a Recover that is killed at a step.
const (
	recoverDir = "SMPPBRIDGE_CLUSTER_TEST_RECOVER"
	recoverAt  = "SMPPBRIDGE_CLUSTER_TEST_RECOVER_AT"
)

func recoverChild(dir, at string, stderr io.Writer) int {
	st, err := store.Open(filepath.Join(dir, "state.db"), store.Options{MmapSize: 1 << 24})
	if err == nil {
		_, err = Recover(Config{
			NodeID: "n1", Dir: filepath.Join(dir, "raft"), Addr: "127.0.0.1:0", step: dieAt(at),
		}, st)
	}
	fmt.Fprintln(stderr, "not killed:", err)
	return 1
}

// dieAt is a Config.step that kills the process at a place.
func dieAt(place string) func(string) {
	return func(at string) {
		if at == place {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
}

// TestRecoverKilledAtEachStep: it is repeated, or had come far enough, and the node is as after one Recover.
func TestRecoverKilledAtEachStep(t *testing.T) {
	for _, at := range []string{stepReplayed, stepTerm, stepEpoch, stepEmptied} {
		t.Run(at, func(t *testing.T) {
			s := newSite(t, nil)
			acked := widow(t, s)
			cmd := exec.Command(os.Args[0], "-test.run=^$")
			cmd.Env = append(os.Environ(), recoverDir+"="+s.dir, recoverAt+"="+at)
			out, err := cmd.CombinedOutput()
			if st, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || st.Signal() != syscall.SIGKILL {
				t.Fatalf("the child was not killed: %v %s", err, out)
			}
			begun := at == stepEpoch || at == stepEmptied
			_, err = s.recovers()
			if begun != errors.Is(err, ErrNothingToRecover) || !begun && err != nil {
				t.Fatalf("repeated: %v; the epoch had begun: %v", err, begun)
			}
			s.start()
			checkRecovered(t, s, acked)
			s.accept(1000, "of the new epoch")
		})
	}
}

// TestRecoverOfBackup: a file without a log.
func TestRecoverOfBackup(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	s.accepts(1, 20)
	backup := filepath.Join(t.TempDir(), "backup")
	saveSnapshot(t, s.store, backup)
	s.accepts(21, 30)
	id := s.store.ClusterID()

	to := newSite(t, func(c *Config) { c.NodeID = "n1" })
	to.openStore()
	if err := to.store.RestoreFile(backup); err != nil {
		t.Fatal(err)
	}
	if err := to.store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := to.try(); !errors.Is(err, ErrLogLost) {
		t.Fatalf("start on a file without its log: %v, want ErrLogLost", err)
	}
	if err := os.RemoveAll(to.config().Dir); err != nil {
		t.Fatal(err)
	}
	rep, err := to.recovers()
	if err != nil || !rep.Backup || rep.ClusterID != id {
		t.Fatalf("report %+v, %v", rep, err)
	}
	to.start()
	checkRecovered(t, to, 20)
	if to.store.ClusterID() != id {
		t.Errorf("cluster %q, want %q", to.store.ClusterID(), id)
	}
}

// TestRecoverOfADivergedNode: its log says that most had another state. It is refused with a way out, and what it has can
// be recovered without the log.
func TestRecoverOfADivergedNode(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	eventually(t, "the cluster version", func() bool { return s.store.ClusterVersion() == store.Version })
	s.stop()
	acked := widow(t, s)
	l := reopenLog(t, s)
	last, _ := l.LastIndex()
	term, _ := l.GetUint64([]byte(currentTermKey))
	mark, verify := last+1, last+2
	at := time.Now().UnixMilli()
	err := l.StoreLogs([]*raft.Log{
		{Index: mark, Term: term, Type: raft.LogCommand, Data: store.Encode(at, &store.Mark{})},
		{Index: verify, Term: term, Type: raft.LogCommand, Data: store.Encode(at, &store.Verify{Mark: mark, Hash: 1})},
	})
	if err := errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what was refused is refused again
		_, err := s.recovers()
		if !errors.Is(err, store.ErrDiverged) || !strings.Contains(err.Error(), "as if it were a backup") {
			t.Fatalf("%v, want ErrDiverged and a way out", err)
		}
	}
	if err := os.RemoveAll(s.config().Dir); err != nil {
		t.Fatal(err)
	}
	rep, err := s.recovers()
	if err != nil || !rep.Backup {
		t.Fatalf("without the log: %+v, %v", rep, err)
	}
	s.start()
	checkRecovered(t, s, acked)
}

func saveSnapshot(t *testing.T, st *store.Store, to string) {
	t.Helper()
	snap, err := st.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(to)
	if err == nil {
		_, err = snap.WriteTo(f)
	}
	if err := errors.Join(err, f.Close(), snap.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestRecoverRefuses what cannot be meant.
func TestRecoverRefuses(t *testing.T) {
	t.Run("nothing there", func(t *testing.T) {
		if _, err := newSite(t, nil).recovers(); !errors.Is(err, ErrNothingToRecover) {
			t.Errorf("%v, want ErrNothingToRecover", err)
		}
	})
	t.Run("a cluster of one", func(t *testing.T) {
		s := newSite(t, nil)
		s.start()
		s.accepts(1, 3)
		s.stop()
		if _, err := s.recovers(); !errors.Is(err, ErrNothingToRecover) {
			t.Errorf("%v, want ErrNothingToRecover", err)
		}
		s.start()
		s.check(1, 3)
	})
	t.Run("a node that runs", func(t *testing.T) {
		s := newSite(t, nil)
		s.start()
		if _, err := Recover(s.config(), s.store); !errors.Is(err, errInUse) {
			t.Errorf("%v, want errInUse", err)
		}
		s.accepts(1, 3)
	})
	t.Run("another node's data", func(t *testing.T) {
		s := newSite(t, nil)
		widow(t, s)
		s.tune = func(c *Config) { c.NodeID = "n9" }
		if _, err := s.recovers(); err == nil || !strings.Contains(err.Error(), "node_id") {
			t.Errorf("%v, want a word about node_id", err)
		}
	})
	t.Run("a log that does not go on", func(t *testing.T) {
		s := newSite(t, nil)
		widow(t, s)
		if err := os.Remove(s.file()); err != nil {
			t.Fatal(err)
		}
		l := reopenLog(t, s)
		first, _ := l.FirstIndex()
		if err := errors.Join(l.WAL.DeleteRange(first, first+2), l.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.recovers(); !errors.Is(err, ErrLogLost) {
			t.Errorf("%v, want ErrLogLost", err)
		}
	})
}

// TestLeap: far enough for what may have been given away, not so far that short ids come again.
func TestLeap(t *testing.T) {
	for age, want := range map[time.Duration]uint64{
		-time.Hour: leastLeap, time.Minute: leastLeap, time.Hour: 360_000_000, 24 * time.Hour * 365: mostLeap,
	} {
		if got := leap(age); got != want {
			t.Errorf("leap after %v: %d, want %d", age, got, want)
		}
	}
}
