package bridge

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// fickle is an API of which each message has its own luck: how long the answer takes, what it is, and when
// the report comes.
type fickle struct {
	r       *rig
	retries bool // some calls are surely not executed
	mu      sync.Mutex
	*rand.Rand
}

func (f *fickle) roll(n int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.IntN(n)
}

func (f *fickle) send(c Call) Answer {
	time.Sleep(time.Duration(f.roll(7000)) * time.Millisecond) // of fake time; ack_within is 5 s
	if f.roll(3) == 0 {                                        // reported before the answer, and whatever that is
		f.report(c.OutID)
	}
	switch f.roll(4) {
	case 0:
		return Answer{Kind: store.OutcomeRejected, Ending: store.EndRejected, Err: "033"}
	case 1:
		if !f.retries {
			break
		}
		return Answer{Kind: store.OutcomeRetry, After: time.Duration(f.roll(2000)) * time.Millisecond}
	case 2:
		return Answer{Kind: store.OutcomeUncertain}
	}
	out := c.OutID
	time.AfterFunc(time.Duration(1+f.roll(3000))*time.Millisecond, func() { f.report(out) })
	return Answer{Kind: store.OutcomeAccepted, BizID: "biz^" + out}
}

func (f *fickle) report(outID string) {
	end, err := store.EndDelivered, "000"
	if f.roll(2) == 0 {
		end, err = store.EndUndeliverable, "101"
	}
	in := []IncomingReport{{OutID: outID, Ending: end, Err: err, DoneAt: f.r.node.now()}}
	if err := f.r.Report(f.r.t.Context(), in); err != nil {
		f.r.t.Errorf("report: %v", err)
	}
}

// TestAckOrReceipt: whatever the API does and when, each submit has one answer. Behind ESME_ROK comes a receipt, and
// not before it; behind an error none. The node's clock is ahead of the state's, or behind.
func TestAckOrReceipt(t *testing.T) {
	for _, ahead := range []time.Duration{-1200 * time.Millisecond, 0, 1200 * time.Millisecond} {
		t.Run(fmt.Sprint("ahead ", ahead), func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				seed := rand.Uint64()
				t.Logf("seed %d", seed)
				// The leader of a cluster has the clock that the state goes by. This one would begin a retry early, again and again.
				r.api.send = (&fickle{r: r, retries: ahead <= 0, Rand: rand.New(rand.NewPCG(seed, 0))}).send
				r.api.find = func(string) (Found, error) {
					return Found{Known: true, Final: true, Ending: store.EndUnknown, Err: "099"}, nil
				}
				const n = 100
				e := r.bind("acked", smpp.Transceiver)
				go func() { // ends when all are written: ackOrReceipt reads
					for i := range n {
						time.Sleep(time.Duration(i%4*100) * time.Millisecond) // of fake time
						m := submitSM(fmt.Sprintf("hello %d", i))
						m.RegisteredDelivery = smpp.RegisteredDeliveryAlways
						if _, err := e.Conn().Write(smpp.Append(nil, smpp.StatusOK, uint32(i+10), m)); err != nil {
							t.Errorf("submit: %v", err)
							return
						}
					}
				}()
				ackOrReceipt(t, e, n)
				if got := r.waiting(); got != 0 {
					t.Errorf("%d receipts wait, want 0", got)
				}
			}, statusOf033, func(c *Config) {
				now := c.Now
				c.Now = func() time.Time { return now().Add(ahead) }
			})
		})
	}
}

// ackOrReceipt reads n answers and the receipts behind them, for some minutes.
func ackOrReceipt(t *testing.T, e *esme, n int) {
	t.Helper()
	answered, receipts, refused := make(map[string]bool), make(map[string]int), 0
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); {
		h, p := e.Next()
		switch p := p.(type) {
		case *smpp.SubmitSMResp:
			if h.Status != smpp.StatusOK {
				refused++
			} else {
				answered[p.MessageID] = true
			}
		case *smpp.DeliverSM:
			rcpt, err := smpp.ParseReceipt(p.ShortMessage, time.UTC)
			if err != nil {
				t.Fatal(err)
			}
			if receipts[rcpt.MessageID]++; !answered[rcpt.MessageID] {
				t.Errorf("receipt of %s before its submit_sm_resp", rcpt.MessageID)
			}
			e.Respond(h.Sequence, smpp.StatusOK, &smpp.DeliverSMResp{})
		case *smpp.EnquireLink:
			e.Respond(h.Sequence, smpp.StatusOK, &smpp.EnquireLinkResp{})
		}
	}
	if len(answered)+refused != n || refused == 0 || refused == n {
		t.Errorf("%d answered with ESME_ROK, %d with an error, want %d in all and some of both", len(answered), refused, n)
	}
	for id := range answered {
		if receipts[id] != 1 {
			t.Errorf("%d receipts of %s, want 1", receipts[id], id)
		}
	}
	if len(receipts) != len(answered) {
		t.Errorf("receipts of %d messages, want %d", len(receipts), len(answered))
	}
}
