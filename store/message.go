package store

import (
	"fmt"
	"strconv"
	"time"
)

// A Number identifies an accepted message. Numbers ascend in the order of acceptance and are
// never reused. The spelling an ESME sees (its message_id) is made from the number.
type Number uint64

// String spells n as the default message_id: at least 10 lower-case hexadecimal digits, because
// many clients parse at most 10 characters.
func (n Number) String() string { return fmt.Sprintf("%010x", uint64(n)) }

// ParseNumber reads the spelling of Number.String.
func ParseNumber(s string) (Number, error) {
	n, err := strconv.ParseUint(s, 16, 64)
	if err != nil {
		return 0, fmt.Errorf("message number %q: %w", s, strconv.ErrSyntax)
	}
	return Number(n), nil
}

// An Address is a source or destination exactly as it was submitted.
type Address struct {
	TON, NPI uint8
	Addr     string
}

// Origin says which session submitted a message, so that its receipt can wait until the
// submit_sm_resp has been written. Another incarnation of the node, or a session that is gone,
// releases the receipt.
type Origin struct {
	Node        string // node id
	Incarnation uint64 // of the node, see NodeUp
	Session     uint64 // of that incarnation
	Mark        uint64 // ascending within the session; compare with what it has written
}

// Wants says which final outcomes of a message enter the outbox.
type Wants uint8

// The bits of Wants.
const (
	WantsSuccess Wants = 1 << iota // a receipt when the message was delivered
	WantsFailure                   // a receipt for every other final state
)

// A Segment is a message's place in a concatenated message. The zero Segment means that the
// message stands alone.
type Segment struct {
	Ref   uint16 // reference number, the same in all parts
	Total uint8  // number of parts, 2 or more
	Seq   uint8  // 1 to Total
}

// A Message is what was accepted. It does not change, but for Text and Params, which are erased
// when the message becomes final (unless KeepText), and Parts.
type Message struct {
	Account string
	Origin  Origin

	Source, Dest       Address // as submitted
	ServiceType        string
	ESMClass           uint8
	ProtocolID         uint8
	Priority           uint8
	DataCoding         uint8
	RegisteredDelivery uint8

	Phone        string // normalised for the route: reports and phone limits are keyed on it
	Class        string // class of the policy, e.g. "otp"
	SignName     string // empty until the leader matches it (joined messages)
	TemplateCode string
	Params       string // TemplateParam
	Text         string // UTF-8, or for parts and joined messages the octets as submitted

	Wants         Wants
	Urgent        bool // sent before messages that are not
	Preferred     bool // sent after urgent messages, before all others
	OneReceipt    bool // of a part: its set has one receipt, the last part's, if any part wants it
	Grouped       bool // of one submit_multi with the message before it in its Accept: it goes by the first one's message_id
	Shape         Shape
	KeepText      bool // do not erase Text and Params when final
	PolicyVersion uint64
	SendAt        int64 // Unix ms before which it is not sent; 0 = at once
	Expires       int64 // Unix ms after which it is not sent any more; 0 = never
	AnswerBy      int64 // Unix ms until which its submit_sm_resp waits for the first attempt's outcome; 0 = it does not. See Status.Refused

	// Digest, if it is not zero, is of what makes two messages of an account the same: within DedupeFor ms of
	// the first one's acceptance another one is not accepted but answered with the first one's number. That ends
	// before when the first one surely is not delivered (any ending but EndDelivered and EndUnknown, or Refused) or
	// is replaced: then nothing is on its way that the second one could stand for.
	Digest    [16]byte
	DedupeFor int64

	Echo string // octets that are repeated in the receipt: optional parameters, as they are to be written

	Segment Segment  // of a part
	Parts   []Number // of a joined message: the parts it was made of, in order of Seq

	// Code is what the API said when the message became final: DELIVERED, MK:0001, isv.… It is not part of what
	// was accepted: Accept and Replace leave it out.
	Code string
}

// A State is where a message stands. Attempt and State together only grow, except that a
// message goes from StateUncertain or StateSending back to StateRetry.
type State uint8

// The states. Numbers are stored: append, never reuse.
const (
	StateAccepted  State = 1 // waits for its first attempt
	StateSending   State = 2 // an attempt was begun; its outcome is not recorded yet
	StateSent      State = 3 // the API accepted it; waits for its report
	StateRetry     State = 4 // an attempt surely did not send it; waits for the next
	StateUncertain State = 5 // an attempt may or may not have sent it
	StateFinal     State = 6
	StatePart      State = 7 // a part that waits for the others of its set
	StateJoined    State = 8 // a part whose joined message is under way
)

// String returns the state's name as used in metrics and in answers to operators.
func (s State) String() string {
	switch s {
	case StateAccepted:
		return "accepted"
	case StateSending:
		return "sending"
	case StateSent:
		return "sent"
	case StateRetry:
		return "retry"
	case StateUncertain:
		return "uncertain"
	case StateFinal:
		return "final"
	case StatePart:
		return "part"
	case StateJoined:
		return "joined"
	}
	return "state " + strconv.Itoa(int(s))
}

// An Ending is the final state of a message, numbered like SMPP's message_state
// (SMPP 3.4, 5.2.28), which spares a table. 0 means not final.
type Ending uint8

// The endings that Apply tells apart; others are stored as they come.
const (
	EndDelivered     Ending = 2
	EndExpired       Ending = 3
	EndDeleted       Ending = 4 // cancel_sm
	EndUndeliverable Ending = 5
	EndUnknown       Ending = 7
	EndRejected      Ending = 8
)

// An AttemptID numbers the calls of the API. It is part of the OutId that is sent with the call.
type AttemptID uint64

// A Status is the small record that is rewritten as a message moves.
type Status struct {
	State    State
	Revision uint32    // grows with every change: what a Begin or Close names
	Attempt  AttemptID // the last one begun; 0 = none yet
	Tries    uint8     // attempts begun so far
	Ending   Ending
	Err      string // up to 8 octets: the receipt's err, set when final or to be retried
	Counted  bool   // still counts in its account's window of open messages
	Action   Action // what is to be done at DueAt; 0 = nothing
	Whole    Number // of a part in StateJoined: the joined message
	Receipt  uint64 // Seq of its entry in the outbox, there or delivered; 0 = none was wanted
	// Refused: a Finish or a Close ended it before Message.AnswerBy, it was never StateSent, and it surely was not
	// sent. Its submit_sm_resp says so, and it has no receipt. What was given up in StateUncertain may have been
	// sent: it is not refused and has its receipt.
	Refused bool

	// Held: uncertain since a Recover. Attempts that are not known here may have sent it: those of earlier
	// epochs, above the last that was known then.
	Held bool

	// Alone: a call for several messages failed for what may have been another one's fault. It is sent
	// again, but never with others.
	Alone bool

	// Booked: the last attempt counts in DayCount.Sent.
	Booked bool

	AcceptedAt int64 // Unix ms, like all times here
	ChangedAt  int64
	DueAt      int64
	DoneAt     int64 // when it became final: by its report's own time, if a report ended it
}

// An Action is what is to be done with a message when it is due.
type Action uint8

// The actions. Numbers are stored: append, never reuse.
const (
	ActionSend    Action = 1 // StateAccepted, StateRetry: begin an attempt (or expire)
	ActionCall    Action = 2 // StateSending: no Finish came; make the attempt uncertain
	ActionResolve Action = 3 // StateUncertain: query, then follow the class's on_uncertain
	ActionReport  Action = 4 // StateSent: no report came; end as unknown
	ActionParts   Action = 5 // the first part of a set that did not complete
	ActionUrgent  Action = 6 // as ActionSend, of an urgent message
	ActionPrefer  Action = 7 // as ActionSend, of a preferred message
)

// Sends reports whether a is to begin an attempt.
func (a Action) Sends() bool { return a == ActionSend || a == ActionUrgent || a == ActionPrefer }

// An Attempt is one call of the API, for one message or several.
type Attempt struct {
	ID      AttemptID
	OutID   string
	Route   string
	Begun   int64 // Unix ms
	BizID   string
	Members []Member
}

// A Member is one message of an Attempt.
type Member struct {
	Number Number
	Phone  string
}

// A Receipt is an entry of an account's outbox: a delivery receipt that waits to be delivered, or an incoming
// message.
type Receipt struct {
	Seq     uint64 // the entry's place in the outbox; ascends over all accounts
	Account string

	// Incoming: a message from a phone. It belongs to no message of the account: of it are set Source and Dest, as
	// they are delivered, ServiceType, Text, AcceptedAt (IncomingItem.At) and QueuedAt.
	Incoming bool
	Text     string // UTF-8, of an incoming message

	Number Number // the message's whose id the ESME was given; of a submit_multi the first one's
	Shape  Shape  // how that id is spelt
	Echo   string // Message.Echo
	Origin Origin

	Source, Dest Address // as submitted; swapped on delivery
	ServiceType  string
	DataCoding   uint8
	ESMClass     uint8

	Ending     Ending
	Err        string
	Code       string // Message.Code
	AcceptedAt int64  // Unix ms; the receipt's submit date
	DoneAt     int64  // Unix ms; the receipt's done date
	QueuedAt   int64  // Unix ms; when it entered the outbox
}

// A Bind is one bound session of a node, as the whole cluster sees it.
type Bind struct {
	Node        string
	Incarnation uint64
	Session     uint64
	Account     string
	Receives    bool // receiver or transceiver
	Since       int64
}

// A Policy is one version of the policy document.
type Policy struct {
	Version uint64 // 1 is the first; 0 = none yet
	Doc     []byte // YAML
	Author  string
	At      int64
}

// FromMillis converts the store's times.
func FromMillis(ms int64) time.Time { return time.UnixMilli(ms) }
