package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"smppbridge/smpp"
)

// subjectProbe is what nodes ask each other for when a bind finds all places of its account taken: that they close
// the sessions of it that are dead. The request is a format octet and the account, the answer the format octet: the
// places of the dead are free.
const (
	subjectProbe = "probe"
	probeFormat  = 1
)

const (
	probeWithin = time.Second                // in which a session that lives answers an enquire_link
	probeRest   = time.Second                // between two rounds of an account
	probeMost   = 256                        // sessions asked in a round
	probeOthers = probeWithin + bindPatience // for which another node's round is waited for: it may be out of reach
)

var (
	errDead  = errors.New("dead: another bind of the account needs its place")
	errProbe = errors.New("request of a form that is not known here")
)

// A round asks an account's silent sessions whether they live, and closes those that say nothing. A session that lives
// is never closed. It is guarded by takeover.mu.
type round struct {
	ended  chan struct{} // closed when the round that goes on ends; nil = none does
	rested time.Time     // no round before this
}

// beginLocked begins a round, or joins the one that goes on; ended is closed when it has ended, and nil if there was one
// just now.
func (t *takeover) beginLocked(r *round, work func(context.Context)) (ended <-chan struct{}) {
	switch {
	case r.ended != nil:
		return r.ended
	case t.b.now().Before(r.rested):
		return nil
	}
	end := make(chan struct{})
	r.ended = end
	t.b.courier.background(func(ctx context.Context) {
		work(ctx)
		t.mu.Lock()
		defer t.mu.Unlock()
		r.ended, r.rested = nil, t.b.now().Add(probeRest)
		close(end)
	})
	return end
}

// probe begins a round of an account on all nodes that hold binds of it.
func (t *takeover) probe(account string) (ended <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.beginLocked(&t.tenancyLocked(account).all, func(ctx context.Context) { t.probeAll(ctx, account) })
}

// probeOwn begins a round of an account on this node.
func (t *takeover) probeOwn(account string) (ended <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ten := t.accounts[account]
	if ten == nil { // another node asks, and nobody has bound here
		return nil
	}
	sessions := make([]*session, 0, len(ten.sessions))
	for s := range ten.sessions {
		sessions = append(sessions, s)
	}
	return t.beginLocked(&ten.own, func(ctx context.Context) { t.closeDead(ctx, sessions) })
}

// probeAll has this and the other nodes close the account's dead sessions, all at the same time.
func (t *takeover) probeAll(ctx context.Context, account string) {
	own, others := t.probeOwn(account), t.others(account)
	asking, cancel := context.WithTimeout(ctx, probeOthers)
	defer cancel()
	var asked sync.WaitGroup
	for _, node := range others {
		asked.Go(func() {
			request := append([]byte{probeFormat}, account...)
			if _, err := t.b.cluster.Ask(asking, node, subjectProbe, request); err != nil {
				t.b.log.DebugContext(ctx, "sessions of another node not asked", "system_id", account, "node", node, "err", err)
			}
		})
	}
	if own != nil {
		select {
		case <-own:
		case <-ctx.Done():
		}
	}
	asked.Wait()
	if len(others) > 0 {
		// What they have released is committed; whoever waits for it looks into this node's store.
		_ = t.b.cluster.Sync(asking)
	}
}

// others are the other nodes that hold binds of an account.
func (t *takeover) others(account string) (nodes []string) {
	for _, v := range t.b.store.Binds(account) { // in order of the nodes
		if v.Node != t.b.cfg.NodeID && (len(nodes) == 0 || nodes[len(nodes)-1] != v.Node) {
			nodes = append(nodes, v.Node)
		}
	}
	return nodes
}

// answerProbe answers another node's subjectProbe.
func (t *takeover) answerProbe(ctx context.Context, _ string, request []byte) ([]byte, error) {
	if len(request) < 2 || request[0] != probeFormat {
		return nil, fmt.Errorf("probe of %d octets: %w", len(request), errProbe)
	}
	if ended := t.probeOwn(string(request[1:])); ended != nil {
		select {
		case <-ended:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return []byte{probeFormat}, nil
}

// closeDead closes those of the sessions that are silent and do not answer, all asked at once, and waits until
// their places are free.
func (t *takeover) closeDead(ctx context.Context, sessions []*session) {
	probing, cancel := t.b.awake(ctx, probeWithin)
	defer cancel()
	silent := silentOf(sessions)
	dead := make([]bool, len(silent))
	var asked sync.WaitGroup
	for i, s := range silent {
		asked.Go(func() { dead[i] = !alive(probing, s.Session) })
	}
	asked.Wait()
	waiting, cancel := context.WithTimeout(ctx, releaseWithin)
	defer cancel()
	for i, s := range silent {
		if !dead[i] {
			continue
		}
		t.b.log.InfoContext(ctx, "dead session gives up its place", "system_id", s.account, "session", s.ID(),
			"remote", s.RemoteAddr().String())
		t.b.door.replaced.Inc()
		s.Close(errDead)
		t.release(s) // not only once it is closed: octets that nobody reads may be queued
	}
	for i, s := range silent {
		if dead[i] {
			select {
			case <-s.released:
			case <-waiting.Done():
			}
		}
	}
}

// awakeSteps are what a time is waited for in; one that takes twice as long is not counted, up to four times as many.
const awakeSteps = 20

// awake returns a context that ends when d has passed in which this node ran. What answered while the whole machine
// stood still (a virtual one does, for seconds) has not been read when it goes on: no session is to die of that. On a machine
// that stands still again and again it ends after five times the steps.
func (b *Bridge) awake(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() { // ends with ctx
		defer cancel()
		step := d / awakeSteps
		for left, most := awakeSteps, 5*awakeSteps; left > 0 && most > 0; most-- {
			began := b.cfg.Steady()
			if !sleep(ctx, step) {
				return
			}
			if b.cfg.Steady().Sub(began) < 2*step {
				left--
			}
		}
	}()
	return ctx, cancel
}

// silentOf returns the sessions of which nothing was heard lately, the most silent first.
func silentOf(sessions []*session) []*session {
	type heard struct {
		s   *session
		ago time.Duration
	}
	var list []heard
	for _, s := range sessions {
		if ago := s.Silent(); ago > 0 {
			list = append(list, heard{s, ago})
		}
	}
	slices.SortFunc(list, func(a, b heard) int { return cmp.Compare(b.ago, a.ago) })
	silent := make([]*session, 0, min(len(list), probeMost))
	for _, h := range list[:cap(silent)] {
		silent = append(silent, h.s)
	}
	return silent
}

// alive reports whether a session's ESME answers, or sends anything else, before ctx's time is over, or cannot
// be heard: while a session waits for a window slot an answer lies unread, and its silence does not
// grow.
func alive(ctx context.Context, s *smpp.Session) bool {
	before := s.Silent()
	if err := s.Probe(ctx); err == nil || errors.Is(err, smpp.ErrClosed) {
		return true // a closed one gives up its place by itself
	}
	<-ctx.Done() // the account's own response time-out may be shorter
	return s.Silent()-before < probeWithin/2
}
