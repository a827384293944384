package cluster

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"time"

	"smppbridge/store"
)

// The defaults of Config.
const (
	DefaultHeartbeatTimeout   = 500 * time.Millisecond
	DefaultElectionTimeout    = 500 * time.Millisecond
	DefaultLeaderLeaseTimeout = 250 * time.Millisecond
	DefaultSegmentBytes       = 32 << 20
	DefaultMaxLogBytes        = 512 << 20
	DefaultSnapshotRate       = 64 << 20
	DefaultMaxWaitingBytes    = 32 << 20
	DefaultMaxWaiting         = 1024
	DefaultMinFreeBytes       = 256 << 20
	DefaultEnqueueTimeout     = 2 * time.Second
	DefaultResolveDelay       = 2 * time.Second
	DefaultReapAfter          = 3 * time.Second
	DefaultPulseInterval      = time.Second
	DefaultMarkInterval       = 10 * time.Second
)

// maxAppendEntries bounds the log entries of one append to the log, of one message to a follower
// and of one transaction of the store. Entries are groups of messages already.
const maxAppendEntries = 64

// maxCommandBytes bounds one command. Accepts stay near 128 KiB; a policy document may be larger.
const maxCommandBytes = 16 << 20

// A Peer is a voter that the cluster begins with.
type Peer struct {
	ID   string
	Addr string // its cluster port, as the other nodes reach it
}

// A Config says how a node takes part. The zero value of each field that has a default means it.
type Config struct {
	// NodeID names the node in the cluster for as long as its data lives.
	NodeID string

	// Dir is the node's own folder for Raft's log (wal) and for snapshots on their way in. It is
	// created with mode 0700. The store's file is not in it unless the caller puts it there.
	Dir string

	// Addr is the cluster port as the other nodes dial it, so it cannot be a wildcard. A changed Addr
	// takes effect at a restart. Listen is where the node listens; empty = Addr.
	Addr   string
	Listen string

	// Peers are the voters a bootstrap begins with, this node among them; empty means this node
	// alone. Later the members are what Raft's configuration says, but an address given here goes
	// before the one there, so that nodes can move.
	Peers []Peer

	// Bootstrap lets a node without any state begin a cluster. Nodes that bootstrap the same
	// cluster must name the same Peers. It has no effect on a node with state.
	Bootstrap bool

	// ClusterID is part of every OutId: 1 to 8 of a-z and 0-9. The node that begins a cluster commits it
	// as the first entry of the log; afterwards the log's counts. Empty: a random one.
	ClusterID string

	// Insecure permits addresses that are not loopback, although nothing is encrypted.
	Insecure bool

	// ServerTLS and ClientTLS are for connections that come in and go out; nil, both of them: plain. They
	// must verify the peer, whoever it is: any node whose certificate passes may write the state.
	ServerTLS *tls.Config
	ClientTLS *tls.Config

	HeartbeatTimeout   time.Duration // a follower that hears nothing for so long asks for votes
	ElectionTimeout    time.Duration // a candidate without a majority tries again after it
	LeaderLeaseTimeout time.Duration // a leader that reaches no majority for so long steps down

	// MaxLogBytes bounds the files of Raft's log, see the package's comment. SegmentBytes is the
	// size of one of them; MaxLogBytes is at least four of them.
	MaxLogBytes  int64
	SegmentBytes int64

	// SnapshotRate is the most octets a second at which a follower is sent the file.
	SnapshotRate int64

	// MaxWaiting and MaxWaitingBytes bound the proposals that wait for their result. Above them
	// Accepts are refused with ErrBacklog; other commands, which finish work, above twice that.
	MaxWaiting      int64
	MaxWaitingBytes int64

	// MinFreeBytes is the free space on Dir's disk below which Accepts are refused.
	MinFreeBytes int64

	// EnqueueTimeout bounds the wait for Raft to take a proposal.
	EnqueueTimeout time.Duration

	// ResolveDelay is added to the time of a Lead command: when attempts that were open under the
	// last leader are first looked into. It leaves a late Finish time to come in.
	ResolveDelay time.Duration

	// ReapAfter is how long the leader hears nothing of a node before it removes the node's binds.
	ReapAfter time.Duration

	// PulseInterval is how often a node asks the others how they are and, if it leads, sees to the members.
	// MarkInterval is how often the leader has all members compare what they hold.
	PulseInterval time.Duration
	MarkInterval  time.Duration

	// Version is the highest cluster version that this node takes part in; 0 = store.Version. A lower
	// one is for tests of rolling upgrades.
	Version uint64

	Log *slog.Logger

	// Fatal is called once, by any goroutine, with the error after which the node can do no more:
	// the log or the store's file cannot be written, or a command cannot be applied. The process
	// must exit. Without it the node stays as it is and refuses everything.
	Fatal func(error)

	// Now is the clock that stamps commands.
	Now func() time.Time

	// Listener takes the place of listening on Addr, and Dial of dialling peers: for sockets handed
	// in and for tests. Both may be nil.
	Listener net.Listener
	Dial     func(addr string, timeout time.Duration) (net.Conn, error)

	// step is called at the places where a crash leaves different things; tests die there.
	step func(place string)
}

func (c Config) withDefaults() Config {
	orDuration(&c.HeartbeatTimeout, DefaultHeartbeatTimeout)
	orDuration(&c.ElectionTimeout, max(DefaultElectionTimeout, c.HeartbeatTimeout))
	orDuration(&c.LeaderLeaseTimeout, min(DefaultLeaderLeaseTimeout, c.HeartbeatTimeout))
	orDuration(&c.EnqueueTimeout, DefaultEnqueueTimeout)
	orDuration(&c.ResolveDelay, DefaultResolveDelay)
	orDuration(&c.ReapAfter, DefaultReapAfter)
	orDuration(&c.PulseInterval, DefaultPulseInterval)
	orDuration(&c.MarkInterval, DefaultMarkInterval)
	orBytes(&c.SegmentBytes, DefaultSegmentBytes)
	orBytes(&c.MaxLogBytes, max(DefaultMaxLogBytes, 4*c.SegmentBytes))
	orBytes(&c.SnapshotRate, DefaultSnapshotRate)
	orBytes(&c.MaxWaiting, DefaultMaxWaiting)
	orBytes(&c.MaxWaitingBytes, DefaultMaxWaitingBytes)
	orBytes(&c.MinFreeBytes, DefaultMinFreeBytes)
	if c.Version == 0 {
		c.Version = store.Version
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.step == nil {
		c.step = func(string) {}
	}
	if c.Listener != nil && c.Addr == "" {
		c.Addr = c.Listener.Addr().String()
	}
	return c
}

func orDuration(v *time.Duration, d time.Duration) {
	if *v == 0 {
		*v = d
	}
}

func orBytes(v *int64, d int64) {
	if *v == 0 {
		*v = d
	}
}

// validate names every fault at once.
func (c Config) validate(st *store.Store) error {
	var errs []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	fault(st == nil, "no store")
	fault(c.NodeID == "", "the node has no id")
	fault(len(c.NodeID) > maxName, "the node's id has %d octets, more than %d", len(c.NodeID), maxName)
	fault(c.Dir == "", "the node has no directory")
	fault(c.ElectionTimeout < c.HeartbeatTimeout, "election timeout %v is below heartbeat timeout %v", c.ElectionTimeout, c.HeartbeatTimeout)
	fault(c.LeaderLeaseTimeout > c.HeartbeatTimeout, "leader lease %v is above heartbeat timeout %v", c.LeaderLeaseTimeout, c.HeartbeatTimeout)
	fault(c.SegmentBytes < 64<<10 || c.SegmentBytes > 1<<30, "log segments of %d bytes: not between 64 KiB and 1 GiB", c.SegmentBytes)
	fault(c.MaxLogBytes < 4*c.SegmentBytes, "log bound of %d bytes is below four segments of %d", c.MaxLogBytes, c.SegmentBytes)
	fault(c.MaxWaiting < 0 || c.MaxWaitingBytes < 0 || c.MinFreeBytes < 0 || c.SnapshotRate < 0, "a bound is negative")
	fault(strings.Trim(c.ClusterID, clusterIDOctets) != "" || len(c.ClusterID) > 8, "cluster id %q is not 1 to 8 of a-z and 0-9", c.ClusterID)
	fault((c.ServerTLS == nil) != (c.ClientTLS == nil), "TLS in one direction alone")
	if err := checkAddr(c.Addr, c.anyHost()); err != nil {
		errs = append(errs, err)
	}
	seen := make(map[string]bool)
	for _, p := range c.Peers {
		fault(p.ID == "" || seen[p.ID], "peer id %q is empty or named twice", p.ID)
		seen[p.ID] = true
		if err := checkAddr(p.Addr, c.anyHost()); err != nil {
			errs = append(errs, fmt.Errorf("peer %s: %w", p.ID, err))
		}
	}
	fault(len(c.Peers) > 0 && !seen[c.NodeID], "peers do not name this node, %q", c.NodeID)
	return errors.Join(errs...)
}

// anyHost says whether addresses need not be loopback.
func (c Config) anyHost() bool { return c.Insecure || c.ServerTLS != nil && c.ClientTLS != nil }

// checkAddr refuses what other nodes cannot dial, and what would carry texts and phone numbers in
// the clear over a network, unless the way there is open: encrypted, or plain by choice.
func checkAddr(addr string, open bool) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("cluster address %q: %w", addr, err)
	}
	ip := net.ParseIP(host)
	if host == "" || ip != nil && ip.IsUnspecified() {
		return fmt.Errorf("cluster address %q names no host: other nodes dial it", addr)
	}
	loopback := host == "localhost" || ip != nil && ip.IsLoopback()
	if !loopback && !open {
		return fmt.Errorf("cluster address %q: %w", addr, ErrNotEncrypted)
	}
	return nil
}

// clusterIDOctets are what a cluster id consists of: it is part of OutIds.
const clusterIDOctets = "abcdefghijklmnopqrstuvwxyz0123456789"

func (c Config) walDir() string      { return filepath.Join(c.Dir, "wal") }
func (c Config) receivedDir() string { return filepath.Join(c.Dir, "received") }
