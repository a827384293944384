package store

import (
	"cmp"
	"fmt"
	"slices"
)

// compareDueOf: what is to be sent is found account by account, in order of time and number, also when it is
// read two at a time; and the accounts and the times at which something becomes due are known.
func (m *model) compareDueOf(h *harness) error {
	for _, a := range sendingActions {
		var accounts []DueAccount
		var all []DueItem
		for _, account := range []string{"bank", "nobody", "shop"} {
			want := m.dueOf(a, account)
			if len(want) > 0 {
				accounts = append(accounts, DueAccount{account, len(want)})
			}
			all = append(all, want...)
			got, err := readDueOf(h, a, account, maxTime)
			if err != nil || !slices.EqualFunc(got, want, func(a, b DueItem) bool { return a.Number == b.Number && a.DueAt == b.DueAt && a.Status == b.Status }) {
				return fmt.Errorf("action %d of %s:\n got %+v\nwant %+v, %v", a, account, got, want, err)
			}
			for _, after := range []int64{0, m.now} {
				at, ok, err := h.NextDueOf(a, account, after)
				if want := nextAfter(want, after); at != want || ok != (want != 0) || err != nil {
					return fmt.Errorf("next of action %d of %s after %d: %d, want %d: %v", a, account, after, at, want, err)
				}
			}
		}
		if got := h.DueAccounts(a); !slices.Equal(got, accounts) {
			return fmt.Errorf("accounts of action %d: %v, want %v", a, got, accounts)
		}
		at, ok, err := h.NextDue(a, m.now)
		if want := nextAfter(all, m.now); at != want || ok != (want != 0) || err != nil {
			return fmt.Errorf("next of action %d after %d: %d, want %d: %v", a, m.now, at, want, err)
		}
	}
	return nil
}

func (m *model) dueOf(a Action, account string) (items []DueItem) {
	for n, x := range m.messages {
		if x.Account == account && x.Action == a {
			items = append(items, DueItem{Number: n, DueAt: x.DueAt, Status: x.Status})
		}
	}
	slices.SortFunc(items, func(a, b DueItem) int { return cmp.Or(cmp.Compare(a.DueAt, b.DueAt), cmp.Compare(a.Number, b.Number)) })
	return items
}

func nextAfter(items []DueItem, after int64) (first int64) {
	for _, it := range items {
		if it.DueAt > after && (first == 0 || it.DueAt < first) {
			first = it.DueAt
		}
	}
	return first
}

// readDueOf reads what is due of an account two at a time.
func readDueOf(h *harness, a Action, account string, until int64) (all []DueItem, err error) {
	for cursor := (DueCursor{}); ; {
		items, next, err := h.DueOf(a, account, cursor, until, 2)
		if err != nil || len(items) > 2 || (len(items) == 0) != (next == cursor) {
			return nil, fmt.Errorf("%d items, from %+v to %+v: %w", len(items), cursor, next, err)
		}
		if len(items) == 0 {
			return all, nil
		}
		all, cursor = append(all, items...), next
	}
}

// compareUncertain reads what is uncertain two at a time.
func (m *model) compareUncertain(h *harness) error {
	var got []Number
	for after := Number(0); ; after = got[len(got)-1] {
		items, err := h.Unresolved(after, 2)
		if err != nil || len(items) > 2 {
			return fmt.Errorf("uncertain: %d, %v", len(items), err)
		}
		if len(items) == 0 {
			break
		}
		for _, it := range items {
			x := m.messages[it.Number]
			if x == nil || it.Status != x.Status || it.DueAt != x.DueAt {
				return fmt.Errorf("uncertain: %+v", it)
			}
			if a := m.attempts[x.Attempt]; it.Since != a.begun || it.Members != len(a.members) {
				return fmt.Errorf("uncertain since %d with %d members, want %+v", it.Since, it.Members, a)
			}
			got = append(got, it.Number)
		}
	}
	var want []Number
	for n := Number(1); n <= Number(m.numbers); n++ {
		if x := m.messages[n]; x != nil && x.State == StateUncertain {
			want = append(want, n)
		}
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("uncertain: %v, want %v", got, want)
	}
	return nil
}
