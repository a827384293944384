// Package store is the replicated state: a deterministic machine over one bbolt file. It knows
// messages, attempts, meters, outboxes, binds, the policy and a registry of small records; it knows nothing of
// Raft, SMPP sessions or Alibaba Cloud.
//
// Commands go in through Apply, in the order of Raft's log, and nothing else changes the state. Its two halves
// may be called alone: Stage decides, Commit puts what was staged on the disk and before readers' eyes.
// Every node applies the same commands and comes to the same state, so Apply is a function of
// state and command only: times, ids and rules come with the command (determinism_test.go).
//
// # A message's life
//
//	Accept     accepted ─ or part, until its set is complete: then joined, and a new message
//	             │        with the whole text goes the way below; its parts end with it
//	Begin      sending    the intent is on disk before the API is called
//	             │
//	Finish     sent ─ or retry (surely not executed; Begin again), uncertain, final
//	             │
//	Report     final      its text is erased, its receipt enters the outbox
//	             │
//	Delivered             the receipt leaves the outbox
//	Purge                 the message is deleted
//
// An attempt without an outcome becomes uncertain when its leader is gone (Lead) or its time has
// run out (Finish). What is uncertain is not sent again before a Report, a Found or a late
// Finish has said what became of it. Close ends what waits, cancelled, expired or without a
// template, and gives up on what was sent; it never ends a call under way. Replace changes the text
// of what waits. A message that is sent is due again as ActionReport when a report is late: a Found that knows no more
// only says when next. What the API said of it is kept with the final message and in its receipt (Message.Code).
//
// What is to be sent is read account by account (DueOf), and behind a place, so that nobody's backlog is read
// for another, and what a full route cannot take hides nothing behind it. A call may be for several messages. It
// is charged as a whole, once, and refused as a whole (BeginAttempt.Charges), and each member on its phone. Its
// outcome is that of all who still wait for it, but each has its own Report and Found: the phone tells them apart,
// so that no call has one twice. Whoever may have failed by another one's fault goes alone from then on
// (Status.Alone).
//
// Every change raises the message's revision. Begin, Found, Close and Replace name the revision they
// were decided on and do nothing at another.
//
// A message with AnswerBy is answered only when its first attempt is over. If it fails before that
// time and was never sent, it is Refused: the answer says so, and there is no receipt.
//
// The messages of one submit_multi follow each other in one Accept. Each is accepted or refused by
// itself; those accepted are a group, whose receipts go by the number of its first one, the head.
// A message that was refused, or is a duplicate, is of no group. The parts of a long text are
// grouped part by part. A group keeps its head's number when the head is deleted.
//
// A message with a Digest is not accepted while another one with it counts: the answer is the other
// one's number, nothing is charged and nothing stored. It counts for DedupeFor from its acceptance,
// by the state clock, or until it fails or is replaced.
//
// # What is not about messages
//
// A Put sets records of the registry: what an operator has paused, who does not want to be written to. Readers have all of them
// in memory. Nothing in Apply depends on a record.
//
// An Incoming puts messages from phones into outboxes, among the receipts and in order with them: what waits for an
// account goes one way. One that comes again within its KeepFor is not taken.
//
// What was sent is counted by day of UTC+8, route and template (DayCount): by the day of the attempt that sent it, once for
// each attempt (Status.Booked), whether its answer, a query or its report told.
//
// # Nodes and the cluster
//
// Genesis names the cluster: it is the first command of a log, so all nodes spell OutIds alike. Before it
// nothing is begun. NodeUp names a node's incarnation; one that is not later comes late and changes nothing,
// and so do binds and tokens of another incarnation than the current one. NodeDown takes a node's binds
// when the leader has not heard of it: it may live, so its incarnation and tokens stay.
//
// The cluster version says which commands, and which changes of what they do, all members understand. It
// rises by Raise and never falls. A file of a version that this program does not know is not opened.
//
// Each entry is added to a rolling hash (hash.go). Mark has every node note it, Verify names what most of
// them noted; a node that noted something else stops.
//
// Recover begins a new epoch, when a majority is lost or a backup is put back. What the lost nodes did
// since is not known: all numbers leap, and each message that may have been sent is uncertain and Held. A
// call of an ended epoch with a number above those known (LostOutID) may have been for any of them; who
// resolves looks for it among all that was sent to the phone. A message that was never begun here gets an
// attempt of the new epoch without a route, under which its report can be applied.
//
// Genesis and Recover carry a Lineage, drawn by who proposes them. Two files of one cluster id and epoch are
// of one history only if they have it in common: a snapshot of another lineage is not taken over.
//
// # The file
//
//	meta      the applied index, counters, cursors, Raft's configuration, schema, cluster id, lineage, where epochs ended
//	tokens    node, incarnation, seq → result of an Accept, while its node may ask again
//	nodes     node → its incarnation
//	messages  number → the message as it was accepted (message_codec.go)
//	states    number → Status, always the same size
//	attempts  attempt → route, BizID, members and what their phones were charged
//	sends     time, seq → a charge on a phone, for 25 h
//	due       action, account if the action sends, time, number → nothing: a message has one entry or none
//	parts     account, addresses, reference, total, set → the numbers of the parts
//	outbox    account, seq → receipt or incoming message
//	orphans   id → report that matched nothing yet, for 72 h
//	meters    key → counts and levels
//	binds     node, incarnation, session → Bind
//	policy    version → Policy
//	groups    member → head; head → the members that are there
//	recent    time from which it counts no more, number → digest, account
//	registry  space, key → time, value
//	heard     time from which it counts no more, seq → digest of an incoming message
//	days      day, route, template → what was sent, for 40 days
//
// Numbers in keys have 8 octets, big endian, so most keys ascend, which is what bbolt is quick
// at; small records that are rewritten are apart from large ones that are not. What is looked up
// by other keys, a phone or a BizID, is in memory and rebuilt at Open, and so are the counts of what is due by account.
//
// # Memory
//
// The machine (txn.go) is only for whose turn it is to apply: meters, phones, binds, recent digests, days,
// the counters of meta. The view (view.go) is what readers see; it changes after each commit. All else that
// readers ask for is read from the file, in short transactions, beside Apply. Store.mu guards the
// view and which file is the current one; nothing is called with it held. A Stage that fails may
// leave the machine ahead of the file: then nothing is applied any more, and the node must stop.
//
// # Crash safety
//
// The applied index is written in the same transaction as what it stands for. A crash before the
// commit leaves the state before, and Raft hands in the entries again; after it, they are
// skipped. With NoSync this does not hold. A snapshot is the file as a read transaction sees it;
// a received one is complete and synced before it is renamed into place (snapshot.go), also where it is
// not copied on the way (RestoreFile). bbolt's
// freelist is not stored but rebuilt at Open.
//
// An erased text is gone from every record. Its octets stay in a free page of the file until
// bbolt uses the page again, which is why the file has mode 0600.
//
// # A new command
//
// Give it the next Kind, a struct in command.go, a result in result.go, its encoding in encode.go
// and decode.go, a case in applyCommand, a line in allCommands, and run the tests with -update:
// only lines may be added to the golden files. Results travel between nodes too (result_codec.go). A
// field that Apply reads is never added to a command that is there: nodes of two versions would diverge.
// For the same reason a new command raises Version and has a line in since, and a change of what Apply
// does is made to depend on the cluster version in meta.
package store
