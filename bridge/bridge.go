package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

// Errors of binds and submits; what the ESME sees is the status they are wrapped with.
var (
	errWrongPassword  = errors.New("wrong password")
	errNoPolicy       = errors.New("no policy yet")
	errUnknownAccount = errors.New("no such account")
	errBindLimit      = errors.New("account has all its binds")
	errOverLimit      = errors.New("over a limit of the account")
	errUnsettled      = errors.New("outcome of the proposal stayed unknown")
	errStopping       = errors.New("bridge is stopping")
)

// Cluster commits commands. *cluster.Node implements it.
type Cluster interface {
	// Propose returns once cmd is applied, with Apply's result. An Accept may be repeated with the same token and gets the
	// first result. store.ErrNotProposed: it surely never entered the log. Any other error: unknown.
	Propose(ctx context.Context, cmd store.Command) (store.Result, error)
	// Lead runs work while this node leads. work's context ends when leadership does, and work is waited for.
	Lead(ctx context.Context, work func(ctx context.Context) error) error
	// Sync returns when this node's store holds all that was committed anywhere when it was called.
	Sync(ctx context.Context) error
	// InTouch reports whether this node leads or has heard of the leader a moment ago: no other node has been
	// given its binds.
	InTouch() bool
	// Ask sends a request to the bridge of another node, or of this one; Answer says who answers there. An error of Ask tells nothing
	// of what the other node has done.
	Ask(ctx context.Context, node, subject string, request []byte) ([]byte, error)
	Answer(subject string, h func(ctx context.Context, from string, request []byte) ([]byte, error))
}

// Config is what a Bridge is made of.
type Config struct {
	NodeID  string
	Cluster Cluster
	Store   *store.Store
	Sender  Sender
	// Catalog lists what the Alibaba Cloud accounts have; nil: they are not asked.
	Catalog CatalogSource
	// Session is what every session may do; an account's policy overrides it.
	Session smpp.Options
	// StatusOf is the command_status for the err of a receipt, for submits that wait for the API's answer (ack:
	// submitted). nil, or ESME_ROK from it: ESME_RSUBMITFAIL.
	StatusOf func(err string) smpp.Status
	// OnPolicy is called with each policy before it comes into force, e.g. to set up routes.
	OnPolicy func(*configs.Policy) error
	// HandOver gives leadership to another node, where this one leads and cannot use the policy; nil = it stays. Its error says
	// why this node leads still.
	HandOver func(ctx context.Context, node string) error
	// Leading are run while this node leads, beside the dispatcher. They return when their context ends, not before.
	Leading []func(ctx context.Context) error
	// QueueOctets bounds what sessions have submitted and is not answered; 0 = 64 MiB. Where it is full they
	// are not read.
	QueueOctets int64
	// Retention is how long final messages can be looked up.
	Retention time.Duration
	// Paused starts with the dispatcher paused: messages are accepted and kept, none is sent.
	Paused     bool
	Log        *slog.Logger
	Registerer prometheus.Registerer // nil = none
	Now        func() time.Time      // the clock that stamps commands where this node leads; nil: time.Now
	Steady     func() time.Time      // a clock that is never set, for how long something has been; nil: time.Now
}

// A Bridge accepts messages from ESMEs, sends them and returns their receipts. It implements
// smpp.Backend and Reporter.
type Bridge struct {
	cfg       Config
	log       *slog.Logger
	now       func() time.Time
	ages      *ages
	store     *store.Store
	cluster   Cluster
	metrics   *metrics
	queries   *queries
	passwords *passwords
	lockout   *lockout
	refused   *refusedBinds
	takeover  *takeover
	door      *doorMetrics

	content     *contentMetrics
	policy      atomic.Pointer[policy]
	stock       atomic.Pointer[stock]  // written while loading is held
	misfit      atomic.Pointer[misfit] // nil = the last one tried was usable
	loading     sync.Mutex             // held while a policy is put into force
	renewed     chan struct{}          // capacity 1, for the dispatcher: a policy has come into force
	brakes      atomic.Pointer[brakes]
	braking     sync.Mutex // held while brakes are read
	brakesAt    uint64     // guarded by braking; the registry's version of brakes
	batcher     *batcher
	acks        *acks
	operations  *operations
	courier     *courier
	dispatching atomic.Pointer[dispatcher] // nil while this node does not lead
	paused      atomic.Bool
	sessions    sync.Map // session id (uint64) -> *session

	incarnation atomic.Uint64 // of this node, since Announce; 0 before
	succeeded   chan struct{} // capacity 1: the state says that a later incarnation of this node is up
}

// New makes a Bridge. Before sessions are served its Run must be going and Announce have returned.
func New(cfg Config) (*Bridge, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Steady == nil {
		cfg.Steady = time.Now // by its monotonic readings
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Retention == 0 {
		cfg.Retention = 72 * time.Hour
	}
	b := &Bridge{
		cfg:       cfg,
		log:       cfg.Log,
		now:       cfg.Now,
		store:     cfg.Store,
		cluster:   cfg.Cluster,
		passwords: newPasswords(runtime.GOMAXPROCS(0) / 2),
		lockout:   newLockout(cfg.Now),
		refused:   newRefusedBinds(cfg.Log, cfg.Now),
		renewed:   make(chan struct{}, 1),
		succeeded: make(chan struct{}, 1),
	}
	b.cfg.Sender = dryRun{cfg.Sender}
	b.ages = newAges(b.clock, cfg.Steady)
	b.metrics = newMetrics(cfg.Registerer, cfg.Store, cfg.Now)
	b.queries = newQueries(cfg.Steady)
	b.door = newDoorMetrics(cfg.Registerer, b.lockout)
	b.content = newContentMetrics(cfg.Registerer)
	if cfg.Registerer != nil {
		cfg.Registerer.MustRegister(newRouteFigures(b), newCatalogFigures(b), newBrakeFigures(b))
	}
	b.takeover = newTakeover(b)
	b.batcher = newBatcher(b)
	b.acks = newAcks(b)
	b.operations = newOperations(b)
	b.courier = newCourier(b)
	b.paused.Store(cfg.Paused)
	if _, err := b.loadBrakes(); err != nil {
		return nil, err
	}
	b.cluster.Answer(subjectProbe, b.takeover.answerProbe)
	if err := b.loadPolicy(); err != nil {
		return nil, err
	}
	b.cluster.Answer(subjectPolicy, b.answerPolicy)
	return b, nil
}

// Run works until ctx ends and returns when everything it started has. The order of stopping is
// the caller's: sessions are drained first, while Run still goes. It returns an error when another process has
// announced itself as this node: this one must stop serving.
func (b *Bridge) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return b.followPolicy(ctx) })
	g.Go(func() error { return b.followCatalogs(ctx) })
	g.Go(func() error { return b.followBrakes(ctx) })
	g.Go(func() error { return b.batcher.run(ctx) })
	g.Go(func() error { return b.acks.run(ctx) })
	g.Go(func() error { return b.operations.run(ctx) })
	g.Go(func() error { return b.courier.run(ctx) })
	g.Go(func() error { return b.keepDoor(ctx) })
	g.Go(func() error { return b.keepBinds(ctx) })
	g.Go(func() error { return b.cluster.Lead(ctx, b.lead) })
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("bridge: %w", err)
	}
	return nil
}

// Announce tells the cluster that this node has started anew: binds and tokens of the process
// before are void. It waits until the cluster has taken that, or ctx ends.
func (b *Bridge) Announce(ctx context.Context) error {
	if err := b.catchUp(ctx); err != nil {
		return fmt.Errorf("announce node %s: %w", b.cfg.NodeID, err)
	}
	up := &store.NodeUp{Node: b.cfg.NodeID, Incarnation: uint64(b.now().UnixMicro())}
	last := b.store.Incarnation(b.cfg.NodeID)
	for {
		up.Incarnation = max(up.Incarnation, last+1)
		res, err := b.settle(ctx, up)
		if err != nil {
			return fmt.Errorf("announce node %s: %w", b.cfg.NodeID, err)
		}
		r, ok := res.(*store.NodeUpResult)
		switch {
		case !ok:
			return fmt.Errorf("announce node %s: result %T", b.cfg.NodeID, res)
		case r.OK:
			b.incarnation.Store(up.Incarnation)
			return nil
		}
		last = r.Incarnation // of a process whose clock was ahead
	}
}

// catchUp waits until this node knows all that was committed when it began, however long the cluster has no leader.
func (b *Bridge) catchUp(ctx context.Context) error {
	for {
		err := b.cluster.Sync(ctx)
		if err == nil {
			return nil
		}
		if !sleep(ctx, settleMost) {
			return err
		}
	}
}

// settleMost is the longest pause between two proposals of the same command. The cluster waits for a leader by itself:
// what is paused for is a backlog, or an outcome that got lost.
const settleMost = 200 * time.Millisecond

// settle proposes a command that may be repeated without harm until it is committed or ctx ends.
// All commands but Accept, which has its token, are made so: they name revisions or attempts.
func (b *Bridge) settle(ctx context.Context, cmd store.Command) (store.Result, error) {
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, settleMost) {
		res, err := b.cluster.Propose(ctx, cmd)
		if err == nil {
			return res, nil
		}
		if !sleep(ctx, wait) {
			return nil, err
		}
	}
}

// clock is the time by which messages are due: the state's, should this node's clock have been put
// back behind it.
func (b *Bridge) clock() time.Time {
	now := b.now()
	if state := store.FromMillis(b.store.Clock()); state.After(now) {
		return state
	}
	return now
}

// sleep waits for d and reports whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
