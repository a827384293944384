package bridge

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"smppbridge/store"
)

// Where answers "where is my SMS?": what is known of one message, without its text and with its
// number masked.
type Where struct {
	MessageID  string    `json:"message_id"`
	SystemID   string    `json:"system_id"`
	Phone      string    `json:"phone"` // masked
	Class      string    `json:"class,omitempty"`
	Template   string    `json:"template_code,omitempty"`
	State      string    `json:"state"`
	Ending     uint8     `json:"message_state,omitempty"` // SMPP 3.4, 5.2.28
	Err        string    `json:"err,omitempty"`
	Code       string    `json:"code,omitempty"` // what the API said when it became final
	Tries      int       `json:"attempts"`
	OutID      string    `json:"out_id,omitempty"`
	BizID      string    `json:"biz_id,omitempty"`
	Route      string    `json:"route,omitempty"`
	AcceptedAt time.Time `json:"accepted_at"`
	ChangedAt  time.Time `json:"changed_at"`
	DueAt      time.Time `json:"due_at,omitzero"`
	WaitsFor   string    `json:"waits_for,omitempty"` // until DueAt, to be sent: schedule, phone_limit or retry
	ExpiresAt  time.Time `json:"expires_at,omitzero"`
	DoneAt     time.Time `json:"done_at,omitzero"`
	PartOf     string    `json:"part_of,omitempty"` // of a part: the joined message's id
	// AsOf is set when this node could not reach the leader: the message stood so then, and may have moved since.
	AsOf time.Time `json:"as_of,omitzero"`
}

// errOutOfTouch is why a message that is not found may be there all the same.
var errOutOfTouch = errors.New("not known to this node, which cannot reach the leader")

// whereWithin is how long an operator waits for this node to catch up before it says what it knows.
const whereWithin = 2 * time.Second

// Where looks a message up by the message_id its ESME knows, in whatever shape; of two accounts' messages
// that are spelt alike it is the newer one. A part of a long message shows what became of the whole, a
// submit_multi its first destination. store.ErrNotFound: no such message, or it was purged;
// strconv.ErrSyntax: no message_id of any shape. A node that cannot catch up with the leader says what it knows, and as
// of when; what it does not know is another error.
func (b *Bridge) Where(ctx context.Context, messageID string) (Where, error) {
	syncing, cancel := context.WithTimeout(ctx, whereWithin)
	defer cancel()
	behind := b.cluster.Sync(syncing)
	asOf := store.FromMillis(b.store.Clock())
	found, err := b.anyones(messageID)
	switch {
	case behind != nil && errors.Is(err, store.ErrNotFound):
		return Where{}, fmt.Errorf("message_id: %w: %w", errOutOfTouch, behind)
	case err != nil:
		return Where{}, err
	}
	w := b.where(found)
	if behind != nil {
		w.AsOf = asOf
	}
	return w, nil
}

// where says what this node's store knows of a message.
func (b *Bridge) where(found stored) Where {
	n, m, st := found.number, found.Message, found.status
	w := Where{
		MessageID: m.Shape.Spell(n), SystemID: m.Account, Phone: maskNumber(m.Phone),
		State: st.State.String(), Ending: uint8(st.Ending), Err: st.Err,
		AcceptedAt: store.FromMillis(st.AcceptedAt), ChangedAt: store.FromMillis(st.ChangedAt),
		DueAt: optional(st.DueAt), ExpiresAt: optional(m.Expires), DoneAt: optional(st.DoneAt),
	}
	if st.Whole != 0 {
		w.PartOf = st.Whole.String()
		if wm, ws, err := b.store.Lookup(st.Whole); err == nil {
			m, st = wm, ws
		}
	}
	w.WaitsFor = waitsFor(&m, &st, b.clock())
	w.Code = m.Code
	w.Class, w.Template, w.Tries = m.Class, m.TemplateCode, int(st.Tries)
	if st.Attempt != 0 {
		if a, err := b.store.Attempt(st.Attempt); err == nil {
			w.OutID, w.BizID, w.Route = a.OutID, a.BizID, a.Route
		}
	}
	return w
}

// waitsFor says why a message is not to be sent yet: its schedule_delivery_time, what its phone may be sent in a
// minute, hour or day, or the pause after an attempt that was surely not executed. It is empty when the time has come.
func waitsFor(m *store.Message, st *store.Status, now time.Time) string {
	switch {
	case !st.Action.Sends() || st.DueAt <= now.UnixMilli():
		return ""
	case st.State == store.StateRetry:
		return "retry"
	case st.DueAt <= m.SendAt:
		return "schedule"
	default: // nothing else puts off a message that was never tried
		return "phone_limit"
	}
}

// anyones finds a message by its message_id alone.
func (b *Bridge) anyones(messageID string) (newest stored, err error) {
	latest, spelling := b.store.LastNumber(), false
	for _, shape := range allShapes {
		n, err := shape.Parse(messageID, latest)
		if err != nil {
			continue
		}
		spelling = true
		m, err := b.stored(n)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return stored{}, fmt.Errorf("message_id: %w", err)
		}
		if err == nil && m.Shape == shape && m.number > newest.number {
			newest = m
		}
	}
	if !spelling {
		return stored{}, fmt.Errorf("message_id of %d characters: %w", len(messageID), strconv.ErrSyntax)
	}
	if newest.number == 0 {
		return stored{}, fmt.Errorf("message_id: %w", store.ErrNotFound)
	}
	return newest, nil
}

func optional(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return store.FromMillis(ms)
}

// maskNumber keeps the first three and the last four digits of a number that is long enough for
// that to hide something.
func maskNumber(s string) string {
	if len(s) < 10 {
		return "****"
	}
	return s[:3] + "****" + s[len(s)-4:]
}

// Pause stops sending; messages are accepted and kept. Resume starts it again.
func (b *Bridge) Pause() { b.paused.Store(true) }

// Resume ends Pause.
func (b *Bridge) Resume() { b.paused.Store(false) }

// Paused reports whether sending is stopped.
func (b *Bridge) Paused() bool { return b.paused.Load() }
