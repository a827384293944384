package main

import (
	"bytes"
	"fmt"
	"testing"

	"smppbridge/bridge"
	"smppbridge/bridge/aliyun/aliyunsim"
	"smppbridge/smpp"
	"smppbridge/store"
)

// withdrawing is three nodes some of whose templates are withdrawn. Those of class otp are refused then, others wait.
type withdrawing struct {
	*fleet3
	otp, ship, test []*client // an ESME of each account at each node
	phones          int       // how many numbers were used
	sent            int       // how many messages were to be sent
	parked          []string  // messages of the template that waits
}

// What the templates that are withdrawn send.
const (
	codeText = "您的验证码是471153，5分钟内有效，请勿泄露。"
	shipText = "尊敬的private，您的订单4711已发货，请注意查收。"
)

// twoToWithdraw gives account ship a template beside the one that is always there.
func twoToWithdraw(t *testing.T) func(*options) {
	return func(o *options) {
		o.Policy = bytes.Replace(o.Policy, []byte("otp: {"), []byte("otp: {on_withdrawn: refuse, "), 1)
		o.Policy = bytes.Replace(o.Policy, []byte("templates:\n"),
			[]byte("templates:\n  - {code: SMS_100000002, class: notice, text: \"尊敬的${name}，您的订单${order}已发货，请注意查收。\"}\n"), 1)
		o.Policy = fmt.Appendf(o.Policy, "  - {system_id: ship, password_hash: %q, sign_name: 阿里云测试, templates: [SMS_100000002]}\n", hashOf(t, password))
	}
}

// TestCatalogOfThreeNodes: what is withdrawn at the account is heeded by the sessions of all nodes, though one of them has
// asked the account; also when another one leads, and by a node that starts, when none can ask.
func TestCatalogOfThreeNodes(t *testing.T) {
	sim, addr := newSimulator(t)
	unlisted := aliyunsim.Faults{{Kind: aliyunsim.FaultError500, Action: "QuerySmsTemplateList"}}
	if err := sim.SetFaults(unlisted); err != nil {
		t.Fatal(err)
	}
	w := &withdrawing{fleet3: prepareThreeAt(t, sim, addr, twoToWithdraw(t))}
	w.start()
	w.bindTransmitters()
	for i := range w.nodes {
		w.otp[i].mustSubmit(w.phone(), codeText)
		w.ship[i].mustSubmit(w.phone(), shipText)
	}
	w.sends(2 * len(w.nodes))
	account := aliyunsim.DevConfig().Accounts[0].Name
	for _, code := range []string{"SMS_100000001", "SMS_100000002"} {
		if err := sim.SetAudit(aliyunsim.Audit{Account: account, Template: code, Status: aliyunsim.StatusCancel}); err != nil {
			t.Fatal(err)
		}
	}
	if err := sim.SetFaults(nil); err != nil {
		t.Fatal(err)
	}
	w.handOver() // a new leader asks at once, one that could not ask waits for a while
	for _, s := range w.nodes {
		s.eventually(s.opts.NodeID+" knows what the account lacks", func() bool {
			doc := decoded[catalogDoc](s, "/v1/catalog")
			return len(doc.Accounts) == 1 && doc.Accounts[0].Lacking.Templates["SMS_100000001"] == bridge.AuditWithdrawn
		})
	}
	w.testHeeded(t)

	if err := sim.SetFaults(unlisted); err != nil {
		t.Fatal(err)
	}
	w.awaitLeader().restart()
	w.bindTransmitters()
	w.testHeeded(t)
}

// bindTransmitters binds an ESME of each account to each node, none of which gets receipts.
func (w *withdrawing) bindTransmitters() {
	w.t.Helper()
	w.hangUp()
	w.nodes[0].eventually("all have unbound", func() bool { return len(w.nodes[0].store.AllBinds()) == 0 })
	w.otp, w.ship, w.test = nil, nil, nil
	for _, s := range w.nodes {
		w.otp = append(w.otp, s.bind("otp", smpp.Transmitter))
		w.ship = append(w.ship, s.bind("ship", smpp.Transmitter))
		w.test = append(w.test, s.bind("test", smpp.Transmitter))
	}
}

// phone is a number that was not used yet.
func (w *withdrawing) phone() string {
	w.phones++
	return fmt.Sprintf("138%08d", w.phones)
}

// sends waits until n more messages are sent.
func (w *withdrawing) sends(n int) {
	w.t.Helper()
	w.sent += n
	w.nodes[0].eventually(fmt.Sprintf("%d messages are sent", w.sent), func() bool { return len(w.sim.Ledger()) >= w.sent })
}

// testHeeded: at each node one-time codes are refused, others wait, and what the account still has is sent.
func (w *withdrawing) testHeeded(t *testing.T) {
	t.Helper()
	for i, s := range w.nodes {
		if st, _ := w.otp[i].submit(w.phone(), codeText); st != smpp.StatusInvDftMsgID {
			t.Errorf("%s answers %v to what was withdrawn, want ESME_RINVDFTMSGID", s.opts.NodeID, st)
		}
		w.parked = append(w.parked, w.ship[i].mustSubmit(w.phone(), shipText))
	}
	for i := range w.nodes {
		w.test[i].mustSubmit(w.phone(), "private")
	}
	w.sends(len(w.nodes))
	want(t, "sent in all", len(w.sim.Ledger()), w.sent)
	for _, id := range w.parked {
		want(t, "state of what waits", w.nodes[0].state(id), store.StateAccepted)
	}
}
