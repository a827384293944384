package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"smppbridge/store"
)

// childDir in the environment makes the test binary a node that proposes until it is killed.
const childDir = "SMPPBRIDGE_CLUSTER_TEST_CHILD"

// killRounds is how often the node is killed. The first rounds kill it while it starts.
const killRounds = 36

// child runs a node on dir. It reads the first token's seq from in and proposes one message after
// the other, in two lanes like the batcher, and writes each acknowledged seq to out.
func child(dir string, in io.Reader, out io.Writer) int {
	if err := runChild(dir, in, out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func runChild(dir string, in io.Reader, out io.Writer) error {
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		return err
	}
	first, err := strconv.ParseUint(strings.TrimSpace(line), 10, 64)
	if err != nil {
		return err
	}
	fatal := make(chan error, 1)
	st, err := store.Open(filepath.Join(dir, "state.db"), store.Options{ClusterID: "test", MmapSize: 1 << 24})
	if err != nil {
		return err
	}
	n, err := Start(Config{
		NodeID: "n1", Dir: filepath.Join(dir, "raft"), Addr: "127.0.0.1:0", Bootstrap: true,
		SegmentBytes: 64 << 10, MaxLogBytes: 256 << 10, // cut often, so that a kill meets it
		Fatal: func(err error) { fatal <- err },
	}, st)
	if err != nil {
		return err
	}
	acked := make(chan uint64)
	for lane := range uint64(2) {
		go func() {
			for seq := first + lane; ; seq += 2 {
				for !lanePropose(n, seq, fatal) {
				}
				acked <- seq
			}
		}()
	}
	for {
		select {
		case seq := <-acked:
			if _, err := fmt.Fprintln(out, seq); err != nil {
				return err
			}
		case err := <-fatal:
			return err
		}
	}
}

// lanePropose proposes the message of seq and says whether it was acknowledged.
func lanePropose(n *Node, seq uint64, fatal chan<- error) bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := propose(ctx, n, seq, paddedText(seq))
	if err != nil && !errors.Is(err, ErrNotLeader) {
		select {
		case fatal <- err:
		default:
		}
	}
	return err == nil
}

// TestKilledNodeLosesNothingAccepted kills a node with SIGKILL at random moments, again and again on
// the same data. After each kill everything it had acknowledged must be there, exactly once, also
// after the last two commands, whose outcome is unknown, were proposed again.
func TestKilledNodeLosesNothingAccepted(t *testing.T) {
	rounds := killRounds
	if testing.Short() {
		rounds = 8
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	s := newSite(t, func(c *Config) { c.SegmentBytes, c.MaxLogBytes = 64<<10, 256<<10 })
	next := uint64(1)
	acked := make(map[uint64]bool)
	for round := range rounds {
		after := time.Duration(rnd.IntN(2000)) * time.Microsecond
		last := killOnce(t, s.dir, shot{first: next, acks: rnd.IntN(4 + 4*round), after: after}, acked)
		s.start()
		found := count(t, s.store) // before anything else moves it: the barrier has brought it up to date
		for seq := range acked {
			if found[paddedText(seq)] != 1 {
				t.Errorf("the acknowledged message of token %d is in the store %d times when the node is ready", seq, found[paddedText(seq)])
			}
		}
		for seq := next; seq <= last; seq++ { // what may or may not have been committed
			if !acked[seq] {
				s.accept(seq, paddedText(seq))
				acked[seq] = true
			}
		}
		checkAll(t, s, last)
		next = last + 1
		s.stop()
		if t.Failed() {
			t.Fatalf("after round %d", round)
		}
	}
	if len(s.faults()) > 0 {
		t.Errorf("fatal errors: %v", s.faults())
	}
	t.Logf("%d messages acknowledged over %d kills", next-1, rounds)
}

// paddedText makes messages of different lengths, so that log segments end at different places.
func paddedText(seq uint64) string {
	return text(seq) + strings.Repeat(" and its padding", int(seq%40))
}

// A shot says what a child proposes first, and that it is killed when it has acknowledged acks
// commands and after has passed.
type shot struct {
	first uint64
	acks  int
	after time.Duration
}

// killOnce runs a child, kills it as told, and returns the highest seq it may have proposed.
func killOnce(t *testing.T, dir string, how shot, acked map[uint64]bool) uint64 {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stdin = strings.NewReader(fmt.Sprintln(how.first))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var kill *time.Timer
	shoot := func() { kill = time.AfterFunc(how.after, func() { _ = cmd.Process.Kill() }) }
	if how.acks == 0 {
		how.after *= 20 // while it starts
		shoot()
	}
	last := how.first - 1
	got := 0
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		seq, err := strconv.ParseUint(lines.Text(), 10, 64)
		if err != nil {
			break // a line cut short by the kill
		}
		acked[seq] = true
		last = max(last, seq)
		if got++; got == how.acks {
			shoot()
		}
	}
	err = cmd.Wait()
	if kill == nil || kill.Stop() {
		t.Fatalf("the child ended by itself: %v\n%s", err, stderr.String())
	}
	// Each of the two lanes may have had one acknowledged that it did not come to print, and one more
	// under way.
	return last + 4
}

// checkAll looks for the messages of all tokens up to last: each once, and none besides.
func checkAll(t *testing.T, s *site, last uint64) {
	t.Helper()
	found := count(t, s.store)
	sum := 0
	for seq := uint64(1); seq <= last; seq++ {
		if got := found[paddedText(seq)]; got != 1 {
			t.Errorf("the message of token %d is in the store %d times, want once", seq, got)
		}
	}
	for _, n := range found {
		sum += n
	}
	if sum != int(last) {
		t.Errorf("the store has %d messages, want %d", sum, last)
	}
}
