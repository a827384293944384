package main

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
)

// TestClientFaultsAreFound spoils what a client saw, in every way that a check is there for.
func TestClientFaultsAreFound(t *testing.T) {
	const resp, receipt = 2, 4 // places in conversationRecord
	spoil := func(i int, change func(*event)) func(*record, *[]string) {
		return func(rec *record, _ *[]string) { change(&rec.events[i]) }
	}
	tests := []struct {
		name   string
		change func(*record, *[]string)
		want   string // part of the error; empty = none
	}{
		{"as it should be", func(*record, *[]string) {}, ""},
		{"no answer", func(rec *record, _ *[]string) { rec.events = nil }, "no submit_sm_resp"},
		{"refused", spoil(resp, func(e *event) { e.Status = 0x08 }), "status 0x00000008"},
		{"no id", spoil(resp, func(e *event) { e.ID = "" }), "no message_id"},
		{"another id", spoil(resp, func(e *event) { e.ID = "000000000A" }), "0 receipts"},
		{"no receipt", func(rec *record, _ *[]string) { rec.events = rec.events[:receipt] }, "0 receipts"},
		{"two receipts", func(rec *record, _ *[]string) { rec.events = append(rec.events, rec.events[receipt]) }, "2 receipts"},
		{"another id in the text", spoil(receipt, func(e *event) { e.Text = receiptOf("000000000A") }), `says id "000000000A"`},
		{"no receipt's text", spoil(receipt, func(e *event) { e.Text = "hello" }), "not appendix B's"},
		{"undelivered", spoil(receipt, func(e *event) { e.Text = strings.Replace(e.Text, "DELIVRD", "UNDELIV", 1) }), "stat:UNDELIV"},
		{"esm_class", spoil(receipt, func(e *event) { e.ESMClass = 0 }), "esm_class 0x00"},
		{"message_state", spoil(receipt, func(e *event) { e.TLVState = 5 }), "message_state 5"},
		{"no message_state shown", spoil(receipt, func(e *event) { e.TLVState = -1 }), ""},
		{"addresses not swapped", spoil(receipt, func(e *event) { e.Source, e.Dest = e.Dest, e.Source }), "other addresses"},
		{"one part", func(rec *record, _ *[]string) { rec.messages[0].Form = "parts" }, "several parts"},
		{"not sent", func(_ *record, sent *[]string) { *sent = nil }, "sent 0 SMS"},
		{"sent twice", func(_ *record, sent *[]string) { *sent = append(*sent, "hello") }, "sent 2 SMS"},
		{"another text", func(_ *record, sent *[]string) { *sent = []string{"hellö"} }, "U+00F6 at octet 4, want U+006F"},
		{"half a text", func(_ *record, sent *[]string) { *sent = []string{"hel"} }, "at octet 3"},
		{"more than the text", func(_ *record, sent *[]string) { *sent = []string{"hello "} }, "U+0020 at octet 5"},
	}
	for _, tt := range tests {
		rec, sent := conversationRecord(), []string{"hello"}
		tt.change(&rec, &sent)
		got := fmt.Sprint(rec.checkMessage(rec.messages[0], sent))
		if !strings.Contains(got, cmp.Or(tt.want, "<nil>")) {
			t.Errorf("%s: got %s, want %q", tt.name, got, tt.want)
		}
		if strings.Contains(got, "hel") {
			t.Errorf("%s: a text in the error: %s", tt.name, got)
		}
	}
}

// TestRefusedIsRefused: a message that must be refused must be, with the right status, and not be sent.
func TestRefusedIsRefused(t *testing.T) {
	rec := conversationRecord()
	refused := rec.messages[1]
	if err := rec.checkMessage(refused, nil); err != nil {
		t.Errorf("refused as it should be: %v", err)
	}
	if err := rec.checkMessage(refused, []string{"hello"}); err == nil {
		t.Error("refused, but sent: no error")
	}
	rec.events[3].Status = statusOK
	if err := rec.checkMessage(refused, nil); err == nil {
		t.Error("accepted: no error")
	}
}

// TestVerdict: nothing checked is no success.
func TestVerdict(t *testing.T) {
	for r, ok := range map[report]bool{{}: false, {passed: 1}: true, {passed: 9, failed: 1}: false} {
		if err := r.verdict(); (err == nil) != ok {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// TestMessagesAreTold: each client has phones of its own, and names only messages that there are in its skips.
func TestMessagesAreTold(t *testing.T) {
	names := map[string]bool{}
	for _, m := range messages() {
		if names[m.Name] {
			t.Errorf("two messages named %s", m.Name)
		}
		names[m.Name] = true
	}
	phones := map[string]string{}
	for i, c := range clients(tools{}, "") {
		for name := range c.skips {
			if !names[name] {
				t.Errorf("%s skips %q, which there is not", c.name, name)
			}
		}
		for _, m := range messagesFor(c, i) {
			if other, twice := phones[m.To]; twice && m.status == statusOK {
				t.Errorf("%s, %s: the phone of %s", c.name, m.Name, other)
			}
			phones[m.To] = c.name
		}
	}
}

// TestOperationFaultsAreFound: an operation must be answered, with success, and with what it is about.
func TestOperationFaultsAreFound(t *testing.T) {
	query, data := operations()[0], operations()[7]
	good := event{Event: eventOperation, Name: query.name, ID: "000000000a", State: stateDelivered, Text: "final"}
	for _, tt := range []struct {
		name   string
		op     operation
		change func(*event)
		want   string // part of the error; empty = none
	}{
		{"as it should be", query, func(*event) {}, ""},
		{"not answered", data, func(*event) {}, "not answered"},
		{"refused", query, func(e *event) { e.Status = 0x67 }, "status 0x00000067"},
		{"no message_id", query, func(e *event) { e.ID = "" }, "no message_id"},
		{"another state", query, func(e *event) { e.State = stateEnroute }, "says 1"},
		{"no final_date", query, func(e *event) { e.Text = "" }, `""`},
		{"data_sm without a receipt", data, func(e *event) { e.Name, e.State, e.Text = data.name, 0, "" }, "0 receipts"},
	} {
		rec := record{events: []event{good}}
		tt.change(&rec.events[0])
		if got := fmt.Sprint(rec.checkOperation(tt.op)); !strings.Contains(got, cmp.Or(tt.want, "<nil>")) {
			t.Errorf("%s: got %s, want %q", tt.name, got, tt.want)
		}
	}
}
