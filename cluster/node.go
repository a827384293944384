package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"smppbridge/store"
)

// A Node takes part in a Raft cluster, of itself alone or of several, with one store.
type Node struct {
	cfg   Config
	log   *slog.Logger
	store *store.Store

	lock  *os.File
	wal   *raftLog
	cache *raft.LogCache
	snaps *snapshotStore
	fsm   *fsm
	fault *fault
	port  *port
	mesh  *mesh
	trans *raft.NetworkTransport
	raft  *raft.Raft
	queue *queue
	lead  *leadership
	book  *addressBook

	leaders   *leaders
	syncs     *syncs
	lease     lease
	forwarded atomic.Uint64

	stop   chan struct{} // closed by Shutdown: ends the goroutines of wg
	wg     sync.WaitGroup
	ending atomic.Bool

	// stopRaft shuts Raft down once and returns what waits for its goroutines.
	stopRaft func() raft.Future

	diskFree   atomic.Int64
	diskYields atomic.Uint64
	*membership
}

// Start opens the node's log, checks that it and st belong together, and starts Raft. st stays the
// caller's, who closes it after Shutdown.
func Start(cfg Config, st *store.Store) (*Node, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(st); err != nil {
		return nil, fmt.Errorf("cluster configuration: %w", err)
	}
	n := &Node{
		cfg:   cfg,
		log:   cfg.Log,
		store: st,
		fault: newFault(cfg.Fatal),
		lead:  newLeadership(),

		leaders: newLeaders(),
		syncs:   newSyncs(),

		stop: make(chan struct{}),
	}
	n.membership = newMembership(n)
	cfg.Now = n.clock.now
	n.queue = newQueue(cfg, st)
	n.fsm = newFSM(st, n.fault, cfg.step)
	n.fsm.decided = n.queue.decided
	n.queue.lead = n.lead
	n.queue.members = func() int { return len(n.servers()) }
	if err := n.start(); err != nil {
		n.close()
		return nil, fmt.Errorf("start node %s: %w", cfg.NodeID, err)
	}
	return n, nil
}

// start opens what close closes, in reverse order.
func (n *Node) start() (err error) {
	if err := n.checkVersion(); err != nil {
		return err
	}
	logger := newRaftLogger(n.log)
	held, err := n.openDisk(logger)
	if err != nil {
		return err
	}
	if err := n.openPort(logger); err != nil {
		return err
	}
	conf := n.raftConfig()
	conf.Logger = logger
	notices := make(chan bool, 1)
	conf.NotifyCh = notices
	if err := n.bootstrap(conf, held); err != nil {
		return err
	}
	if n.cache, err = raft.NewLogCache(2*maxAppendEntries, n.wal); err != nil {
		return err
	}
	if n.raft, err = raft.NewRaft(conf, n.fsm, n.cache, runningStable{n.wal}, n.snaps, n.transport()); err != nil {
		return fmt.Errorf("raft: %w", err)
	}
	n.queue.raft = n.raft
	n.book.raft.Store(n.raft)
	n.Answer(subjectPulse, n.answerPulse)
	n.Answer(subjectMembers, n.answerMembers)
	n.stopRaft = sync.OnceValue(n.raft.Shutdown)
	n.run(notices)
	return nil
}

// openDisk opens the log and returns what log and file hold, which belongs together.
func (n *Node) openDisk(logger hclog.Logger) (held state, err error) {
	if n.lock, err = lockDir(n.cfg.Dir); err != nil {
		return held, err
	}
	free, err := freeBytes(n.cfg.Dir)
	if err != nil {
		return held, err
	}
	n.diskFree.Store(free)
	if n.wal, err = openLog(n.cfg, n.fault, logger); err != nil {
		return held, err
	}
	if held, err = checkState(n.wal, n.store.Applied, n.log); err != nil {
		return held, err
	}
	if n.snaps, err = newSnapshotStore(n.store, n.cfg.receivedDir()); err != nil {
		return held, err
	}
	n.snaps.step = n.cfg.step
	n.snaps.fail = n.fault.fail
	n.fsm.keepLog = func() { n.wal.keepAll.Store(true) }
	n.snaps.pace = func() *pacer { return newPacer(n.cfg.SnapshotRate, func() bool { return n.queue.waiting.Load() > 0 }) }
	n.wal.held = n.heldFrom
	n.wal.sends = n.sends
	n.fsm.synced = n.wal.tail.await
	n.wal.room = func() bool { return n.diskFree.Load() > 2*n.cfg.MinFreeBytes }
	n.wal.applied = func() uint64 { index, _ := n.store.Applied(); return index }
	return held, nil
}

func (n *Node) openPort(logger hclog.Logger) (err error) {
	if n.port, err = listenPort(n.cfg, n.identity); err != nil {
		return err
	}
	n.book = newAddressBook(n.cfg, n.port)
	n.port.nodeAt = n.book.nodeAt
	n.mesh = newMesh(n.cfg, n.port, n.book)
	n.port.run()
	n.trans = raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: n.port, MaxPool: 3, Timeout: rpcTimeout, Logger: logger,
		ServerAddressProvider: n.book, MsgpackUseNewTimeFormat: true,
	})
	return nil
}

// transport is what Raft sends with.
func (n *Node) transport() raft.Transport {
	return pipelines{n.trans, newAbsences(n.deserted), n.wal.tail.synced, n.standing}
}

// sends reports whether Raft, as a leader, sends others what it adds to the log. It may err towards false: of what a
// follower adds, its leader is told that it is on the disk.
func (n *Node) sends() bool {
	r := n.book.raft.Load()
	return r != nil && r.State() == raft.Leader && len(r.GetConfiguration().Configuration().Servers) > 1
}

// identity is what this node tells others of itself. The cluster id is read first: what comes with it is there
// once it is.
func (n *Node) identity() identity {
	id := identity{node: n.cfg.NodeID, cluster: n.store.ClusterID()}
	id.epoch, id.lineage = n.store.Epoch(), n.store.Lineage()
	return id
}

// raftConfig returns Raft's settings. Raft's own timer for snapshots is off: compactLoop cuts the
// log by bytes.
func (n *Node) raftConfig() *raft.Config {
	conf := raft.DefaultConfig()
	conf.LocalID = raft.ServerID(n.cfg.NodeID)
	conf.HeartbeatTimeout = n.cfg.HeartbeatTimeout
	conf.ElectionTimeout = n.cfg.ElectionTimeout
	conf.LeaderLeaseTimeout = n.cfg.LeaderLeaseTimeout
	conf.MaxAppendEntries = maxAppendEntries
	conf.CommitTimeout = commitNotice
	conf.BatchApplyCh = true // else each proposal that waits costs a sync of its own
	conf.NoSnapshotRestoreOnStart = true
	conf.SnapshotThreshold = math.MaxUint64
	conf.SnapshotInterval = time.Hour
	conf.TrailingLogs = 1 // raftLog.DeleteRange decides
	conf.NoLegacyTelemetry = true
	return conf
}

// bootstrap writes the first configuration, if this node begins a cluster and never took part in
// one. Raft writes term 1 and then the entry; a crash between leaves the term alone, which no member
// of a cluster can have with an empty log, because the first election is for term 2.
func (n *Node) bootstrap(conf *raft.Config, s state) error {
	cut := s.term == 1 && s.last == 0 && s.applied == 0
	if !n.cfg.Bootstrap || !s.fresh() && !cut {
		return nil
	}
	if cut {
		if err := n.wal.SetUint64([]byte(currentTermKey), 0); err != nil {
			return err
		}
	}
	servers := []raft.Server{{ID: conf.LocalID, Address: n.trans.LocalAddr()}}
	if len(n.cfg.Peers) > 0 {
		servers = servers[:0]
		for _, p := range n.cfg.Peers {
			servers = append(servers, raft.Server{ID: raft.ServerID(p.ID), Address: raft.ServerAddress(p.Addr)})
		}
	}
	err := raft.BootstrapCluster(conf, n.wal, n.wal, n.snaps, n.trans, raft.Configuration{Servers: servers})
	if err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	n.log.Info("cluster bootstrapped", "node", n.cfg.NodeID, "voters", len(servers))
	return nil
}

// faultGrace is for how long Raft goes on after a fault, to answer what it has: stopped, it leaves commands that it was
// about to give the store without an answer (1.7.3).
const faultGrace = 250 * time.Millisecond

// run starts the goroutines, which Shutdown ends.
func (n *Node) run(notices <-chan bool) {
	go n.queue.settle() // these two end with queue.stop
	go n.queue.pump()
	n.mesh.handle(subjectPropose, n.answerPropose)
	n.mesh.handle(subjectTerm, n.answerTerm)
	n.mesh.handle(subjectIndex, n.answerIndex)
	n.mesh.handle(subjectLease, n.answerLease)
	ctx, cancel := context.WithCancel(context.Background())
	n.wg.Go(func() { <-n.stop; cancel() })
	n.wg.Go(func() { n.mesh.accept(ctx) })
	n.wg.Go(func() { n.mesh.tend(ctx) })
	n.wg.Go(func() { n.watchLeaders(n.stop) })
	n.wg.Go(func() { n.syncLoop(ctx) })
	n.wg.Go(func() { n.keepTouch(ctx) })
	n.wg.Go(func() { n.watchLeadership(notices, n.stop) })
	n.wg.Go(func() { n.compactLoop(n.stop) })
	n.wg.Go(func() { n.fsm.commitLoop(n.stop) })
	n.wg.Go(func() { n.watchDisk(n.stop) })
	n.wg.Go(func() { n.pulseLoop(n.stop) })
	n.wg.Go(func() {
		select {
		case <-n.fault.ch:
			n.lead.set(false)
			n.queue.answered(faultGrace)
			n.stopRaft() // it would ask for votes again and again
		case <-n.stop:
		}
	})
	n.standAtOnce()
}

// standAtOnce spares a node that is the only voter the wait for a leader that cannot exist: it sends
// itself the message by which a leader hands over.
func (n *Node) standAtOnce() {
	servers := n.raft.GetConfiguration().Configuration().Servers
	id := raft.ServerID(n.cfg.NodeID)
	if len(servers) != 1 || servers[0].ID != id || servers[0].Suffrage != raft.Voter {
		return
	}
	req := &raft.TimeoutNowRequest{RPCHeader: raft.RPCHeader{
		ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(id), Addr: []byte(n.trans.LocalAddr()),
	}}
	if err := n.trans.TimeoutNow(id, n.trans.LocalAddr(), req, &raft.TimeoutNowResponse{}); err != nil {
		n.log.Debug("election not begun at once", "err", err) // the timer begins it
	}
}

// IsLeader says whether this node leads now. It may have lost that when the caller looks.
func (n *Node) IsLeader() bool { return n.lead.current() != nil }

// LeaderID returns the id of the node that leads as far as this one knows, "" if it knows none.
func (n *Node) LeaderID() string {
	_, id := n.raft.LeaderWithID()
	return string(id)
}

// Addr returns the address of the node's cluster port.
func (n *Node) Addr() string { return string(n.trans.LocalAddr()) }

// stuckAfter is how long one proposal may wait before the node is not ready.
const stuckAfter = 5 * time.Second

// Ready returns nil if the node could accept a message now, else why not.
func (n *Node) Ready() error {
	if err := n.fault.get(); err != nil {
		return err
	}
	if n.ending.Load() {
		return ErrShutdown
	}
	if err := n.gone(); err != nil {
		return err
	}
	if n.diskLow() {
		return ErrDiskFull
	}
	if waited := n.queue.stuck(); waited > stuckAfter {
		return fmt.Errorf("a proposal has waited %v", waited.Round(time.Millisecond))
	}
	r := n.lead.current()
	if r == nil {
		return n.whyNotFollowing()
	}
	select {
	case <-r.ready:
		return n.queue.room(true)
	default:
		return errors.New("the new leader applies what was committed before it")
	}
}

// Stuck returns for how long the oldest proposal that Raft has waits for its outcome; 0 if none does.
func (n *Node) Stuck() time.Duration { return n.queue.stuck() }

// whyNotFollowing returns nil if this node can have the leader accept messages.
func (n *Node) whyNotFollowing() error {
	servers := n.raft.GetConfiguration().Configuration().Servers
	member := false
	for _, s := range servers {
		member = member || s.ID == raft.ServerID(n.cfg.NodeID)
	}
	switch leader := n.LeaderID(); {
	case len(servers) == 0:
		return fmt.Errorf("node %s belongs to no cluster yet: it waits to be joined", n.cfg.NodeID)
	case !member:
		return fmt.Errorf("node %s is not a member of the cluster, which has %d", n.cfg.NodeID, len(servers))
	case leader == "":
		return errors.New("no node leads")
	case !n.InTouch():
		return fmt.Errorf("%s leads, but does not answer this node", leader)
	}
	return n.queue.room(true)
}

// teardownLimit bounds Shutdown after its context has ended.
const teardownLimit = 5 * time.Second

// Shutdown hands leadership over if this node still leads, refuses new proposals, waits until those under
// way are settled or ctx ends, then stops Raft and all goroutines and closes the log. The store stays open.
func (n *Node) Shutdown(ctx context.Context) error {
	if !n.ending.CompareAndSwap(false, true) {
		return ErrShutdown
	}
	n.stepDownToStop(ctx)
	drained := n.queue.stop(ctx)
	closed := make(chan error, 1)
	go func() { closed <- n.close() }() // ends with close, at the latest with the process
	limit := time.NewTimer(teardownLimit)
	defer limit.Stop()
	select {
	case err := <-closed:
		return errors.Join(drained, err)
	case <-ctx.Done():
	}
	select {
	case err := <-closed:
		return errors.Join(drained, err)
	case <-limit.C:
		return errors.Join(drained, fmt.Errorf("stop raft: %w", ctx.Err()))
	}
}

// close closes what start opened, however far it came, last first. The port goes before Raft is
// waited for, because calls to a peer that does not answer would be.
func (n *Node) close() error {
	var errs []error
	if n.raft != nil {
		raftEnded := n.stopRaft()
		n.trans.CloseStreams()
		errs = append(errs, n.port.Close(), raftEnded.Error())
	}
	close(n.stop)
	if n.mesh != nil {
		n.mesh.close()
	}
	n.wg.Wait()
	if n.raft != nil && n.fault.get() == nil {
		errs = append(errs, n.fsm.commit())
	}
	if n.trans != nil {
		n.trans.CloseStreams()
		errs = append(errs, n.trans.Close())
	}
	if n.port != nil {
		errs = append(errs, n.port.Close())
	}
	if n.wal != nil {
		errs = append(errs, n.wal.Close())
	}
	if n.lock != nil {
		errs = append(errs, n.lock.Close())
	}
	return errors.Join(errs...)
}
