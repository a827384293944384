package aliyunsim

import (
	"hash/maphash"
	"slices"
)

// maxRepeats is how many repeats a Summary names.
const maxRepeats = 100

// A Repeat is a text that one phone number was sent more than once.
type Repeat struct {
	Phone string  `json:"phone"`
	Seqs  []int64 `json:"seqs"` // of the entries
}

// A Summary counts what the ledger holds.
type Summary struct {
	Messages int            `json:"messages"`
	Calls    int            `json:"calls"`
	Dropped  int64          `json:"dropped"` // by LedgerLimit or a reset
	States   map[string]int `json:"states"`
	Accounts map[string]int `json:"accounts"`
	// RepeatedOutIDs counts the OutIds under which more than one call was executed.
	RepeatedOutIDs int `json:"repeated_out_ids"`
	// Repeated counts the texts that one phone number was sent more than once, and Extra
	// how many messages too many that were.
	Repeated int `json:"repeated"`
	Extra    int `json:"extra"`
	// Repeats are the first hundred of them, by the seq of their first entry.
	Repeats []Repeat `json:"repeats,omitempty"`
}

// A shown text is what repeats are recognised by: the phone number and a hash of the text that it showed, so
// that neither the API nor the spelling of the parameters hides them.
type shown struct {
	phone phone
	text  uint64
}

// A tally is a Summary being made.
type tally struct {
	Summary
	seed    maphash.Seed
	first   map[shown]int64
	repeats map[shown][]int64
	calls   map[int64]struct{}
	outIDs  map[string]int // calls
}

// summary reads the whole ledger.
func (l *ledger) summary() Summary {
	t := &tally{
		Summary: Summary{States: map[string]int{}, Accounts: map[string]int{}},
		seed:    maphash.MakeSeed(),
		first:   map[shown]int64{},
		repeats: map[shown][]int64{},
		calls:   map[int64]struct{}{},
		outIDs:  map[string]int{},
	}
	l.mu.Lock()
	t.Dropped = l.first - 1
	l.mu.Unlock()
	l.each(t.count)
	return t.finish()
}

func (t *tally) count(seq int64, r *record) {
	t.Messages++
	t.States[r.state.String()]++
	t.Accounts[r.account.Name]++
	k := shown{r.phone, maphash.String(t.seed, r.text())}
	if first, ok := t.first[k]; !ok {
		t.first[k] = seq
	} else if t.repeats[k] == nil {
		t.repeats[k] = []int64{first, seq}
	} else {
		t.repeats[k] = append(t.repeats[k], seq)
	}
	if _, ok := t.calls[r.biz]; ok {
		return
	}
	t.calls[r.biz] = struct{}{}
	if r.outID != "" {
		t.outIDs[r.outID]++
	}
}

func (t *tally) finish() Summary {
	t.Calls = len(t.calls)
	for _, n := range t.outIDs {
		if n > 1 {
			t.RepeatedOutIDs++
		}
	}
	for k, seqs := range t.repeats {
		t.Repeated++
		t.Extra += len(seqs) - 1
		t.Repeats = append(t.Repeats, Repeat{k.phone.String(), seqs})
	}
	slices.SortFunc(t.Repeats, func(a, b Repeat) int { return int(a.Seqs[0] - b.Seqs[0]) })
	t.Repeats = t.Repeats[:min(len(t.Repeats), maxRepeats)]
	return t.Summary
}
