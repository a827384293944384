package main

import (
	"strings"
	"testing"

	"smppbridge/smpp"
)

// requests are all that there are in SMPP 3.4, without those that bind.
func requests() []smpp.PDU {
	return []smpp.PDU{
		good(),
		&smpp.DataSM{DestinationAddr: "13700000000", TLVs: smpp.TLVs("").With(smpp.TagMessagePayload, "private")},
		&smpp.SubmitMulti{Message: *good(), Destinations: []smpp.Destination{{Addr: "13700000000"}}},
		&smpp.QuerySM{MessageID: "ffffffffff"},
		&smpp.CancelSM{MessageID: "ffffffffff"},
		&smpp.ReplaceSM{MessageID: "ffffffffff", ShortMessage: "private"},
		&smpp.DeliverSM{SourceAddr: "1", DestinationAddr: "2", ShortMessage: "private"},
	}
}

// everyRequest is a row in which each request is refused in its own response, with one status; deliver_sm,
// which never comes from an ESME, with another.
func everyRequest(name string, as smpp.BindType, st, deliver smpp.Status) row {
	r := row{name: name, as: as}
	for i, p := range requests() {
		seq := uint32(i + 1)
		r.send = smpp.Append(r.send, 0, seq, p)
		resp, _ := p.CommandID().Response()
		if resp == smpp.DeliverSMRespID {
			st = deliver
		}
		r.want = append(r.want, answer{resp, st, seq})
	}
	return r
}

// everyResponse are responses that nobody asked for, with a status each.
func everyResponse() (b []byte) {
	for i, id := range []smpp.CommandID{
		smpp.BindTransmitterRespID, smpp.BindReceiverRespID, smpp.BindTransceiverRespID, smpp.SubmitSMRespID, smpp.DataSMRespID,
		smpp.SubmitMultiRespID, smpp.QuerySMRespID, smpp.CancelSMRespID, smpp.ReplaceSMRespID, smpp.DeliverSMRespID,
		smpp.EnquireLinkRespID, smpp.UnbindRespID, smpp.GenericNackID, 0x80000BAD,
	} {
		for _, seq := range []uint32{0, 1, 0x10000000, 0x10000001, 0xFFFFFFFF} {
			b = append(b, smpp.AppendHeader(nil, id, smpp.Status(i), seq)...)
		}
	}
	return b
}

// stateCases are what is right at another time, or from somebody else.
func stateCases() []hostileCase {
	const tx, rx, trx = smpp.Transmitter, smpp.Receiver, smpp.Transceiver
	submit, unbind := octetsOf(6, good()), octetsOf(7, &smpp.Unbind{})
	unbound := answer{smpp.UnbindRespID, 0, 7}
	bindAs := func(account, password string) []byte {
		b := bindOf(account, trx)
		b.Password = password
		return octetsOf(5, b)
	}
	refused := func(st smpp.Status) []answer { return []answer{{smpp.BindTransceiverRespID, st, 5}} }
	rebind := row{name: "bound twice", as: trx}
	for i, typ := range []smpp.BindType{tx, rx, trx} {
		b := bindOf("mark", typ)
		rebind.send = smpp.Append(rebind.send, 0, uint32(i), b)
		resp, _ := b.CommandID().Response()
		rebind.want = append(rebind.want, answer{resp, smpp.StatusAlyBnd, uint32(i)})
	}
	return append(casesOf([]row{
		everyRequest("requests before a bind", 0, smpp.StatusInvBndSts, smpp.StatusInvBndSts),
		everyRequest("requests of a receiver", rx, smpp.StatusInvBndSts, smpp.StatusInvCmdID),
		{name: "deliver_sm of a transmitter", as: tx, send: octetsOf(5, requests()[6]), want: []answer{{smpp.DeliverSMRespID, smpp.StatusInvCmdID, 5}}},
		{name: "outbind and alert_notification", as: trx, send: join(withBody(smpp.OutbindID, 5, "a\x00b\x00"), withBody(smpp.AlertNotificationID, 6, "private")),
			want: []answer{nacked(5, smpp.StatusInvCmdID), nacked(6, smpp.StatusInvCmdID)}},
		{name: "unbind before a bind", send: unbind, want: []answer{{smpp.UnbindRespID, smpp.StatusInvBndSts, 7}}},
		{name: "enquire_link before a bind", send: octetsOf(5, &smpp.EnquireLink{}), want: []answer{{smpp.EnquireLinkRespID, 0, 5}}},
		rebind,
		{name: "two binds in one segment", send: join(bindAs("mark", password), bindAs("victim", password)),
			want: []answer{{smpp.BindTransceiverRespID, 0, 5}, {smpp.BindTransceiverRespID, smpp.StatusAlyBnd, 5}}},
		{name: "a submit before the bind_resp", send: join(bindAs("mark", password), submit),
			want: []answer{{smpp.BindTransceiverRespID, 0, 5}, submitted(6, 0)}},
		{name: "a submit after unbind", as: trx, send: join(unbind, submit), want: []answer{unbound}, ends: true},
		{name: "unbind twice", as: trx, send: join(unbind, unbind), want: []answer{unbound}, ends: true},
		{name: "responses unasked", as: trx, send: everyResponse()},
		{name: "responses before a bind", send: everyResponse()},
		{name: "a wrong password", send: bindAs("mark", "private"), want: refused(smpp.StatusInvPaswd), ends: true},
		{name: "no password", send: bindAs("mark", ""), want: refused(smpp.StatusInvPaswd), ends: true},
		{name: "an unknown system_id", send: bindAs("nobody", "private"), want: refused(smpp.StatusInvSysID), ends: true},
		{name: "a password in the place of the system_id", send: bindAs(password, "mark"), want: refused(smpp.StatusInvSysID), ends: true},
		{name: "system_id with line feeds and escapes", send: bindAs("\x1b[31mx\ntime=", "private"), want: refused(smpp.StatusInvSysID), ends: true},
		{name: "system_id with a forged line", send: bindAs("\r\ntime=forged", "private"), want: refused(smpp.StatusInvSysID), ends: true},
		{name: "system_id too long", send: withBody(smpp.BindTransceiverID, 5, strings.Repeat("x", 900)+"\x00"), want: refused(smpp.StatusInvSysID), ends: true},
		{name: "system_id without an end", send: withBody(smpp.BindTransceiverID, 5, "mark"), want: refused(smpp.StatusInvCmdLen), ends: true},
		{name: "password too long", send: bindAs("mark", strings.Repeat("x", 300)), want: refused(smpp.StatusInvPaswd), ends: true},
		{name: "a bind without a body", send: withBody(smpp.BindTransceiverID, 5, ""), want: refused(smpp.StatusInvCmdLen), ends: true},
		{name: "a bind with rubbish behind", send: withBody(smpp.BindTransceiverID, 5, "mark\x00"+password+"\x00\x00\xFF\xFF\xFF\x00"+strings.Repeat("\xFF", 500)),
			want: refused(0)},
	}),
		hostileCase{"unbind with a hundred in flight", unbindInFlight},
		hostileCase{"hang up with a hundred in flight", hangUpInFlight},
		hostileCase{"one bind too many", oneTooMany},
	)
}

// unbindInFlight: each submit before the unbind has its answer before the unbind has its own.
func unbindInFlight(t *testing.T, h *hostile) {
	a := h.attackAs(t, "mark", smpp.Transceiver)
	var b []byte
	want := make([]answer, 100)
	for i := range want {
		b = smpp.Append(b, 0, uint32(i), good())
		want[i] = submitted(uint32(i), 0)
	}
	if err := a.raw(smpp.Append(b, 0, 1000, &smpp.Unbind{})); err != nil {
		t.Fatal(err)
	}
	err := a.expect(want...)
	if err == nil {
		err = a.expect(answer{smpp.UnbindRespID, 0, 1000})
	}
	if err == nil {
		err = a.ends()
	}
	if err != nil {
		t.Error(err)
	}
}

// hangUpInFlight closes a direction, or resets the connection, before any answer can have come.
func hangUpInFlight(t *testing.T, h *hostile) {
	for i := range 20 {
		a := h.attackAs(t, "mark", smpp.Transceiver)
		if err := a.raw(repeat(100, octetsOf(1, good()))); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			a.reset()
			continue
		}
		if err := a.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if err := a.drain(); err != nil {
			t.Error(err)
		}
	}
}

// oneTooMany: the session that is there stays, the one above the account's limit is told to go.
func oneTooMany(t *testing.T, h *hostile) {
	first := h.attackAs(t, "single", smpp.Transceiver)
	answering := make(chan error, 1)
	go func() { // it lives: it answers when it is asked
		_, _, err := first.next()
		answering <- err
	}()
	second := h.attack(t)
	if err := second.send(5, bindOf("single", smpp.Transceiver)); err != nil {
		t.Fatal(err)
	}
	err := second.expect(answer{smpp.BindTransceiverRespID, smpp.StatusBindFail, 5})
	if err == nil {
		err = second.ends()
	}
	if err != nil {
		t.Error(err)
	}
	if err := first.send(9, &smpp.EnquireLink{}); err != nil {
		t.Fatal(err)
	}
	if err := <-answering; err != nil {
		t.Errorf("the first session: %v", err)
	}
}
