package bridge

import (
	"cmp"
	"context"
	"errors"
	"time"

	"smppbridge/store"
)

// A Call is one request to an SMS API, for one message or for several that share everything
// but phone and parameters.
type Call struct {
	OutID      string
	Route      string
	Recipients []Recipient
	// Template is the TemplateCode.
	Template string
	// Before is when the call must have started. A sender that cannot start it by then answers
	// OutcomeRetry without calling: the attempt's Begin may have been superseded.
	Before time.Time // carries a monotonic reading
}

// A Recipient is one message of a Call.
type Recipient struct {
	Phone    string
	SignName string
	Params   string // TemplateParam: a JSON object with string values
	// Original is set where the route's kind sends texts and not templates; such a call has one recipient.
	Original *Original
}

// An Original is a message as its ESME submitted it.
type Original struct {
	Text       string // UTF-8, the whole of it; not for logs
	DataCoding uint8  // as submitted; what its 0 meant the text does not show

	International string // the phone with its country code, which Phone lacks if it is of the mainland
	Source        store.Address
	ServiceType   string
	ProtocolID    uint8
	Priority      uint8
	Expires       time.Time // not worth delivering after it; zero = always
}

// An Answer is how a call ended. Every call has one: what the API said, or that nothing is known.
type Answer struct {
	Kind   store.OutcomeKind
	BizID  string        // OutcomeAccepted
	Code   string        // what the API or the transport said, from a closed set: a label and a log key, never free text
	Ending store.Ending  // OutcomeRejected
	Said   string        // OutcomeRejected: the API's code where Code has another word for it; "" = Code
	Err    string        // OutcomeRejected, and OutcomeRetry that ran out of validity: the receipt's err, 3 characters
	After  time.Duration // OutcomeRetry: not before this; 0 = back off as usual
	// Account is true for faults of the account or route (arrears, keys, permission), not of the message: the route is to
	// be stopped for a while and its messages retried.
	Account bool
	// Throttled is true when the account's calls per second are used up: the route is to slow down.
	Throttled bool
	// Outage is true when the route may be down: no connection, no answer, a 5xx, an answer that cannot be read.
	Outage bool
	// Whole is true when the answer is about the call as a whole, or about the account or the route, and not perhaps about
	// one recipient that the API does not name: its Kind then holds for all of them. Without it, an answer to a call for
	// several says nothing of each, whatever its Kind. An answer to a call for one recipient is always whole.
	Whole bool
	// Cause is for our log only: redacted, without text, number or key.
	Cause error
}

// said is the code that is kept with a message that was rejected: it may be seen by its ESME.
func (a *Answer) said() string {
	if a.Kind != store.OutcomeRejected {
		return ""
	}
	return cmp.Or(a.Said, a.Code)
}

// ErrCannotAsk is returned by Find and Sent for routes on which nobody knows what became of an earlier call. What stays
// uncertain there is reported as unknown and not sent again, whatever its class says.
var ErrCannotAsk = errors.New("the route cannot be asked about earlier calls")

// A Sender makes calls. *aliyun.Client implements it, and *upstream.Client for routes of its kind. Send is called from many
// goroutines.
type Sender interface {
	// Send makes the call and returns how it ended. It never returns before it knows or gives up: a ctx that ends while the
	// request is written makes the answer uncertain.
	Send(ctx context.Context, c Call) Answer
	// Find asks whether the API executed the call with outID for phone, which was begun at begun.
	Find(ctx context.Context, route, outID, phone string, begun time.Time) (Found, error)
	// Sent lists all that the route's account sent to phone between two times, whoever made the call. A zero to is now. Some of
	// what was sent a little earlier or later may be in the list.
	Sent(ctx context.Context, route, phone string, from, to time.Time) ([]SentSMS, error)
}

// A Settler takes answers that came late. *Bridge implements it.
type Settler interface {
	// Settle commits the answer to a call that Send has said to be uncertain. An error means that it may not be.
	Settle(ctx context.Context, outID string, a Answer) error
}

// Found is what the API says about an earlier call.
type Found struct {
	Known  bool         // the API has it
	Final  bool         // and it has ended, with
	Ending store.Ending //
	Err    string
	Code   string // what the API calls that: DELIVERED, MK:0001; printable ASCII, 64 octets at most
	DoneAt time.Time
}

// A SentSMS is an SMS that the API shows.
type SentSMS struct {
	OutID    string
	Template string
	Content  string // with its signature; not for logs
	Found    Found
}

// An IncomingReport is a delivery report as the API sent it.
type IncomingReport struct {
	OutID  string
	BizID  string
	Phone  string
	Ending store.Ending // 0: no final state yet, to be ignored
	Err    string       // 3 characters
	Code   string       // what the API calls that: DELIVERED, MK:0001; printable ASCII, 64 octets at most
	DoneAt time.Time
}

// A Reporter takes delivery reports. *Bridge implements it.
type Reporter interface {
	// Report returns once the reports are committed. An error means that they may not be: the source must offer them again.
	Report(ctx context.Context, reports []IncomingReport) error
}
