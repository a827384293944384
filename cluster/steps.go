package cluster

// The places where a crash leaves different things, by which tests name them (Config.step).
const (
	stepAppend = "append" // entries are about to be added to the log

	stepPartReceived = "part received" // of a snapshot, some is in its file
	stepReceived     = "received"      // all is, not synced
	stepSynced       = "synced"        // and that
	stepRestore      = "restore"       // Raft has handed it to the store
	stepRestored     = "restored"      // the store has it; the log is of before
	stepCut          = "cut"           // the log is about to be cut, or emptied
	stepCutDone      = "cut done"      // and that

	stepReplayed = "replayed" // of a recovery, the file has all that the log has
	stepTerm     = "term"     // the node's term is the new epoch's
	stepEpoch    = "epoch"    // the file is in the new epoch, the log ends below it
	stepEmptied  = "emptied"  // the log is empty
)
