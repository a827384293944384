package bridge

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// A listener is an ESME, bound as a receiver, that reads by itself and notes the deliver_sm that it gets.
type listener struct {
	conn net.Conn

	mu     sync.Mutex
	answer func(id string) (smpp.Status, bool) // guarded by mu; false: no answer
	got    []heard                             // guarded by mu
}

type heard struct {
	id string
	at time.Time
}

// listen binds an ESME that answers every enquire_link, and each deliver_sm as answer says, until its
// connection ends.
func (r *rig) listen(account string, answer func(id string) (smpp.Status, bool)) *listener {
	r.t.Helper()
	conn, err := r.listener.Dial()
	if err != nil {
		r.t.Fatal(err)
	}
	l := &listener{conn: conn, answer: answer}
	bind := &smpp.Bind{Type: smpp.Receiver, SystemID: account, Password: rigPassword, InterfaceVersion: 0x34}
	if _, err := conn.Write(smpp.Append(nil, smpp.StatusOK, 1, bind)); err != nil {
		r.t.Fatal(err)
	}
	frames := smpp.NewReader(conn, smpp.MaxPDU)
	if h, _, err := frames.Next(); err != nil || h.Status != smpp.StatusOK {
		r.t.Fatalf("bind answered %v, %v", h.Status, err)
	}
	go func() { // ends with the connection, at the latest when the server stops
		for {
			h, body, err := frames.Next()
			if err != nil {
				return
			}
			if out := l.take(h, body); out != nil {
				if _, err := conn.Write(out); err != nil {
					return
				}
			}
		}
	}()
	return l
}

// take returns the answer to a PDU.
func (l *listener) take(h smpp.Header, body []byte) []byte {
	switch h.ID {
	case smpp.EnquireLinkID:
		return smpp.Append(nil, smpp.StatusOK, h.Sequence, &smpp.EnquireLinkResp{})
	case smpp.DeliverSMID:
		var m smpp.DeliverSM
		if m.Decode(body) != nil {
			return nil
		}
		r, err := smpp.ParseReceipt(m.ShortMessage, time.UTC)
		if err != nil {
			return nil
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.got = append(l.got, heard{r.MessageID, time.Now()})
		if st, ok := l.answer(r.MessageID); ok {
			return smpp.Append(nil, st, h.Sequence, &smpp.DeliverSMResp{})
		}
	}
	return nil
}

func (l *listener) now(answer func(id string) (smpp.Status, bool)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer = answer
}

// since is what came after a time.
func (l *listener) since(from time.Time) (ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range l.got {
		if g.at.After(from) {
			ids = append(ids, g.id)
		}
	}
	return ids
}

func (l *listener) all() []string { return l.since(time.Time{}) }

func takes(string) (smpp.Status, bool)  { return smpp.StatusOK, true }
func silent(string) (smpp.Status, bool) { return 0, false }

// reported submits n texts over a transmitter of the account and has them reported as delivered.
func (r *rig) reported(account string, n int) {
	r.t.Helper()
	e := r.bind(account, smpp.Transmitter)
	for i := range n {
		e.delivered(fmt.Sprintf("hello %d", i))
	}
	e.Close()
	pass(100 * time.Millisecond)
}

// TestSilentReceiverIsServedLast: a receiver that let some deliver_sm time out gets none while another one has
// room; every receipt is answered in the end, and none is delivered twice to who answers (promise 4).
func TestSilentReceiverIsServedLast(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		stuck := r.listen("any", silent)
		good := r.listen("any", takes)
		r.reported("any", 10)
		pass(30 * time.Second)
		if got := len(stuck.all()); got < silentMost || got > 6 {
			t.Errorf("the silent receiver got %d of the first 10, want its turns", got)
		}
		later := time.Now()
		r.reported("any", 30)
		pass(30 * time.Second)
		if got := stuck.since(later); len(got) != 0 {
			t.Errorf("the silent receiver got %d more", len(got))
		}
		once(t, good.all(), 40)
		if got := r.waiting(); got != 0 {
			t.Errorf("%d receipts wait, want 0", got)
		}
	})
}

// once checks that ids are those of the first n messages, each once.
func once(t *testing.T, ids []string, n int) {
	t.Helper()
	seen := make(map[string]int)
	for _, id := range ids {
		seen[id]++
	}
	for i := 1; i <= n; i++ {
		if id := store.Number(i).String(); seen[id] != 1 {
			t.Errorf("%d receipts of %s, want 1", seen[id], id)
		}
	}
	if len(ids) != n {
		t.Errorf("%d receipts, want %d", len(ids), n)
	}
}

// TestSilentReceiverIsProbed: the only receiver does not answer. It gets one deliver_sm at a time, never in a hot
// loop, and everything at once when it answers again (promise 4).
func TestSilentReceiverIsProbed(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		const n = 50
		r.reported("any", n)
		only := r.listen("any", silent)
		pass(time.Minute) // all are tried once, and time out
		for minute := range 10 {
			from := time.Now()
			pass(time.Minute)
			if got := len(only.since(from)); got < 1 || got > 7 {
				t.Errorf("minute %d: %d deliver_sm, want one each response time-out", minute, got)
			}
		}
		if got := r.waiting(); got != n {
			t.Fatalf("%d receipts wait, want %d", got, n)
		}
		only.now(takes)
		from := time.Now()
		pass(6 * time.Minute) // the longest back-off
		once(t, only.since(from), n)
		if got := r.waiting(); got != 0 {
			t.Errorf("%d receipts wait, want 0", got)
		}
	})
}

// TestTemporaryRefusalsBackOff: an ESME that refuses everything for now is tried ever more rarely, and gets
// everything when it takes it (promise 4).
func TestTemporaryRefusalsBackOff(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		const n = 20
		r.reported("any", n)
		full := r.listen("any", func(string) (smpp.Status, bool) { return smpp.StatusMsgQFul, true })
		from := time.Now()
		pass(time.Minute)
		if got := len(full.since(from)); got < 4*n || got > 7*n {
			t.Errorf("%d tries of %d receipts in the first minute, want 6 or so of each", got, n)
		}
		pass(10 * time.Minute)
		from = time.Now()
		pass(10 * time.Minute)
		if got := len(full.since(from)); got < n || got > 3*n {
			t.Errorf("%d tries of %d receipts in 10 minutes, want one each 5 minutes", got, n)
		}
		full.now(takes)
		pass(6 * time.Minute)
		if got := r.waiting(); got != 0 {
			t.Errorf("%d receipts wait, want 0", got)
		}
	})
}

// TestLostReceiptsKeepTheirOrder: what a session had not answered when it ended goes to the next one at once, and in
// order.
func TestLostReceiptsKeepTheirOrder(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		const n = 30
		r.reported("any", n)
		lost := r.listen("any", silent)
		pass(time.Second)
		if got := len(lost.all()); got != n {
			t.Fatalf("%d deliver_sm to the first receiver, want %d", got, n)
		}
		lost.conn.Close()
		pass(100 * time.Millisecond)
		next := r.listen("any", takes)
		pass(100 * time.Millisecond)
		got := next.all()
		once(t, got, n)
		for i := 1; i < len(got); i++ {
			if got[i-1] > got[i] {
				t.Errorf("receipt of %s before that of %s", got[i-1], got[i])
			}
		}
	})
}
