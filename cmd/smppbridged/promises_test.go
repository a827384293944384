package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"smppbridge/bridge/aliyun/aliyunsim"
	"smppbridge/smpp"
	"smppbridge/store"
)

// fault switches one fault of the simulator on.
func (s *system) fault(list ...aliyunsim.Fault) {
	s.t.Helper()
	if err := s.sim.SetFaults(list); err != nil {
		s.t.Fatal(err)
	}
}

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// TestReceiptSpellsTheSameID is the main job: text in, SMS out, receipt back.
func TestReceiptSpellsTheSameID(t *testing.T) {
	s := startSystem(t)
	c := s.bind("test", smpp.Transceiver)
	for _, text := range []string{"private hello @{}", "Grüße, private €", "您的验证码在哪里？"} {
		id := c.mustSubmit("+86 139-1234-5678", text)
		r := c.receipt(id)
		want(t, "stat", r.State, smpp.StateDelivered)
		tlv, _ := r.pdu.TLVs.Get(smpp.TagReceiptedMessageID)
		want(t, "receipted_message_id", strings.TrimRight(tlv, "\x00"), id)
		state, _ := r.pdu.TLVs.Get(smpp.TagMessageState)
		want(t, "message_state", state, "\x02")
		want(t, "esm_class", r.pdu.ESMClass, smpp.ESMClassReceipt)
		// Addresses are swapped, and otherwise as submitted.
		want(t, "source_addr", r.pdu.SourceAddr, "+86 139-1234-5678")
		want(t, "source_addr_ton", r.pdu.SourceAddrTON, byte(1))
		want(t, "destination_addr", r.pdu.DestinationAddr, "10690000")
		want(t, "dest_addr_ton", r.pdu.DestAddrTON, byte(3))
	}
	want(t, "executed", s.executed(phone), 3)
}

// TestAnswerLostIsOneSMS: the API executes a call and drops the answer. The message is not sent
// again, whether its report comes or it has to be asked for (promise 3).
func TestAnswerLostIsOneSMS(t *testing.T) {
	for _, withheld := range []bool{false, true} {
		t.Run(fmt.Sprintf("report withheld %v", withheld), func(t *testing.T) {
			s := startSystem(t)
			faults := []aliyunsim.Fault{{Kind: aliyunsim.FaultDrop, Executed: true}}
			if withheld {
				faults = append(faults, aliyunsim.Fault{Kind: aliyunsim.FaultReportWithhold})
			}
			s.fault(faults...)
			c := s.bind("test", smpp.Transceiver)
			id := c.mustSubmit(phone, "private: once")
			want(t, "stat", c.receipt(id).State, smpp.StateDelivered)
			want(t, "executed", s.executed(phone), 1)
		})
	}
}

// TestNotExecutedIsSentAgain: the connection breaks before the API does anything. A notice is sent
// again after the API said that it does not know the call (promise 3).
func TestNotExecutedIsSentAgain(t *testing.T) {
	s := startSystem(t)
	s.fault(aliyunsim.Fault{Kind: aliyunsim.FaultDrop, Count: 1})
	c := s.bind("test", smpp.Transceiver)
	id := c.mustSubmit(phone, "private: twice tried")
	want(t, "stat", c.receipt(id).State, smpp.StateDelivered)
	want(t, "executed", s.executed(phone), 1)
	w, err := s.bridge.Where(id)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "attempts", w.Tries, 2)
}

// TestUncertainCodeIsReported: a one-time code of which nothing is known is not sent again; its
// ESME is told that its fate is unknown (promise 3).
func TestUncertainCodeIsReported(t *testing.T) {
	s := startSystem(t)
	s.fault(aliyunsim.Fault{Kind: aliyunsim.FaultDrop})
	c := s.bind("otp", smpp.Transceiver)
	id := c.mustSubmit(phone, "您的验证码是471153，5分钟内有效，请勿泄露。")
	r := c.receipt(id)
	want(t, "stat", r.State, smpp.StateUnknown)
	want(t, "err", r.Err, "099")
	w, err := s.bridge.Where(id)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "attempts", w.Tries, 1)
	want(t, "executed", s.executed(phone), 0)
}

// TestSureFailuresAreRetried: what surely was not executed is tried again, also for a one-time code.
func TestSureFailuresAreRetried(t *testing.T) {
	s := startSystem(t)
	s.fault(aliyunsim.Fault{Kind: aliyunsim.FaultThrottle, Count: 2})
	c := s.bind("otp", smpp.Transceiver)
	id := c.mustSubmit(phone, "您的验证码是471153，5分钟内有效，请勿泄露。")
	want(t, "stat", c.receipt(id).State, smpp.StateDelivered)
	want(t, "executed", s.executed(phone), 1)
}

// TestRefusalIsReported: a business error of the API is final and reaches the ESME as a receipt.
func TestRefusalIsReported(t *testing.T) {
	s := startSystem(t)
	s.fault(aliyunsim.Fault{Kind: aliyunsim.FaultBusiness, Code: "isv.BLACK_KEY_CONTROL_LIMIT"})
	c := s.bind("test", smpp.Transceiver)
	r := c.receipt(c.mustSubmit(phone, "private"))
	want(t, "stat", r.State, smpp.StateRejected)
	want(t, "err", r.Err, "043")
}

// TestReceiptWaitsForTheESME: a receipt is kept while its ESME is away, also across a restart, and
// goes to any receiver of the account (promise 4).
func TestReceiptWaitsForTheESME(t *testing.T) {
	s := startSystem(t)
	c := s.bind("test", smpp.Transmitter)
	id := c.mustSubmit(phone, "private")
	c.Close()
	s.eventually("the receipt is queued", func() bool { return s.store.Figures().Outbox == 1 })
	s.restart()
	r := s.bind("test", smpp.Receiver)
	want(t, "stat", r.receipt(id).State, smpp.StateDelivered)
	s.eventually("the outbox is empty", func() bool { return s.store.Figures().Outbox == 0 })
}

// TestUnansweredReceiptIsDeliveredAgain: a receipt counts as delivered when it was answered, not
// when it was written (promise 4).
func TestUnansweredReceiptIsDeliveredAgain(t *testing.T) {
	s := startSystem(t)
	c := s.bind("test", smpp.Transceiver)
	id := c.mustSubmit(phone, "private")
	for {
		if _, p := c.Next(); p.CommandID() == smpp.DeliverSMID {
			break
		}
	}
	c.Close() // without a deliver_sm_resp
	again := s.bind("test", smpp.Receiver)
	want(t, "stat", again.receipt(id).State, smpp.StateDelivered)
}

// TestRefusedReceipt: a temporary refusal is tried again, a permanent one is not.
func TestRefusedReceipt(t *testing.T) {
	s := startSystem(t)
	c := s.bind("test", smpp.Transceiver)
	id := c.mustSubmit(phone, "private")
	refuse := func(st smpp.Status) {
		for {
			if h, p := c.Next(); p.CommandID() == smpp.DeliverSMID {
				c.Respond(h.Sequence, st, &smpp.DeliverSMResp{})
				return
			}
		}
	}
	refuse(smpp.StatusMsgQFul)
	want(t, "stat", c.receipt(id).State, smpp.StateDelivered) // the second time
	second := c.mustSubmit(phone, "private")
	refuse(smpp.StatusInvMsgLen)
	s.eventually("the outbox is empty", func() bool { return s.store.Figures().Outbox == 0 })
	third := c.mustSubmit(phone, "private")
	c.receipt(third)
	for _, r := range c.receipts {
		if r.MessageID == second {
			t.Error("a receipt that was refused for good came again")
		}
	}
}

// TestReceiptAfterResponse: even when the report overtakes the API's answer, no receipt reaches the
// ESME before the submit_sm_resp with its message_id (promise 4). Reports without an OutId, which
// match nothing until the answer is there, are not lost.
func TestReceiptAfterResponse(t *testing.T) {
	for _, kinds := range [][]aliyunsim.FaultKind{
		{aliyunsim.FaultReportEarly},
		{aliyunsim.FaultReportEarly, aliyunsim.FaultReportNoOutID},
		{aliyunsim.FaultReportDuplicate},
	} {
		t.Run(fmt.Sprint(kinds), func(t *testing.T) {
			s := startSystem(t)
			var faults []aliyunsim.Fault
			for _, k := range kinds {
				faults = append(faults, aliyunsim.Fault{Kind: k, DelayMS: 5})
			}
			s.fault(faults...)
			c := s.bind("test", smpp.Transceiver)
			const n = 200
			for i := range n {
				c.Send(&smpp.SubmitSM{SourceAddr: "1069", DestinationAddr: fmt.Sprintf("139%08d", i),
					RegisteredDelivery: smpp.RegisteredDeliveryAlways, ShortMessage: "private"})
			}
			answered := make(map[string]bool)
			for len(c.receipts) < n {
				if _, p := c.take(); p.CommandID() == smpp.SubmitSMRespID {
					answered[p.(*smpp.SubmitSMResp).MessageID] = true
				} else if len(c.receipts) > 0 && !answered[c.receipts[len(c.receipts)-1].MessageID] {
					t.Fatal("a receipt came before its submit_sm_resp")
				}
			}
			seen := make(map[string]bool)
			for _, r := range c.receipts {
				seen[r.MessageID] = true
			}
			want(t, "messages with a receipt", len(seen), n)
		})
	}
}

// TestRateHolds: a burst is accepted, what is above it is throttled, also after a restart (promise 5).
func TestRateHolds(t *testing.T) {
	s := startSystem(t)
	count := func() (ok int) {
		c := s.bind("slow", smpp.Transceiver)
		for range 10 {
			switch st, _ := c.submit(phone, "private"); st {
			case smpp.StatusOK:
				ok++
			case smpp.StatusThrottled:
			default:
				t.Errorf("answered %v, want ESME_ROK or ESME_RTHROTTLED", st)
			}
		}
		c.Close()
		return ok
	}
	want(t, "accepted of ten", count(), 5)
	s.restart()
	want(t, "accepted after a restart", count(), 0)
}

// TestOpenWindowHolds: an account with three open messages is told that its queue is full, until
// one of them is final (promise 5).
func TestOpenWindowHolds(t *testing.T) {
	s := startSystem(t, func(o *options) { o.Paused = true })
	c := s.bind("narrow", smpp.Transceiver)
	var ids []string
	for range 3 {
		ids = append(ids, c.mustSubmit(phone, "private"))
	}
	st, _ := c.submit(phone, "private")
	want(t, "the fourth", st, smpp.StatusMsgQFul)
	s.restart()
	c = s.bind("narrow", smpp.Transceiver)
	st, _ = c.submit(phone, "private")
	want(t, "after a restart", st, smpp.StatusMsgQFul)
	s.bridge.Resume()
	for _, id := range ids {
		c.receipt(id)
	}
	c.mustSubmit(phone, "private")
}

// TestDailyQuotaHolds: also across a restart (promise 5).
func TestDailyQuotaHolds(t *testing.T) {
	s := startSystem(t)
	c := s.bind("quota", smpp.Transceiver)
	for range 4 {
		c.mustSubmit(phone, "private")
	}
	s.restart()
	c = s.bind("quota", smpp.Transceiver)
	st, _ := c.submit(phone, "private")
	want(t, "the fifth", st, smpp.StatusThrottled)
}

// TestPhoneWindowHolds: two one-time codes to one phone are not sent within one clock minute, also
// not by a restarted node; the second waits, and expires if it is not worth waiting (promise 5).
func TestPhoneWindowHolds(t *testing.T) {
	s := startSystem(t)
	awayFromMinuteEdge(t)
	c := s.bind("otp", smpp.Transceiver)
	const text = "您的验证码是471153，5分钟内有效，请勿泄露。"
	want(t, "first", c.receipt(c.mustSubmit(phone, text)).State, smpp.StateDelivered)
	s.restart()
	c = s.bind("otp", smpp.Transceiver)
	id := c.mustSubmit(phone, text, func(m *smpp.SubmitSM) { m.ValidityPeriod = "000000000002000R" }) // 2 s
	want(t, "second", c.receipt(id).State, smpp.StateExpired)
	other := c.mustSubmit("13912345679", text)
	want(t, "another phone", c.receipt(other).State, smpp.StateDelivered)
	want(t, "executed", s.executed(phone), 1)
}

// awayFromMinuteEdge waits until the clock minute has at least ten seconds to go.
func awayFromMinuteEdge(t *testing.T) {
	t.Helper()
	if now := time.Now(); now.Second() >= 50 {
		wait(t, t.Context(), now.Truncate(time.Minute).Add(time.Minute+2*time.Second).Sub(now))
	}
}

// TestExpiredIsNotSent: a message whose validity is over is reported as expired, not sent.
func TestExpiredIsNotSent(t *testing.T) {
	s := startSystem(t, func(o *options) { o.Paused = true })
	c := s.bind("test", smpp.Transceiver)
	id := c.mustSubmit(phone, "private", func(m *smpp.SubmitSM) { m.ValidityPeriod = "000000000001000R" })
	wait(t, t.Context(), 1200*time.Millisecond)
	s.bridge.Resume()
	want(t, "stat", c.receipt(id).State, smpp.StateExpired)
	want(t, "executed", s.executed(phone), 0)
}

// TestNothingAcceptedIsLostByARestart: what was accepted and not sent is sent by the next process.
func TestNothingAcceptedIsLostByARestart(t *testing.T) {
	s := startSystem(t, func(o *options) { o.Paused = true })
	c := s.bind("test", smpp.Transceiver)
	var ids []string
	for range 20 {
		ids = append(ids, c.mustSubmit(phone, "private"))
	}
	s.opts.Paused = false
	s.restart()
	c = s.bind("test", smpp.Receiver)
	for _, id := range ids {
		want(t, "stat", c.receipt(id).State, smpp.StateDelivered)
	}
	want(t, "executed", s.executed(phone), 20)
}

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

// TestTextIsErased: a final message has no text in the store (promise 7).
func TestTextIsErased(t *testing.T) {
	s := startSystem(t)
	c := s.bind("test", smpp.Transceiver)
	id := c.mustSubmit(phone, "private")
	c.receipt(id)
	n, err := store.ParseNumber(id)
	if err != nil {
		t.Fatal(err)
	}
	m, st, err := s.store.Lookup(n)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "state", st.State, store.StateFinal)
	want(t, "text", m.Text, "")
	want(t, "params", m.Params, "")
}

// TestNoReceiptUnlessAsked: registered_delivery decides.
func TestNoReceiptUnlessAsked(t *testing.T) {
	s := startSystem(t)
	c := s.bind("test", smpp.Transceiver)
	ask := func(rd byte) func(*smpp.SubmitSM) {
		return func(m *smpp.SubmitSM) { m.RegisteredDelivery = rd }
	}
	none := c.mustSubmit(phone, "private", ask(smpp.RegisteredDeliveryNone))
	failure := c.mustSubmit(phone, "private", ask(smpp.RegisteredDeliveryFailure))
	success := c.mustSubmit(phone, "private", ask(smpp.RegisteredDeliverySuccess))
	c.receipt(success)
	for _, id := range []string{none, failure} {
		s.eventually("the message is final", func() bool { return s.state(id) == store.StateFinal })
	}
	want(t, "receipts", len(c.receipts), 1)
	s.eventually("no receipt waits", func() bool { return s.store.Figures().Outbox == 0 })
}

// TestDrain: what is in flight is answered, sessions are unbound, and then the node stops.
func TestDrain(t *testing.T) {
	s := startSystem(t)
	c := s.bind("test", smpp.Transceiver)
	const n = 50
	for i := range n {
		c.Send(&smpp.SubmitSM{DestinationAddr: fmt.Sprintf("139%08d", i), ShortMessage: "private"})
	}
	c.Expect(smpp.SubmitSMRespID)
	stopped := make(chan struct{})
	go func() { defer close(stopped); s.stop() }()
	answered := 1
	for {
		h, p := c.take()
		if p.CommandID() == smpp.UnbindID {
			c.Respond(h.Sequence, smpp.StatusOK, &smpp.UnbindResp{})
			break
		}
		if p.CommandID() == smpp.SubmitSMRespID {
			answered++
		}
	}
	<-stopped
	if answered == 0 || answered > n {
		t.Errorf("%d answered", answered)
	}
	s.start()
	if _, err := s.bridge.Where(fmt.Sprintf("%010x", answered)); err != nil {
		t.Errorf("the last message that was answered: %v", err)
	}
	if _, err := s.bridge.Where("00000fffff"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a message that never was: %v, want ErrNotFound", err)
	}
}
