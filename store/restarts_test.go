package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// A noted mark is what a node holds at a Mark.
type notedMark struct{ index, hash uint64 }

// A history is a log as the first node applied it, with what came of it there.
type history struct {
	entries []Entry
	results []Result
	marks   []notedMark
	files   map[int][]byte // snapshots; by how many entries are in them
	sum     uint64
	figures Figures
	seen    string // see seen
}

// newHistory applies random commands, with Marks and snapshots at random, on a node that never restarts.
func newHistory(t *testing.T, seed uint64, n int) *history {
	t.Helper()
	h := newHarness(t)
	d := &driver{h: h, rnd: rand.New(rand.NewPCG(seed, 41)), inc: 1}
	x := &history{files: map[int][]byte{}}
	add := func(c Command) {
		h.index++
		e := Entry{Index: h.index, Term: 1, Command: Encode(h.now, c)}
		results, err := h.Apply([]Entry{e})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		x.entries, x.results = append(x.entries, e), append(x.results, results[0])
		if index, hash := h.Marked(); index == h.index {
			x.marks = append(x.marks, notedMark{index, hash})
		}
	}
	add(&Raise{Version: 2})
	for step := range n {
		add(d.crowded(step))
		if d.chance(7) {
			add(&Mark{})
		}
		if d.chance(3) {
			x.files[len(x.entries)] = h.snapshot()
		}
	}
	add(&Mark{})
	x.sum, x.figures, x.seen = h.sum(), h.Figures(), h.seen(t)
	return x
}

// seen is what readers see of the cluster and of what is kept in memory.
func (h *harness) seen(t *testing.T) string {
	t.Helper()
	answered := h.OrphansAnswered()
	orphans, err := h.OrphansAfter(0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(h.Nodes(), h.AllBinds(), h.NodeBinds("n1"), h.OutboxAccounts(), h.ClusterID(), h.Epoch(), h.ClusterVersion(),
		h.Clock(), h.LastNumber(), h.Policy(), answered, orphans)
}

// crowded is next with more of what runs out. First much is remembered at a time; then all of it is over at once, and
// while later commands forget it bit by bit, its messages come again and end, the later ones before the earlier.
func (d *driver) crowded(step int) Command {
	const cycle, full = 60, 15
	digest := func() [16]byte { return [16]byte{9: byte(1 + d.pick(30))} }
	several := func(n int) Command {
		c := &Accept{}
		for range n {
			m := message(d.account())
			m.Digest, m.DedupeFor = digest(), 30_000
			c.Messages = append(c.Messages, Submission{Message: m, Charges: -1})
		}
		return c
	}
	switch step %= cycle; {
	case step < full:
		d.h.now += d.rnd.Int64N(500)
		return several(10)
	case step == full:
		d.h.now += 40_000
		return several(1)
	case d.chance(25):
		return several(1 + d.pick(2))
	case d.chance(35):
		c := &Close{}
		for range 6 {
			n := d.number()
			c.Items = append(c.Items, CloseItem{Number: n, Revision: d.revision(n), Ending: d.ending()})
		}
		return c
	case d.chance(3):
		return &Purge{Before: d.h.now - 10_000, Limit: uint32(1 + d.pick(3))}
	}
	return d.next()
}

// follow applies the history on another node and returns the Marks that it noted. between is called after each group
// of entries with how many are applied, and returns how many are then.
func (x *history) follow(t *testing.T, h *harness, rnd *rand.Rand, between func(at int) int) (marks []notedMark) {
	t.Helper()
	for at := 0; at < len(x.entries); {
		n := min(1+rnd.IntN(12), len(x.entries)-at)
		for i := at; i < at+n; i++ { // a Mark is looked at before the next one covers it
			if _, cmd, err := Decode(x.entries[i].Command); err != nil {
				t.Fatal(err)
			} else if _, ok := cmd.(*Mark); ok {
				n = i + 1 - at
			}
		}
		results, err := h.Apply(x.entries[at : at+n])
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(results, x.results[at:at+n]) {
			t.Errorf("other results of the entries behind %d\n got %+v\nwant %+v", at, results, x.results[at:at+n])
		}
		at += n
		if index, hash := h.Marked(); index == x.entries[at-1].Index {
			marks = append(marks, notedMark{index, hash})
		}
		at = between(at)
	}
	return marks
}

// recovers reports whether a Recover is among the entries from one to another: a file from behind it is refused by a node from
// before it.
func (x *history) recovers(t *testing.T, from, to int) bool {
	t.Helper()
	return slices.ContainsFunc(x.entries[from:to], func(e Entry) bool {
		_, c, err := Decode(e.Command)
		if err != nil {
			t.Fatal(err)
		}
		return c.kind() == KindRecover
	})
}

// TestNothingButEntriesDecides: a node that restarts at any entry, and one that lags and is given another's file at any
// entry, note at each Mark what a node notes that does neither, and hold the same in the end.
func TestNothingButEntriesDecides(t *testing.T) {
	seeds := uint64(20)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		x := newHistory(t, seed, 400)
		rnd := rand.New(rand.NewPCG(seed, 42))
		nodes := map[string]func(h *harness, at int) int{
			"restarts": func(h *harness, at int) int {
				if rnd.IntN(4) == 0 {
					h.restart()
				}
				return at
			},
			"files": func(h *harness, at int) int {
				for ahead := rnd.IntN(30); ahead > 0; ahead-- {
					if file := x.files[at+ahead]; file != nil && !x.recovers(t, at, at+ahead) {
						if err := h.Restore(bytes.NewReader(file)); err != nil {
							t.Fatalf("seed %d: %v", seed, err)
						}
						return at + ahead
					}
				}
				return at
			},
		}
		for _, name := range []string{"restarts", "files"} {
			h := newHarness(t)
			marks := x.follow(t, h, rnd, func(at int) int { return nodes[name](h, at) })
			checkMarks(t, name, marks, x.marks)
			if h.sum() != x.sum {
				t.Errorf("seed %d, %s: another file", seed, name)
			}
			if got := h.Figures(); !sameFigures(got, x.figures) {
				t.Errorf("figures\n got %+v\nwant %+v", got, x.figures)
			}
			if got := h.seen(t); got != x.seen {
				t.Errorf("readers see\n got %s\nwant %s", got, x.seen)
			}
			if t.Failed() {
				t.Fatalf("seed %d, %s", seed, name)
			}
		}
	}
}

// checkMarks holds the Marks that a node noted against those of the first one. It has not noted those that came to it by a file.
func checkMarks(t *testing.T, name string, got, want []notedMark) {
	t.Helper()
	noted := map[uint64]uint64{}
	for _, m := range want {
		noted[m.index] = m.hash
	}
	if len(got) < len(want)/3 {
		t.Errorf("%s: %d Marks of %d noted", name, len(got), len(want))
	}
	for _, m := range got {
		if noted[m.index] != m.hash {
			t.Errorf("%s: hash %016x at %d, want %016x", name, m.hash, m.index, noted[m.index])
		}
	}
}
