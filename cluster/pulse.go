package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"smppbridge/store"
)

// subjectPulse is the subject under which nodes ask each other how they are.
const subjectPulse = "pulse"

// A pulse is what a node says of itself.
type pulse struct {
	node    string
	cluster string // "" = it belongs to none yet
	epoch   uint64
	lineage store.Lineage
	version uint64 // the highest cluster version it takes part in
	applied uint64 // index in its store's file
	clock   int64  // its wall clock, Unix ns
	mark    uint64 // index of the last Mark it has applied, and the hash it noted there
	hash    uint64

	founded  bool // it has a Raft configuration: it belongs to a cluster or begins one
	leads    bool // it leads, and has applied what was committed before
	stranger bool // the one who asks is no member; of weight only if it leads
	full     bool // its disk is nearly full: it is not to lead
	alone    bool // it is the only voter of the cluster that it knows
}

func (p *pulse) who() identity {
	return identity{node: p.node, cluster: p.cluster, epoch: p.epoch, lineage: p.lineage}
}

// pulseFormat begins a pulse. What a later version has to say beyond these fields goes under another
// subject, so that nodes of two versions hear each other during an upgrade.
const pulseFormat = 1

// The bits of a pulse's octet of flags.
const (
	flagFounded = 1 << iota
	flagLeads
	flagStranger
	flagFull
	flagAlone
	flagsKnown = flagFounded | flagLeads | flagStranger | flagFull | flagAlone
)

func (p *pulse) encode() []byte {
	flags := byte(0)
	for bit, set := range map[byte]bool{
		flagFounded: p.founded, flagLeads: p.leads, flagStranger: p.stranger, flagFull: p.full, flagAlone: p.alone,
	} {
		if set {
			flags |= bit
		}
	}
	b := []byte{pulseFormat, flags}
	b = appendField(b, p.node)
	b = appendField(b, p.cluster)
	for _, v := range []uint64{p.epoch, p.version, p.applied, uint64(p.clock), p.mark, p.hash} {
		b = binary.AppendUvarint(b, v)
	}
	return append(b, p.lineage[:]...)
}

func decodePulse(b []byte) (p pulse, err error) {
	f := fields{b: b}
	format, flags := f.octet(), f.octet()
	p.founded, p.leads, p.stranger = flags&flagFounded != 0, flags&flagLeads != 0, flags&flagStranger != 0
	p.full, p.alone = flags&flagFull != 0, flags&flagAlone != 0
	p.node, p.cluster = f.text(), f.text()
	p.epoch, p.version, p.applied = f.number(), f.number(), f.number()
	p.clock = int64(f.number())
	p.mark, p.hash = f.number(), f.number()
	f.fill(p.lineage[:])
	if format != pulseFormat || flags&^flagsKnown != 0 || !f.end() {
		return pulse{}, fmt.Errorf("pulse of %d octets: %w", len(b), errFields)
	}
	return p, nil
}

// errFields is wrapped when what another node said cannot be read.
var errFields = errors.New("not understood, perhaps of another version of the program")

// maxField bounds a text between nodes: a node's id, an address, a reason.
const maxField = 1024

func appendField(b []byte, s string) []byte {
	s = s[:min(len(s), maxField)]
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// fields reads what appendField and its like have written. After the first fault it reads zeros.
type fields struct {
	b   []byte
	bad bool
}

func (f *fields) octet() byte {
	if f.bad || len(f.b) == 0 {
		f.bad = true
		return 0
	}
	v := f.b[0]
	f.b = f.b[1:]
	return v
}

func (f *fields) number() uint64 {
	v, n := binary.Uvarint(f.b)
	if f.bad || n <= 0 {
		f.bad = true
		return 0
	}
	f.b = f.b[n:]
	return v
}

func (f *fields) text() string {
	n := f.number()
	if f.bad || n > maxField || n > uint64(len(f.b)) {
		f.bad = true
		return ""
	}
	s := string(f.b[:n])
	f.b = f.b[n:]
	return s
}

// fill reads as many octets as b has.
func (f *fields) fill(b []byte) {
	if f.bad || len(f.b) < len(b) {
		f.bad = true
		return
	}
	copy(b, f.b)
	f.b = f.b[len(b):]
}

func (f *fields) end() bool { return !f.bad && len(f.b) == 0 }

// answerPulse is the Handler of subjectPulse.
func (n *Node) answerPulse(_ context.Context, from string, request []byte) ([]byte, error) {
	if len(request) != 0 {
		return nil, fmt.Errorf("pulse asked with %d octets: %w", len(request), errFields)
	}
	p := n.ownPulse()
	_, member := n.server(from)
	p.stranger = !member
	return p.encode(), nil
}

func (n *Node) ownPulse() pulse {
	id := n.identity()
	p := pulse{
		node: id.node, cluster: id.cluster, epoch: id.epoch, lineage: id.lineage, version: n.cfg.Version,
		clock: n.cfg.Now().UnixNano(), founded: len(n.servers()) > 0,
	}
	p.applied, _ = n.store.Applied()
	p.mark, p.hash = n.store.Marked()
	p.leads = n.reigning() != nil
	p.full = n.diskLow()
	others, _ := n.otherVoters()
	own, member := n.server(n.cfg.NodeID)
	p.alone = member && own.Suffrage == raft.Voter && len(others) == 0
	return p
}

// reigning returns the present reign if it is ready.
func (n *Node) reigning() *reign {
	r := n.lead.current()
	if r == nil {
		return nil
	}
	select {
	case <-r.ready:
		return r
	default:
		return nil
	}
}

// A sighting is what this node knows of another one.
type sighting struct {
	pulse pulse
	heard time.Time     // when its answer came; zero = never
	trip  time.Duration // between question and answer
	tried time.Time     // when a question was last answered or given up
}

// clockAt returns what the peer's clock shows at now, if it has gone on as this node's monotonic one.
// Half the trip is not known better than by halving it.
func (p sighting) clockAt(now time.Time) time.Time {
	return time.Unix(0, p.pulse.clock).Add(p.trip/2 + now.Sub(p.heard))
}

// heardSince says whether the peer has answered within d.
func (p sighting) heardWithin(d time.Duration) bool {
	return !p.heard.IsZero() && time.Since(p.heard) <= d
}

// sightings keep what this node has heard of the other members.
type sightings struct {
	mu     sync.Mutex
	known  map[string]sighting // guarded by mu; by id
	asking map[string]bool     // guarded by mu; a question is under way
	wake   chan struct{}       // capacity 1: ask at once
}

func newSightings() *sightings {
	return &sightings{known: make(map[string]sighting), asking: make(map[string]bool), wake: make(chan struct{}, 1)}
}

// get returns what is known of a node; the zero sighting if nothing is.
func (ps *sightings) get(id string) sighting {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.known[id]
}

func (ps *sightings) hurry() {
	select {
	case ps.wake <- struct{}{}:
	default:
	}
}

// begin says whether a question to id may be put: one at a time.
func (ps *sightings) begin(id string) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.asking[id] {
		return false
	}
	ps.asking[id] = true
	return true
}

// done notes the end of a question; p is nil if it was not answered.
func (ps *sightings) done(id string, p *sighting) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	delete(ps.asking, id)
	if p == nil {
		old := ps.known[id]
		p = &old
	}
	p.tried = time.Now()
	ps.known[id] = *p
}

// keep forgets the nodes that are no members any more.
func (ps *sightings) keep(member func(id string) bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for id := range ps.known {
		if !member(id) {
			delete(ps.known, id)
		}
	}
}

// pulseLoop asks all other members how they are, again and again until stop is closed. A member that
// does not answer holds up nothing but the goroutine that waits for it.
func (n *Node) pulseLoop(stop <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	tick := time.NewTicker(n.cfg.PulseInterval)
	defer tick.Stop()
	for {
		n.sightings.keep(func(id string) bool { _, ok := n.server(id); return ok })
		for _, s := range n.servers() {
			id := string(s.ID)
			if id == n.cfg.NodeID || !n.sightings.begin(id) {
				continue
			}
			wg.Go(func() {
				if p, err := n.feel(ctx, id); err == nil {
					n.sightings.done(id, &p)
				} else {
					n.sightings.done(id, nil)
				}
			})
		}
		n.port.review()
		n.watchClock()
		select {
		case <-tick.C:
		case <-n.sightings.wake:
		case <-stop:
			return
		}
	}
}

// feel asks one node how it is. It waits for as long as a node is given before its binds are removed: a
// slow answer is one.
func (n *Node) feel(ctx context.Context, id string) (sighting, error) {
	ctx, cancel := context.WithTimeout(ctx, n.cfg.ReapAfter)
	defer cancel()
	begin := time.Now()
	answer, err := n.Ask(ctx, id, subjectPulse, nil)
	if err != nil {
		return sighting{}, err
	}
	p, err := decodePulse(answer)
	if err != nil {
		return sighting{}, err
	}
	if p.node != id {
		return sighting{}, fmt.Errorf("node %q answers for %q", p.node, id)
	}
	if err := n.port.meet(p.who()); err != nil {
		return sighting{}, err
	}
	if p.leads {
		n.strange.Store(p.stranger)
	}
	now := time.Now()
	return sighting{pulse: p, heard: now, trip: now.Sub(begin), tried: now}, nil
}

// servers returns the members of Raft's latest configuration.
func (n *Node) servers() []raft.Server { return n.raft.GetConfiguration().Configuration().Servers }

// server returns the member with an id.
func (n *Node) server(id string) (raft.Server, bool) {
	for _, s := range n.servers() {
		if string(s.ID) == id {
			return s, true
		}
	}
	return raft.Server{}, false
}

// otherVoters returns the voters but this node, and how many voters are a majority of all.
func (n *Node) otherVoters() (others []raft.Server, quorum int) {
	voters := 0
	for _, s := range n.servers() {
		if s.Suffrage != raft.Voter {
			continue
		}
		voters++
		if string(s.ID) != n.cfg.NodeID {
			others = append(others, s)
		}
	}
	return others, voters/2 + 1
}

// fresh is how old an answer may be for decisions about a member's state.
func (n *Node) fresh() time.Duration { return max(3*n.cfg.PulseInterval, n.cfg.ReapAfter) }
