package aliyunsim

import (
	"sync"
	"time"
)

// chunkSize is how many records are allocated, and forgotten, at a time.
const chunkSize = 4096

// A State is how far the report of a message has come.
type State uint8

// The states of a report.
const (
	StateNone     State = iota // nobody is told: no URL, or no result
	StatePending               // waiting for its time, its batch or its retry
	StateWithheld              // held back by a fault until it is released
	StatePushed                // taken by the receiver
	StateLost                  // refused to the last retry, or never pushed (FaultReportLose)
)

// String returns the state in lower case.
func (s State) String() string {
	return [...]string{"none", "pending", "withheld", "pushed", "lost"}[s]
}

// MarshalText spells the state as String does.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// An Entry is one message that was executed: one phone number of an accepted call.
type Entry struct {
	Seq      int64     `json:"seq"` // ascending from 1
	Time     time.Time `json:"time"`
	Account  string    `json:"account"`
	API      string    `json:"api"`
	Sign     string    `json:"sign"`
	Template string    `json:"template"`
	Params   string    `json:"params"` // as the client wrote them
	Phone    string    `json:"phone"`  // as reports spell it
	OutID    string    `json:"out_id"`
	BizID    string    `json:"biz_id"`
	ErrCode  string    `json:"err_code"` // of the report; empty where there is none
	State    State     `json:"state"`    // of the report
}

// A record is an Entry as it is kept. All of it but the state, which the ledger's mutex guards, stays as it
// was added.
type record struct {
	at, due  int64 // Unix ms of the call and of its result
	listed   int64 // Unix ms from which on QuerySendDetails lists it
	biz      int64
	prev     int64 // seq of the phone's record before this one
	phone    phone
	account  *account
	template *template
	api      string
	sign     string
	params   string
	outID    string
	errCode  string
	parts    uint8
	state    State
}

// A ledger remembers what was executed.
type ledger struct {
	limit int // of records; 0 means none

	mu      sync.Mutex
	chunks  [][]record      // guarded by mu; all but the last are full
	first   int64           // guarded by mu; seq of the first record kept
	next    int64           // guarded by mu; seq of the next record
	byPhone map[phone]int64 // guarded by mu; seq of the phone's last record
}

func newLedger(limit int) *ledger {
	return &ledger{limit: limit, first: 1, next: 1, byPhone: map[phone]int64{}}
}

// add records a message that was executed and returns where it is kept, which never moves, and its seq.
func (l *ledger) add(r record) (*record, int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.chunks)
	if n == 0 || len(l.chunks[n-1]) == chunkSize {
		l.chunks = append(l.chunks, make([]record, 0, chunkSize))
		n++
	}
	seq := l.next
	l.next++
	r.prev = l.byPhone[r.phone]
	l.byPhone[r.phone] = seq
	l.chunks[n-1] = append(l.chunks[n-1], r)
	kept := &l.chunks[n-1][len(l.chunks[n-1])-1]
	if l.limit > 0 && l.next-l.first > int64(l.limit) && n > 1 {
		l.forget()
	}
	return kept, seq
}

// forget drops the oldest chunk. The caller holds mu.
func (l *ledger) forget() {
	for i := range l.chunks[0] {
		seq := l.first + int64(i)
		if p := l.chunks[0][i].phone; l.byPhone[p] == seq {
			delete(l.byPhone, p)
		}
	}
	l.chunks[0] = nil
	l.chunks = l.chunks[1:]
	l.first += chunkSize
}

// at returns the record seq, or nil where it is not kept. The caller holds mu.
func (l *ledger) at(seq int64) *record {
	if seq < l.first || seq >= l.next {
		return nil
	}
	i := seq - l.first
	return &l.chunks[i/chunkSize][i%chunkSize]
}

// setState notes how far the report of record seq has come.
func (l *ledger) setState(seq int64, state State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.at(seq); r != nil {
		r.state = state
	}
}

// reset forgets everything. The numbers go on.
func (l *ledger) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.chunks, l.first = nil, l.next
	clear(l.byPhone)
}

// ofPhone returns copies of a phone's records, youngest first, as long as keep wants more.
func (l *ledger) ofPhone(p phone, keep func(*record) (take, more bool)) []record {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []record
	for r := l.at(l.byPhone[p]); r != nil; r = l.at(r.prev) {
		take, more := keep(r)
		if take {
			out = append(out, *r)
		}
		if !more {
			break
		}
	}
	return out
}

// since returns copies of at most limit records from seq on, and the seq of the first of them.
func (l *ledger) since(seq int64, limit int) ([]record, int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seq = max(seq, l.first)
	n := min(l.next-seq, int64(limit))
	if n <= 0 {
		return nil, seq
	}
	out := make([]record, 0, n)
	for i := seq - l.first; int64(len(out)) < n; i = seq - l.first + int64(len(out)) {
		chunk := l.chunks[i/chunkSize][i%chunkSize:]
		out = append(out, chunk[:min(int64(len(chunk)), n-int64(len(out)))]...)
	}
	return out, seq
}

// each calls f with every record, a chunk's worth at a time, so that calls are not held up for long.
func (l *ledger) each(f func(seq int64, r *record)) {
	for seq := int64(1); ; {
		list, first := l.since(seq, chunkSize)
		if len(list) == 0 {
			return
		}
		for i := range list {
			f(first+int64(i), &list[i])
		}
		seq = first + int64(len(list))
	}
}

func (r *record) entry(seq int64) Entry {
	return Entry{Seq: seq, Time: time.UnixMilli(r.at).UTC(), Account: r.account.Name, API: r.api, Sign: r.sign,
		Template: r.template.Code, Params: r.params, Phone: r.phone.String(), OutID: r.outID, BizID: bizID(r.biz),
		ErrCode: r.errCode, State: r.state}
}

// text is what the phone showed.
func (r *record) text() string {
	params, _ := parseParams(r.params)
	return r.template.render(r.sign, params)
}
