package store

import "errors"

// ErrNotProposed is wrapped by errors of a proposal that surely never entered Raft's log. Any
// other error of a proposal means that its outcome is unknown.
var ErrNotProposed = errors.New("surely not proposed")

// ErrFull is wrapped, beside ErrNotProposed, by errors of a proposal for which there is no room: too
// many wait, or the disk is nearly full.
var ErrFull = errors.New("no room")

// A Result is what Apply says about one command.
type Result interface{ result() }

// An AcceptCode says whether a message was accepted.
type AcceptCode uint8

// The codes. Numbers are stored with tokens: append, never reuse.
const (
	AcceptOK          AcceptCode = 1
	AcceptOverLimit   AcceptCode = 2 // Limit says which of the charges did not fit
	AcceptStalePolicy AcceptCode = 3 // decided under a policy that is not in force any more
	AcceptTokenGone   AcceptCode = 4 // the token is of an earlier incarnation, or was forgotten
	AcceptDuplicate   AcceptCode = 5 // the same as a message accepted a moment ago, whose Number it gets: see Message.Digest
)

// AcceptResult answers Accept, message by message.
type AcceptResult struct{ Items []AcceptItem }

// An AcceptItem is the result of one message.
type AcceptItem struct {
	Code AcceptCode
	// Number: AcceptOK: the message's own, also within a submit_multi. AcceptDuplicate: the one by which the message
	// goes that was first, so of one in a submit_multi the head's: the ESME knows no other.
	Number Number
	Limit  uint8 // AcceptOverLimit: index of the charge within the message's set
}

// BeginResult answers Begin, attempt by attempt.
type BeginResult struct{ Attempts []BegunAttempt }

// A BegunAttempt is a call that may be made now, for the granted members only.
type BegunAttempt struct {
	ID      AttemptID // 0 when no member was granted
	OutID   string
	Members []BegunMember
	Limit   int8  // index of the call's own charge that did not fit; -1 when it was not that
	Again   int64 // when the call's own charges may fit, if they did not; 0 otherwise
}

// A BegunMember says whether a message may be sent.
type BegunMember struct {
	Granted bool
	Limit   int8  // index of the charge that did not fit; -1 when it was not that
	DueAt   int64 // when it becomes due again, if a charge did not fit
}

// FinishResult answers Finish.
type FinishResult struct {
	Applied int // outcomes that changed their attempt
	Late    int // outcomes of attempts that had been resolved otherwise
}

// ReportResult answers Report, report by report.
type ReportResult struct{ Codes []ReportCode }

// A ReportCode says what became of a report.
type ReportCode uint8

// The codes.
const (
	ReportApplied   ReportCode = 1 // the message is final by it
	ReportDuplicate ReportCode = 2 // the message was final before
	ReportOrphaned  ReportCode = 3 // kept: it matched nothing yet
	ReportMismatch  ReportCode = 4 // the attempt is not one of the message's, or unknown; not kept
)

// FoundResult, CloseResult and DeliveredResult say how many items had an effect.
type (
	FoundResult     struct{ Applied int }
	CloseResult     struct{ Applied int }
	DeliveredResult struct{ Applied int }
)

// ReplaceResult answers Replace.
type ReplaceResult struct{ Code ReplaceCode }

// A ReplaceCode says whether a message was replaced.
type ReplaceCode uint8

// The codes.
const (
	ReplaceOK          ReplaceCode = 1
	ReplaceLate        ReplaceCode = 2 // there is no such message, or it has another revision, or it does not wait to be sent
	ReplaceStalePolicy ReplaceCode = 3 // decided under a policy that is not in force any more
)

// PutResult answers Put, item by item: whether the record is another, or gone, by it. To put what is there already
// changes nothing, its time neither.
type PutResult struct{ Changed []bool }

// IncomingResult answers Incoming, item by item: false = it came before.
type IncomingResult struct{ Taken []bool }

// BindResult answers BindOpen.
type BindResult struct {
	OK    bool
	Binds int // of the account, on all nodes, after it
}

// NodeUpResult answers NodeUp.
type NodeUpResult struct {
	OK          bool
	Incarnation uint64 // the node's current one after it
}

// PolicyResult answers PutPolicy.
type PolicyResult struct {
	OK      bool
	Version uint64 // in force after it
}

// PurgeResult answers Purge.
type PurgeResult struct {
	Messages int
	More     bool // the limit was reached
}

// None answers commands that have nothing to say, and entries that were applied before.
type None struct{}

func (*AcceptResult) result()    {}
func (*BeginResult) result()     {}
func (*FinishResult) result()    {}
func (*ReportResult) result()    {}
func (*FoundResult) result()     {}
func (*CloseResult) result()     {}
func (*DeliveredResult) result() {}
func (*BindResult) result()      {}
func (*ReplaceResult) result()   {}
func (*NodeUpResult) result()    {}
func (*PolicyResult) result()    {}
func (*PurgeResult) result()     {}
func (*PutResult) result()       {}
func (*IncomingResult) result()  {}
func (None) result()             {}
