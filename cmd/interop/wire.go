package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Commands of SMPP 3.4, 5.1.2.1, that a run counts.
const (
	bindReceiver    = 0x01
	bindTransmitter = 0x02
	querySM         = 0x03
	submitSM        = 0x04
	deliverSM       = 0x05
	unbind          = 0x06
	replaceSM       = 0x07
	cancelSM        = 0x08
	bindTransceiver = 0x09
	enquireLink     = 0x15
	submitMulti     = 0x21
	dataSM          = 0x103
	response        = 0x80000000 // the bit that a response adds to its request's
)

// commandNames are those of the commands that may be on the wire of a run.
func commandNames() map[int64]string {
	return map[int64]string{
		bindReceiver: "bind_receiver", bindTransmitter: "bind_transmitter", bindTransceiver: "bind_transceiver",
		submitSM: "submit_sm", deliverSM: "deliver_sm", unbind: "unbind", enquireLink: "enquire_link",
		querySM: "query_sm", replaceSM: "replace_sm", cancelSM: "cancel_sm", submitMulti: "submit_multi", dataSM: "data_sm",
	}
}

// A wirePDU is one SMPP PDU as tshark dissected it.
type wirePDU struct {
	frame, stream int64
	ours          bool // sent by the daemon
	fields        map[string]node
}

func (p *wirePDU) number(field string) int64 {
	n, ok := p.fields[field]
	if !ok {
		return -1
	}
	return n.number()
}

func (p *wirePDU) text(field string) string {
	n := p.fields[field]
	return n.text()
}

func (p *wirePDU) command() int64 { return p.number("smpp.command_id") }

// A way is one direction of one connection.
type way struct {
	stream int64
	ours   bool
}

// octets are counted twice: as TCP carried them, and as PDUs' lengths.
type octets struct{ tcp, smpp int64 }

// wire is everything that was captured.
type wire struct {
	pdus   []wirePDU
	octets map[way]octets
	faults []string // what tshark complains about
}

// Severities of tshark's expert notes. From a warning on they are complaints about what the daemon sends; a client
// may send a text with a NUL in it, of which tshark warns.
const (
	severityWarn  = 0x00600000
	severityError = 0x00800000
)

// add takes what tshark made of one packet.
func (w *wire) add(packet *node, port string) {
	if w.octets == nil {
		w.octets = map[way]octets{}
	}
	tcp, smpp := map[string]node{}, []*node{}
	for i := range packet.Protos {
		switch p := &packet.Protos[i]; p.Name {
		case "tcp":
			p.walk(func(n *node) { tcp[n.Name] = *n })
		case "smpp":
			smpp = append(smpp, p)
		}
	}
	at := func(name string) int64 { n := tcp[name]; return n.number() }
	to := way{stream: at("tcp.stream"), ours: tcp["tcp.srcport"].Show == port}
	limit := int64(severityError)
	if to.ours {
		limit = severityWarn
	}
	frame := w.complain(packet, limit)
	count := w.octets[to]
	if n := at("tcp.len"); n > 0 {
		count.tcp = max(count.tcp, at("tcp.seq")+n-1) // relative, the first is 1; a repeated segment adds nothing
	}
	for _, s := range smpp {
		p := wirePDU{frame: frame, stream: to.stream, ours: to.ours, fields: map[string]node{}}
		s.walk(func(n *node) { p.fields[n.Name] = *n })
		count.smpp += p.number("smpp.command_length")
		w.pdus = append(w.pdus, p)
	}
	w.octets[to] = count
}

// complain gathers notes of a packet: of what is malformed, and of a severity from limit on. It returns the
// packet's number. TCP's own notes are about a busy machine's repeated segments.
func (w *wire) complain(packet *node, limit int64) (frame int64) {
	note := "" // an expert note's message comes before its severity
	look := func(n *node) {
		var fault string
		switch {
		case n.Name == "frame.number":
			frame = n.number()
		case n.Name == "_ws.expert.message":
			note = n.Show
		case n.Name == "_ws.malformed", n.Name == "_ws.unreassembled", n.Name == "_ws.short":
			fault = fmt.Sprintf("frame %d: %s", frame, n.Name)
		case n.Name == "_ws.expert.severity" && n.number() >= limit:
			fault = fmt.Sprintf("frame %d: %s", frame, note)
		}
		if fault != "" && !slices.Contains(w.faults, fault) {
			w.faults = append(w.faults, fault)
		}
	}
	for i := range packet.Protos {
		if p := &packet.Protos[i]; p.Name != "tcp" {
			p.walk(look)
		}
	}
	return frame
}

// check looks at everything that was on the wire while the clients of records played.
func (w *wire) check(r *report, records []record) {
	const who = "wire"
	fmt.Println(w.summary())
	r.check(who, "tshark has nothing to complain about", joined(w.faults))
	r.check(who, "every octet of TCP is in a PDU", w.checkOctets())
	r.check(who, "as many PDUs as the clients tell of", w.checkCounts(records))
	r.check(who, "every request answered once, nothing else answered", w.checkAnswers())
	r.check(who, "every message as its client was asked to send it", w.checkMessages(records))
	r.check(who, "every receipt asked for delivered after its submit_sm_resp, with its id", w.checkReceipts())
}

// joined makes an error of complaints, the first few by name.
func joined(list []string) error {
	if len(list) == 0 {
		return nil
	}
	return fmt.Errorf("%d: %s", len(list), strings.Join(list[:min(len(list), 5)], "; "))
}

// counts are the PDUs by command_id.
func (w *wire) counts() map[int64]int {
	n := map[int64]int{}
	for i := range w.pdus {
		n[w.pdus[i].command()]++
	}
	return n
}

// summary is one line: how many of each.
func (w *wire) summary() string {
	names, n := commandNames(), w.counts()
	var parts []string
	for _, id := range slices.SortedFunc(maps.Keys(n), func(a, b int64) int {
		return cmp.Or(cmp.Compare(a&^response, b&^response), cmp.Compare(a, b))
	}) {
		name := cmp.Or(names[id&^response], fmt.Sprintf("0x%08x", id))
		if id&response != 0 {
			name += "_resp"
		}
		parts = append(parts, fmt.Sprintf("%d %s", n[id], name))
	}
	return fmt.Sprintf("\n%d PDUs: %s", len(w.pdus), strings.Join(parts, ", "))
}

// checkOctets wants all that TCP carried dissected as SMPP.
func (w *wire) checkOctets() error {
	total := int64(0)
	for to, n := range w.octets {
		if n.tcp != n.smpp {
			return fmt.Errorf("connection %d: %d octets of TCP, %d of SMPP", to.stream, n.tcp, n.smpp)
		}
		total += n.smpp
	}
	if total == 0 {
		return errors.New("nothing was captured")
	}
	return nil
}
