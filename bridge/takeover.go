package bridge

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// takeover gives a new bind its place when its account has all the binds it may have. An ESME that has
// just hung up and binds again is often faster than the record of its end: such a bind waits until the
// release that is under way is committed. An ESME whose connection died, and that comes back while its old
// sessions are still there, takes their place: the silent sessions of the account on this node are asked whether
// they live, and those that say nothing are closed. A session that lives is never closed.
type takeover struct {
	b *Bridge

	mu       sync.Mutex
	accounts map[string]*tenancy // guarded by mu; those that have bound since the start
}

// A tenancy is what this node has of an account's binds. It is guarded by takeover.mu.
type tenancy struct {
	sessions map[*session]struct{} // bound, or being bound
	opening  int                   // BindOpens under way
	changed  chan struct{}         // closed, and replaced, when there may be room
	round    chan struct{}         // closed when the round that goes on ends; nil = none does
	rested   time.Time             // no round before this
}

const (
	bindPatience  = 500 * time.Millisecond // how long a bind over the limit waits for a place
	bindPoll      = 100 * time.Millisecond // how often it looks for releases by other nodes
	bindTries     = 2                      // BindOpens of one bind
	probeWithin   = time.Second            // in which a session that lives answers an enquire_link
	probeRest     = time.Second            // between two rounds of an account
	probeMost     = 256                    // sessions asked in a round
	releaseWithin = 2 * time.Second        // for which a round waits for the places of the dead
)

var errDead = errors.New("dead: another bind of the account needs its place")

func newTakeover(b *Bridge) *takeover {
	return &takeover{b: b, accounts: make(map[string]*tenancy)}
}

func (t *takeover) tenancyLocked(account string) *tenancy {
	ten := t.accounts[account]
	if ten == nil {
		ten = &tenancy{sessions: make(map[*session]struct{}), changed: make(chan struct{})}
		t.accounts[account] = ten
	}
	return ten
}

// tellLocked wakes the binds that wait for a place.
func (ten *tenancy) tellLocked() {
	close(ten.changed)
	ten.changed = make(chan struct{})
}

// open records a bind in the replicated state, or returns refusedLimit. Places are given out here before
// they are asked for there, so that of many who wait for one place, one proposes.
func (t *takeover) open(ctx context.Context, s *session, cmd *store.BindOpen) error {
	for try := range bindTries {
		if err := t.await(ctx, cmd, try > 0); err != nil {
			return err
		}
		res, err := t.b.settle(ctx, cmd)
		r, ok := res.(*store.BindResult)
		ok = ok && r.OK
		t.opened(s, ok || err != nil)
		if err != nil {
			t.release(s) // it may have been recorded
			return err
		}
		if ok {
			return nil
		}
	}
	return refusedLimit
}

// opened ends what a place was kept for.
func (t *takeover) opened(s *session, there bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ten := t.tenancyLocked(s.account)
	ten.opening--
	if there {
		ten.sessions[s] = struct{}{}
	}
	ten.tellLocked()
}

// await waits until the account of cmd has a place, and keeps it. refused says that there was none
// although it looked so from here: other nodes' binds are not seen yet.
func (t *takeover) await(ctx context.Context, cmd *store.BindOpen, refused bool) error {
	if !refused {
		if _, ok := t.take(cmd); ok {
			return nil
		}
	}
	patience, poll := time.NewTimer(bindPatience), time.NewTicker(bindPoll)
	defer patience.Stop()
	defer poll.Stop()
	round := t.probe(cmd.Bind.Account)
	for over := false; ; {
		var changed <-chan struct{}
		if !refused {
			var ok bool
			if changed, ok = t.take(cmd); ok {
				return nil
			}
		}
		if over && round == nil {
			return refusedLimit
		}
		select {
		case <-changed:
		case <-poll.C:
		case <-round:
			round, refused = nil, false
		case <-patience.C:
			over, refused = true, false
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take keeps a place of the account if one is free. If not, changed is closed when to look again.
func (t *takeover) take(cmd *store.BindOpen) (changed <-chan struct{}, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ten := t.tenancyLocked(cmd.Bind.Account)
	if len(t.b.store.Binds(cmd.Bind.Account))+ten.opening < int(cmd.Limit) {
		ten.opening++
		return nil, true
	}
	return ten.changed, false
}

// release removes a session's bind from the replicated state in the background: a session that has
// ended waits for nobody, and a bind whose removal is lost goes with the node's incarnation.
func (t *takeover) release(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ten := t.tenancyLocked(s.account)
	if _, ok := ten.sessions[s]; !ok {
		return // it is under way, or done
	}
	delete(ten.sessions, s)
	t.b.courier.background(func(ctx context.Context) {
		cmd := &store.BindClose{Node: t.b.cfg.NodeID, Incarnation: t.b.cfg.Incarnation, Session: s.ID()}
		_, _ = t.b.settle(ctx, cmd) // it fails only when the node stops, and its binds go with its incarnation
		close(s.released)
		t.mu.Lock()
		defer t.mu.Unlock()
		ten.tellLocked()
	})
}

// probe begins a round for an account, or joins the one that goes on; round is closed when it has ended, and nil
// if there was one just now.
func (t *takeover) probe(account string) (round <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ten := t.tenancyLocked(account)
	switch {
	case ten.round != nil:
		return ten.round
	case t.b.now().Before(ten.rested):
		return nil
	}
	ended := make(chan struct{})
	ten.round = ended
	sessions := make([]*session, 0, len(ten.sessions))
	for s := range ten.sessions {
		sessions = append(sessions, s)
	}
	t.b.courier.background(func(ctx context.Context) {
		t.closeDead(ctx, sessions)
		t.mu.Lock()
		defer t.mu.Unlock()
		ten.round, ten.rested = nil, t.b.now().Add(probeRest)
		close(ended)
	})
	return ended
}

// closeDead closes those of the sessions that are silent and do not answer, all asked at once, and waits until
// their places are free.
func (t *takeover) closeDead(ctx context.Context, sessions []*session) {
	probing, cancel := context.WithTimeout(ctx, probeWithin)
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
