// Package upstream sends messages through other message centres, to which it binds over SMPP 3.4 as an ESME, and takes
// their delivery receipts and incoming messages.
//
// To read it, begin with the way of one message:
//
//   - client.go: Client.Send submits one message, Client.SetRoutes replaces the routes, Client.Run keeps them bound.
//   - route.go: a route and its bind, again and again; bind.go: one bind; login.go: its system_id and password.
//   - submit.go: a message becomes one submit_sm or several; cut.go: its data_coding and parts.
//   - exchange.go: a request and its answer, also one that comes late; link.go: the connection under them.
//   - outcome.go: the one table that says what a status means.
//   - deliver.go: deliver_sm, answered when what it says is committed; receipt.go: what receipts say.
//
// # Outcomes
//
// A message centre can be asked about a message only by its message_id, which is in the answer that was lost. So a
// submit_sm that may have been read and was not answered is uncertain for good: the bridge waits for a late answer or a
// receipt, reports the message as unknown after that, and never sends it again, whatever its class says. This makes it
// all the more worth to know what was surely not read. A write that failed short of the PDU's end was not, because the
// connection is closed then; nor what was never written. Any status but ESME_ROK says that there is no message.
//
// A long text in parts goes part by part, each when the one before was accepted. So a refusal of the first leaves nothing
// behind, and may be tried again; a refusal of a later one ends the message, for what was sent of it cannot be recalled.
// The last part alone asks for a receipt, and stands for all: no state is needed to put receipts together, which another
// leader would not have.
//
// # Bound while leading
//
// Only the leader sends, so only it binds. At the end of its leadership it waits for the answers to calls under way before
// it unbinds: each that it did not wait for would be uncertain. Receipts wait at the centre until the next leader is bound,
// or are repeated if their answer was lost. They are committed before they are answered; one that cannot be is answered
// with ESME_RX_T_APPN, and comes again.
//
// The bridge knows a message by the route's account and the centre's message_id: centres number their messages alike, and
// send receipts to any bind of a system_id.
//
// # Why not go-smpp's Transceiver
//
// It was meant to be used here, and cannot be used safely. Its Submit returns the same error for a connection that was lost
// before the write and after it, which is the difference between one SMS and two. It matches whatever comes from the
// centre with the number of a submit_sm that waits, although the centre numbers its own requests: a receipt may so be
// swallowed as an answer. It answers every deliver_sm with ESME_ROK, whatever became of it, and handles it in the goroutine
// that matches answers, which makes these late. It dials, binds and writes without a time limit, holding a lock that closing
// needs, and its reader and its handler race for the channel that a new connection replaces. Its codec reads truncated PDUs
// as whole, and none over 4,096 octets. So this package speaks through package smpp, which reads what any side may send.
//
// # Privacy
//
// Texts, numbers and passwords are in no log line, metric or error of this package.
package upstream
