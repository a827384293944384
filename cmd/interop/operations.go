package main

import (
	"errors"
	"fmt"
)

// operands are the phones of the operations besides submit_sm. The scripts do them in the order of operations,
// once the receipts of their messages have come.
type operands struct {
	Text      string   `json:"text"`      // of data_sm and submit_multi
	Data      string   `json:"data"`      // data_sm
	Multi     []string `json:"multi"`     // submit_multi; the last is refused
	Scheduled string   `json:"scheduled"` // submit_sm for later, which is replaced and cancelled
}

// operandsFor are those of the n-th client.
func operandsFor(n int) operands {
	phone := func(i int) string { return fmt.Sprintf("138%04d%04d", n+1, i) }
	return operands{
		Text: "Several things besides submitting", Data: phone(1), Multi: []string{phone(2), phone(3), "12"}, Scheduled: phone(4),
	}
}

// Values of message_state (SMPP 3.4, 5.2.28).
const (
	stateEnroute = 1
	stateDeleted = 4
)

// An operation is one request with what its response must say.
type operation struct {
	name    string
	command int64
	state   int
	text    string
	id      bool // with a message_id
}

// operations are what a client does that has them.
func operations() []operation {
	return []operation{
		{"query_sm of a delivered message", querySM, stateDelivered, "final", true},
		{"submit_sm in an hour", submitSM, 0, "", true},
		{"replace_sm", replaceSM, 0, "", false},
		{"query_sm of a scheduled message", querySM, stateEnroute, "", true},
		{"cancel_sm", cancelSM, 0, "", false},
		{"query_sm of a cancelled message", querySM, stateDeleted, "final", true},
		{"submit_multi", submitMulti, 1, fmt.Sprintf("12:%d", statusInvDstAddr), true},
		{"data_sm", dataSM, 0, "", true},
	}
}

// checkOperations looks at every operation of a client, and at what the API sent for them.
func (r *report) checkOperations(rec record, sent map[string][]string) {
	if !rec.client.operates {
		return
	}
	for _, op := range operations() {
		r.check(rec.client.name, op.name, rec.checkOperation(op))
	}
	o := rec.operands
	r.check(rec.client.name, "submit_multi: two texts", errors.Join(
		checkSent([]string{o.Text}, sent[o.Multi[0]]), checkSent([]string{o.Text}, sent[o.Multi[1]])))
	r.check(rec.client.name, "data_sm: text", checkSent([]string{o.Text}, sent[o.Data]))
	r.check(rec.client.name, "cancel_sm: no text", checkSent(nil, sent[o.Scheduled]))
}

func (rec record) checkOperation(op operation) error {
	for _, e := range rec.events {
		if e.Event != eventOperation || e.Name != op.name {
			continue
		}
		switch {
		case e.Status != statusOK:
			return fmt.Errorf("answered with status 0x%08X", e.Status)
		case op.id && e.ID == "":
			return errors.New("no message_id")
		case e.State != op.state || e.Text != op.text:
			return fmt.Errorf("says %d %q, want %d %q", e.State, e.Text, op.state, op.text)
		}
		if op.command != dataSM {
			return nil
		}
		_, receipts := rec.eventsOf(message{})
		return checkReceipt(message{To: rec.operands.Data}, e.ID, receipts[e.ID])
	}
	return errors.New("not answered")
}
