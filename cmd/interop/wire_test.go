package main

import (
	"fmt"
	"slices"
	"testing"
)

// conversation is what a client and the daemon say to each other: a bind, a message with its receipt, a refused
// one, an unbind. It is written as tshark would show it.
func conversation() *wire {
	w := &wire{octets: map[way]octets{{1, false}: {100, 100}, {1, true}: {100, 100}}}
	say := func(ours bool, command, seq int64, fields ...string) {
		p := wirePDU{frame: int64(len(w.pdus) + 1), stream: 1, ours: ours, fields: map[string]node{}}
		p.fields["smpp.command_id"] = node{Show: fmt.Sprintf("0x%08x", command)}
		p.fields["smpp.sequence_number"] = node{Show: fmt.Sprint(seq)}
		for i := 0; i < len(fields); i += 2 {
			p.fields[fields[i]] = node{Show: fields[i+1], Value: fmt.Sprintf("%x", fields[i+1])}
		}
		w.pdus = append(w.pdus, p)
	}
	submit := []string{
		"smpp.regdel.receipt", "0x01", "smpp.destination_addr", "13900010001", "smpp.data_coding", "0x00",
		"smpp.esm.submit.features", "0x00",
	}
	say(false, bindTransceiver, 1, "smpp.interface_version", "52")
	say(true, bindTransceiver|response, 1)
	say(false, enquireLink, 2)
	say(true, enquireLink|response, 2)
	say(false, submitSM, 3, submit...)
	say(true, submitSM|response, 3, "smpp.message_id", "000000000a")
	say(false, submitSM, 4, append(submit, "smpp.destination_addr", "12")...)
	say(true, submitSM|response, 4)
	say(true, deliverSM, 1, "smpp.receipted_message_id", "000000000a", "smpp.message", receiptOf("000000000a"))
	say(false, deliverSM|response, 1)
	say(false, unbind, 5)
	say(true, unbind|response, 5)
	return w
}

func receiptOf(id string) string {
	return "id:" + id + " sub:001 dlvrd:001 submit date:2611210530 done date:2611210530 stat:DELIVRD err:000 text:"
}

// conversationRecord is what the client of conversation saw.
func conversationRecord() record {
	return record{
		client: client{name: "a client", binds: []string{"transceiver"}},
		messages: []message{
			{Name: "one", To: "13900010001", Text: "hello", Coding: "gsm", Form: "single"},
			{Name: "refused", To: "12", Text: "hello", Coding: "gsm", Form: "single", status: statusInvDstAddr},
		},
		events: []event{
			{Event: eventRefusedBind, Status: statusInvPassword}, {Event: eventBind},
			{Event: eventResp, Name: "one", ID: "000000000a"}, {Event: eventResp, Name: "refused", Status: statusInvDstAddr},
			{
				Event: eventReceipt, ESMClass: receiptClass, Source: "13900010001", Dest: source,
				Text: receiptOf("000000000a"), TLVID: "000000000a", TLVState: stateDelivered,
			},
		},
	}
}

// faultsOn runs every check of the wire and returns the names of those that fail.
func faultsOn(w *wire, rec record) (failed []string) {
	for name, err := range map[string]error{
		"tshark": joined(w.faults), "octets": w.checkOctets(), "counts": w.checkCounts([]record{rec}),
		"answers": w.checkAnswers(), "messages": w.checkMessages([]record{rec}), "receipts": w.checkReceipts(),
	} {
		if err != nil {
			failed = append(failed, name)
		}
	}
	return failed
}

// TestWireFaultsAreFound breaks a conversation in every way that a check is there for.
func TestWireFaultsAreFound(t *testing.T) {
	if failed := faultsOn(conversation(), conversationRecord()); len(failed) > 0 {
		t.Fatalf("the whole conversation fails %q", failed)
	}
	const submit, resp, deliver, delivered = 4, 5, 8, 9 // places in the conversation
	set := func(i int, field, show string) func(*wire) {
		return func(w *wire) { w.pdus[i].fields[field] = node{Show: show, Value: fmt.Sprintf("%x", show)} }
	}
	drop := func(i int) func(*wire) {
		return func(w *wire) { w.pdus = append(w.pdus[:i], w.pdus[i+1:]...) }
	}
	tests := []struct {
		name   string
		change func(*wire)
		want   string
	}{
		{"nothing captured", func(w *wire) { *w = wire{} }, "octets"},
		{"malformed", func(w *wire) { w.faults = []string{"frame 1: _ws.malformed"} }, "tshark"},
		{"octets that are no PDU", func(w *wire) { w.octets[way{1, true}] = octets{101, 100} }, "octets"},
		{"no submit_sm_resp", drop(resp), "answers"},
		{"no deliver_sm_resp", drop(delivered), "answers"},
		{"no receipt", func(w *wire) { drop(delivered)(w); drop(deliver)(w) }, "receipts"},
		{"another sequence_number", set(resp, "smpp.sequence_number", "77"), "answers"},
		{"another message_id", set(resp, "smpp.message_id", "000000000A"), "receipts"},
		{"another id in the receipt", set(deliver, "smpp.message", receiptOf("000000000A")), "receipts"},
		{"no id in the receipt", set(deliver, "smpp.receipted_message_id", ""), "receipts"},
		{"a receipt nobody asked for", set(submit, "smpp.regdel.receipt", "0x00"), "receipts"},
		{"two messages with one id", set(7, "smpp.message_id", "000000000a"), "receipts"},
		{"a message that was not sent", set(submit, "smpp.destination_addr", "13900010002"), "messages"},
		{"a payload where none belongs", set(submit, "smpp.message_payload", "x"), "messages"},
		{"a message class where none belongs", set(submit, "smpp.data_coding", "0x10"), "messages"},
		{"another coding", set(submit, "smpp.data_coding", "0x08"), "messages"},
		{"a part", set(submit, "smpp.esm.submit.features", "0x01"), "messages"},
		{"a receipt before the answer", func(w *wire) { w.pdus[resp], w.pdus[deliver] = w.pdus[deliver], w.pdus[resp] }, "receipts"},
		{"TLVs for 3.3", func(w *wire) { set(0, "smpp.interface_version", "51")(w); set(deliver, "smpp.opt_params", "")(w) }, "receipts"},
		{"no unbind_resp", drop(11), "counts"},
	}
	for _, tt := range tests {
		w := conversation()
		tt.change(w)
		if failed := faultsOn(w, conversationRecord()); !slices.Contains(failed, tt.want) {
			t.Errorf("%s: fails %q, want %q among them", tt.name, failed, tt.want)
		}
	}
}
