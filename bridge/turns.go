package bridge

import (
	"cmp"
	"slices"
	"time"

	"smppbridge/store"
)

// lanes are what is due to be sent, the first first: a backlog of notices must not make one-time codes
// late. A lane behind another still gets an eighth of the calls while it has something due, so that
// whoever can fill a lane cannot stop those behind it.
var lanes = [3]store.Action{store.ActionUrgent, store.ActionPrefer, store.ActionSend}

// laneShare is what part of the calls a lane behind others gets at least.
const laneShare = 8

// turns divides the calls of a round among the lanes. Touched by the dispatcher's loop only.
type turns struct {
	// owed is how many calls a lane is behind its share, in parts of laneShare. It grows by the calls of all
	// lanes and shrinks by its own.
	owed [len(lanes)]int
}

// due reads what is to be sent: for each lane what it is owed, then the lanes in their order. What is
// owed stands first, because routes give their workers in the order of the list.
func (t *turns) due(st *store.Store, now time.Time, limit int) ([]store.DueItem, error) {
	var list []store.DueItem
	for i := 1; i < len(lanes); i++ {
		share := min(t.owed[i]/laneShare, max(1, limit/laneShare), limit-len(list))
		if share <= 0 {
			continue
		}
		items, err := longestDue(st, lanes[i], now.UnixMilli(), share)
		if err != nil {
			return nil, err
		}
		if len(items) == 0 {
			t.owed[i] = 0 // nothing waits: it is not behind
		}
		list = append(list, items...)
	}
	owed := list
	for _, lane := range lanes {
		if len(list) == limit {
			break
		}
		items, err := longestDue(st, lane, now.UnixMilli(), limit-len(list)+len(owed))
		if err != nil {
			return nil, err
		}
		for i := range items {
			if len(list) < limit && !among(owed, items[i].Number) {
				list = append(list, items[i])
			}
		}
	}
	return list, nil
}

// longestDue reads a lane over all accounts, the longest due first.
func longestDue(st *store.Store, lane store.Action, until int64, limit int) ([]store.DueItem, error) {
	var list []store.DueItem
	for _, a := range st.DueAccounts(lane) {
		items, _, err := st.DueOf(lane, a.Account, store.DueCursor{}, until, limit)
		if err != nil {
			return nil, err
		}
		list = append(list, items...)
	}
	slices.SortFunc(list, func(a, b store.DueItem) int {
		return cmp.Or(cmp.Compare(a.DueAt, b.DueAt), cmp.Compare(a.Number, b.Number))
	})
	return list[:min(limit, len(list))], nil
}

func among(list []store.DueItem, n store.Number) bool {
	return slices.ContainsFunc(list, func(it store.DueItem) bool { return it.Number == n })
}

// taken notes which calls a round makes.
func (t *turns) taken(plan []planned) {
	for i := 1; i < len(lanes); i++ {
		t.owed[i] += len(plan)
		for j := range plan {
			if plan[j].Status.Action == lanes[i] {
				t.owed[i] -= laneShare
			}
		}
		t.owed[i] = min(max(t.owed[i], 0), laneShare*beginMost)
	}
}

// nextDue says when the next message is due in any lane; ok is false when none is.
func nextDue(st *store.Store) (at time.Time, ok bool, err error) {
	for _, lane := range lanes {
		ms, has, err := st.NextDue(lane, 0)
		if err != nil {
			return time.Time{}, false, err
		}
		if due := store.FromMillis(ms); has && (!ok || due.Before(at)) {
			at, ok = due, true
		}
	}
	return at, ok, nil
}
