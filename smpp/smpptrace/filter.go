package smpptrace

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"

	"smppbridge/smpp"
)

// A Filter says which PDUs are wanted: those of one account, those that name one number with their answers,
// or, with both, the account's that name it.
type Filter struct {
	SystemID string
	Number   string // in any spelling
}

// leastNumber is how many digits a number to look for has.
const leastNumber = 3

var errFilter = errors.New("give a system_id of 1 to 15 octets, a number of 3 to 24 digits, or both")

// Check reports that f chooses nothing that can be looked for.
func (f Filter) Check() error {
	n := numberOf([]byte(f.Number))
	switch {
	case f.SystemID == "" && f.Number == "", len(f.SystemID) > 15, f.Number != "" && n.n < leastNumber:
		return errFilter
	}
	return nil
}

// A peer is what a filter has to know of a session.
type peer struct {
	id       uint64
	systemID string // empty before the bind
}

// Bounds of what a filter remembers.
const (
	mostAwaited  = 1 << 16
	mostAccounts = 1 << 10
)

// A selector decides, for each PDU of each session, whether it is wanted.
type selector struct {
	systemID string
	number   number
	byNumber bool

	waiting atomic.Int64 // len(awaited), to spare the lock

	mu       sync.Mutex
	awaited  map[answer]struct{} // guarded by mu; answers to requests that were wanted
	accounts map[string]struct{} // guarded by mu; accounts that have named the number
}

// An answer is known by its session, its number, and who gives it.
type answer struct {
	session  uint64
	sequence uint32
	sent     bool
}

func newSelector(f Filter) *selector {
	return &selector{
		systemID: f.SystemID,
		number:   numberOf([]byte(f.Number)),
		byNumber: f.Number != "",
		awaited:  make(map[answer]struct{}),
		accounts: make(map[string]struct{}),
	}
}

// wants decides on one whole PDU. lost is true where the answer to a wanted request will not be known.
func (f *selector) wants(p peer, sent bool, pdu []byte) (wanted, lost bool) {
	h := headerOf(pdu)
	body := pdu[smpp.HeaderLen:]
	switch {
	case h.ID.IsResponse():
		// A bind_resp of an account's is known by its request: a session whose bind was refused has no account.
		return f.takeAwaited(answer{p.id, h.Sequence, sent}) ||
			!f.byNumber && p.systemID == f.systemID && p.systemID != "", false
	case isBind(h.ID) && !sent:
		if !f.wantsBind(body) {
			return false, false
		}
	case f.systemID != "" && p.systemID != f.systemID:
		return false, false
	case f.byNumber:
		if !f.names(h.ID, body) {
			return false, false
		}
		f.noteAccount(p.systemID)
	default:
		return true, false
	}
	return true, !f.await(answer{p.id, h.Sequence, !sent})
}

func isBind(id smpp.CommandID) bool {
	return id == smpp.BindTransceiverID || id == smpp.BindTransmitterID || id == smpp.BindReceiverID
}

// wantsBind decides on a bind request: the account's, or that of one which has named the number.
func (f *selector) wantsBind(body []byte) bool {
	id, _, _ := bytes.Cut(body, []byte{0})
	if f.systemID != "" {
		return string(id) == f.systemID
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.accounts[string(id)]
	return ok
}

// names reports whether a request has the number for an address.
func (f *selector) names(id smpp.CommandID, body []byte) bool {
	found := false
	walk(upToAddresses(layoutOf(id)), body, func(k kind, b []byte) {
		if k == address && !found {
			n := numberOf(b)
			found = f.number.same(&n)
		}
	})
	return found
}

// upToAddresses is a layout without what follows its last address: this is done for every request there is.
func upToAddresses(layout []kind) []kind {
	n := len(layout)
	for n > 0 && layout[n-1] != address && layout[n-1] != destinations {
		n--
	}
	return layout[:n]
}

func (f *selector) noteAccount(systemID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.accounts[systemID]; !ok && len(f.accounts) < mostAccounts {
		f.accounts[systemID] = struct{}{}
	}
}

// await has an answer be wanted. It returns false if there are too many already.
func (f *selector) await(a answer) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.awaited) >= mostAwaited {
		return false
	}
	f.awaited[a] = struct{}{}
	f.waiting.Store(int64(len(f.awaited)))
	return true
}

// takeAwaited reports whether an answer is awaited, and awaits it no longer.
func (f *selector) takeAwaited(a answer) bool {
	if f.waiting.Load() == 0 {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.awaited[a]
	delete(f.awaited, a)
	f.waiting.Store(int64(len(f.awaited)))
	return ok
}
