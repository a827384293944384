package main

import (
	"errors"
	"fmt"
)

// checkCounts wants at least what the clients saw of each command: an empty capture must not pass.
func (w *wire) checkCounts(records []record) error {
	want := map[int64]int{}
	expect := func(id int64, n int) { want[id] += n; want[id|response] += n }
	expect(enquireLink, 1)
	for _, rec := range records {
		for _, how := range rec.client.binds {
			expect(map[string]int64{"transceiver": bindTransceiver, "transmitter": bindTransmitter, "receiver": bindReceiver}[how], 1)
			expect(unbind, 1)
		}
		for _, e := range rec.events {
			switch e.Event {
			case eventResp:
				expect(submitSM, 1)
			case eventReceipt:
				expect(deliverSM, 1)
			}
		}
		if rec.client.operates {
			for _, op := range operations() {
				expect(op.command, 1)
			}
		}
	}
	names, got := commandNames(), w.counts()
	for id, n := range want {
		if got[id] < n {
			return fmt.Errorf("%d %s (0x%08x), want at least %d", got[id], names[id&^response], id, n)
		}
	}
	if got[submitSM] == 0 || got[deliverSM] == 0 {
		return errors.New("no message or no receipt")
	}
	return nil
}

// checkAnswers wants one response to each request, from the other side, with its sequence_number. The last
// words of a connection may go unanswered: enquire_link and unbind of a client that hangs up at once.
func (w *wire) checkAnswers() error {
	type key struct {
		stream, command, seq int64
		ours                 bool // asked by the daemon
	}
	open := map[key]int{}
	for i := range w.pdus {
		p := &w.pdus[i]
		k := key{p.stream, p.command(), p.number("smpp.sequence_number"), p.ours}
		if k.command&response == 0 {
			open[k]++
			continue
		}
		k.command, k.ours = k.command&^response, !k.ours
		if open[k] == 0 {
			return fmt.Errorf("frame %d: a response (0x%08x) that nobody asked for", p.frame, p.command())
		}
		open[k]--
	}
	for k, n := range open {
		if n != 0 && k.command != unbind && k.command != enquireLink {
			return fmt.Errorf("connection %d: 0x%08x with sequence_number %d is not answered", k.stream, k.command, k.seq)
		}
	}
	return nil
}

// checkMessages wants each message in as many submit_sm as its client was asked for, and in the form.
func (w *wire) checkMessages(records []record) error {
	to := map[string][]*wirePDU{}
	for i := range w.pdus {
		if p := &w.pdus[i]; p.command() == submitSM {
			phone := p.text("smpp.destination_addr")
			to[phone] = append(to[phone], p)
		}
	}
	for _, rec := range records {
		for _, m := range rec.messages {
			if m.status != statusOK { // the refused share an address
				continue
			}
			if err := checkForm(m, to[m.To]); err != nil {
				return fmt.Errorf("%s, %s: %w", rec.client.name, m.Name, err)
			}
		}
	}
	return nil
}

// udhi is the bit of esm_class that announces a user data header, as tshark shows it.
const udhi = 0x1

func checkForm(m message, got []*wirePDU) error {
	if m.Form == "parts" {
		if len(got) < 2 {
			return fmt.Errorf("%d submit_sm, want one for each of several parts", len(got))
		}
	} else if len(got) != 1 {
		return fmt.Errorf("%d submit_sm, want 1", len(got))
	}
	for _, p := range got {
		_, payload := p.fields["smpp.message_payload"]
		ucs2 := p.number("smpp.data_coding")&0x0C == 0x08
		switch {
		case payload != (m.Form == "payload"):
			return fmt.Errorf("frame %d: message_payload: %t", p.frame, payload)
		case (p.number("smpp.esm.submit.features")&udhi != 0) != (m.Form == "parts"):
			return fmt.Errorf("frame %d: user data header or not", p.frame)
		case (m.Form == "flash") != (p.number("smpp.data_coding") >= 0x10):
			return fmt.Errorf("frame %d: data_coding %#x", p.frame, p.number("smpp.data_coding"))
		case ucs2 != (m.Coding == "ucs2"):
			return fmt.Errorf("frame %d: data_coding %#x", p.frame, p.number("smpp.data_coding"))
		}
	}
	return nil
}

// checkReceipts wants for each accepted submit_sm that asked for one a receipt with its message_id, in text
// and TLV, later than the submit_sm_resp; and no receipt for anything else, and none twice.
func (w *wire) checkReceipts() error {
	type request struct{ stream, seq int64 }
	asked := map[request][]bool{} // a library that repeats a number asks for the same each time
	waiting := map[string]bool{}
	version := map[int64]int64{} // interface_version by connection
	for i := range w.pdus {
		p := &w.pdus[i]
		r := request{p.stream, p.number("smpp.sequence_number")}
		id := p.text("smpp.message_id")
		switch p.command() {
		case bindReceiver, bindTransmitter, bindTransceiver:
			version[p.stream] = p.number("smpp.interface_version")
		case submitSM, dataSM:
			asked[r] = append(asked[r], p.number("smpp.regdel.receipt") == 1)
		case submitSM | response, dataSM | response:
			wants := len(asked[r]) > 0 && asked[r][0]
			if len(asked[r]) > 0 {
				asked[r] = asked[r][1:]
			}
			if _, twice := waiting[id]; twice {
				return fmt.Errorf("frame %d: message_id %s again", p.frame, id)
			}
			if id != "" && wants {
				waiting[id] = true
			}
		case deliverSM:
			id, err := p.receipt(version[p.stream])
			if err != nil {
				return fmt.Errorf("frame %d: %w", p.frame, err)
			}
			if !waiting[id] {
				return fmt.Errorf("frame %d: a receipt of %s too early, twice, or not asked for", p.frame, id)
			}
			waiting[id] = false
		}
	}
	for id, waits := range waiting {
		if waits {
			return fmt.Errorf("no receipt of %s", id)
		}
	}
	return nil
}

// receipt is the message_id of a deliver_sm, which its text and its TLV spell alike. SMPP 3.3 has no TLVs.
func (p *wirePDU) receipt(version int64) (id string, err error) {
	f := appendixB.FindStringSubmatch(p.text("smpp.message"))
	if f == nil {
		return "", errors.New("a deliver_sm that is no receipt")
	}
	_, any := p.fields["smpp.opt_params"]
	tlv := p.text("smpp.receipted_message_id")
	switch {
	case version < 0x34 && any:
		return "", fmt.Errorf("TLVs for a client of version %#x", version)
	case version >= 0x34 && tlv != f[1]:
		return "", fmt.Errorf("the text's id %s is not receipted_message_id", f[1])
	}
	return f[1], nil
}
