package bridge

import (
	"testing"

	"smppbridge/smpp"
)

// TestReceiptsFlowBesideSubmits: an ESME that submits as fast as its window lets it gets its waiting receipts all the
// same, over the same session: one for some submits, not when it pauses.
func TestReceiptsFlowBesideSubmits(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		const receipts, most = 300, 6000 // submits answered before all receipts have come
		r.reported("any", receipts)
		r.paused.Store(true)
		e := r.bind("any", smpp.Transceiver)
		next := make(chan []byte, 4*receipts)
		written := make(chan struct{})
		go func() { // ends when next is closed
			defer close(written)
			for b := range next {
				if _, err := e.Conn().Write(b); err != nil {
					t.Errorf("write: %v", err)
					return
				}
			}
		}()
		defer func() {
			close(next)
			go func() { // ends with the connection: nothing may be held up by what is not read
				frames := smpp.NewReader(e.Conn(), smpp.MaxPDU)
				for {
					if _, _, err := frames.Next(); err != nil {
						return
					}
				}
			}()
			<-written
		}()
		seq := uint32(48000) // the log has no 4711, which is another test's code
		submit := func() {
			seq++
			next <- smpp.Append(nil, smpp.StatusOK, seq, submitSM("hello"))
		}
		for range 200 { // unanswered at any time
			submit()
		}
		got, answered := 0, 0
		for got < receipts {
			h, _ := e.Next()
			switch h.ID {
			case smpp.SubmitSMRespID:
				if answered++; answered > most {
					t.Fatalf("%d submits were answered beside %d of %d receipts", answered, got, receipts)
				}
				submit()
			case smpp.DeliverSMID:
				got++
				next <- smpp.Append(nil, smpp.StatusOK, h.Sequence, &smpp.DeliverSMResp{})
			}
		}
	})
}
