package cluster

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"

	"smppbridge/store"
)

func TestProposeReturnsAppliesResult(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	first := s.accept(1, "one")
	second := s.accept(2, "two")
	if second <= first {
		t.Errorf("numbers %v and %v do not ascend", first, second)
	}
	m, status, err := s.store.Lookup(first)
	if err != nil || m.Text != "one" || status.State != store.StateAccepted {
		t.Errorf("message %v after Propose: %+v in state %v, %v", first, m, status.State, err)
	}
	if again := s.accept(1, "one"); again != first {
		t.Errorf("the same token again: number %v, want %v", again, first)
	}
}

func TestStampsAscend(t *testing.T) {
	var clock atomic.Int64
	clock.Store(2_000_000_000_000)
	s := newSite(t, func(c *Config) { c.Now = func() time.Time { return time.UnixMilli(clock.Load()) } })
	s.start()
	s.accept(1, "one")
	before := s.store.Clock()
	clock.Add(-time.Hour.Milliseconds()) // the leader's clock is set back
	s.stop()
	s.start()
	n := s.accept(2, "two")
	_, status, err := s.store.Lookup(n)
	if err != nil || status.AcceptedAt < before {
		t.Errorf("accepted at %d after a command of %d, %v", status.AcceptedAt, before, err)
	}
}

// TestFirstAcceptIsQuick: a node alone does not wait for a leader that cannot exist.
func TestFirstAcceptIsQuick(t *testing.T) {
	s := newSite(t, func(c *Config) { c.HeartbeatTimeout, c.ElectionTimeout = patience/2, patience/2 })
	begin := time.Now()
	s.start()
	s.accept(1, "one")
	first := time.Since(begin)
	s.stop()
	begin = time.Now()
	s.start()
	s.accept(2, "two")
	again := time.Since(begin)
	t.Logf("first accept %v after a new start, %v after a restart", first, again)
	if first > patience/4 || again > patience/4 {
		t.Errorf("first accept %v after a new start, %v after a restart: it waited", first, again)
	}
}

func TestRestartKeepsStateAndAppliesNothingAgain(t *testing.T) {
	addr := freeAddr(t) // with another one at the restart, the leader would write it down
	s := newSite(t, func(c *Config) { c.Addr = addr })
	s.start()
	s.accepts(1, 50)
	index, term := s.store.Applied()
	s.stop()
	s.start()
	if i, tm := s.store.Applied(); i != index || tm != term {
		t.Errorf("applied %d of term %d after the restart, want %d of %d", i, tm, index, term)
	}
	if got := s.node.Figures().BatchEntries; got != 0 {
		t.Errorf("%d entries were applied again at the restart", got)
	}
	s.check(1, 50)
	s.accepts(51, 60)
	s.check(1, 60)
}

// TestOlderFileCatchesUpFromTheLog: power was lost after the log was synced, before the file was.
func TestOlderFileCatchesUpFromTheLog(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	s.accepts(1, 10)
	s.stop()
	old := readFile(t, s.file())
	s.start()
	s.accepts(11, 30)
	index, _ := s.store.Applied()
	s.stop()
	writeFile(t, s.file(), old)
	s.start()
	if got, _ := s.store.Applied(); got < index {
		t.Errorf("applied %d, want %d", got, index)
	}
	s.check(1, 30)
}

// TestLogThatEndsBelowTheFileIsEmptied: a crash between installing a snapshot and cutting the log.
func TestLogThatEndsBelowTheFileIsEmptied(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	s.accepts(1, 20)
	index, _ := s.store.Applied()
	s.stop()
	editLog(t, s, func(w *wal.WAL) error { return w.DeleteRange(index-5, lastIndex(t, w)) })
	for range 2 { // also after another start, with a log that begins above the emptied one
		s.start()
		s.check(1, 20)
		s.accept(21, text(21))
		s.check(21, 21)
		if first := s.node.Figures().LogFirstIndex; first <= index {
			t.Errorf("the log begins at %d, want above %d", first, index)
		}
		s.stop()
	}
}

// TestLogOfAnotherHistoryIsEmptied: the entry at the file's index has another term.
func TestLogOfAnotherHistoryIsEmptied(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	s.accepts(1, 20)
	index, term := s.store.Applied()
	s.stop()
	editLog(t, s, func(w *wal.WAL) error {
		if err := w.DeleteRange(index, lastIndex(t, w)); err != nil {
			return err
		}
		stray := &raft.Log{Index: index, Term: term - 1, Type: raft.LogCommand, Data: []byte("never committed")}
		next := &raft.Log{Index: index + 1, Term: term - 1, Type: raft.LogCommand, Data: []byte("nor this")}
		return w.StoreLogs([]*raft.Log{stray, next})
	})
	s.start()
	s.check(1, 20)
	s.accept(21, text(21))
	s.check(21, 21)
}

func TestStartRefusesWhatDoesNotBelongTogether(t *testing.T) {
	tests := []struct {
		name   string
		damage func(t *testing.T, s *site, old []byte, index uint64)
	}{
		{"log begins above the file", func(t *testing.T, s *site, old []byte, index uint64) {
			editLog(t, s, func(w *wal.WAL) error { return w.DeleteRange(1, index-3) })
			writeFile(t, s.file(), old)
		}},
		{"log's folder is gone", func(t *testing.T, s *site, _ []byte, _ uint64) {
			if err := os.RemoveAll(filepath.Join(s.dir, "raft")); err != nil {
				t.Fatal(err)
			}
		}},
		{"file is gone and the log was cut", func(t *testing.T, s *site, _ []byte, index uint64) {
			editLog(t, s, func(w *wal.WAL) error { return w.DeleteRange(1, index-3) })
			if err := os.Remove(s.file()); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t, nil)
			s.start()
			s.accepts(1, 5)
			s.stop()
			old := readFile(t, s.file())
			s.start()
			s.accepts(6, 25)
			index, _ := s.store.Applied()
			s.stop()
			test.damage(t, s, old, index)
			if err := s.try(); !errors.Is(err, ErrLogLost) {
				t.Errorf("start: %v, want ErrLogLost", err)
			}
		})
	}
}

// TestLogAloneRebuildsTheFile: the file is lost, the log is whole.
func TestLogAloneRebuildsTheFile(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	s.accepts(1, 20)
	s.stop()
	if err := os.Remove(s.file()); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.check(1, 20)
}

// TestInterruptedBootstrapIsRepeated: Raft writes a term before the first configuration.
func TestInterruptedBootstrapIsRepeated(t *testing.T) {
	s := newSite(t, nil)
	if err := os.MkdirAll(s.config().walDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	editLog(t, s, func(w *wal.WAL) error { return w.SetUint64([]byte(currentTermKey), 1) })
	s.start()
	s.accept(1, "one")
}

func TestNodeWithoutBootstrapWaitsToBeJoined(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Bootstrap = false })
	if err := s.try(); err != nil {
		t.Fatal(err)
	}
	if err := s.node.Ready(); err == nil || s.node.IsLeader() {
		t.Errorf("a node that knows no cluster: ready %v, leader %v", err, s.node.IsLeader())
	}
	_, err := propose(context.Background(), s.node, 1, "one")
	if !errors.Is(err, store.ErrNotProposed) || !errors.Is(err, ErrNotLeader) {
		t.Errorf("propose: %v, want ErrNotProposed and ErrNotLeader", err)
	}
}

func TestChangedAddressIsWrittenDown(t *testing.T) {
	s := newSite(t, nil) // port 0: another one at each start
	s.start()
	was := s.node.Addr()
	s.accept(1, "one")
	s.stop()
	s.start()
	s.accept(2, "two")
	if was == s.node.Addr() {
		t.Skip("the system gave the same port again")
	}
	eventually(t, "the new address in the configuration", func() bool {
		servers := s.node.raft.GetConfiguration().Configuration().Servers
		return len(servers) == 1 && string(servers[0].Address) == s.node.Addr()
	})
}

func TestDirectoryIsForOneProcess(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	_, err := Start(s.config(), s.store)
	if !errors.Is(err, errInUse) {
		t.Errorf("second start on the directory: %v, want errInUse", err)
	}
}

func TestShutdownRefusesProposals(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.node.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	_, err := propose(ctx, s.node, 1, "one")
	if !errors.Is(err, store.ErrNotProposed) || !errors.Is(err, ErrShutdown) && !errors.Is(err, ErrNotLeader) {
		t.Errorf("propose after shutdown: %v, want ErrNotProposed", err)
	}
	if err := s.node.Ready(); !errors.Is(err, ErrShutdown) {
		t.Errorf("ready after shutdown: %v", err)
	}
	if err := s.node.Shutdown(ctx); !errors.Is(err, ErrShutdown) {
		t.Errorf("second shutdown: %v, want ErrShutdown", err)
	}
	s.node = nil
}

func editLog(t *testing.T, s *site, edit func(*wal.WAL) error) {
	t.Helper()
	w, err := wal.Open(s.config().walDir(), wal.WithLogger(newRaftLogger(s.config().withDefaults().Log)),
		wal.WithSegmentSize(int(s.config().withDefaults().SegmentBytes)))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(edit(w), w.Close()); err != nil {
		t.Fatal(err)
	}
}

func lastIndex(t *testing.T, w *wal.WAL) uint64 {
	t.Helper()
	last, err := w.LastIndex()
	if err != nil {
		t.Fatal(err)
	}
	return last
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// freeAddr returns an address on which a node can listen, several times: where hardly anybody else listens, who might be
// given the same port meanwhile.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.3:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
