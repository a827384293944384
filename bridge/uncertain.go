package bridge

import (
	"context"
	"fmt"
	"time"

	"smppbridge/store"
)

// An Uncertain is a message of which nobody knows whether it was sent, without its text and with its number masked.
type Uncertain struct {
	MessageID string    `json:"message_id"`
	SystemID  string    `json:"system_id"`
	Phone     string    `json:"phone"` // masked
	Class     string    `json:"class,omitempty"`
	Template  string    `json:"template_code,omitempty"`
	Route     string    `json:"route,omitempty"` // of the call; none after a recovery, when the call is not known
	OutID     string    `json:"out_id"`
	Messages  int       `json:"messages"` // of that call
	Since     time.Time `json:"since"`    // when it was begun
	AskAt     time.Time `json:"ask_at"`   // when the API is asked about it next
	Then      string    `json:"then"`     // what its class says if nothing is found out: report or resend
	Number    uint64    `json:"number"`   // by which the next ones are asked for
}

// Uncertain lists the messages of which nobody knows whether they were sent, in the order in which they were accepted, limit at
// most behind a number; total says how many there are. A node that
// cannot catch up with the leader does not guess.
func (b *Bridge) Uncertain(ctx context.Context, after uint64, limit int) (list []Uncertain, total int, err error) {
	syncing, cancel := context.WithTimeout(ctx, whereWithin)
	defer cancel()
	if err := b.cluster.Sync(syncing); err != nil {
		return nil, 0, fmt.Errorf("%w: %w", errOutOfTouch, err)
	}
	found, err := b.store.Unresolved(store.Number(after), limit)
	if err != nil {
		return nil, 0, err
	}
	pol := b.policy.Load()
	list = make([]Uncertain, len(found))
	for i := range found {
		u := &found[i]
		m := &u.Message
		list[i] = Uncertain{
			MessageID: m.Shape.Spell(u.Number), SystemID: m.Account, Phone: maskNumber(m.Phone), Class: m.Class, Template: m.TemplateCode,
			Route: u.Route, OutID: u.OutID, Messages: u.Members, Since: store.FromMillis(u.Since).UTC(), AskAt: store.FromMillis(u.DueAt).UTC(),
			Then: pol.classOf(&u.DueItem).OnUncertain, Number: uint64(u.Number),
		}
	}
	return list, int(b.store.Figures().Messages[store.StateUncertain]), nil
}
