package bridge

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"smppbridge/configs"
	"smppbridge/store"
)

// spaceRoutes is the registry's space of what the names of routes stand for: by name, kind and account. The record's time is
// when that was found in the policy, so that calls begun before may have gone elsewhere.
const spaceRoutes = "routes"

// anew ends the record of a name that has stood for something else.
const anew = " anew"

// errNotRecorded says that the name of a route stands for something new, or may, and that this is not recorded yet.
var errNotRecorded = errors.New("what the route's name stands for is not recorded yet")

// standsFor is what a route's name stands for: calls made by a route are known to all that stand for the same, whatever their
// endpoints and keys. What went to another message centre nobody can be asked about.
func standsFor(r *configs.Route) string {
	if r.Kind == configs.KindSMPP {
		return r.Kind
	}
	return r.Kind + " " + r.Account
}

// recordRoutes keeps those records while this node leads, which alone makes calls. A new policy is in force in the Sender before
// it is in force here, and here before it is recorded: so calls that went by the old one were begun before the record.
func (b *Bridge) recordRoutes(ctx context.Context) error {
	changed, stop := b.store.Watch(store.WatchPolicy)
	defer stop()
	tick := time.NewTicker(idleScan)
	defer tick.Stop()
	for {
		if err := b.recordRound(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, ErrTooOld) {
			b.log.WarnContext(ctx, "record what routes' names stand for", "err", err)
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (b *Bridge) recordRound(ctx context.Context) error {
	pol, ok := b.inForce()
	if !ok {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(pol.routes)) {
		now := standsFor(&pol.routes[name].Route)
		switch was, known := b.stoodFor(name); {
		case known && was.what == now:
			continue
		case known:
			now += anew
			b.log.WarnContext(ctx, "a route's name stands for another kind or account: nobody is asked about its earlier calls", "route", name)
		}
		if _, err := b.putRecord(ctx, store.PutItem{Space: spaceRoutes, Key: name, Value: []byte(now)}); err != nil {
			return err
		}
	}
	return nil
}

// A namesake is what a route's name stands for.
type namesake struct {
	what string
	anew bool  // it stood for something else before
	at   int64 // Unix ms
}

func (b *Bridge) stoodFor(route string) (s namesake, known bool) {
	r, known := b.store.Record(spaceRoutes, route)
	s.at = r.At
	s.what, s.anew = strings.CutSuffix(string(r.Value), anew)
	return s, known
}

// sameRoute returns nil if a call that was begun at a time, Unix ms, by the route of that name went to what the name stands for in
// pol; ErrCannotAsk if it may have gone elsewhere: who has it now would say rightly that it never had the call, and it
// would be sent again.
func (b *Bridge) sameRoute(pol *policy, route string, begun int64) error {
	r := pol.routes[route]
	if r == nil {
		return nil // it is gone, or the way of a dry run: the Sender says
	}
	s, known := b.stoodFor(route)
	switch {
	case !known: // it has had no other meaning
		return nil
	case s.what != standsFor(&r.Route):
		return errNotRecorded
	case s.anew && begun <= s.at:
		return ErrCannotAsk
	}
	return nil
}

// overtaken reports whether there is a newer policy than pol, which was in force: whoever has been asked meanwhile may have been
// the next one of that name. No Sender has a policy before the state has it.
func (b *Bridge) overtaken(pol *policy) bool { return b.store.Policy().Version != pol.version }
