package store

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestCrashAtAnyWrite makes the files that a crash during a commit can leave, from the file
// before and the file after it: some of the new pages are there, some not, the record that makes
// them count is not, or is torn. Each must open as the state before.
func TestCrashAtAnyWrite(t *testing.T) {
	h, victim := newHarness(t), newHarness(t)
	for _, h := range []*harness{h, victim} { // a small file is quickly copied
		h.Store.Close()
		os.Remove(h.path)
		h.mmap = 1 << 20
		h.open()
	}
	d := &driver{h: h, rnd: rand.New(rand.NewPCG(1, 11)), inc: 1}
	read := func() []byte {
		raw, err := os.ReadFile(h.path)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	page := os.Getpagesize()
	for step := range 60 {
		for range 5 {
			h.apply(d.next())
		}
		before, want := read(), h.sum()
		h.apply(d.next())
		after := read()
		for _, torn := range []bool{false, true} {
			crashed := bytes.Clone(after)
			copy(crashed, before[:2*page]) // the last write of a commit is to one of the first two pages
			for i := 2; i < len(before)/page; i++ {
				if d.chance(50) { // this page's write was lost
					copy(crashed[i*page:], before[i*page:(i+1)*page])
				}
			}
			if torn {
				for i := range 2 * page {
					if before[i] != after[i] && i%page < page/2 && d.chance(60) {
						crashed[i] = after[i]
					}
				}
				if bytes.Equal(crashed[:2*page], after[:2*page]) {
					continue // whole after all
				}
			}
			victim.Store.Close()
			if err := os.WriteFile(victim.path, crashed, 0o600); err != nil {
				t.Fatal(err)
			}
			victim.open()
			if victim.sum() != want {
				t.Fatalf("step %d, torn %t: a crash left a state that never was", step, torn)
			}
		}
	}
}

// childEnv tells the test binary to be the process that is killed.
const childEnv = "SMPPBRIDGE_STORE_CRASH_CHILD"

// TestKilled kills a process at random moments while it applies entries with fsync on, and wants
// in the file all that it had acknowledged, and exactly the state that those entries make.
func TestKilled(t *testing.T) {
	if path := os.Getenv(childEnv); path != "" {
		applyUntilKilled(t, path)
	}
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	h := newHarness(t)
	h.Store.Close()
	reference := newHarness(t)
	rnd := rand.New(rand.NewPCG(8, 8))
	for round := range rounds {
		acknowledged := killChild(t, h.path, 1+rnd.IntN(40))
		h.open()
		index, _ := h.Applied()
		if index < acknowledged {
			t.Fatalf("round %d: %d was acknowledged, the file is at %d", round, acknowledged, index)
		}
		for reference.index < index {
			reference.index++
			if _, err := reference.Apply([]Entry{numberedEntry(reference.index)}); err != nil {
				t.Fatal(err)
			}
		}
		if h.sum() != reference.sum() {
			t.Fatalf("round %d: at index %d the file is not what the entries make", round, index)
		}
		h.Store.Close()
	}
}

// numberedEntry is the entry that both sides know by its index.
func numberedEntry(index uint64) Entry {
	c := &Accept{Token: Token{Node: "n1", Incarnation: 1, Seq: index, Lowest: index}}
	for range 1 + index%7 {
		m := message("shop")
		m.Text = fmt.Sprint("text ", index)
		c.Messages = append(c.Messages, Submission{Message: m, Charges: -1})
	}
	return Entry{Index: index, Term: 1, Command: Encode(t0+int64(index), c)}
}

// killChild runs the child until it has acknowledged some more entries, kills it and returns the
// last that it acknowledged.
func killChild(t *testing.T, path string, entries int) (acknowledged uint64) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if n, err := strconv.ParseUint(strings.TrimPrefix(lines.Text(), "applied "), 10, 64); err == nil {
			acknowledged = n
		} else {
			t.Errorf("child: %s", lines.Text())
		}
		if entries--; entries == 0 {
			if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
	return acknowledged
}

func applyUntilKilled(t *testing.T, path string) {
	s, err := Open(path, Options{MmapSize: testMmap})
	if err != nil {
		t.Fatal(err)
	}
	for index, _ := s.Applied(); ; {
		index++
		if _, err := s.Apply([]Entry{numberedEntry(index)}); err != nil {
			t.Fatal(err)
		}
		fmt.Println("applied", index)
	}
}
