package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"smppbridge/store"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(child(dir, os.Stdin, os.Stdout))
	}
	if dir := os.Getenv(recoverDir); dir != "" {
		os.Exit(recoverChild(dir, os.Getenv(recoverAt), os.Stderr))
	}
	if dir := os.Getenv(installDir); dir != "" {
		os.Exit(installChild(dir, os.Getenv(installAddr), os.Getenv(installAt), os.Stdout))
	}
	goleak.VerifyTestMain(m)
}

// patience bounds every wait of these tests: long enough for a busy machine on whose disk each sync takes half a second.
const patience = time.Minute

// A site is where one node lives over several starts.
type site struct {
	t     testing.TB
	dir   string
	tune  func(*Config)
	node  *Node
	store *store.Store

	mu    sync.Mutex
	fatal []error // guarded by mu
}

func newSite(t testing.TB, tune func(*Config)) *site {
	s := &site{t: t, dir: t.TempDir(), tune: tune}
	t.Cleanup(func() {
		if s.node != nil {
			s.stop()
		}
		if s.store != nil {
			_ = s.store.Close()
		}
	})
	return s
}

func (s *site) config() Config {
	cfg := Config{
		NodeID: "n1", Dir: filepath.Join(s.dir, "raft"), Addr: "127.0.0.1:0", Bootstrap: true,
		Fatal: func(err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.fatal = append(s.fatal, err)
		},
	}
	if s.tune != nil {
		s.tune(&cfg)
	}
	return cfg
}

func (s *site) faults() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fatal
}

func (s *site) file() string { return filepath.Join(s.dir, "state.db") }

func (s *site) openStore() {
	s.t.Helper()
	st, err := store.Open(s.file(), store.Options{ClusterID: "test", MmapSize: 1 << 24})
	if err != nil {
		s.t.Fatal(err)
	}
	s.store = st
}

// try starts the node and returns Start's error.
func (s *site) try() error {
	s.t.Helper()
	s.openStore()
	n, err := Start(s.config(), s.store)
	if err != nil {
		_ = s.store.Close()
		s.store = nil
		return err
	}
	s.node = n
	return nil
}

// start starts the node and waits until it is ready.
func (s *site) start() {
	s.t.Helper()
	if err := s.try(); err != nil {
		s.t.Fatal(err)
	}
	s.ready()
}

func (s *site) ready() {
	s.t.Helper()
	defer func() {
		if s.t.Failed() {
			s.t.Logf("not ready: %v; %+v", s.node.Ready(), s.node.Figures())
		}
	}()
	eventually(s.t, "the node to be ready", func() bool { return s.node.Ready() == nil })
}

func (s *site) stop() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := errors.Join(s.node.Shutdown(ctx), s.store.Close())
	s.node, s.store = nil, nil
	if err != nil {
		s.t.Errorf("stop: %v", err)
	}
}

// accept proposes one message under the token seq, and returns its number when the node's store has it.
func (s *site) accept(seq uint64, text string) store.Number {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	got, err := propose(ctx, s.node, seq, text)
	if err != nil {
		s.t.Fatalf("accept %d: %v", seq, err)
	}
	if err := s.node.Sync(ctx); err != nil {
		s.t.Fatalf("sync after accept %d: %v", seq, err)
	}
	return got
}

// accepts proposes messages with the tokens from to to.
func (s *site) accepts(from, to uint64) {
	s.t.Helper()
	for seq := from; seq <= to; seq++ {
		s.accept(seq, text(seq))
	}
}

// check looks for the message of each token from from to to: it must be in the store once.
func (s *site) check(from, to uint64) {
	s.t.Helper()
	found := count(s.t, s.store)
	for seq := from; seq <= to; seq++ {
		if got := found[text(seq)]; got != 1 {
			s.t.Errorf("the message of token %d is in the store %d times, want once", seq, got)
		}
	}
}

// count reads all messages by number until there are no more, and counts their texts.
func count(t testing.TB, st *store.Store) map[string]int {
	t.Helper()
	found := make(map[string]int)
	for n := store.Number(1); ; n++ {
		m, _, err := st.Lookup(n)
		if errors.Is(err, store.ErrNotFound) {
			return found
		}
		if err != nil {
			t.Fatalf("look up %v: %v", n, err)
		}
		found[m.Text]++
	}
}

func text(seq uint64) string { return fmt.Sprintf("message of token %d", seq) }

func acceptCommand(seq uint64, text string) *store.Accept {
	return &store.Accept{
		Token:    store.Token{Node: "n1", Incarnation: 1, Seq: seq, Lowest: seq - min(seq-1, 64)},
		Messages: []store.Submission{{Message: store.Message{Account: "a", Phone: "13900000000", Text: text}, Charges: -1}},
	}
}

type proposer interface {
	Propose(ctx context.Context, cmd store.Command) (store.Result, error)
}

func propose(ctx context.Context, p proposer, seq uint64, text string) (store.Number, error) {
	res, err := p.Propose(ctx, acceptCommand(seq, text))
	if err != nil {
		return 0, err
	}
	got, ok := res.(*store.AcceptResult)
	if !ok || len(got.Items) != 1 || got.Items[0].Code != store.AcceptOK {
		return 0, fmt.Errorf("result %T %+v", res, res)
	}
	return got.Items[0].Number, nil
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("after %v not yet: %s", patience, what)
		}
	}
}
