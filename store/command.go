package store

// A Kind numbers a command in Raft's log. Numbers are appended, never reused; an unknown one
// stops the node rather than let it diverge.
type Kind uint8

// The kinds.
const (
	KindAccept    Kind = 1
	KindBegin     Kind = 2
	KindFinish    Kind = 3
	KindReport    Kind = 4
	KindClose     Kind = 5
	KindDelivered Kind = 6
	KindNodeUp    Kind = 7
	KindBindOpen  Kind = 8
	KindBindClose Kind = 9
	KindLead      Kind = 10
	KindPutPolicy Kind = 11
	KindPurge     Kind = 12
	KindFound     Kind = 13
	KindReplace   Kind = 14
	KindGenesis   Kind = 15
	KindNodeDown  Kind = 16
	KindRaise     Kind = 17
	KindMark      Kind = 18
	KindVerify    Kind = 19
	KindRecover   Kind = 20
	KindPut       Kind = 21
	KindIncoming  Kind = 22
)

// A Command is one entry of Raft's log. Its time is not in it: the leader stamps the envelope
// (see Encode).
type Command interface{ kind() Kind }

// A Token names one proposal of one node. The state machine answers a repeated token with the
// first result, so that a proposal whose outcome is unknown can be repeated.
type Token struct {
	Node        string
	Incarnation uint64
	Seq         uint64 // ascending; 1 is the first of an incarnation
	Lowest      uint64 // lowest Seq whose result the node still waits for; lower ones are forgotten
}

// Accept records messages whose submit_sm_resp waits for it. Result: AcceptResult.
type Accept struct {
	Token    Token
	Charges  [][]Charge // distinct sets of charges
	Messages []Submission
}

// A Submission is a message of an Accept with the set of charges that admits it.
type Submission struct {
	Message Message
	Charges int // index into Accept.Charges; -1 = none
}

// Begin records attempts that the leader is about to make. Result: BeginResult.
type Begin struct {
	Charges  [][]Charge // distinct sets of charges
	Attempts []BeginAttempt
}

// A BeginAttempt is one call of the API.
type BeginAttempt struct {
	Route    string
	Template string // TemplateCode of the call, for DayCount; "" = it has none
	CallBy   int64  // Unix ms at which an unfinished attempt becomes uncertain
	Members  []BeginMember

	// Charges is what the call costs as a whole: the route's rate, for instance. It is an index into
	// Begin.Charges, -1 = nothing, and its keys are not those of the members' charges. It is charged once,
	// with the first member that is granted, and never given back. If it does not fit, no member is granted,
	// and all of them stay due as they were.
	Charges int
}

// A BeginMember is a message of a call. It is granted when it is due to be sent, its revision is
// the one named and its charges fit. When they do not fit it becomes due when they may. A message that
// goes alone (Status.Alone) is granted only when it is the one member of its call, and of two members with
// one phone only the first is: a report names the phone.
type BeginMember struct {
	Number   Number
	Revision uint32
	Phone    string
	Segments uint8 // what the API will bill it as, for DayCount; 0 = not known
	Charges  int   // index into Begin.Charges; -1 = none
}

// Finish records what the API answered. Result: FinishResult.
type Finish struct{ Outcomes []Outcome }

// An Outcome is the end of an attempt, for all its members.
type Outcome struct {
	Attempt AttemptID
	Kind    OutcomeKind
	BizID   string // OutcomeAccepted
	DueAt   int64  // accepted: when to give up on the report; retry: next try; uncertain: first query
	Ending  Ending // OutcomeRejected
	Err     string // rejected: the receipt's err
	Code    string // rejected: what the API said, up to 64 octets; kept as Message.Code and Receipt.Code
	Alone   bool   // OutcomeRetry, OutcomeUncertain: the members go alone from now on, see Status.Alone
}

// An OutcomeKind classifies the end of an attempt.
type OutcomeKind uint8

// The kinds. Numbers travel in commands: append, never reuse.
const (
	OutcomeAccepted  OutcomeKind = 1 // the API took it
	OutcomeRejected  OutcomeKind = 2 // final: the API refused it
	OutcomeRetry     OutcomeKind = 3 // surely not executed; its charges on phones are given back
	OutcomeUncertain OutcomeKind = 4 // may have been executed
)

// Report records delivery reports. Result: ReportResult.
type Report struct{ Reports []DeliveryReport }

// A DeliveryReport ends one message. Number was found by the proposer, by OutId or BizId and
// phone; Apply verifies that the attempt is one of that message's. With Number 0 the report
// matched nothing yet and is kept as an orphan for 72 h.
type DeliveryReport struct {
	Number  Number
	Attempt AttemptID // 0 when Number is 0
	OutID   string    // kept with orphans
	BizID   string    // kept with orphans
	Phone   string    // kept with orphans
	Ending  Ending
	Err     string
	Code    string // what the API said, up to 64 octets; kept as Message.Code and Receipt.Code
	DoneAt  int64  // Unix ms, the report's own time
	Orphan  uint64 // id of the orphan this report was kept as; removed when it applies. 0 = none
}

// Found resolves uncertain attempts after a query of the API, and says when a sent message without a report is
// to be looked at again. Result: FoundResult.
type Found struct{ Items []FoundItem }

// A FoundItem is what was found out about one message of an uncertain attempt. To a message in StateSent it
// applies when it is neither Sent nor Retry: then only DueAt moves.
type FoundItem struct {
	Number   Number
	Revision uint32
	Sent     bool  // the API has it: StateSent. Otherwise, with Retry: it surely was not sent: StateRetry
	Retry    bool  // send again; neither Sent nor Retry: still not known, ask again at DueAt
	DueAt    int64 // next action
}

// Close ends messages without a report: refused by the leader (no template), expired, given up.
// EndExpired, EndDeleted and EndRejected apply only to messages that wait to be sent (and parts that wait);
// EndUnknown and EndUndeliverable also to sent and uncertain ones. EndExpired has no effect before Expires, or before
// the parts of a set are due. Result: CloseResult.
type Close struct{ Items []CloseItem }

// A CloseItem names a message at a revision; at another revision it has no effect. For
// ActionParts it names the first part, and its whole set is ended.
type CloseItem struct {
	Number   Number
	Revision uint32
	Ending   Ending
	Err      string
}

// Replace changes a message that waits to be sent: replace_sm. It wins or loses against Begin by the
// revision. Texts, template, class, wants, priority, times and policy version are taken from Message;
// all else stays, whatever Message says: number, account, origin, addresses, phone, AnswerBy, charges
// and what the receipt repeats. Parts and joined messages are not replaced. Result: ReplaceResult.
type Replace struct {
	Number   Number
	Revision uint32
	Message  Message // the whole new message
}

// Delivered removes entries from an outbox. Result: DeliveredResult.
type Delivered struct {
	Account string
	Seqs    []uint64
}

// NodeUp says that a node has started. Earlier incarnations of it lose their binds and tokens. One that
// is not later than the node's current incarnation changes nothing: it comes late. Result: NodeUpResult.
type NodeUp struct {
	Node        string
	Incarnation uint64
}

// BindOpen records a bind, if the account has fewer than Limit on all nodes. Result: BindResult.
type BindOpen struct {
	Bind  Bind
	Limit uint32 // 0 = none
}

// BindClose removes a bind.
type BindClose struct {
	Node        string
	Incarnation uint64
	Session     uint64
}

// Lead is the first command of a new leader: every attempt still open belongs to a leader that
// may be gone, and becomes uncertain, due to be resolved at DueAt. A late Finish still counts.
type Lead struct {
	Node  string
	DueAt int64
}

// PutPolicy adds a version of the policy if Base is the version in force. Result: PolicyResult.
type PutPolicy struct {
	Base   uint64
	Doc    []byte
	Author string
}

// Purge deletes what has been final since before Before, sends and orphans past their time, and
// attempts of which nothing is open; at most Limit messages. Result: PurgeResult.
type Purge struct {
	Before int64
	Limit  uint32
}

// Genesis names a cluster that has no name yet; a second one changes nothing. Every log begins with it,
// so that all nodes spell OutIds alike.
type Genesis struct {
	ClusterID string
	Lineage   Lineage
}

// NodeDown says that the leader has not heard of a node for too long: the binds of that incarnation are
// removed. Its tokens stay, because it may live and ask again.
type NodeDown struct {
	Node        string
	Incarnation uint64
}

// Raise raises the cluster version, once every member can apply what it allows. A lower one than
// the one in force changes nothing.
type Raise struct{ Version uint64 }

// Mark has every node note the rolling hash of what it has applied up to and with this entry.
type Mark struct{}

// Verify names the hash that most nodes noted at a Mark. A node that noted another one has diverged:
// its Apply fails with ErrDiverged, and it must stop.
type Verify struct {
	Mark uint64 // index of the Mark's entry
	Hash uint64
}

// Recover begins a new epoch, after the loss of a majority or with a backup put back: what the lost nodes
// have sent is not known here. Numbers, attempts and the rest leap by Leap, and every message that may
// have been sent is uncertain and due to be resolved at DueAt.
type Recover struct {
	Leap    uint64
	DueAt   int64
	Lineage Lineage // another one than ever before
}

// Put sets and removes records of the registry, item by item, in order. Result: PutResult.
type Put struct{ Items []PutItem }

// A PutItem is a record as it is to be. One that is beyond the registry's limits (MaxSpace, MaxRecordKey,
// MaxRecordValue), or has no space or key, changes nothing.
type PutItem struct {
	Space  string
	Key    string
	Value  []byte // empty: the record is removed
	Absent bool   // only if there is no such record
}

// Incoming records messages from phones, each of which enters an account's outbox, in the order of Seq with the
// receipts. Result: IncomingResult.
type Incoming struct{ Items []IncomingItem }

// An IncomingItem is a message from a phone. One with the Digest of another that was taken less than that one's KeepFor ago
// is the same, come again, and is not taken.
type IncomingItem struct {
	Account      string
	Digest       [16]byte // zero: it is nobody's duplicate
	KeepFor      int64    // ms
	Source, Dest Address  // as they are delivered
	ServiceType  string
	Text         string // UTF-8
	At           int64  // Unix ms at which the phone sent it; 0 = not known
}

func (*Accept) kind() Kind    { return KindAccept }
func (*Begin) kind() Kind     { return KindBegin }
func (*Finish) kind() Kind    { return KindFinish }
func (*Report) kind() Kind    { return KindReport }
func (*Close) kind() Kind     { return KindClose }
func (*Delivered) kind() Kind { return KindDelivered }
func (*NodeUp) kind() Kind    { return KindNodeUp }
func (*BindOpen) kind() Kind  { return KindBindOpen }
func (*BindClose) kind() Kind { return KindBindClose }
func (*Lead) kind() Kind      { return KindLead }
func (*PutPolicy) kind() Kind { return KindPutPolicy }
func (*Purge) kind() Kind     { return KindPurge }
func (*Found) kind() Kind     { return KindFound }
func (*Replace) kind() Kind   { return KindReplace }
func (*Genesis) kind() Kind   { return KindGenesis }
func (*NodeDown) kind() Kind  { return KindNodeDown }
func (*Raise) kind() Kind     { return KindRaise }
func (*Mark) kind() Kind      { return KindMark }
func (*Verify) kind() Kind    { return KindVerify }
func (*Recover) kind() Kind   { return KindRecover }
func (*Put) kind() Kind       { return KindPut }
func (*Incoming) kind() Kind  { return KindIncoming }
