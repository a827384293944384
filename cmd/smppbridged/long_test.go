package main

import (
	"testing"

	"smppbridge/smpp"
)

// TestLongMessage: parts that come over two binds are sent as one, and each gets its receipt.
func TestLongMessage(t *testing.T) {
	s := startSystem(t)
	a, b := s.bind("test", smpp.Transceiver), s.bind("test", smpp.Transmitter)
	part := func(c *client, seq byte, text string) string {
		octets, err := smpp.EncodeText(smpp.DataCodingUCS2, smpp.AlphabetGSM7, text)
		if err != nil {
			t.Fatal(err)
		}
		return c.mustSubmit(phone, "", func(m *smpp.SubmitSM) {
			m.DataCoding, m.ESMClass = smpp.DataCodingUCS2, smpp.ESMClassUDHI
			m.ShortMessage = string(smpp.Concat{Ref: 77, Total: 3, Seq: seq}.AppendUDH(nil)) + octets
		})
	}
	ids := []string{part(b, 3, "三。"), part(a, 1, "private 一，"), part(b, 2, "二，")}
	for _, id := range ids {
		want(t, "stat", a.receipt(id).State, smpp.StateDelivered)
	}
	list := s.sim.Ledger()
	if len(list) != 1 || list[0].Params != `{"content":"private 一，二，三。"}` {
		t.Errorf("the API was called %d times, or not with the whole text", len(list))
	}
}

// TestIncompleteLongMessage: parts whose others never come expire, each with its receipt.
func TestIncompleteLongMessage(t *testing.T) {
	s := startSystem(t)
	c := s.bind("test", smpp.Transceiver)
	var ids []string
	for _, seq := range []byte{1, 3} {
		ids = append(ids, c.mustSubmit(phone, "", func(m *smpp.SubmitSM) {
			m.ESMClass, m.ValidityPeriod = smpp.ESMClassUDHI, "000000000001000R"
			m.ShortMessage = string(smpp.Concat{Ref: 78, Total: 3, Seq: seq}.AppendUDH(nil)) + "private"
		}))
	}
	for _, id := range ids {
		want(t, "stat", c.receipt(id).State, smpp.StateExpired)
	}
	want(t, "executed", s.executed(phone), 0)
}

// TestUnreadableLongMessage: a long message that no template matches once it is whole is rejected.
func TestUnreadableLongMessage(t *testing.T) {
	s := startSystem(t)
	c := s.bind("otp", smpp.Transceiver)
	var ids []string
	for _, seq := range []byte{1, 2} {
		ids = append(ids, c.mustSubmit(phone, "", func(m *smpp.SubmitSM) {
			m.ESMClass = smpp.ESMClassUDHI
			m.ShortMessage = string(smpp.Concat{Ref: 79, Total: 2, Seq: seq}.AppendUDH(nil)) + "private"
		}))
	}
	for _, id := range ids {
		want(t, "stat", c.receipt(id).State, smpp.StateRejected)
	}
}
