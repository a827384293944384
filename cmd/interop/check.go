package main

import (
	"errors"
	"fmt"
	"regexp"
	"unicode/utf8"
)

// appendixB is the text of a receipt (SMPP 3.4, appendix B).
var appendixB = regexp.MustCompile(`^id:(\S+) sub:001 dlvrd:(\d{3}) submit date:\d{10} done date:\d{10} stat:(\S{7}) err:(\S{3}) text:`)

// What a receipt of a delivered message says.
const (
	receiptClass   = 0x04 // esm_class
	stateDelivered = 2    // message_state
)

// checkBinds wants each bind accepted, and the one with the wrong password refused.
func (r *report) checkBinds(rec record) {
	bound, refused := 0, false
	for _, e := range rec.events {
		switch {
		case e.Event == eventBind && e.Status == statusOK:
			bound++
		case e.Event == eventRefusedBind && e.Status == statusInvPassword:
			refused = true
		}
	}
	var err error
	if want := len(rec.client.binds); bound != want {
		err = fmt.Errorf("%d, want %d", bound, want)
	}
	r.check(rec.client.name, "bind", err)
	if !rec.client.coarse {
		err = nil
		if !refused {
			err = errors.New("not answered ESME_RINVPASWD")
		}
		r.check(rec.client.name, "bind with a wrong password", err)
	}
}

// checkMessage wants the submit_sm_resp of every part, one receipt for each, and one SMS with the text.
// sent is what went to the message's phone.
func (rec record) checkMessage(m message, sent []string) error {
	resps, receipts := rec.eventsOf(m)
	if len(resps) == 0 {
		return errors.New("no submit_sm_resp")
	}
	if m.Form == "parts" && !rec.client.coarse && len(resps) < 2 {
		return errors.New("one submit_sm_resp, want a text that takes several parts")
	}
	for _, e := range resps {
		if e.Status != m.status {
			return fmt.Errorf("submit_sm_resp with status 0x%08X, want 0x%08X", e.Status, m.status)
		}
		if m.status != statusOK {
			continue
		}
		if err := checkReceipt(m, e.ID, receipts[e.ID]); err != nil {
			return err
		}
	}
	if m.status != statusOK {
		return checkSent(nil, sent)
	}
	return checkSent([]string{m.Text}, sent)
}

// eventsOf are the submit_sm_resp of a message, and its receipts by message_id.
func (rec record) eventsOf(m message) (resps []event, receipts map[string][]event) {
	receipts = map[string][]event{}
	for _, e := range rec.events {
		switch {
		case e.Event == eventResp && e.Name == m.Name:
			resps = append(resps, e)
		case e.Event == eventReceipt:
			receipts[e.TLVID] = append(receipts[e.TLVID], e)
		}
	}
	return resps, receipts
}

// checkReceipt wants one receipt for id, spelt the same letter for letter, from the phone to the source.
func checkReceipt(m message, id string, got []event) error {
	if id == "" {
		return errors.New("no message_id")
	}
	if len(got) != 1 {
		return fmt.Errorf("%d receipts for message_id %s, want 1", len(got), id)
	}
	e := got[0]
	f := appendixB.FindStringSubmatch(e.Text)
	switch {
	case f == nil:
		return fmt.Errorf("the receipt of %s is not appendix B's", id)
	case f[1] != id:
		return fmt.Errorf("the receipt's text says id %q, submit_sm_resp said %q", f[1], id)
	case f[3] != "DELIVRD" || f[2] != "001" || f[4] != "000":
		return fmt.Errorf("the receipt of %s says dlvrd:%s stat:%s err:%s", id, f[2], f[3], f[4])
	case e.ESMClass != receiptClass:
		return fmt.Errorf("the receipt of %s has esm_class 0x%02X", id, e.ESMClass)
	case e.TLVState != stateDelivered && e.TLVState != -1:
		return fmt.Errorf("the receipt of %s has message_state %d", id, e.TLVState)
	case e.Source != m.To || e.Dest != source:
		return fmt.Errorf("the receipt of %s has other addresses than the message", id)
	}
	return nil
}

// checkSent compares texts without writing any of them into the output.
func checkSent(want, got []string) error {
	if len(got) != len(want) {
		return fmt.Errorf("the API sent %d SMS, want %d", len(got), len(want))
	}
	for i := range want {
		if at := difference(want[i], got[i]); at >= 0 {
			w, _ := utf8.DecodeRuneInString(want[i][at:])
			g, _ := utf8.DecodeRuneInString(got[i][min(at, len(got[i])):])
			return fmt.Errorf("the API sent another text: %d octets, want %d; %U at octet %d, want %U", len(got[i]), len(want[i]), g, at, w)
		}
	}
	return nil
}

// difference is where two texts part, at the start of a character of want; -1 if they do not.
func difference(want, got string) int {
	if want == got {
		return -1
	}
	for i, w := range want {
		if g, _ := utf8.DecodeRuneInString(got[min(i, len(got)):]); g != w {
			return i
		}
	}
	return len(want)
}
