package cluster

import (
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"smppbridge/store"
)

// ErrNothingToRecover is wrapped by the errors of Recover and PlanRecovery when there is nothing that
// could be recovered, or no need of it.
var ErrNothingToRecover = errors.New("nothing to recover")

// A RecoverReport says what Recover found and what came of it.
type RecoverReport struct {
	Backup    bool     // the file came without a log
	ClusterID string   // "" if it was never named
	Members   []string // of the cluster that was
	Applied   uint64   // index in the file
	LogLast   uint64   // index of the last entry of the log; 0 = it is empty
	Replayed  int      // entries that the log has and the file had not
	Clock     int64    // time of the last entry applied, Unix ms

	Index, Term uint64        // of the entry that begins the new epoch
	Epoch       uint64        // that begins
	Lineage     store.Lineage // that begins; zero in a plan
	Leap        uint64        // by how much all numbers leap
	Uncertain   uint64        // messages that may have been sent, as far as is not known
}

// PlanRecovery says what Recover would do. It changes nothing that a start would not.
func PlanRecovery(cfg Config, st *store.Store) (RecoverReport, error) {
	return newRecovery(cfg, st).run(func(*recovery) error { return nil })
}

// Recover makes of one node's data a cluster of this node alone, in a new epoch: after a majority is lost
// for good, or of a backup (a store's file and an empty Dir). No node may run on Dir; st stays the
// caller's. The other nodes of the old epoch are refused by the new one (hello.go), and so are those on which
// Recover was called, too: the lineage that each begins is another one. They are emptied and joined.
//
// All that the node's log holds is applied, committed or not: what has been acknowledged may be the last
// of it, and which entries a lost majority had is not to be known any more. Then the new epoch begins with
// a store.Recover: messages that the lost nodes may have sent since are resolved before they are
// sent again.
//
// A crash leaves the data before the new epoch or in it. In the first case Recover is to be repeated, in
// the second it returns ErrNothingToRecover and the node can be started.
func Recover(cfg Config, st *store.Store) (RecoverReport, error) {
	return newRecovery(cfg, st).run((*recovery).carryOut)
}

// A recovery is a Recover under way.
type recovery struct {
	cfg    Config
	store  *store.Store
	wal    *raftLog
	state  state
	report RecoverReport
}

func newRecovery(cfg Config, st *store.Store) *recovery {
	return &recovery{cfg: cfg.withDefaults(), store: st}
}

// run does what is to be done while nobody else has the directory.
func (r *recovery) run(do func(*recovery) error) (rep RecoverReport, err error) {
	if err := r.cfg.validate(r.store); err != nil {
		return rep, fmt.Errorf("cluster configuration: %w", err)
	}
	lock, err := lockDir(r.cfg.Dir)
	if err != nil {
		return rep, fmt.Errorf("recover: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if r.wal, err = openLog(r.cfg, newFault(nil), newRaftLogger(r.cfg.Log)); err != nil {
		return rep, fmt.Errorf("recover: %w", err)
	}
	defer func() { err = errors.Join(err, r.wal.Close()) }()
	for _, f := range []func() error{r.look, r.check, func() error { return do(r) }} {
		if err := f(); err != nil {
			return r.report, fmt.Errorf("recover: %w", err)
		}
	}
	return r.report, nil
}

// look learns what is there.
func (r *recovery) look() (err error) {
	if r.state, err = readState(r.wal, r.store.Applied); err != nil {
		return err
	}
	s := &r.state
	r.report.Backup = s.term == 0 && s.last == 0
	if s.applied == 0 && s.last == 0 {
		return fmt.Errorf("%w: neither file nor log holds anything", ErrNothingToRecover)
	}
	if !r.report.Backup {
		if *s, err = checkState(r.wal, r.store.Applied, r.cfg.Log); err != nil {
			return err
		}
	}
	rep := &r.report
	rep.ClusterID, rep.Applied, rep.LogLast = r.store.ClusterID(), s.applied, s.last
	rep.Index = max(s.applied, s.last) + 1
	rep.Term = max(s.term, s.appliedTerm) + 1 // no entry of the old epoch can be taken for one of the new
	rep.Epoch = r.store.Epoch() + 1
	if err := r.eachEntry(func(*raft.Log) error { rep.Replayed++; return nil }); err != nil {
		return err
	}
	rep.Clock = r.store.Clock()
	rep.Leap = leap(r.cfg.Now().Sub(store.FromMillis(rep.Clock)))
	return r.members()
}

// members reads the last configuration, of the file or of the entries that the file has not.
func (r *recovery) members() error {
	_, octets := r.store.Configuration()
	err := r.eachEntry(func(e *raft.Log) error {
		if e.Type == raft.LogConfiguration {
			octets = e.Data
		}
		return nil
	})
	if err != nil || len(octets) == 0 {
		return err
	}
	conf, err := decodeConfiguration(octets)
	for _, s := range conf.Servers {
		r.report.Members = append(r.report.Members, string(s.ID))
	}
	return err
}

// decodeConfiguration makes an error of what Raft panics at.
func decodeConfiguration(octets []byte) (conf raft.Configuration, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("raft's configuration: %v", p)
		}
	}()
	return raft.DecodeConfiguration(octets), nil
}

// check refuses what cannot be meant: data of a cluster of this node alone, which has its majority, and
// data of another node, whose id this one would take without its votes.
func (r *recovery) check() error {
	if r.report.Backup {
		return nil
	}
	member := false
	for _, id := range r.report.Members {
		member = member || id == r.cfg.NodeID
	}
	switch {
	case !member:
		return fmt.Errorf("the data are of a cluster of %q, of which node %s is none: is node_id right?", r.report.Members, r.cfg.NodeID)
	case len(r.report.Members) == 1:
		return fmt.Errorf("%w: the cluster has no other node than %s, in epoch %d: start it", ErrNothingToRecover, r.cfg.NodeID, r.store.Epoch())
	}
	return nil
}

// eachEntry hands over the entries of the log that the file does not have.
func (r *recovery) eachEntry(do func(*raft.Log) error) error {
	if r.state.last == 0 {
		return nil
	}
	for i := max(r.state.first, r.state.applied+1); i <= r.state.last; i++ {
		var e raft.Log
		if err := r.wal.GetLog(i, &e); err != nil {
			return fmt.Errorf("raft log entry %d: %w", i, err)
		}
		if err := do(&e); err != nil {
			return err
		}
	}
	return nil
}

// carryOut begins the new epoch. The entry that does it is written in one transaction; a crash before its end
// leaves a node of the old epoch, with a later term at most, and after it one whose log is emptied at
// the start.
func (r *recovery) carryOut() error {
	if err := r.replay(); err != nil {
		return err
	}
	r.cfg.step(stepReplayed)
	if err := r.wal.SetUint64([]byte(currentTermKey), r.report.Term); err != nil {
		return err
	}
	r.cfg.step(stepTerm)
	if err := r.beginEpoch(); err != nil {
		return err
	}
	r.cfg.step(stepEpoch)
	if r.state.last > 0 {
		if err := r.wal.WAL.DeleteRange(r.state.first, r.state.last); err != nil {
			return fmt.Errorf("empty raft log: %w", err)
		}
	}
	r.cfg.step(stepEmptied)
	return nil
}

// replay applies what the file does not have of the log.
func (r *recovery) replay() error {
	var batch []store.Entry
	apply := func() error {
		_, err := r.store.Apply(batch)
		if errors.Is(err, store.ErrDiverged) {
			err = fmt.Errorf("%w; recover another node that is left, or a backup; if there is none, "+
				"a copy of this node's file, without its log, as if it were a backup", err)
		}
		batch = batch[:0]
		return err
	}
	err := r.eachEntry(func(l *raft.Log) error {
		e := store.Entry{Index: l.Index, Term: l.Term}
		switch l.Type {
		case raft.LogCommand:
			e.Command = l.Data
			if _, cmd, _ := store.Decode(l.Data); isVerify(cmd) { // which may fail: what comes before it is to be kept
				if err := apply(); err != nil {
					return err
				}
			}
		case raft.LogConfiguration:
			e.Configuration = l.Data
		case raft.LogNoop, raft.LogBarrier:
			return nil
		default:
			return fmt.Errorf("raft log entry %d: unknown type %d", l.Index, l.Type)
		}
		if batch = append(batch, e); len(batch) < maxAppendEntries {
			return nil
		}
		return apply()
	})
	if err == nil && len(batch) > 0 {
		err = apply()
	}
	return err
}

func isVerify(cmd store.Command) bool {
	_, is := cmd.(*store.Verify)
	return is
}

// beginEpoch applies the Recover and, in the same transaction, the configuration of this node alone.
func (r *recovery) beginEpoch() error {
	now := r.cfg.Now()
	rep := &r.report
	at := max(now.UnixMilli(), r.store.Clock())
	cmd := &store.Recover{Leap: rep.Leap, DueAt: at + r.cfg.ResolveDelay.Milliseconds(), Lineage: newLineage()}
	var entries []store.Entry
	if need := store.Since(cmd); need > r.store.ClusterVersion() { // the old nodes have no say any more
		raise := store.Encode(at, &store.Raise{Version: need})
		entries = append(entries, store.Entry{Index: rep.Index, Term: rep.Term, Command: raise})
		rep.Index++
	}
	conf := raft.Configuration{Servers: []raft.Server{{
		Suffrage: raft.Voter, ID: raft.ServerID(r.cfg.NodeID), Address: raft.ServerAddress(r.cfg.Addr),
	}}}
	entries = append(entries, store.Entry{
		Index: rep.Index, Term: rep.Term, Command: store.Encode(at, cmd), Configuration: raft.EncodeConfiguration(conf),
	})
	if _, err := r.store.Apply(entries); err != nil {
		return err
	}
	f := r.store.Figures()
	rep.Epoch, rep.Uncertain, rep.Clock = r.store.Epoch(), f.Messages[store.StateUncertain], f.Clock
	rep.Lineage = r.store.Lineage()
	return nil
}

// newLineage draws one. The command carries it, so that all who apply it have the same.
func newLineage() (l store.Lineage) {
	_, _ = rand.Read(l[:]) // which does not fail: it would end the process
	return l
}

// How many numbers a leap passes over: what a cluster at leapPerMilli numbers a millisecond, far above
// what one does, can have given away since the file's last entry. Above mostLeap a message_id of 8 or
// 10 digits could be spelt like an older one.
const (
	leapPerMilli = 100
	leastLeap    = 1 << 24
	mostLeap     = 1 << 31
)

func leap(age time.Duration) uint64 {
	return uint64(min(max(age.Milliseconds()*leapPerMilli, leastLeap), mostLeap))
}
