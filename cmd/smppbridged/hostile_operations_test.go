package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"smppbridge/smpp"
)

// multiOf is a submit_multi to n destinations.
func multiOf(n int, dest func(i int) smpp.Destination) *smpp.SubmitMulti {
	m := &smpp.SubmitMulti{Message: *good()}
	for i := range n {
		m.Destinations = append(m.Destinations, dest(i))
	}
	return m
}

// operationCases are submit_multi, query_sm, cancel_sm, replace_sm and data_sm put to wrong use.
func operationCases() []hostileCase {
	const trx = smpp.Transceiver
	multi := func(name string, m *smpp.SubmitMulti, st smpp.Status) row {
		return row{name: name, as: trx, send: octetsOf(6, m), want: []answer{{smpp.SubmitMultiRespID, st, 6}}}
	}
	multiBody := func(name, body string, st smpp.Status) row {
		return row{name: name, as: trx, send: withBody(smpp.SubmitMultiID, 6, body), want: []answer{{smpp.SubmitMultiRespID, st, 6}}}
	}
	data := func(name, params string, st smpp.Status) row {
		return row{name: name, as: trx, send: octetsOf(6, &smpp.DataSM{DestinationAddr: "13700000000", TLVs: smpp.TLVs(params)}),
			want: []answer{{smpp.DataSMRespID, st, 6}}}
	}
	text := param(smpp.TagMessagePayload, "private")
	rows := []row{
		multi("254 bad numbers", multiOf(254, func(i int) smpp.Destination { return smpp.Destination{Addr: fmt.Sprint("bad", i)} }), smpp.StatusInvDstAdr),
		multi("254 lists", multiOf(254, func(i int) smpp.Destination { return smpp.Destination{List: fmt.Sprint("list", i)} }), smpp.StatusCntSubDL),
		multi("bad numbers and lists", multiOf(200, func(i int) smpp.Destination {
			return []smpp.Destination{{Addr: "1"}, {List: "\x1b[2J"}}[i%2]
		}), smpp.StatusSubmitFail),
		multiBody("no destinations", "\x00\x00\x00\x00\x00", smpp.StatusInvNumDests),
		multiBody("255 destinations", "\x00\x00\x00\x00\xFF"+strings.Repeat("\x01\x00\x0013700000000\x00", 255), smpp.StatusInvNumDests),
		multiBody("254 destinations that are not there", "\x00\x00\x00\x00\xFE\x01\x00\x0013700000000\x00", smpp.StatusInvCmdLen),
		multiBody("a destination of no kind", "\x00\x00\x00\x00\x01\x07", smpp.StatusInvDestFlag),
		multiBody("a list without a name", "\x00\x00\x00\x00\x01\x02\x00", smpp.StatusInvDLName),
		data("data_sm without a text", "", smpp.StatusInvDftMsgID),
		data("data_sm with a time to live of three octets", text+param(smpp.TagQOSTimeToLive, "abc"), smpp.StatusInvParLen),
		data("data_sm with no time to live", text+param(smpp.TagQOSTimeToLive, "\x00\x00\x00\x00"), smpp.StatusInvExpiry),
		data("data_sm with 136 years to live", text+param(smpp.TagQOSTimeToLive, "\xFF\xFF\xFF\xFF"), 0),
	}
	return append(casesOf(rows),
		hostileCase{"254 times one number", sameNumber},
		hostileCase{"a stranger's message_ids", strangersIDs},
		hostileCase{"message_ids that are none", variants(3*uint32(len(noIDs)), noMessage, statusesOf(smpp.StatusInvMsgID, smpp.StatusInvDstAdr, smpp.StatusCancelFail))},
		hostileCase{"2,000 queries", variants(2000, func(i uint32) []byte {
			return octetsOf(i, &smpp.QuerySM{MessageID: fmt.Sprintf("%010x", i+1), SourceAddr: "1069"})
		}, statusesOf(0, smpp.StatusInvMsgID))},
		hostileCase{"500 times cancel all", variants(500, func(i uint32) []byte {
			return octetsOf(i, &smpp.CancelSM{SourceAddr: "1069", DestinationAddr: fmt.Sprintf("138%08d", i)})
		}, statusesOf(smpp.StatusCancelFail))},
		hostileCase{"cancel all from all sides", cancelFromAllSides},
		hostileCase{"5,080 destinations", manyDestinations},
	)
}

// sameNumber: it is sent once, and 253 are refused.
func sameNumber(t *testing.T, h *hostile) {
	a := h.attackAs(t, "mark", smpp.Transmitter)
	m := multiOf(254, func(i int) smpp.Destination {
		return smpp.Destination{Addr: []string{"13700000000", "+8613700000000"}[i%2]}
	})
	if err := a.send(6, m); err != nil {
		t.Fatal(err)
	}
	hd, body, err := a.next()
	if err != nil {
		t.Fatal(err)
	}
	p, err := smpp.Decode(hd, body)
	resp, ok := p.(*smpp.SubmitMultiResp)
	if err != nil || !ok || hd.Status != 0 || len(resp.Failed) != 253 {
		t.Errorf("%v %v, %v", hd.ID, hd.Status, err)
	}
}

// noIDs are message_ids that no message has.
var noIDs = []string{"", "0", "-1", "0000000000", "ffffffffff", "FFFFFFFFFF", "00000000000000001", "0x1", " 1", "1 ", "\x1b[2J", "%00",
	"../../state.db", "' or 1=1", "１", "9999999999999999999", strings.Repeat("f", 64), "\xFF\xFE"}

// noMessage asks for one of them, in each of three ways.
func noMessage(i uint32) []byte {
	id := noIDs[i/3]
	return octetsOf(i, []smpp.PDU{
		&smpp.QuerySM{MessageID: id}, &smpp.CancelSM{MessageID: id}, &smpp.ReplaceSM{MessageID: id, ShortMessage: "private"},
	}[i%3])
}

// strangersIDs: who names another account's message is answered, octet for octet, as if there were none.
func strangersIDs(t *testing.T, h *hostile) {
	owner, stranger := h.attackAs(t, "mark", smpp.Transceiver), h.attackAs(t, "mallory", smpp.Transceiver)
	if err := owner.send(1, good(func(m *smpp.SubmitSM) { m.ScheduleDeliveryTime = "000000010000000R" })); err != nil { // in an hour
		t.Fatal(err)
	}
	hd, body, err := owner.next()
	if err != nil || hd.Status != 0 {
		t.Fatal(hd.Status, err)
	}
	id := strings.TrimRight(string(body), "\x00")
	ask := func(a *attacker, p smpp.PDU) string {
		t.Helper()
		if err := a.send(2, p); err != nil {
			t.Fatal(err)
		}
		hd, body, err := a.next()
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%v %v %x", hd.ID, hd.Status, bytes.ReplaceAll(body, []byte(id), []byte("ffffffffff")))
	}
	for _, source := range []string{"1069", "", "1"} {
		for _, ask2 := range []func(id string) smpp.PDU{
			func(id string) smpp.PDU { return &smpp.QuerySM{MessageID: id, SourceAddr: source} },
			func(id string) smpp.PDU { return &smpp.CancelSM{MessageID: id, SourceAddr: source} },
			func(id string) smpp.PDU {
				return &smpp.ReplaceSM{MessageID: id, SourceAddr: source, ShortMessage: "private"}
			},
		} {
			of, none := ask(stranger, ask2(id)), ask(stranger, ask2("ffffffffff"))
			if of != none {
				t.Errorf("a stranger's: %s, nobody's: %s", of, none)
			}
		}
	}
	all := &smpp.CancelSM{SourceAddr: "1069", DestinationAddr: "13700000000"}
	if of := ask(stranger, all); !strings.Contains(of, smpp.StatusCancelFail.String()) {
		t.Errorf("cancel all of a stranger: %s", of)
	}
	if got := ask(owner, &smpp.CancelSM{MessageID: id, SourceAddr: "1069"}); !strings.Contains(got, "ESME_ROK") {
		t.Errorf("the owner's own cancel_sm: %s", got)
	}
}

// cancelFromAllSides: eight sessions cancel all that waits at once, which is looked through each time.
func cancelFromAllSides(t *testing.T, h *hostile) {
	cancel := octetsOf(3, &smpp.CancelSM{SourceAddr: "1069", DestinationAddr: "13799999999"})
	want := make([]answer, 50)
	for i := range want {
		want[i] = answer{smpp.CancelSMRespID, smpp.StatusCancelFail, 3}
	}
	err := atOnce(8, func(int) error {
		a, err := dialFrom(h.source(), h.addr)
		if err != nil {
			return err
		}
		defer a.Close()
		if err := a.bind("mark", smpp.Transceiver); err != nil {
			return err
		}
		if err := a.raw(repeat(len(want), cancel)); err != nil {
			return err
		}
		return a.expect(want...)
	})
	if err != nil {
		t.Error(err)
	}
}

// manyDestinations: 20 submit_multi of 254 good destinations each, of an account that may have 1,000 open.
func manyDestinations(t *testing.T, h *hostile) {
	a := h.attackAs(t, "mallory", smpp.Transmitter)
	for k := range uint32(20) {
		m := multiOf(254, func(i int) smpp.Destination { return smpp.Destination{Addr: fmt.Sprintf("135%08d", i)} })
		if err := a.send(k, m); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		hd, _, err := a.next()
		if err != nil {
			t.Fatal(err)
		}
		if hd.ID != smpp.SubmitMultiRespID || hd.Status != 0 && hd.Status != smpp.StatusMsgQFul {
			t.Errorf("%v %v", hd.ID, hd.Status)
		}
	}
	if err := a.stays(); err != nil {
		t.Error(err)
	}
}
