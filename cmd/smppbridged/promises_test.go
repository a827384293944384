package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"smppbridge/bridge/aliyun/aliyunsim"
	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/smpp/smpptest"
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
	w, err := s.bridge.Where(t.Context(), id)
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
	w, err := s.bridge.Where(t.Context(), id)
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

// TestSwappedCredentialsAreNotLogged: a client that sends its password as its system_id, or a
// number, finds neither in our log (promise 7; every test's log is searched when it ends).
func TestSwappedCredentialsAreNotLogged(t *testing.T) {
	s := startSystem(t)
	for _, id := range []string{password, phone} {
		c := smpptest.Dial(t, s.smppAddr.String())
		want(t, "bind", c.Bind(smpp.Transceiver, id, "test"), smpp.StatusInvSysID)
		c.Close()
	}
	c := smpptest.Dial(t, s.smppAddr.String())
	want(t, "bind", c.Bind(smpp.Transceiver, "test", "wrong"), smpp.StatusInvPaswd)
	s.eventually("the refusal is logged with its account", func() bool {
		return strings.Contains(s.logs.String(), "account's bind refused")
	})
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
	s := startSystem(t, func(o *options) { o.DrainTime = configs.Duration(patience) })
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
	if _, err := s.bridge.Where(t.Context(), fmt.Sprintf("%010x", answered)); err != nil {
		t.Errorf("the last message that was answered: %v", err)
	}
	if _, err := s.bridge.Where(t.Context(), "00000fffff"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a message that never was: %v, want ErrNotFound", err)
	}
}

// TestNewDataHasItsOwnOutIDs: reports of a system whose data was thrown away must not name the calls
// of its successor; a restart on the same data keeps the ids.
func TestNewDataHasItsOwnOutIDs(t *testing.T) {
	s := startSystem(t)
	before := s.store.OutID(1)
	s.restart()
	want(t, "OutId after a restart", s.store.OutID(1), before)
	if other := startSystem(t).store.OutID(1); other == before {
		t.Errorf("a new system's first OutId is %s again", other)
	}
}
