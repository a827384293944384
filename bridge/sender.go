package bridge

import (
	"context"
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
}

// An Answer is how a call ended. Every call has one: what the API said, or that nothing is known.
type Answer struct {
	Kind   store.OutcomeKind
	BizID  string        // OutcomeAccepted
	Code   string        // what the API or the transport said, from a closed set: a label and a log key, never free text
	Ending store.Ending  // OutcomeRejected
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

// A Sender makes calls. *aliyun.Client implements it. Send is called from many goroutines.
type Sender interface {
	// Send makes the call and returns how it ended. It never returns before it knows or gives up: a ctx that ends while the
	// request is written makes the answer uncertain.
	Send(ctx context.Context, c Call) Answer
	// Find asks whether the API executed the call with outID for phone, which was begun at begun.
	Find(ctx context.Context, route, outID, phone string, begun time.Time) (Found, error)
	// Sent lists all that the route's account sent to phone since a time, whoever made the call.
	Sent(ctx context.Context, route, phone string, since time.Time) ([]SentSMS, error)
}

// Found is what the API says about an earlier call.
type Found struct {
	Known  bool         // the API has it
	Final  bool         // and it has ended, with
	Ending store.Ending //
	Err    string
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
	DoneAt time.Time
}

// A Reporter takes delivery reports. *Bridge implements it.
type Reporter interface {
	// Report returns once the reports are committed. An error means that they may not be: the source must offer them again.
	Report(ctx context.Context, reports []IncomingReport) error
}
