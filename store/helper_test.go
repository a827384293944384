package store

import (
	"encoding/binary"
	"fmt"
	"hash"
	"hash/fnv"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// testMmap is room enough for test files: one that outgrew it would make an Apply wait for the
// snapshots that the same test holds open.
const testMmap = 16 << 20

// t0 is the time at which tests begin: 2026-03-01 12:00:00 at UTC+8.
const t0 = int64(1772337600000)

// A harness is a store with the counting that Raft would do.
type harness struct {
	*Store
	t     testing.TB
	path  string
	mmap  int
	index uint64
	now   int64
}

func newHarness(t testing.TB) *harness {
	t.Helper()
	h := &harness{t: t, path: filepath.Join(t.TempDir(), "state"), mmap: testMmap, now: t0}
	h.open()
	t.Cleanup(func() { h.Store.Close() })
	return h
}

// newNamed makes a harness whose log begins as every cluster's does.
func newNamed(t testing.TB) *harness {
	t.Helper()
	h := newHarness(t)
	h.apply(&Genesis{ClusterID: "test", Lineage: Lineage{1}})
	return h
}

func (h *harness) open() {
	h.t.Helper()
	s, err := Open(h.path, Options{ClusterID: "test", NoSync: true, MmapSize: h.mmap})
	if err != nil {
		h.t.Fatal(err)
	}
	h.Store = s
}

// restart closes the store and opens it again.
func (h *harness) restart() {
	h.t.Helper()
	if err := h.Store.Close(); err != nil {
		h.t.Fatal(err)
	}
	h.open()
}

// apply applies one command at h.now.
func (h *harness) apply(c Command) Result {
	h.t.Helper()
	h.index++
	results, err := h.Store.Apply([]Entry{{Index: h.index, Term: 1, Command: Encode(h.now, c)}})
	if err != nil {
		h.t.Fatalf("apply %T: %v", c, err)
	}
	return results[0]
}

// accept accepts messages without charges and returns their numbers.
func (h *harness) accept(messages ...Message) []Number {
	h.t.Helper()
	c := &Accept{}
	for _, m := range messages {
		c.Messages = append(c.Messages, Submission{Message: m, Charges: -1})
	}
	var numbers []Number
	for i, it := range h.apply(c).(*AcceptResult).Items {
		if it.Code != AcceptOK {
			h.t.Fatalf("message %d: code %d", i, it.Code)
		}
		numbers = append(numbers, it.Number)
	}
	return numbers
}

// begin begins an attempt for messages at their present revisions.
func (h *harness) begin(numbers ...Number) BegunAttempt {
	h.t.Helper()
	a := BeginAttempt{Route: "main", CallBy: h.now + 30_000, Charges: -1}
	for i, n := range numbers {
		phone := fmt.Sprintf("138%08d", i)
		a.Members = append(a.Members, BeginMember{Number: n, Revision: h.status(n).Revision, Phone: phone, Charges: -1})
	}
	return h.apply(&Begin{Attempts: []BeginAttempt{a}}).(*BeginResult).Attempts[0]
}

// due reads the front of what is due for an account.
func (h *harness) due(a Action, account string, until int64, limit int) ([]DueItem, error) {
	items, _, err := h.DueOf(a, account, DueCursor{}, until, limit)
	return items, err
}

// finish ends an attempt and reports whether that had an effect.
func (h *harness) finish(o Outcome) bool {
	h.t.Helper()
	return h.apply(&Finish{Outcomes: []Outcome{o}}).(*FinishResult).Applied == 1
}

func (h *harness) report(r DeliveryReport) ReportCode {
	h.t.Helper()
	return h.apply(&Report{Reports: []DeliveryReport{r}}).(*ReportResult).Codes[0]
}

func (h *harness) status(n Number) Status {
	h.t.Helper()
	_, st, err := h.Lookup(n)
	if err != nil {
		h.t.Fatal(err)
	}
	return st
}

// want checks the state and action of a message.
func (h *harness) want(n Number, state State, action Action) Status {
	h.t.Helper()
	st := h.status(n)
	if st.State != state || st.Action != action {
		h.t.Fatalf("message %s is %v with action %d, want %v with %d", n, st.State, st.Action, state, action)
	}
	return st
}

// outbox returns all of an account's outbox.
func (h *harness) outbox(account string) []Receipt {
	h.t.Helper()
	r, err := h.Outbox(account, 0, 1<<30)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

// sum is a hash of everything in the file. The record meta must be alike too.
func (h *harness) sum() uint64 {
	h.t.Helper()
	sum := fnv.New64a()
	err := h.read(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			hashOctets(sum, name)
			return b.ForEach(func(k, v []byte) error {
				hashOctets(sum, k)
				hashOctets(sum, v)
				return nil
			})
		})
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return sum.Sum64()
}

func hashOctets(h hash.Hash64, b []byte) {
	h.Write(binary.AppendUvarint(nil, uint64(len(b))))
	h.Write(b)
}

// message makes a message that wants every receipt.
func message(account string) Message {
	return Message{
		Account: account, Origin: Origin{Node: "n1", Incarnation: 7, Session: 3, Mark: 9},
		Source: Address{TON: 5, Addr: "10690000"}, Dest: Address{TON: 1, NPI: 1, Addr: "8613800000000"},
		ServiceType: "CMT", DataCoding: 8, RegisteredDelivery: 1, Phone: "13800000000", Class: "otp",
		TemplateCode: "SMS_1", Params: `{"code":"1"}`, Text: "your code is 1", Wants: WantsSuccess | WantsFailure,
	}
}
