// Package cluster makes a store replicated: a Node takes commands, has a majority of the cluster
// write them to disk, and applies them to its store in the same order as every other node. One node
// alone is a cluster of one and runs the same code.
//
// # What is where
//
// Raft itself is hashicorp/raft. Its parts and what stands for them here:
//
//   - the log: raft-wal, each append synced, in Config.Dir/wal (raftLog, segments.go)
//   - the state machine: a store.Store, whose file holds the state and the index of the last entry
//     applied to it, written in one transaction (fsm, commit.go)
//   - the snapshots: the same file (snapshotStore)
//   - the transport: Raft's over TCP, on the cluster port (port), which requests between nodes share
//     (mesh); a connection begins with a hello that says what it carries
//
// # A proposal
//
// Propose is the same call on every node. The leader stamps the command with its time, hands it to Raft and
// waits; a follower has the leader do so:
//
//	Propose ── forward ── mesh ── leader's answerPropose ──┐
//	Propose on the leader ─────────────────────────────────┤
//	  ┌────────────────────────────────────────────────────┘
//	  └── queue ── raft ── raftLog.StoreLogs (one sync for all that wait; a leader's in its tail)
//	                 │                └── followers do the same, at the same time
//	                 └── majority: fsm.ApplyBatch: the leader's disk has it, decided (store.Stage)
//	                                  ├── of Accept, Report, Delivered ── Propose returns
//	                                  └── fsm.commit: on disk and to be seen (store.Commit)
//	                                        └── of all others ── settle ── Propose returns
//
// What a majority's synced logs hold and the store has decided cannot come out differently any more, so what
// comes in numbers and on any node, an Accept, for which an ESME waits, a Report, a Delivered, is answered before the
// store's transaction, which has two syncs of its own, is committed. A transaction takes what is applied
// within some 20 ms (commitLoop), unless somebody waits for it: Sync, or the proposer of another command, who reads the store next and must find what it has done.
//
// A leader's disk and its followers' work side by side: its log takes commands before they are on the disk (tail), and
// until they are it does not apply them, and tells no follower that they are committed.
//
// Commands go to Raft in rounds: while one round is applied the next is appended, and what comes
// meanwhile gathers for the one after, so that small commands share syncs; a busy leader with followers begins
// a round every 2.5 ms at most (roundGap). Stamps ascend in the order
// of the log, over a change of leaders too, because a new leader takes nothing before its barrier is
// passed and all before it is committed to the store.
//
// An error of Propose is of one of two kinds. If it wraps store.ErrNotProposed the command surely
// never entered the log: no node led for Config.EnqueueTimeout, Raft did not take it in time, too much waits
// already, the disk is nearly full (both only for Accepts, at first), the node stops. Every other error means
// that the outcome is unknown: the entry may be committed by a later leader. It is settled by proposing the
// command again with the same token, which Propose takes to whoever leads then.
//
// A node that does not lead refuses what is forwarded to it and never passes it on, so a command goes one hop
// and cannot run in circles. What was sent to a leader whose answer does not come is unknown as soon as
// another node is known to lead, or the connection is given up: two heartbeat timeouts after the last sign of
// life, although TCP itself would wait for minutes. What is a leader's own act (Begin, Lead, NodeDown and their
// like) is not forwarded: it would become the act of another one.
//
// # Reading
//
// Sync lets a node read what is no older than the call. Raft's index also counts entries that no store sees
// (each reign begins with some), so the leader answers with the last one that does. That it still leads is
// asked of the voters over the mesh (verifyLeader), because Raft's own VerifyLeader counts nodes without a
// vote and leaves its caller behind when Raft is stopped.
//
// InTouch is a lease: it is dated by the moment before a question that a leader with a majority has answered,
// and not by what arrives, which in a process that was frozen may have waited in the sockets for long.
//
// # Between nodes
//
// The hello of a connection names the node, its cluster, the epoch and the lineage, in both directions. Nodes of
// two clusters do not talk, nor do nodes from before and after a recovery (store.Recover), nor two that were
// recovered, or began a cluster, each by itself: their histories have one name, but Raft takes entries of equal
// index and term for the same. So clusters wired to each other by mistake stay two; both sides log it once a
// minute. A node that has none of these yet, because it has neither applied a Genesis nor taken in a snapshot, talks
// to any; its connections are looked at again when it has (recheck.go), and every pulse names its node's. Raft dials addresses and its messages do
// not name the node they are for, so the hello does: one node must never count for two.
//
// Requests (Ask) run over one connection from each node to each other one, a stream of yamux for each. Raft's
// connections are apart from it, and its heartbeats have their own among them, so neither large requests nor
// snapshots delay them.
//
// # Leading
//
// Lead runs what only the leader may do. Leadership is treated as a level: each reign (the time from
// winning an election to losing it) has its own context, and the work of one reign has ended before
// the next is begun.
//
// A new leader passes a barrier, looks at its clock, and names the cluster if it has no name (Genesis);
// then it is ready. While it leads it sees, every Config.PulseInterval, to what the sections below say
// (govern). StepDown, Transfer and Shutdown hand leadership over: the heir is asked first how it is,
// because Raft takes no proposals while it hands over, and waits long for a node that is dead.
//
// # Members
//
// Every node asks every other member once a second how it is (pulse.go); Members tells of the answers.
//
// Join has the leader ask the node at the address who it is, before Raft's configuration is touched; then
// the node is a member without a vote, and the leader gives it one when it has caught up. Remove is
// refused where it would leave no majority of voters that answer: there is no way to force it, because
// such a change would never be committed. A node that was removed while it was away is told so by the
// leader; it disturbs nobody meanwhile, because it asks for votes in vain before it raises the term. It
// may be joined again with its data.
//
// The binds of a node that has not answered the leader for Config.ReapAfter are removed, those of a
// removed one at once (reap.go). A leader that has not listened for so long itself judges nobody.
//
// # Versions
//
// What a later program adds is used when every member has that program: the leader raises the cluster
// version to the lowest that all members, each heard lately, take part in (upgrade.go). A member that
// does not answer holds it back until it is removed.
//
// # Clocks
//
// The leader's clock stamps all commands, and the state's clock never goes back: a leader an hour ahead
// would spoil an hour. Each node compares its clock with the others' by pulse (clock.go). If a majority
// of all voters agrees with each other and differs from a node by more than 2 s, that node stamps
// nothing: as a new leader it hands over before it is ready, and as a leader whose clock leaps it goes
// on steadily by the monotonic clock and hands over. If nobody can take over, a new leader waits, and
// nothing is accepted. Where no majority agrees, with two nodes for instance or with one of three away,
// nobody knows whose clock is wrong, and the leader leads. Every node whose clock differs from the
// median by more than 2 s says so, once a minute. Where the state's clock is ahead of the leader's, which
// then was put back, stamps go on at half speed until they have met. Node.Now is that clock for whoever
// decides what is due.
//
// # Diverged nodes
//
// Every Config.MarkInterval in which something was applied the leader has all nodes note the hash of
// their states, and names the one that a majority of the voters noted; a node that noted another one
// stops for good (verify.go, store.ErrDiverged). If no majority agrees, nothing is named: that is logged
// and counted (Figures.Undecided).
//
// # Start, restart, crash
//
// A crash may fall between two segments of the log, where raft-wal leaves a log that takes no more
// entries; repairTail mends that before the log is opened.
//
// The store's file is not rebuilt at a start. Raft is told that the file is a snapshot of the
// index in it and goes on after it; entries that come again are skipped by the store. Before Raft
// starts, checkState compares log and file:
//
//   - a log that ends below the file's index, or has another entry there, is emptied: a crash between
//     installing a received snapshot and cutting the log leaves that
//   - a log that begins above the file's index + 1, or votes that are older than the file, stop the
//     node: something was removed or put back that does not belong together
//
// A write that fails, of log or file, ends the node (Config.Fatal): what the last write left is not
// known, and Raft alone would go on.
//
// # Snapshots
//
// To cut its log Raft wants a snapshot. Here that writes nothing: Raft notes an index, and the file
// already holds that one or a later one. A follower that needs more than the log has is sent the file
// as one read transaction sees it, under the index that this transaction holds, at Config.SnapshotRate at
// most and at half speed while proposals wait (pacer). It writes what it receives beside its own file,
// syncs it in pieces, and has the store move it into place; where the log has a disk of its own it is
// copied. A crash at any step leaves the old file or the new one, and a log that checkState empties if need be.
//
// The applied index is never lowered: a snapshot below the node's own file is refused. One of the same
// entry is confirmed without being installed: a node that died between installing one and saying so is
// sent it again, and the leader goes on only when it hears that the node has it.
//
// Catching up comes to an end under load because the entries after a snapshot are held (holds): while it
// is on its way, and then from where its receiver is, for as long as that answers, comes nearer and is
// not near. For this the log may outgrow its bound while more than twice Config.MinFreeBytes are free; beyond
// that it is cut, and the receiver will need another snapshot. For a member that is away nothing is held.
//
// # Disk
//
// The log is kept in segments of Config.SegmentBytes (32 MiB), which have their size from the beginning, and all but those
// that were needed in a hurry their octets too (segments.go): an append then syncs data and no change of the file
// system's. One that is prepared comes on top of what follows. When the log's files
// come within two segments of Config.MaxLogBytes (512 MiB) it is cut to half of that, at a segment's
// end, so MaxLogBytes is its bound on disk as long as Apply keeps up and nobody catches up; what can wait
// for Apply is bounded by Config.MaxWaitingBytes. A received snapshot takes its own size until it takes the
// place of the file before. While a snapshot is sent, the file's freed pages are not used again.
//
// Below Config.MinFreeBytes a node refuses Accepts, and a leader hands over to a voter that has space.
// A full disk, or one that fails, ends the node that has it (Config.Fatal, with the file and the cause);
// the others go on.
//
// # Recovery
//
// A majority that is lost for good, or a cluster of which there is a backup alone, is begun anew by
// Recover, offline, on one node's data: it applies all that the log has, committed or not, and then, in
// one transaction, a store.Recover and the configuration of this node alone, at the next index and
// in the next term. That begins a new epoch and a new lineage, and nodes of others are refused at the port. No
// other node ever applies that entry: it is in no log, so whoever joins takes it in with a snapshot. The log
// is emptied; a crash before that leaves what checkState empties.
//
// # Moving a node
//
// A node may be started with another Addr. Alone, it elects itself as before and then writes the
// address into Raft's configuration. In a cluster, the other nodes find it by Config.Peers, which
// goes before that configuration.
package cluster
