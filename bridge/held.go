package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"smppbridge/store"
)

// judgeHeld decides about a message that a recovery holds (store.Recover): a lost node may have sent it by
// a call that is not known here. So the API is asked for all that it sent to the phone since the message
// was accepted, on every route, and a call whose OutId is a lost one counts as this message's if template
// and parameters are. Two messages alike in that may be taken for one: then the SMS that was sent counts for
// both.
//
// Its patience begins with the recovery, for that is when the last lost call can have been made.
func (b *Bridge) judgeHeld(ctx context.Context, it *store.DueItem, a *store.Attempt, v *verdict) error {
	recovered, err := b.store.Recovered()
	if err != nil {
		return fmt.Errorf("held message %s: %w", it.Number, err)
	}
	found, own, err := b.findHeld(ctx, it, a)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	unasked := errors.Is(err, ErrCannotAsk)
	if err != nil && !unasked {
		b.log.InfoContext(ctx, "query of a held message", "message_id", it.Number.String(), "err", err)
	}
	age := b.ages.since(store.FromMillis(recovered))
	item := store.FoundItem{Number: it.Number, Revision: it.Status.Revision}
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case found.Known && found.Final:
		v.reports = append(v.reports, reportFound(it, a, found))
	case (own || !found.Known && (err == nil || unasked)) && a.BizID != "": // its call is known and was made: its report may still come
		item.Sent, item.DueAt = true, b.now().Add(nextPoll(b.ages.since(store.FromMillis(a.Begun)))).UnixMilli()
		v.found = append(v.found, item)
	case unasked && !found.Known:
		b.judgeUnasked(it, age, v)
	default: // also what is known by a lost OutId: a report of it would match nothing
		b.judgeOpen(it, age, reply{err == nil, found.Known}, v)
	}
	return nil
}

// findHeld looks for the message among what was sent to its phone; own says that it was found under its
// own attempt. An error means that what was not found may be there: ErrCannotAsk, that it may have gone by a route on which
// nobody will ever know.
func (b *Bridge) findHeld(ctx context.Context, it *store.DueItem, a *store.Attempt) (found Found, own bool, err error) {
	pol := b.policy.Load()
	routes := slices.Sorted(maps.Keys(pol.routes))
	if a.Route != "" && !slices.Contains(routes, a.Route) {
		routes = append(routes, a.Route)
	}
	m := it.Message
	acct := pol.accounts[m.Account]
	if m.TemplateCode == "" && acct != nil {
		_, _ = acct.matchJoined(&m) // without a match no node has sent it
	}
	var unasked error
	since := store.FromMillis(min(a.Begun, it.Status.AcceptedAt))
	for _, route := range routes {
		switch err := b.sameRoute(pol, route, since.UnixMilli()); {
		case errors.Is(err, ErrCannotAsk): // it may have gone to what the name stood for before
			unasked = err
		case err != nil:
			return found, own, err
		}
		sent, err := b.cfg.Sender.Sent(ctx, route, m.Phone, since, time.Time{})
		switch {
		case errors.Is(err, ErrCannotAsk):
			if acct == nil || route == a.Route || acct.goesBy(route) {
				unasked = err
			}
		case err != nil:
			return found, own, err
		}
		for i := range sent {
			s := &sent[i]
			switch lost, err := b.store.LostOutID(s.OutID); {
			case err != nil:
				return found, own, err
			case s.OutID == a.OutID:
				own = true
			case !lost || !s.carries(&m):
				continue
			}
			if !found.Final {
				found = s.Found
			}
		}
	}
	if b.overtaken(pol) {
		return Found{}, false, errNotRecorded
	}
	return found, own, unasked
}

// carries reports whether an SMS is of a message's template and has its parameters in its text. Spaces do
// not count: the API may change them.
func (s *SentSMS) carries(m *store.Message) bool {
	if m.TemplateCode == "" || s.Template != m.TemplateCode {
		return false
	}
	var params map[string]string
	if json.Unmarshal([]byte(m.Params), &params) != nil {
		return true
	}
	text := withoutSpaces(s.Content)
	for _, value := range params {
		if !strings.Contains(text, withoutSpaces(value)) {
			return false
		}
	}
	return true
}

func withoutSpaces(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
}

// reportFound makes a report of what a query has found.
func reportFound(it *store.DueItem, a *store.Attempt, found Found) store.DeliveryReport {
	return store.DeliveryReport{
		Number: it.Number, Attempt: a.ID, OutID: a.OutID, Phone: it.Message.Phone,
		Ending: found.Ending, Err: found.Err, Code: found.Code, DoneAt: found.DoneAt.UnixMilli(),
	}
}
