// Package bridge is what the bridge does: it accepts messages from ESMEs, sends them through an SMS
// API, and returns their receipts.
//
// A message goes through these files, in this order:
//
//	session.go   Bind: who it is, whether it may, the bind committed before bind_resp
//	access.go    why binds are refused; addresses, bind types and TLS that an account is bound to
//	password.go  passwords, few at a time; lockout.go, refused.go: who guesses them
//	takeover.go  a place for an ESME that comes back while its dead sessions hold all of them; probe.go: on other nodes too
//	rebind.go    sessions whose places were given away while this node was cut off; places that no session has
//	submit.go    SubmitSM: text, template, number, validity; what cannot be sent is refused here
//	fields.go    what else a submit asks for; named.go: a template that it names; digest.go: whether it repeats one
//	phone.go     numbers as the API takes them; numbers.go: which ones a template is sent to; segments.go: what a message is billed as
//	multi.go     submit_multi: one such decision for each destination
//	caps.go      caps of the policy: what an Accept is charged beside what its account costs
//	queue.go     what waits to be accepted, bounded: where it is full sessions are not read
//	accept.go    groups of submissions become Accept commands; then submit_sm_resp
//	lines.go     whose turn it is to be in the next group
//	ack.go       where an account's submit_sm_resp waits for the API's answer; marks.go: which answers are written
//	dispatch.go  the leader takes what is due, round by round; turns.go: whose turn it is, by lane and account
//	backlog.go   what an account has due is read, and what cannot go now is not read again before it may; sweep.go: it expires
//	plan.go      template and ways of a due message; ways.go: by which routes it may go, and which one it is given
//	catalog.go   what the Alibaba Cloud accounts have, read by the leader (catalog_sync.go); withdrawn.go: what is not sent because of it
//	batch.go     messages that share a call, and when they wait for each other
//	brakes.go    accounts, templates and routes that operators have stopped; dryrun.go: accounts that do everything but call
//	exit.go      how many calls a route may have, its pace under its qps; rate.go: slower after it was throttled
//	circuit.go   a route that fails rests; halfopen.go: which message tries whether it is well; learn.go: what answers say of it
//	governor.go  sending gives way to accepting
//	call.go      Begin is committed, the call is made within a second, Finish is committed
//	resolve.go   attempts of which nothing is known are asked for before anything is sent again
//	route_names.go  which of them their routes can still be asked about, although a route's name may have gone to another
//	poll.go      messages that were sent and have no report are asked for at some ages; queries.go: how often a route may be asked
//	report.go    delivery reports, also those that come before the API's answer; early.go: the leader finds those
//	courier.go   which account's outbox has something for this node
//	owner.go     which node delivers a receipt; handover.go: what another one still delivers, written.go: which answers it has written
//	mailbox.go   one account's receipts to its receivers; outbox.go: read from the outbox, and removed when answered
//	receiver.go  whose turn it is, and who does not answer; receipt.go: what a receipt looks like
//	incoming.go  what phones send (MO) enters the outbox of who owns the number: incoming_owner.go; incoming_sm.go, incoming_box.go: as deliver_sm
//	optout.go    who wants no more of an account's messages; optout_list.go: for operators
//	operations.go  query_sm, cancel_sm, replace_sm: query.go, cancel.go, replace.go; jobs.go: whose turn it is
//	cancel_many.go  what operators end in bulk; uncertain.go: what nobody knows of
//	reap.go      what waited for too long ends; what is old is purged
//
// policy.go compiles the policy, inforce.go puts it into force, sender.go is the contract with the API's client, where.go and
// routes.go answer operators.
//
// # Goroutines
//
// Run starts and waits for: the batcher (accept.go) and one goroutine for each of at most two groups
// in flight; the courier, one goroutine for each account that had a receiver here, one for each bind that is being
// released, one for each other node that is asked about answers, at times one for each account and node that is asked what
// it delivers, and those that ask silent sessions whether they live (takeover.go, 256 for an account at most); the
// keeper of the door (refused.go), and that of the binds (rebind.go), which at times has 64 proposals under way; 129 that carry
// out operations (operations.go); who answers submits that
// waited for the API (ack.go), and at times one that moves the state's clock for it; the followers of the policy, of the brakes and of the catalogs;
// and, while this node leads, the dispatcher with one goroutine for each running call
// (bounded by the routes' workers), its recorder of outcomes, who ends what has waited for too long (sweep.go), the resolver, who asks for messages without a report (poll.go), the reaper,
// who looks at early reports (early.go), who reads the catalogs (catalog_sync.go),
// who records what the routes' names stand for (route_names.go), and who hands over where the policy is not usable (inforce.go).
//
// # One of several nodes
//
// A proposal is committed by the leader before this node's store has applied it, and other nodes' proposals are applied
// here late. So what is read from the store to be told to somebody (query_sm, cancel_sm, replace_sm, Where, the message a
// report is about) is read after Cluster.Sync; what is read to propose something need not be, because commands name
// revisions, attempts and policy versions, and Apply decides. A number above the store's last one is of a message that has
// not arrived yet.
//
// A node that is cut off keeps its sessions. It refuses what surely was not accepted, closes the sessions of what
// nobody knows of, answers query_sm with ESME_RSYSERR, and delivers nothing. When it is back it asks for the places of its
// sessions again, which the leader may have given away meanwhile. What is remembered of who guesses passwords
// (lockout.go) is each node's own: an attacker has as many tries as there are nodes.
//
// A leader that loses its leadership begins nothing more. Calls that run end by their own timeouts, and their outcomes
// are committed by whoever leads then; should the same node lead again at once, its new reign waits for that long.
//
// # What a crash leaves
//
// Before Accept is committed: nothing; the ESME got no answer. After it, before the answer: the message
// is sent, and the ESME does not know of it. Between Begin and Finish: an attempt that the next
// leader makes uncertain, and resolves. While a submit_sm_resp waits for the API (ack: submitted): the ESME gets none,
// the message goes on, and if it fails before its AnswerBy it has no receipt, which would name an id that the ESME
// never got. Between the report and deliver_sm_resp, or before the entry is out
// of the outbox: a receipt that is delivered, perhaps again.
//
// At every call out of the process there are two failures: it fails, and it fails but happened. An
// Accept is repeated with its token (unknown is not refused); all other commands name a revision or an
// attempt, so that repeating them does nothing; a call of the API whose answer is lost is uncertain.
//
// # Privacy
//
// Texts, whole numbers, passwords and keys are in no log line, metric or error of this package. What
// an error says about a text is an offset or a template's code.
package bridge
