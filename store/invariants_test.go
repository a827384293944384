package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// TestInvariants applies random commands to a store and to the model. After each it wants the
// same result and the same state, and that DESIGN.md's invariants held on the way.
func TestInvariants(t *testing.T) {
	seeds, steps := 10, 300
	if testing.Short() {
		seeds = 4
	}
	for seed := range uint64(seeds) {
		h, m := newHarness(t), newModel()
		d := &driver{h: h, rnd: rand.New(rand.NewPCG(seed, 5)), inc: 1}
		before := map[Number]Status{}
		if raise := (&Raise{Version: Version}); seed%2 == 1 {
			h.apply(raise)
			m.apply(h.now, raise)
		}
		for step := range steps {
			c := d.next()
			got, want := h.apply(c), m.apply(h.now, c)
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d, step %d: %T %+v\n got %+v\nwant %+v", seed, step, c, c, got, want)
			}
			if err := m.compare(h); err != nil {
				t.Fatalf("seed %d, step %d: after %T %+v: %v", seed, step, c, c, err)
			}
			for n, x := range m.messages {
				if was, ok := before[n]; ok {
					checkProgress(t, n, &was, &x.Status, c)
				}
				before[n] = x.Status
			}
			if t.Failed() {
				t.Fatalf("seed %d, step %d: after %T %+v", seed, step, c, c)
			}
			if d.chance(2) {
				h.restart()
			}
		}
		h.Store.Close()
	}
}

// compare holds all that a reader can see against the model.
func (m *model) compare(h *harness) error {
	for n := Number(1); n <= Number(m.numbers); n++ {
		msg, st, err := h.Lookup(n)
		x := m.messages[n]
		if x == nil {
			if !errors.Is(err, ErrNotFound) {
				return fmt.Errorf("message %s is there: %v", n, err)
			}
			continue
		}
		if err != nil {
			return err
		}
		if st != x.Status {
			return fmt.Errorf("message %s\n got %+v\nwant %+v", n, st, x.Status)
		}
		if !reflect.DeepEqual(msg, x.Message) {
			return fmt.Errorf("message %s\n got %+v\nwant %+v", n, msg, x.Message)
		}
	}
	for _, check := range []func(*harness) error{
		m.compareDue, m.compareOutbox, m.compareAttempts, m.compareFigures, m.compareGroups, m.compareWaiting, m.compareRecent,
		m.compareDueOf, m.compareUncertain, m.compareRegistry, m.compareHeard, m.compareDays,
	} {
		if err := check(h); err != nil {
			return err
		}
	}
	return nil
}

// compareDue: each message is due for its action, once, in order of time.
func (m *model) compareDue(h *harness) error {
	for a := ActionSend; a <= ActionPrefer; a++ {
		if a.Sends() {
			continue
		}
		items, err := h.Due(a, maxTime, 1<<30)
		if err != nil {
			return err
		}
		var want, got []Number
		for n, x := range m.messages {
			if x.Action == a {
				want = append(want, n)
			}
		}
		for i, it := range items {
			got = append(got, it.Number)
			if i > 0 && it.DueAt < items[i-1].DueAt || it.DueAt != it.Status.DueAt {
				return fmt.Errorf("action %d: item %d is due at %d", a, i, it.DueAt)
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			return fmt.Errorf("due for action %d: %v, want %v", a, got, want)
		}
	}
	return nil
}

func (m *model) compareOutbox(h *harness) error {
	var accounts []string
	total := 0
	for _, account := range []string{"bank", "shop"} {
		var last uint64
		for _, r := range h.outbox(account) {
			if in, ok := m.incoming[r.Seq]; ok {
				want := Receipt{
					Seq: r.Seq, Account: in.Account, Incoming: true, Text: in.Text, Source: in.Source, Dest: in.Dest, ServiceType: in.ServiceType,
					AcceptedAt: in.At, QueuedAt: in.queued,
				}
				if r != want || account != in.Account || r.Seq <= last {
					return fmt.Errorf("outbox of %s: %+v, want %+v", account, r, want)
				}
				last = r.Seq
				total++
				continue
			}
			n, ok := m.outbox[r.Seq]
			x := m.messages[n]
			if !ok || m.head(n) != r.Number || r.Shape != x.Shape || r.Echo != x.Echo || r.Source != x.Source || r.Dest != x.Dest || x.Account != account || r.Ending != x.Ending || r.Err != x.Err || r.Code != x.Code || r.Incoming || r.DoneAt != x.DoneAt || r.Seq <= last {
				return fmt.Errorf("outbox of %s: %+v", account, r)
			}
			last = r.Seq
			total++
		}
		if last != 0 {
			accounts = append(accounts, account)
		}
	}
	if total != len(m.outbox)+len(m.incoming) || !slices.Equal(h.OutboxAccounts(), append([]string{}, accounts...)) {
		return fmt.Errorf("outboxes: %d entries of %v, want %d", total, h.OutboxAccounts(), len(m.outbox)+len(m.incoming))
	}
	return nil
}

// compareAttempts: what is open is found by its BizID, and nothing else is.
func (m *model) compareAttempts(h *harness) error {
	open := 0
	for id := AttemptID(1); id <= AttemptID(m.attemptIDs); id++ {
		a, err := h.Attempt(id)
		x := m.attempts[id]
		if x == nil {
			if !errors.Is(err, ErrNotFound) {
				return fmt.Errorf("attempt %d is there: %v", id, err)
			}
			continue
		}
		if err != nil || a.BizID != x.bizID || len(a.Members) != len(x.members) {
			return fmt.Errorf("attempt %d: %+v, %v", id, a, err)
		}
		current := false
		for i, n := range x.members {
			if a.Members[i].Number != n {
				return fmt.Errorf("attempt %d: %+v", id, a)
			}
			msg := m.messages[n]
			current = current || msg != nil && msg.Attempt == id && msg.State != StateFinal
		}
		found, err := h.AttemptByBizID(a.BizID)
		if current && a.BizID != "" {
			open++
			if err != nil || found.ID != id {
				return fmt.Errorf("attempt %d by BizId: %+v, %v", id, found, err)
			}
		}
	}
	if f := h.Figures(); f.OpenAttempts < open {
		return fmt.Errorf("%d attempts in the index, want %d", f.OpenAttempts, open)
	}
	return nil
}

func (m *model) compareFigures(h *harness) error {
	f := h.Figures()
	var want Figures
	for _, x := range m.messages {
		want.Messages[x.State]++
		if x.Action != 0 {
			want.Due[x.Action]++
		}
	}
	if f.Messages != want.Messages || f.Due != want.Due || f.Outbox != len(m.outbox) || f.Incoming != len(m.incoming) || f.Binds != len(m.binds) || f.Policy != m.policy {
		return fmt.Errorf("figures %+v, want %+v", f, want)
	}
	orphans, err := h.Orphans("early")
	if err != nil || len(orphans) != len(m.orphans) {
		return fmt.Errorf("%d orphans, want %d: %v", len(orphans), len(m.orphans), err)
	}
	for account, n := range m.open {
		level := uint64(0)
		if x := h.machine.meters[OpenKey(account)]; x != nil && len(x.rules) > 0 {
			level = x.rules[0].level
		}
		if n < 0 || level != uint64(n) {
			return fmt.Errorf("level of %s is %d, want %d", account, level, n)
		}
	}
	return nil
}

// checkProgress holds one change of a message against DESIGN.md's invariants.
func checkProgress(t *testing.T, n Number, was, is *Status, c Command) {
	t.Helper()
	if *was == *is {
		return
	}
	bad := func(what string) { t.Helper(); t.Errorf("message %s: %s\nwas %+v\n is %+v", n, what, *was, *is) }
	if is.Revision <= was.Revision {
		bad("a change without a new revision")
	}
	if was.State == StateFinal {
		bad("a final message changed")
	}
	if is.Attempt < was.Attempt || is.Tries < was.Tries {
		bad("attempts only grow")
	}
	if _, begin := c.(*Begin); is.State == StateSending && was.State != StateSending && !begin {
		bad("the API is called under a Begin only")
	}
	if is.State == StateSending && was.State != StateAccepted && was.State != StateRetry {
		bad("an attempt was begun beside another")
	}
	if was.State == StateUncertain && is.State == StateRetry {
		_, found := c.(*Found)
		_, finish := c.(*Finish)
		if !found && !finish {
			bad("an uncertain attempt was repeated unresolved")
		}
	}
	if is.State == StateFinal && (is.Ending == EndExpired || is.Ending == EndRejected || is.Ending == EndDeleted) && (was.State == StateSent || was.State == StateUncertain || was.State == StateSending) {
		if _, closed := c.(*Close); closed {
			bad("what may have been sent was ended as if it had not")
		}
	}
	if is.Refused && (is.State != StateFinal || was.State == StateSent || is.Receipt != 0 || is.Ending == EndDelivered) {
		bad("what was sent was refused, or has a receipt beside its answer")
	}
	if _, report := c.(*Report); is.Refused && report {
		bad("a report refused")
	}
	if _, replaced := c.(*Replace); replaced && (is.State != was.State || is.Attempt != was.Attempt) {
		bad("a Replace moved more than the message")
	}
	if _, recovered := c.(*Recover); is.Held != was.Held && is.Held != recovered || is.Held && is.State != StateUncertain {
		bad("only a Recover holds, and only what is uncertain")
	}
	if was.Alone && !is.Alone || is.Alone && !was.Alone && is.State != StateRetry && is.State != StateUncertain {
		bad("who goes alone does so for good, from a failed call on")
	}
	if is.Counted && is.State == StateFinal {
		bad("a final message counts as open")
	}
}
