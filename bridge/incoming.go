package bridge

import (
	"context"
	"errors"
	"time"
)

// An IncomingMessage is a text that a phone has sent to one of our numbers (MO, SmsUp), as a source has it.
type IncomingMessage struct {
	Phone    string    // who sent it, as the source spells it
	DestCode string    // the number that it was sent to, extension included
	SignName string    // of the SMS that it answers, where the source says so
	Text     string    // the whole text; not for logs
	SentAt   time.Time // by the source; zero = it does not say
	ID       string    // the source's own (sequence_id); "" = none
}

// An Inbox takes incoming messages. *Bridge implements it.
type Inbox interface {
	// Incoming returns once the messages are committed, or surely are nobody's. An error means that they may not be: the source
	// must offer all of them again, and those that were committed are recognised.
	Incoming(ctx context.Context, messages []IncomingMessage) error
}

// A Sink takes all that sources bring: delivery reports and incoming messages. *Bridge implements it.
type Sink interface {
	Reporter
	Inbox
}

var errNoInbox = errors.New("the state does not take incoming messages yet")

// Incoming commits incoming messages to the outboxes of the accounts that own them. It implements Inbox.
func (b *Bridge) Incoming(_ context.Context, messages []IncomingMessage) error {
	if len(messages) == 0 {
		return nil
	}
	return errNoInbox
}
