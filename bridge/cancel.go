package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"smppbridge/smpp"
	"smppbridge/store"
)

// The bounds of a cancel_sm.
const (
	cancelTries = 5   // a message that changes between look-up and commit is looked at again
	cancelLooks = 512 // waiting messages looked at in one read of the file
)

// errCodeDeleted is the err of receipts of messages that were cancelled.
const errCodeDeleted = "000"

// cancelSM carries out a cancel_sm (SMPP 3.4, 4.9): of one message_id, or of everything that waits
// between two addresses. Who wins, it or the dispatcher, is decided by the message's revision.
func (b *Bridge) cancelSM(ctx context.Context, account string, c *smpp.CancelSM) error {
	if c.MessageID == "" {
		return b.cancelAll(ctx, account, c)
	}
	named, err := b.own(account, c.MessageID, c.SourceAddr)
	if err != nil {
		return err
	}
	match := b.cancels(account, c)
	var meant []store.Number
	for i := range named.members {
		if m := &named.members[i]; match(&m.Message) {
			meant = append(meant, m.number)
		}
	}
	if len(meant) == 0 {
		return &smpp.StatusError{Status: smpp.StatusInvMsgID, Err: errNoSuchMessage}
	}
	return b.cancel(ctx, meant)
}

// cancels returns what tells a message that c means from one that it does not. Addresses that c leaves
// out match all, but for a cancel_sm without message_id, which cancelAll has checked.
func (b *Bridge) cancels(account string, c *smpp.CancelSM) func(*store.Message) bool {
	phone := c.DestinationAddr
	if a := b.policy.Load().accounts[account]; a != nil {
		if p, err := normalizePhone(c.DestinationAddr, c.DestAddrTON, a.CountryCode); err == nil {
			phone = p
		}
	}
	return func(m *store.Message) bool {
		return (c.ServiceType == "" || c.ServiceType == m.ServiceType) &&
			(c.DestinationAddr == "" || c.DestinationAddr == m.Dest.Addr || phone == m.Phone)
	}
}

// cancelAll cancels what of the account waits between the two addresses, which both must be given
// (SMPP 3.4, 4.9.1); an empty source_addr is one that the messages had too.
func (b *Bridge) cancelAll(ctx context.Context, account string, c *smpp.CancelSM) error {
	if c.DestinationAddr == "" {
		return &smpp.StatusError{Status: smpp.StatusInvDstAdr, Err: errNoSuchMessage}
	}
	match := b.cancels(account, c)
	var meant []store.Number
	var at store.WaitCursor
	for more := true; more; {
		items, next, rest, err := b.store.Waiting(account, at, cancelLooks, func(m *store.Message) bool {
			return m.Source.Addr == c.SourceAddr && match(m)
		})
		if err != nil {
			return fmt.Errorf("look for messages to cancel: %w", err)
		}
		for i := range items {
			meant = append(meant, items[i].Number)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		at, more = next, rest
	}
	if len(meant) == 0 {
		return &smpp.StatusError{Status: smpp.StatusCancelFail, Err: errNoSuchMessage}
	}
	return b.cancel(ctx, meant)
}

// cancel ends messages that wait to be sent. It returns nil when all of them are cancelled, by this call
// or before; what is under way stays so, and the others are cancelled nevertheless. When nobody could tell in time
// whether they are, the state is looked at once more; what still waits then may yet be cancelled.
func (b *Bridge) cancel(ctx context.Context, numbers []store.Number) error {
	var unknown error
	for range cancelTries {
		items, late, err := b.cancelItems(numbers)
		switch {
		case err != nil:
			return err
		case len(items) > 0 && unknown != nil:
			return unknown
		case len(items) == 0 && !late:
			return nil
		case len(items) == 0:
			return errCancelLate()
		}
		var done int
		done, unknown = b.closeItems(ctx, items)
		switch {
		case done == len(items) && late:
			return errCancelLate()
		case done == len(items):
			return nil
		}
		if err := b.inHindsight(ctx); err != nil {
			return errors.Join(unknown, err)
		}
	}
	return errCancelLate()
}

func errCancelLate() error { return &smpp.StatusError{Status: smpp.StatusCancelFail, Err: errUnderWay} }

// closeItems commits the end of messages, and returns for how many it surely took place. It names revisions: what is
// repeated, or comes after a Begin, does nothing.
func (b *Bridge) closeItems(ctx context.Context, items []store.CloseItem) (done int, err error) {
	for chunk := range slices.Chunk(items, beginMost) {
		res, err := b.settle(ctx, &store.Close{Items: chunk})
		if err != nil {
			return done, fmt.Errorf("cancel %d messages: %w", len(chunk), err)
		}
		if r, ok := res.(*store.CloseResult); ok {
			done += r.Applied
		}
	}
	return done, nil
}

// cancelItems says what is to be closed for numbers to be cancelled. Of a part it is the whole of which it is
// one: a text with a hole in it cannot be sent.
func (b *Bridge) cancelItems(numbers []store.Number) (items []store.CloseItem, late bool, err error) {
	seen := make(map[store.Number]bool, len(numbers))
	for _, n := range numbers {
		m, err := b.whole(n)
		if errors.Is(err, store.ErrNotFound) {
			late = true
			continue
		}
		if err != nil {
			return nil, false, err
		}
		switch {
		case seen[m.number], m.status.State == store.StateFinal && m.status.Ending == store.EndDeleted:
		case m.status.Action.Sends() || m.status.Action == store.ActionParts:
			items = append(items, store.CloseItem{
				Number: m.number, Revision: m.status.Revision, Ending: store.EndDeleted, Err: errCodeDeleted})
		default:
			late = true
		}
		seen[m.number] = true
	}
	return items, late, nil
}

// whole returns what stands for message n when it waits: itself, the message its part was joined to, or the
// part that came first of a set that is not complete.
func (b *Bridge) whole(n store.Number) (stored, error) {
	m, err := b.stored(n)
	if err != nil {
		return m, err
	}
	switch m.status.State {
	case store.StateJoined:
		return b.stored(m.status.Whole)
	case store.StatePart:
		first, err := b.store.SetOf(n)
		if err == nil {
			return b.stored(first)
		}
		if m, err = b.stored(n); err == nil && m.status.State == store.StateJoined { // a moment ago
			return b.stored(m.status.Whole)
		}
		return m, err
	}
	return m, nil
}
