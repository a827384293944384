package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	bolt "go.etcd.io/bbolt"
)

func TestOpenRefuses(t *testing.T) {
	good := newHarness(t)
	good.grow(1, 100)
	raw := good.snapshot()
	schema := newHarness(t)
	err := schema.file.db.Update(func(tx *bolt.Tx) error {
		return bktMeta.find(tx).Put([]byte(metaSchema), binary.BigEndian.AppendUint16(nil, 99))
	})
	if err != nil {
		t.Fatal(err)
	}
	schema.Store.Close()
	later, err := os.ReadFile(schema.path)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		file    []byte
		cluster string
		want    string
	}{
		{"cut short", raw[:len(raw)-5000], "", "cut short"},
		{"cut to the head", raw[:8192], "", "cut short"},
		{"not a store", bytes.Repeat([]byte("x"), 1<<15), "", "invalid database"},
		{"of a later schema", later, "", "schema 99"},
		{"cluster id", nil, "Not Valid", "cluster id"},
	}
	for _, tt := range tests {
		path := filepath.Join(t.TempDir(), "state")
		if tt.file != nil {
			if err := os.WriteFile(path, tt.file, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, err := Open(path, Options{ClusterID: tt.cluster, MmapSize: testMmap})
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error about %q", tt.name, err, tt.want)
		}
	}
	var se *SchemaError
	if _, err := Open(schema.path, Options{MmapSize: testMmap}); !errors.As(err, &se) || se.Schema != 99 {
		t.Errorf("later schema: %v, want a SchemaError", err)
	}
}

func TestFileIsPrivateAndLocked(t *testing.T) {
	t.Parallel() // it waits for the lock
	h := newHarness(t)
	info, err := os.Stat(h.path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := Open(h.path, Options{MmapSize: testMmap}); !errors.Is(err, ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
}

// TestFailedApplyChangesNothing: a bad entry takes the good ones of its transaction with it, and
// nothing is applied after it.
func TestFailedApplyChangesNothing(t *testing.T) {
	good := Encode(t0, &Accept{Messages: []Submission{{Message: message("shop"), Charges: -1}}})
	unknown := bytes.Clone(good)
	unknown[1] = 200
	longer := append(bytes.Clone(good), 0)
	broken := bytes.Clone(good)
	broken[envelopeSize+11] |= hasParts // the message's flags: parts that are not there
	for name, bad := range map[string][]byte{"unknown kind": unknown, "octet behind the end": longer, "message": broken, "empty": {}} {
		h := newHarness(t)
		h.grow(1, 20)
		want := h.sum()
		entries := []Entry{{Index: h.index + 1, Term: 1, Command: good}, {Index: h.index + 2, Term: 1, Command: bad}}
		_, err := h.Apply(entries)
		if err == nil {
			t.Fatalf("%s: no error", name)
		}
		if _, again := h.Apply(entries[:1]); again == nil {
			t.Errorf("%s: applied after an error", name)
		}
		if err := h.Restore(strings.NewReader("")); err == nil {
			t.Errorf("%s: restored after an error", name)
		}
		h.restart()
		if h.sum() != want {
			t.Errorf("%s: the file has changed", name)
		}
		if r, err := h.Apply(entries[:1]); err != nil || r[0].(*AcceptResult).Items[0].Code != AcceptOK {
			t.Errorf("%s: after a restart: %v", name, err)
		}
	}
}

func TestAppliedEntriesAreSkipped(t *testing.T) {
	h := newHarness(t)
	entry := func(i uint64) Entry {
		return Entry{Index: i, Term: 1, Command: Encode(t0, &Accept{Messages: []Submission{{Message: message("shop"), Charges: -1}}})}
	}
	if _, err := h.Apply([]Entry{entry(5), {Index: 6, Term: 2}, entry(9)}); err != nil {
		t.Fatal(err)
	}
	h.restart()
	results, err := h.Apply([]Entry{entry(5), {Index: 6, Term: 2}, entry(9), entry(10)})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results[:3] {
		if r != (None{}) {
			t.Errorf("entry %d: %+v, want None", i, r)
		}
	}
	if n := results[3].(*AcceptResult).Items[0].Number; n != 3 {
		t.Errorf("new entry: number %s, want 3", n)
	}
	if i, term := h.Applied(); i != 10 || term != 1 {
		t.Errorf("applied %d of term %d", i, term)
	}
	if _, err := h.Apply([]Entry{entry(12), entry(11)}); err == nil {
		t.Error("entries out of order were applied")
	}
}

func TestClockNeverGoesBack(t *testing.T) {
	h := newHarness(t)
	h.accept(message("shop"))
	h.now -= 5000
	n := h.accept(message("shop"))[0]
	if st := h.status(n); st.AcceptedAt != t0 || h.Clock() != t0 {
		t.Errorf("accepted at t0%+d, clock at t0%+d", st.AcceptedAt-t0, h.Clock()-t0)
	}
}

func TestPurge(t *testing.T) {
	h := newHarness(t)
	m := message("shop")
	m.Wants = WantsFailure
	numbers := h.accept(m, m, m, m)
	end := func(n Number, e Ending) {
		a := h.begin(n)
		h.finish(Outcome{Attempt: a.ID, Kind: OutcomeAccepted, BizID: fmt.Sprint("b", n), DueAt: h.now})
		h.report(DeliveryReport{Number: n, Attempt: a.ID, Ending: e})
	}
	end(numbers[0], EndDelivered)
	end(numbers[1], EndUndeliverable) // its receipt waits
	h.now += 1000
	end(numbers[3], EndDelivered)
	purge := func(before int64, limit uint32) PurgeResult {
		return *h.apply(&Purge{Before: before, Limit: limit}).(*PurgeResult)
	}
	there := func(want ...bool) {
		t.Helper()
		for i, n := range numbers {
			if _, _, err := h.Lookup(n); (err == nil) != want[i] {
				t.Errorf("message %s: %v, want it there: %t", n, err, want[i])
			}
		}
	}
	if r := purge(t0, 10); r.Messages != 0 {
		t.Errorf("before all: %+v", r)
	}
	if r := purge(t0+1000, 10); r.Messages != 1 || r.More {
		t.Errorf("before the last: %+v", r)
	}
	there(false, true, true, true) // delivered; receipt waits; open; final since
	if _, err := h.Attempt(1); !errors.Is(err, ErrNotFound) {
		t.Errorf("the attempt of a purged message: %v", err)
	}
	h.apply(&Delivered{Account: "shop", Seqs: []uint64{1}})
	if r := purge(t0+1001, 1); r.Messages != 1 || !r.More {
		t.Errorf("one of two: %+v", r)
	}
	h.restart()
	if r := purge(t0+1001, 1); r.Messages != 1 || r.More {
		t.Errorf("the other: %+v", r)
	}
	there(false, false, true, false)
	if r := purge(t0+1001, 0); r.Messages != 0 || r.More {
		t.Errorf("nothing left: %+v", r)
	}
}

// TestPurgeIsBounded: many open messages at the front hold up neither a purge nor what is behind
// them.
func TestPurgeIsBounded(t *testing.T) {
	h := newHarness(t)
	m := message("shop")
	m.Wants = 0
	var many []Message
	for range 3 * purgeLooks * purgeAtLeast {
		many = append(many, m)
	}
	h.accept(many...)
	last := h.accept(m)[0]
	h.apply(&Close{Items: []CloseItem{{Number: last, Revision: 1, Ending: EndRejected}}})
	h.now += 10
	for round := range 5 {
		r := h.apply(&Purge{Before: h.now, Limit: 1}).(*PurgeResult)
		if want := round < 3; r.More != want && round != 3 {
			t.Errorf("round %d: %+v", round, r)
		}
		if round < 3 {
			h.restart()
			continue
		}
		if r.Messages == 1 {
			return
		}
	}
	t.Error("the final message behind the open ones was never reached")
}

func TestWatch(t *testing.T) {
	h := newHarness(t)
	woken := map[Topic]<-chan struct{}{}
	var cancels []func()
	for topic := WatchSend; topic <= WatchOutcome; topic++ {
		c, cancel := h.Watch(topic)
		woken[topic], cancels = c, append(cancels, cancel)
	}
	expect := func(what string, topics ...Topic) {
		t.Helper()
		want := map[Topic]bool{}
		for _, topic := range topics {
			want[topic] = true
		}
		for topic, c := range woken {
			got := false
			select {
			case <-c:
				got = true
			default:
			}
			if got != want[topic] {
				t.Errorf("%s: topic %d woken: %t", what, topic, got)
			}
		}
	}
	expect("before anything")
	n := h.accept(message("shop"))[0]
	h.accept(message("shop")) // a second token finds the first still there
	expect("accepted", WatchSend)
	a := h.begin(n)
	expect("begun")
	h.apply(&Lead{DueAt: t0})
	expect("new leader", WatchResolve)
	h.report(DeliveryReport{Number: n, Attempt: a.ID, Ending: EndDelivered})
	expect("reported", WatchOutbox, WatchOutcome)
	h.report(DeliveryReport{Number: n, Attempt: a.ID, Ending: EndDelivered})
	h.apply(&Close{Items: []CloseItem{{Number: n, Revision: 1}}})
	expect("final before")
	n = h.accept(message("shop"))[0]
	a = h.begin(n)
	expect("another begun", WatchSend)
	h.finish(Outcome{Attempt: a.ID, Kind: OutcomeUncertain})
	expect("finished", WatchResolve, WatchOutcome)
	h.finish(Outcome{Attempt: a.ID, Kind: OutcomeUncertain})
	expect("finished again")
	h.apply(&Found{Items: []FoundItem{{Number: n, Revision: h.status(n).Revision, Sent: true}}})
	expect("found", WatchOutcome)
	h.apply(&Close{Items: []CloseItem{{Number: n, Revision: h.status(n).Revision, Ending: EndUnknown}}})
	expect("closed", WatchOutbox, WatchOutcome)
	h.apply(&PutPolicy{})
	expect("policy", WatchPolicy)
	for _, cancel := range cancels {
		cancel()
	}
	h.accept(message("shop"))
	expect("after cancel")
}

// TestReadersBesideApply is for the race detector: every read, while the state moves.
func TestReadersBesideApply(t *testing.T) {
	h := newHarness(t)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for n := Number(1); ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := readAll(h.Store, n%100+1); err != nil {
					t.Error(err)
					return
				}
				runtime.Gosched()
			}
		})
	}
	for seed := range uint64(3) {
		h.grow(seed+1, 100)
	}
	close(stop)
	readers.Wait()
	h.Store.Close()
	if _, _, err := h.Lookup(1); !errors.Is(err, ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
	if _, err := h.Snapshot(); !errors.Is(err, ErrClosed) {
		t.Errorf("snapshot after close: %v", err)
	}
	if _, err := h.Apply([]Entry{{Index: 1 << 40}}); !errors.Is(err, ErrClosed) {
		t.Errorf("apply after close: %v", err)
	}
}

// readAll calls every read once.
func readAll(s *Store, n Number) error {
	_, _, err := s.Lookup(n)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	_, err1 := s.Due(ActionReport, maxTime, 10)
	_, _, err2 := s.NextDue(ActionReport, 0)
	_, err3 := s.Outbox("shop", 0, 10)
	_, err4 := s.Orphans("early")
	if _, err := s.AttemptByOutID(s.OutID(AttemptID(n))); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if _, err := s.AttemptByBizID(fmt.Sprint("biz", n)); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	for _, b := range append(s.AllBinds(), s.Binds("shop")...) {
		if b.Account == "" {
			return errors.New("a bind without account")
		}
	}
	s.Figures()
	s.OutboxAccounts()
	s.Incarnation("n1")
	s.Configuration()
	if p := s.Policy(); p.Version > 0 {
		if _, err := s.PolicyVersion(p.Version); err != nil {
			return err
		}
	}
	return errors.Join(err, err1, err2, err3, err4)
}

func TestOutID(t *testing.T) {
	h := newHarness(t)
	cluster, epoch, id, err := ParseOutID(h.OutID(255))
	if cluster != "test" || epoch != 1 || id != 255 || err != nil {
		t.Errorf("%s %d %d %v", cluster, epoch, id, err)
	}
	for _, bad := range []string{"", "test-1", "test-1-2-3", "Test-1-a", "test-x-a", "test-1-g", "123456789-1-a"} {
		if _, _, _, err := ParseOutID(bad); err == nil {
			t.Errorf("%q was parsed", bad)
		}
	}
	n := h.accept(message("shop"))[0]
	h.begin(n)
	for _, other := range []string{"other-1-1", "test-2-1", "test-1-01", "test-1-2", "x"} {
		if _, err := h.AttemptByOutID(other); !errors.Is(err, ErrNotFound) {
			t.Errorf("attempt by OutId %s: %v", other, err)
		}
	}
}
