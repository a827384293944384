package cluster

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"smppbridge/store"
)

// installDir and its like in the environment make the test binary a node that dies when a snapshot that it is sent has
// come to a place.
const (
	installDir  = "SMPPBRIDGE_CLUSTER_TEST_INSTALL"
	installAddr = "SMPPBRIDGE_CLUSTER_TEST_INSTALL_ADDR"
	installAt   = "SMPPBRIDGE_CLUSTER_TEST_INSTALL_AT"
)

// placeRenamed is between two steps of the store's: the file has its new name.
const placeRenamed = "renamed"

// second is the configuration of the node that is sent snapshots.
func second(dir, addr string) Config {
	return Config{
		NodeID: "n2", Dir: filepath.Join(dir, "raft"), Addr: addr, SegmentBytes: 64 << 10, MaxLogBytes: 256 << 10,
		PulseInterval: 50 * time.Millisecond,
		// A loaded machine is not a lost leader.
		HeartbeatTimeout: time.Second, ElectionTimeout: time.Second, LeaderLeaseTimeout: time.Second,
	}
}

func installChild(dir, addr, at string, out io.Writer) int {
	fatal := make(chan error, 1)
	cfg := second(dir, addr)
	cfg.Fatal = func(err error) { fatal <- err }
	cfg.step = dieAt(at)
	st, err := store.Open(filepath.Join(dir, "state.db"), store.Options{MmapSize: 1 << 24})
	if err == nil {
		if at == placeRenamed {
			go dieWithout(cfg.receivedDir())
		}
		_, err = Start(cfg, st)
	}
	if err == nil {
		fmt.Fprintln(out, "started")
		err = <-fatal
	}
	fmt.Fprintln(os.Stderr, "not killed:", err)
	return 1
}

// dieWithout kills the process as soon as a file that was in dir is not there any more.
func dieWithout(dir string) {
	for seen := false; ; {
		names, _ := os.ReadDir(dir)
		if seen && len(names) == 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		seen = len(names) > 0
	}
}

// A pairing is a node that leads, and a second one that has been away for long.
type pairing struct {
	*site
	t     *testing.T
	other *site // n2
	addr  string
	seq   uint64
}

func newPairing(t *testing.T) *pairing {
	small := func(c *Config) {
		c.SegmentBytes, c.MaxLogBytes, c.PulseInterval = 64<<10, 256<<10, 50*time.Millisecond
		c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = time.Second, time.Second, time.Second
	}
	p := &pairing{t: t, site: newSite(t, small), other: newSite(t, nil), addr: freeAddr(t)}
	p.other.tune = func(c *Config) {
		fatal := c.Fatal
		*c = second(p.other.dir, p.addr)
		c.Fatal = fatal
	}
	p.logWhenFailed()
	p.start()
	p.add(5)
	return p
}

// logWhenFailed prints what the nodes log, if the test fails.
func (p *pairing) logWhenFailed() {
	var b lockedBuffer
	p.t.Cleanup(func() {
		if p.t.Failed() {
			p.t.Log(b.String())
		}
	})
	for i, s := range []*site{p.site, p.other} {
		tune := s.tune
		s.tune = func(c *Config) {
			tune(c)
			c.Log = slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug})).With("at", i+1)
		}
	}
}

// A lockedBuffer is written to by many goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// add has n messages accepted.
func (p *pairing) add(n int) {
	p.t.Helper()
	for range n {
		p.seq++
		p.insist(p.site, p.seq)
	}
}

// insist proposes the message of a token until it is accepted: leaders may change.
func (p *pairing) insist(on *site, seq uint64) {
	p.t.Helper()
	eventually(p.t, "a message to be accepted", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_, err := propose(ctx, on.node, seq, p.text(seq))
		return err == nil
	})
}

func (p *pairing) text(seq uint64) string { return text(seq) + strings.Repeat(" filler", 600) }

// join makes the second node a member.
func (p *pairing) join() {
	p.t.Helper()
	eventually(p.t, "the second node to be a member", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return p.node.Join(ctx, "n2", p.addr) == nil
	})
}

// votes waits until the second node has all and a vote.
func (p *pairing) votes() {
	p.t.Helper()
	eventually(p.t, "the second node to have a vote", func() bool {
		for _, m := range p.node.Members() {
			if m.ID == "n2" && m.Voter {
				return true
			}
		}
		return false
	})
}

func (p *pairing) remove() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.node.Remove(ctx, "n2"); err != nil {
		p.t.Fatal(err)
	}
}

// TestKilledAtEachStepOfInstall: a node with a log and a file of long ago is killed while it takes in a snapshot. It starts
// again with what it has, is sent what it lacks, holds the same as the other, and can lead.
func TestKilledAtEachStepOfInstall(t *testing.T) {
	for _, at := range []string{
		stepPartReceived, stepReceived, stepSynced, stepRestore, placeRenamed, stepRestored, stepCut, stepCutDone,
	} {
		t.Run(at, func(t *testing.T) {
			p := newPairing(t)
			if err := p.other.try(); err != nil {
				t.Fatal(err)
			}
			p.join()
			p.votes()
			p.remove()
			p.other.stop()
			p.add(150) // the log is cut, and cut again
			p.dieAt(at)
			checkInstalled(t, p, at)

			if err := p.other.try(); err != nil {
				t.Fatalf("start after a crash: %v", err)
			}
			p.join()
			p.votes()
			p.add(20)
			p.agree()
			p.lead()
			if got := errors.Join(append(p.faults(), p.other.faults()...)...); got != nil {
				t.Errorf("faults: %v", got)
			}
		})
	}
}

// dieAt runs the second node as a process that dies when its snapshot is at the place.
func (p *pairing) dieAt(at string) {
	p.t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), installDir+"="+p.other.dir, installAddr+"="+p.addr, installAt+"="+at)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		p.t.Fatalf("the child has not started: %q %v\n%s", line, err, stderr.String())
	}
	p.join()
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }() // ends with the process
	select {
	case err = <-done:
	case <-time.After(patience):
		p.t.Fatalf("the child was not killed at %q", at)
	}
	if st, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || st.Signal() != syscall.SIGKILL {
		p.t.Fatalf("the child was not killed: %v\n%s", err, stderr.String())
	}
}

// checkInstalled checks that the child died where it should: with the new file in place, or not.
func checkInstalled(t *testing.T, p *pairing, at string) {
	t.Helper()
	p.other.openStore()
	index, _ := p.other.store.Applied()
	if err := p.other.store.Close(); err != nil {
		t.Fatal(err)
	}
	p.other.store = nil
	installed := index > 100
	want := at == placeRenamed || at == stepRestored || at == stepCut || at == stepCutDone
	if installed != want {
		t.Errorf("killed at %q the file holds %d; installed: %v, want %v", at, index, installed, want)
	}
}

// agree waits until both nodes hold the same, and compares.
func (p *pairing) agree() {
	p.t.Helper()
	eventually(p.t, "both to have applied the same", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if p.node.Sync(ctx) != nil {
			return false
		}
		a, _ := p.store.Applied()
		b, _ := p.other.store.Applied()
		return a == b
	})
	for i, st := range []*store.Store{p.store, p.other.store} {
		found := count(p.t, st)
		for seq := uint64(1); seq <= p.seq; seq++ {
			if n := found[p.text(seq)]; n != 1 {
				p.t.Errorf("store %d has the message of token %d %d times, want once", i+1, seq, n)
			}
		}
	}
}

// lead makes the second node the leader, which accepts.
func (p *pairing) lead() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	eventually(p.t, "the second node to lead", func() bool {
		return p.other.node.IsLeader() || p.node.Transfer(ctx, "n2") == nil && p.other.node.IsLeader()
	})
	p.seq++
	p.insist(p.other, p.seq)
	p.agree()
}
