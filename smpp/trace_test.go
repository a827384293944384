package smpp_test

import (
	"bytes"
	"sync"
	"testing"
	"testing/synctest"

	"smppbridge/smpp"
	"smppbridge/smpp/smpptest"
)

// recorder keeps the octets of each direction.
type recorder struct {
	mu             sync.Mutex
	sent, received []byte // guarded by mu
}

func (r *recorder) PDU(_ *smpp.Session, sent bool, pdu []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if sent {
		r.sent = append(r.sent, pdu...)
	} else {
		r.received = append(r.received, pdu...)
	}
}

// TestTracerSeesEveryOctet compares what a tracer is shown with what the ESME sent and got,
// and that a tracer taken away is shown nothing more.
func TestTracerSeesEveryOctet(t *testing.T) {
	inMemory(t, smpp.Config{Congestion: func() int { return 50 }}, func(t *testing.T, srv *smpp.Server, b *backend, dial func() *smpptest.ESME) {
		tracer := new(recorder)
		srv.SetTracer(tracer)
		e := dial()
		var wrote, read []byte
		say := func(p smpp.PDU, answers int) {
			octets := smpp.Append(nil, smpp.StatusOK, 0x10000000, p)
			wrote = append(wrote, octets...)
			e.SendRaw(octets)
			for range answers {
				h, pdu := e.Next()
				if h.Length == smpp.HeaderLen {
					read = smpp.AppendHeader(read, h.ID, h.Status, h.Sequence)
				} else {
					read = smpp.Append(read, h.Status, h.Sequence, pdu)
				}
			}
		}
		say(&smpp.Bind{Type: smpp.Transceiver, SystemID: "eager", Password: "secret", InterfaceVersion: 0x50}, 2)
		say(&smpp.DeliverSMResp{}, 0)
		say(hello, 1)
		say(&smpp.SubmitMulti{Destinations: []smpp.Destination{{Addr: "86"}, {Addr: "full"}}}, 1)
		say(&smpp.SubmitMulti{}, 1)
		say(&smpp.DataSM{DestinationAddr: "86"}, 1)
		say(&smpp.QuerySM{MessageID: "00000003"}, 1)
		say(&smpp.CancelSM{MessageID: "1"}, 1)
		say(&smpp.ReplaceSM{MessageID: "00000003"}, 1)
		say(&smpp.DeliverSM{}, 1)
		say(&smpp.Outbind{}, 1)
		say(&smpp.EnquireLink{}, 1)
		srv.SetTracer(nil)
		e.Send(hello)
		e.Expect(smpp.SubmitSMRespID)
		synctest.Wait()
		tracer.mu.Lock()
		defer tracer.mu.Unlock()
		if !bytes.Equal(tracer.received, wrote) {
			t.Errorf("received:\n got %x\nwant %x", tracer.received, wrote)
		}
		if !bytes.Equal(tracer.sent, read) {
			t.Errorf("sent:\n got %x\nwant %x", tracer.sent, read)
		}
	})
}
