package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"
)

// unnamed opens a store that no Genesis has named and Options do not.
func unnamed(t *testing.T) *harness {
	t.Helper()
	h := newHarness(t)
	h.Store.Close()
	os.Remove(h.path)
	s, err := Open(h.path, Options{NoSync: true, MmapSize: testMmap})
	if err != nil {
		t.Fatal(err)
	}
	h.Store = s
	return h
}

// TestGenesisNamesTheCluster: nodes whatever their options, by log or by snapshot, spell OutIds alike.
func TestGenesisNamesTheCluster(t *testing.T) {
	plain, named := unnamed(t), newHarness(t) // one without an id, one with "test"
	if got := plain.ClusterID() + named.ClusterID(); got != "" || plain.Lineage() != (Lineage{}) {
		t.Errorf("cluster id %q, lineage %s before Genesis", got, plain.Lineage())
	}
	lineage := Lineage{1, 15: 2}
	n := plain.accept(message("shop"))[0]
	if a := plain.begin(n); a.ID != 0 || a.OutID != "" || a.Members[0].Granted {
		t.Errorf("begun before Genesis: %+v", a)
	}
	plain.want(n, StateAccepted, ActionSend)
	named.accept(message("shop"))
	for _, h := range []*harness{plain, named} {
		h.apply(&Genesis{ClusterID: "Not one", Lineage: Lineage{9}}) // nothing that could be proposed stops a node
		h.apply(&Genesis{ClusterID: "blue", Lineage: lineage})
		h.apply(&Genesis{ClusterID: "red", Lineage: Lineage{9}})
		if h.ClusterID() != "blue" || h.Lineage() != lineage || h.OutID(10) != "blue-1-a" {
			t.Errorf("named %q, lineage %s, OutId %s", h.ClusterID(), h.Lineage(), h.OutID(10))
		}
		if a := h.begin(n); a.OutID != "blue-1-1" {
			t.Errorf("begun as %q", a.OutID)
		}
		h.restart()
		if a, err := h.AttemptByOutID("blue-1-1"); err != nil || a.Members[0].Number != n || h.ClusterID() != "blue" || h.Lineage() != lineage {
			t.Errorf("after a restart: %+v, %v", a, err)
		}
	}
	joins := newHarness(t)
	joins.index++ // it has an entry of the log, Raft's first configuration, and no Genesis yet
	if _, err := joins.Apply([]Entry{{Index: 1, Term: 1, Configuration: []byte("conf")}}); err != nil {
		t.Fatal(err)
	}
	if err := joins.Restore(bytes.NewReader(plain.snapshot())); err != nil || joins.ClusterID() != "blue" || joins.Lineage() != lineage {
		t.Errorf("joined: %q, %v", joins.ClusterID(), err)
	}
	other := newHarness(t)
	other.apply(&Genesis{ClusterID: "green"})
	if err := other.Restore(bytes.NewReader(plain.snapshot())); err == nil || other.ClusterID() != "green" {
		t.Errorf("a snapshot of another cluster: %v", err)
	}
	namesake := newHarness(t) // another began under the same name
	namesake.apply(&Genesis{ClusterID: "blue", Lineage: Lineage{9}})
	if err := namesake.Restore(bytes.NewReader(plain.snapshot())); err == nil || namesake.Lineage() != (Lineage{9}) {
		t.Errorf("a snapshot of another cluster of the same name: %v", err)
	}
}

func TestNodeUpInOrder(t *testing.T) {
	h := newHarness(t)
	bind := func(incarnation uint64) bool {
		b := Bind{Node: "n1", Incarnation: incarnation, Session: 1, Account: "shop"}
		return h.apply(&BindOpen{Bind: b}).(*BindResult).OK
	}
	for _, step := range []struct {
		incarnation uint64
		want        NodeUpResult
	}{
		{5, NodeUpResult{true, 5}},
		{5, NodeUpResult{true, 5}},  // its answer was lost
		{4, NodeUpResult{false, 5}}, // comes late
		{9, NodeUpResult{true, 9}},
		{5, NodeUpResult{false, 9}},
	} {
		before := len(h.AllBinds())
		got := h.apply(&NodeUp{Node: "n1", Incarnation: step.incarnation}).(*NodeUpResult)
		if *got != step.want || h.Incarnation("n1") != step.want.Incarnation {
			t.Errorf("NodeUp %d: %+v, want %+v", step.incarnation, *got, step.want)
		}
		if after := len(h.AllBinds()); got.OK && step.incarnation != 9 && after != before || !got.OK && after != before {
			t.Errorf("NodeUp %d: %d binds, then %d", step.incarnation, before, after)
		}
		if !bind(got.Incarnation) {
			t.Errorf("NodeUp %d: no bind of the current incarnation", step.incarnation)
		}
		if !got.OK && bind(step.incarnation) {
			t.Errorf("NodeUp %d: a bind of an incarnation that is over", step.incarnation)
		}
	}
	if got := h.AllBinds(); len(got) != 1 || got[0].Incarnation != 9 {
		t.Errorf("binds %+v, want one of incarnation 9", got)
	}
	if got := h.Nodes(); !reflect.DeepEqual(got, map[string]uint64{"n1": 9}) {
		t.Errorf("nodes %v", got)
	}
}

// TestNodeDownTakesBindsOnly: of one incarnation; its node may live, repeat its proposals and bind again.
func TestNodeDownTakesBindsOnly(t *testing.T) {
	h := newHarness(t)
	h.apply(&Raise{Version: 2})
	for _, node := range []string{"n1", "n2", "n11"} {
		h.apply(&NodeUp{Node: node, Incarnation: 5})
	}
	open := func(node string, session uint64) *BindResult {
		b := Bind{Node: node, Incarnation: 5, Session: session, Account: []string{"shop", "bank"}[session%2], Receives: true}
		return h.apply(&BindOpen{Bind: b, Limit: 4}).(*BindResult)
	}
	for session := range uint64(4) {
		open("n1", session)
	}
	open("n2", 1)
	open("n11", 1)
	accept := &Accept{Token: Token{Node: "n1", Incarnation: 5, Seq: 1, Lowest: 1}, Messages: []Submission{{Message: message("shop"), Charges: -1}}}
	first := h.apply(accept)

	h.apply(&NodeDown{Node: "n1", Incarnation: 4}) // a late one
	if got := len(h.NodeBinds("n1")); got != 4 {
		t.Fatalf("%d binds of n1 after an earlier incarnation's NodeDown, want 4", got)
	}
	h.apply(&NodeDown{Node: "n1", Incarnation: 5})
	for restarted := range 2 {
		if a, b := len(h.NodeBinds("n1")), len(h.AllBinds()); a != 0 || b != 2 || h.Figures().Binds != 2 {
			t.Fatalf("restarted %d: %d binds of n1, %d in all, want 0 and 2", restarted, a, b)
		}
		h.restart()
	}
	h.apply(&NodeDown{Node: "n1", Incarnation: 5})
	late := Bind{Node: "n1", Incarnation: 4, Session: 1, Account: "shop"}
	if r := h.apply(&BindOpen{Bind: late}).(*BindResult); r.OK {
		t.Errorf("a BindOpen of an earlier incarnation, after a NodeDown: %+v", *r)
	}
	if h.Incarnation("n1") != 5 {
		t.Errorf("incarnation %d, want 5", h.Incarnation("n1"))
	}
	if again := h.apply(accept); !reflect.DeepEqual(again, first) {
		t.Errorf("the token was forgotten: %+v, want %+v", again, first)
	}
	open("n2", 3)
	if r := open("n1", 1); !r.OK || r.Binds != 4 { // n11's, two of n2
		t.Errorf("the same session again: %+v, want the fourth", *r)
	}
	if r := open("n1", 3); r.OK {
		t.Errorf("the next session: %+v, want none: the limit is 4", *r)
	}
	h.apply(&BindClose{Node: "n1", Incarnation: 5, Session: 3}) // it has none
	if got := h.NodeBinds("n1"); len(got) != 1 || got[0].Session != 1 {
		t.Errorf("binds of n1: %+v", got)
	}
	h.apply(&NodeUp{Node: "n1", Incarnation: 6})
	accept.Token.Seq = 2
	if r := h.apply(accept).(*AcceptResult); r.Items[0].Code != AcceptTokenGone {
		t.Errorf("an Accept of an incarnation that is over: %+v", r)
	}
	if r := open("n1", 1); r.OK || len(h.NodeBinds("n1")) != 0 {
		t.Errorf("a BindOpen of an incarnation that is over: %+v", *r)
	}
}

// TestVersionGates: what a member might not understand is not applied before Raise, and what this program
// does not understand not at all.
func TestVersionGates(t *testing.T) {
	for _, c := range allCommands() {
		h := newHarness(t)
		want := h.sum()
		_, err := h.Apply([]Entry{{Index: 1, Term: 1, Command: Encode(t0, c)}})
		if gated := Since(c) > 1; gated != errors.Is(err, ErrVersion) {
			t.Errorf("%T at version 1: %v", c, err)
		} else if gated && h.sum() != want {
			t.Errorf("%T at version 1 changed the file", c)
		}
		want2 := c.kind() >= KindNodeDown && c.kind() <= KindRecover && c.kind() != KindRaise
		if want2 && Since(c) != 2 || c.kind() > KindRecover && Since(c) != 3 {
			t.Errorf("%T needs version %d", c, Since(c))
		}
	}
	h := newHarness(t)
	for _, step := range [][2]uint64{{0, 1}, {2, 2}, {1, 2}, {2, 2}} {
		if h.apply(&Raise{Version: step[0]}); h.ClusterVersion() != step[1] {
			t.Errorf("raised to %d: version %d, want %d", step[0], h.ClusterVersion(), step[1])
		}
	}
	h.restart()
	if h.ClusterVersion() != 2 {
		t.Errorf("version %d after a restart", h.ClusterVersion())
	}
	h.apply(&Mark{})
	want := h.sum()
	_, err := h.Apply([]Entry{{Index: h.index + 1, Term: 1, Command: Encode(t0, &Raise{Version: Version + 1})}})
	if !errors.Is(err, ErrVersion) || h.sum() != want {
		t.Errorf("raised above what the program knows: %v", err)
	}
}

// later writes a file of a cluster version that this program does not know.
func later(t *testing.T) *harness {
	t.Helper()
	h := newHarness(t)
	h.grow(1, 50)
	h.machine.meta.clusterVersion = Version + 1
	h.apply(&PutPolicy{Base: 1 << 40})
	return h
}

func TestFileOfALaterVersionIsRefused(t *testing.T) {
	h := later(t)
	h.Store.Close()
	before, err := os.ReadFile(h.path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(h.path, Options{NoSync: true, MmapSize: testMmap})
	if !errors.Is(err, ErrVersion) || !strings.Contains(fmt.Sprint(err), "cluster version 4 is in force, this program knows versions up to 3") {
		t.Errorf("opened: %v", err)
	}
	if after, err := os.ReadFile(h.path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was touched: %v", err)
	}
	follower := newHarness(t)
	follower.grow(2, 20)
	want := follower.sum()
	if err := follower.Restore(bytes.NewReader(before)); !errors.Is(err, ErrVersion) || follower.sum() != want {
		t.Errorf("restored: %v", err)
	}
	if err := follower.RestoreFile(h.path); !errors.Is(err, ErrVersion) || follower.sum() != want {
		t.Errorf("restored from a file: %v", err)
	}
	follower.grow(3, 5)
}

// randomEntries are entries that mean something, the last one a Mark.
func randomEntries(t *testing.T, seed uint64, n int) []Entry {
	t.Helper()
	h := newHarness(t)
	d := &driver{h: h, rnd: rand.New(rand.NewPCG(seed, 21)), inc: 1}
	var entries []Entry
	add := func(c Command) {
		h.index++
		e := Entry{Index: h.index, Term: 1, Command: Encode(h.now, c)}
		if _, err := h.Apply([]Entry{e}); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	add(&Raise{Version: 2})
	for range n {
		add(d.next())
	}
	add(&Mark{})
	return entries
}

// TestHashIsOfTheEntries: however Raft groups them, with restarts, and by way of a snapshot.
func TestHashIsOfTheEntries(t *testing.T) {
	for seed := range uint64(5) {
		entries := randomEntries(t, seed, 200)
		hashes := map[string]uint64{}
		run := func(name string, h *harness, entries []Entry, group int, restart bool) *harness {
			for len(entries) > 0 {
				n := min(group, len(entries))
				if _, err := h.Apply(entries[:n]); err != nil {
					t.Fatal(err)
				}
				if entries = entries[n:]; restart {
					h.restart()
				}
			}
			index, hash := h.Marked()
			if applied, _ := h.Applied(); index != applied || hash == 0 {
				t.Fatalf("marked %d at %d with %x", index, applied, hash)
			}
			hashes[name] = hash
			return h
		}
		run("one by one", newHarness(t), entries, 1, false)
		run("by 7", newHarness(t), entries, 7, false)
		run("by 64", newHarness(t), entries, 64, false)
		run("restarts", newHarness(t), entries, 7, true)
		half := newHarness(t)
		if _, err := half.Apply(entries[:100]); err != nil {
			t.Fatal(err)
		}
		joined := newHarness(t)
		if err := joined.Restore(bytes.NewReader(half.snapshot())); err != nil {
			t.Fatal(err)
		}
		run("snapshot", joined, entries[100:], 7, false)
		for name, hash := range hashes {
			if hash != hashes["by 7"] {
				t.Errorf("seed %d: %s: hash %x, want %x", seed, name, hash, hashes["by 7"])
			}
		}
	}
}

// TestDivergedNodeStops: what is put, deleted or answered differently shows at the next Mark, and the
// Verify that names the majority's hash ends the node, at this start and the next.
func TestDivergedNodeStops(t *testing.T) {
	faults := map[string]func(h *harness, n Number){
		"none":            func(*harness, Number) {},
		"a lost text":     func(h *harness, n Number) { h.corrupt(bktMessages, key8(uint64(n))) },
		"a lost status":   func(h *harness, n Number) { h.corrupt(bktStates, key8(uint64(n))) },
		"a counter":       func(h *harness, _ Number) { h.machine.meta.nextReceipt++ },
		"an idle counter": func(h *harness, _ Number) { h.machine.meta.nextOrphan++ },
		"a meter":         func(h *harness, _ Number) { h.machine.meters[OpenKey("shop")].rules[0].level++ },
		"a bind":          func(h *harness, _ Number) { h.machine.addBind(Bind{Node: "n1", Incarnation: 1, Account: "shop"}) },
		"a number ahead":  func(h *harness, _ Number) { h.machine.meta.nextNumber++ },
	}
	for name, fault := range faults {
		majority, node := newHarness(t), newHarness(t)
		var n Number
		level := []Charge{{Key: OpenKey("shop"), Amount: 1, Rules: []Rule{{Kind: RuleLevel, Limit: 9}}}}
		for _, h := range []*harness{majority, node} {
			h.apply(&Raise{Version: 2})
			r := h.apply(&Accept{Charges: [][]Charge{level}, Messages: []Submission{{Message: message("shop")}}})
			n = r.(*AcceptResult).Items[0].Number
			if h == node {
				fault(h, n)
			}
			h.apply(&BindOpen{Bind: Bind{Node: "n1", Incarnation: 1, Session: 2, Account: "shop"}})
			h.apply(&Accept{Charges: [][]Charge{level}, Messages: []Submission{{Message: message("shop")}}})
			h.apply(&Close{Items: []CloseItem{{Number: n, Revision: 1, Ending: EndDeleted}}})
			h.apply(&Mark{})
		}
		index, hash := majority.Marked()
		majority.apply(&Verify{Mark: index, Hash: hash})
		majority.apply(&Verify{Mark: index - 1, Hash: hash + 1}) // of a Mark that is over
		want := node.sum()
		verify := []Entry{{Index: node.index + 1, Term: 1, Command: Encode(t0, &Verify{Mark: index, Hash: hash})}}
		for range 2 {
			_, err := node.Apply(verify)
			if diverged := errors.Is(err, ErrDiverged); diverged != (name != "none") || !diverged && err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if name != "none" && node.sum() != want {
				t.Errorf("%s: the file has changed", name)
			}
			node.restart()
		}
	}
}

// corrupt changes the last octet of a value behind the store's back.
func (h *harness) corrupt(id bucketID, key []byte) {
	h.t.Helper()
	tx, err := h.file.db.Begin(true)
	if err != nil {
		h.t.Fatal(err)
	}
	v := bytes.Clone(id.find(tx).Get(key))
	if id == bktStates {
		v[8]++ // the revision
	} else {
		v[len(v)-1] ^= 1
	}
	if err := errors.Join(id.find(tx).Put(key, v), tx.Commit()); err != nil {
		h.t.Fatal(err)
	}
}
