package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"smppbridge/store"
)

const (
	// maxClockOff is by how much a clock may differ from those of the others.
	maxClockOff = 2 * time.Second

	// maxClockStep is by how much a leader's clock may differ from what the monotonic one makes of an
	// earlier look before it is looked into.
	maxClockStep = 500 * time.Millisecond

	// clockFresh is how old what was heard of another clock may be.
	clockFresh = 10 * time.Second

	// clockWait is how long a new leader waits for the other clocks if it has not heard of them yet.
	clockWait = time.Second

	// clockAlarm is how often a clock that is off is logged.
	clockAlarm = time.Minute
)

// errClockOff keeps a new leader from stamping anything.
var errClockOff = errors.New("this node's clock is off: a majority of the voters agrees on another time")

// A steadyClock stamps commands. It shows the wall clock's time, unless that has leapt to where a
// majority of the voters disagrees with it: then it goes on steadily from before, until the node has
// handed leadership over or the clock is back. The state's clock never goes back, so that one stamp of
// tomorrow would be tomorrow for good.
//
// Nor does this one go back while the node leads: where the wall clock is behind it, which nobody
// outvotes, it stands still for a moment, or goes on at half speed until the other has nearly caught up. If it
// stood still for long, no bucket of a limit would fill, and nothing would become due.
type steadyClock struct {
	wall     func() time.Time
	outvoted func() bool
	leading  func() bool

	mu     sync.Mutex
	anchor time.Time // guarded by mu; what the clock showed at `at`; zero: not looked at yet
	at     time.Time // guarded by mu; by the monotonic clock
}

// reset has the clock go on from the wall clock's time, or from floor if that is later: a reign begins,
// whose clock was checked, over a state that has come to floor.
func (c *steadyClock) reset(floor time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.anchor, c.at = c.wall(), time.Now()
	if floor.After(c.anchor) {
		c.anchor = floor
	}
}

func (c *steadyClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, now := c.wall(), time.Now()
	shown := wall
	if !c.anchor.IsZero() {
		passed := now.Sub(c.at)
		steady, slow := c.anchor.Add(passed), c.anchor.Add(passed/2)
		// Their monotonic readings, by which Sub would go, never leap.
		switch step := time.Duration(wall.UnixNano() - steady.UnixNano()); {
		case step.Abs() > maxClockStep && c.outvoted():
			shown = steady
		case step < -maxClockStep && slow.UnixNano() > wall.UnixNano() && c.leading():
			shown = slow
		case step < 0 && c.anchor.UnixNano() > wall.UnixNano() && c.leading():
			shown = c.anchor
		}
	}
	c.anchor, c.at = shown, now
	return shown
}

// Now returns the time by which this node decides what is due: by the clock that would stamp its
// commands, which a leap of the wall clock does not lead astray where a majority knows better.
func (n *Node) Now() time.Time { return n.clock.now() }

// A clockView is how this node's clock compares with those of the other voters.
type clockView struct {
	offset   time.Duration // by how much this node's is ahead of their median
	known    bool          // at least one of them was heard of lately
	outvoted bool          // a majority of all voters agrees on a time that this node is off
}

// lookAtClocks compares the clocks. Of two medians the one nearer to this node's clock counts: with two
// peers, one of which is off, this node is not.
//
// Off, with consequences, is only who has a majority of all voters against it whose clocks agree: of
// fewer nobody knows whose clock is wrong, and two nodes would hand leadership to and fro.
func (n *Node) lookAtClocks() clockView {
	others, quorum := n.otherVoters()
	now, wall := time.Now(), n.cfg.Now()
	var ahead []time.Duration
	for _, s := range others {
		if p := n.sightings.get(string(s.ID)); p.heardWithin(clockFresh) {
			ahead = append(ahead, p.clockAt(now).Sub(wall))
		}
	}
	return compareClocks(ahead, quorum)
}

// compareClocks judges by how much other clocks are ahead of this node's.
func compareClocks(ahead []time.Duration, quorum int) clockView {
	if len(ahead) == 0 {
		return clockView{}
	}
	slices.Sort(ahead)
	median := ahead[len(ahead)/2]
	if low := ahead[(len(ahead)-1)/2]; low.Abs() < median.Abs() {
		median = low
	}
	agree := 0
	for _, a := range ahead {
		if (a - median).Abs() <= maxClockOff {
			agree++
		}
	}
	return clockView{offset: -median, known: true, outvoted: median.Abs() > maxClockOff && agree >= quorum}
}

func (n *Node) outvoted() bool { return n.lookAtClocks().outvoted }

// clockAgrees says whether a voter's clock is near the others', as far as this node knows.
func (n *Node) clockAgrees(p sighting, view clockView) bool {
	if !view.known || !p.heardWithin(clockFresh) {
		return true
	}
	ahead := p.clockAt(time.Now()).Sub(n.cfg.Now())
	return (ahead + view.offset).Abs() <= maxClockOff
}

// watchClock alarms when this node's clock differs from the others'. pulseLoop calls it.
func (n *Node) watchClock() {
	view := n.lookAtClocks()
	n.clockOffset.Store(int64(view.offset))
	if view.offset.Abs() <= maxClockOff {
		return
	}
	if time.Since(n.clockAlarmed) < clockAlarm && !n.clockAlarmed.IsZero() {
		return
	}
	n.clockAlarmed = time.Now()
	n.log.Error("this node's clock is off", "node", n.cfg.NodeID, "ahead_ms", view.offset.Milliseconds())
}

// checkClock is a step of establish: nothing is stamped by a clock that a majority disagrees with.
// It waits for what it does not know yet, but not for nodes that could not be reached: those may be why
// there is a new leader.
func (n *Node) checkClock(r *reign) error {
	ctx, cancel := n.reignContext(context.Background(), r)
	defer cancel()
	limit := time.Now().Add(clockWait)
	for !n.clocksTried() && time.Now().Before(limit) {
		n.sightings.hurry()
		if !pause(ctx, retryPause) {
			return ErrNotLeader
		}
	}
	if n.outvoted() {
		return errors.Join(errClockOff, n.yield(r))
	}
	n.clock.reset(store.FromMillis(n.store.Clock()))
	return nil
}

// clocksTried says whether each other voter has been asked once.
func (n *Node) clocksTried() bool {
	others, _ := n.otherVoters()
	for _, s := range others {
		if n.sightings.get(string(s.ID)).tried.IsZero() {
			return false
		}
	}
	return true
}

// guardClock is a duty of the leader: if its clock has leapt, it hands over.
func (n *Node) guardClock(_ context.Context, r *reign) error {
	if !n.outvoted() {
		return nil
	}
	if err := n.yield(r); err != nil {
		return fmt.Errorf("%w: %w", errClockOff, err)
	}
	return nil
}
