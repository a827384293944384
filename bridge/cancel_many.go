package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"smppbridge/store"
)

// A Selection says which of the messages that wait to be sent, or for their parts, are meant. What is empty means all.
type Selection struct {
	Account  string    `json:"account"` // must be named
	Template string    `json:"template,omitempty"`
	Route    string    `json:"route,omitempty"` // those that have no other way
	Class    string    `json:"class,omitempty"`
	Before   time.Time `json:"before,omitzero"` // accepted before it; zero = now
}

// A Cancelled says what became of the messages that a Selection means.
type Cancelled struct {
	Before    time.Time `json:"before"`    // what the Selection's was, or became
	Messages  int       `json:"messages"`  // that were meant; a long message in parts is one
	Cancelled int       `json:"cancelled"` // of them; the others were on their way when it was their turn
}

// ErrBadSelection is wrapped by errors about a Selection that is about nothing: it names no account.
var ErrBadSelection = errors.New("not a selection of messages")

// CancelMany ends the messages that a Selection means, as a cancel_sm does: their ESME gets receipts if it has asked for
// some. With dry it only counts them. Who wins, it or the dispatcher, is decided message by message by the revision. An
// error comes with what was done before it; what is repeated goes on.
func (b *Bridge) CancelMany(ctx context.Context, s Selection, dry bool) (Cancelled, error) {
	match, err := b.selects(&s)
	if err != nil {
		return Cancelled{}, err
	}
	done := Cancelled{Before: s.Before}
	for try := range cancelTries { // what was on its way a moment ago may wait again
		meant, closed, err := b.cancelPass(ctx, s.Account, match, dry)
		if try == 0 {
			done.Messages = meant
		}
		done.Cancelled += closed
		if err != nil || dry || closed == meant {
			return done, err
		}
	}
	return done, nil
}

// cancelPass goes once over all that waits of an account. meant is how many match, closed how many it has ended.
func (b *Bridge) cancelPass(ctx context.Context, account string, match func(*store.DueItem) bool, dry bool) (meant, closed int, err error) {
	var at store.WaitCursor
	all := func(*store.Message) bool { return true }
	for more := true; more; {
		items, next, rest, err := b.store.Waiting(account, at, cancelLooks, all)
		if err != nil {
			return meant, closed, fmt.Errorf("look for messages to cancel: %w", err)
		}
		var closing []store.CloseItem
		for i := range items {
			if match(&items[i]) {
				closing = append(closing, store.CloseItem{
					Number: items[i].Number, Revision: items[i].Status.Revision, Ending: store.EndDeleted, Err: errCodeDeleted})
			}
		}
		meant += len(closing)
		if !dry {
			n, err := b.closeItems(ctx, closing)
			closed += n
			if err != nil {
				return meant, closed, err
			}
		}
		if ctx.Err() != nil {
			return meant, closed, ctx.Err()
		}
		at, more = next, rest
	}
	return meant, closed, nil
}

// selects returns what tells the messages that s means, and gives s its default.
func (b *Bridge) selects(s *Selection) (func(*store.DueItem) bool, error) {
	pol := b.policy.Load()
	switch {
	case s.Account == "":
		return nil, fmt.Errorf("no account: %w", ErrBadSelection)
	case s.Template != "" && pol.templates[s.Template] == nil:
		return nil, fmt.Errorf("template %q: %w", s.Template, ErrUnknownName)
	case s.Route != "" && pol.routes[s.Route] == nil:
		return nil, fmt.Errorf("route %q: %w", s.Route, ErrUnknownName)
	}
	if _, ok := pol.classes[s.Class]; s.Class != "" && !ok {
		return nil, fmt.Errorf("class %q: %w", s.Class, ErrUnknownName)
	}
	// The policy may have the account no more, and its messages wait all the same.
	if pol.accounts[s.Account] == nil && b.waiting(s.Account) == 0 {
		return nil, fmt.Errorf("account %q: %w", s.Account, ErrUnknownName)
	}
	now := b.clock()
	if s.Before.IsZero() || s.Before.After(now) {
		s.Before = now // what comes while it goes on is not meant
	}
	before := s.Before.UnixMilli()
	return func(it *store.DueItem) bool {
		return it.Status.AcceptedAt <= before && pol.selected(s, it)
	}, nil
}

// selected reports whether s means a message, whenever it was accepted. A part of a long message has neither template nor class
// yet.
func (p *policy) selected(s *Selection, it *store.DueItem) bool {
	if s.Template == "" && s.Class == "" && s.Route == "" {
		return true
	}
	if it.Status.Action == store.ActionParts {
		return false
	}
	planned, err := plan(p, it)
	if err != nil { // the dispatcher ends it
		return false
	}
	return (s.Template == "" || s.Template == planned.template.Code) &&
		(s.Class == "" || s.Class == planned.template.Class) &&
		(s.Route == "" || planned.ways.only(s.Route))
}

// only reports whether there is no other way than the route of that name.
func (w ways) only(name string) bool {
	n := 0
	for r := range w.each() {
		if r.Name != name {
			return false
		}
		n++
	}
	return n > 0
}
