package main

import (
	"fmt"
	"testing"

	"smppbridge/smpp"
)

// receiverCases are ESMEs that do not take their receipts as they should. The receipts are theirs, and nobody
// else waits for them.
func receiverCases() []hostileCase {
	respond := func(name string, n int, f func(seq uint32, k int) []byte) hostileCase {
		return hostileCase{name, misrespond(n, f)}
	}
	resp := func(st smpp.Status, seq uint32) []byte { return smpp.Append(nil, st, seq, &smpp.DeliverSMResp{}) }
	return []hostileCase{
		respond("deliver_sm answered twice", 20, func(seq uint32, _ int) []byte { return repeat(2, resp(0, seq)) }),
		respond("deliver_sm answered a hundred times", 5, func(seq uint32, _ int) []byte { return repeat(100, resp(0, seq)) }),
		respond("wrong sequence_numbers first", 20, func(seq uint32, k int) []byte {
			return join(resp(0, seq+1000), resp(0, 0), resp(0, uint32(k)), resp(0, seq))
		}),
		respond("answers to another operation first", 20, func(seq uint32, _ int) []byte {
			return join(smpp.AppendHeader(nil, smpp.SubmitSMRespID, 0, seq), smpp.AppendHeader(nil, smpp.EnquireLinkRespID, 0, seq), resp(0, seq))
		}),
		respond("a deliver_sm_resp of 64 KiB", 5, func(seq uint32, _ int) []byte {
			return withBody(smpp.DeliverSMRespID, seq, string(repeat(64<<10, []byte("x"))))
		}),
		respond("errors for good", 30, func(seq uint32, k int) []byte { return resp(smpp.Status(0x400+k), seq) }),
		respond("generic_nack", 20, func(seq uint32, _ int) []byte { return smpp.AppendHeader(nil, smpp.GenericNackID, 0, seq) }),
		respond("errors that ask for another try", 20, func(seq uint32, k int) []byte {
			return resp([]smpp.Status{smpp.StatusThrottled, smpp.StatusSysErr, smpp.StatusMsgQFul, smpp.StatusXTAppn}[k%4], seq)
		}),
		{"deliver_sm never answered", neverAnswers},
		{"gone with its receipts unanswered", goneUnanswered},
	}
}

// misrespond submits n messages that ask for receipts and answers n receipts in a wrong way. The session stays.
func misrespond(n int, f func(seq uint32, k int) []byte) func(*testing.T, *hostile) {
	return func(t *testing.T, h *hostile) {
		a := h.attackAs(t, "victim", smpp.Transceiver)
		if err := a.submitForReceipts(n); err != nil {
			t.Fatal(err)
		}
		err := a.receipts(n, n, func(seq uint32, k int) error { return a.raw(f(seq, k)) })
		if err == nil {
			err = a.stays()
		}
		if err != nil {
			t.Error(err)
		}
	}
}

func (a *attacker) submitForReceipts(n int) error {
	var b []byte
	for i := range n {
		b = smpp.Append(b, 0, uint32(i+1), good(func(m *smpp.SubmitSM) {
			m.DestinationAddr, m.RegisteredDelivery = fmt.Sprintf("134%08d", i), smpp.RegisteredDeliveryAlways
		}))
	}
	return a.raw(b)
}

// receipts reads until n deliver_sm and as many submit_sm_resp as there are submits have come, and has do do
// something about each deliver_sm.
func (a *attacker) receipts(n, submits int, do func(seq uint32, k int) error) error {
	for k, answers := 0, 0; k < n || answers < submits; {
		if err := a.extend(); err != nil {
			return err
		}
		h, _, err := a.r.Next()
		if err != nil {
			return fmt.Errorf("after %d of %d receipts: %w", k, n, err)
		}
		switch h.ID {
		case smpp.DeliverSMID:
			if err := do(h.Sequence, k); err != nil {
				return err
			}
			k++
		case smpp.EnquireLinkID:
			if err := a.send(h.Sequence, &smpp.EnquireLinkResp{}); err != nil {
				return err
			}
		case smpp.SubmitSMRespID:
			answers++
		}
	}
	return nil
}

// neverAnswers: the receipts stay, the session too as long as it answers enquire_link, and another bind of the
// account gets them once it is gone.
func neverAnswers(t *testing.T, h *hostile) {
	a := h.attackAs(t, "lazy", smpp.Transceiver)
	const n = 30
	if err := a.submitForReceipts(n); err != nil {
		t.Fatal(err)
	}
	if err := a.receipts(n, n, func(uint32, int) error { return nil }); err != nil {
		t.Error(err)
	}
	a.Close()
	b := h.attackAs(t, "lazy", smpp.Receiver)
	if err := b.receipts(n, 0, func(seq uint32, _ int) error {
		return b.raw(smpp.Append(nil, 0, seq, &smpp.DeliverSMResp{}))
	}); err != nil {
		t.Errorf("the next bind: %v", err)
	}
}

// goneUnanswered: a hundred sessions that break off with receipts under way.
func goneUnanswered(t *testing.T, h *hostile) {
	err := atOnce(20, func(int) error {
		a, err := dialFrom(h.source(), h.addr)
		if err != nil {
			return err
		}
		defer a.reset()
		if err := a.bind("victim", smpp.Transceiver); err != nil {
			return err
		}
		if err := a.submitForReceipts(5); err != nil {
			return err
		}
		return a.receipts(1, 0, func(uint32, int) error { return nil })
	})
	if err != nil {
		t.Error(err)
	}
}
