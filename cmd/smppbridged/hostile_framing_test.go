package main

import (
	"strings"
	"testing"

	"smppbridge/smpp"
)

// framingCases are wrong lengths, and right ones cut in all places. A length that SMPP's peers do not send, before
// a bind, gets no answer: its sender does not speak SMPP. Any other is told, as the stream cannot be read further.
func framingCases() []hostileCase {
	const trx = smpp.Transceiver
	link, submit := octetsOf(5, &smpp.EnquireLink{}), octetsOf(6, good())
	linked := func(seq uint32) answer { return answer{smpp.EnquireLinkRespID, 0, seq} }
	short := func(n uint32) []byte { return pduOf(n, smpp.EnquireLinkID, 5, "") }
	long := pduOf(smpp.MaxPDU, smpp.EnquireLinkID, 5, strings.Repeat("x", smpp.MaxPDU-16))
	cases := casesOf([]row{
		{name: "length 0", send: short(0), want: []answer{nacked(0, smpp.StatusInvCmdLen)}, ends: true},
		{name: "length 4", send: short(4), want: []answer{nacked(0, smpp.StatusInvCmdLen)}, ends: true},
		{name: "length 15", send: short(15), want: []answer{nacked(0, smpp.StatusInvCmdLen)}, ends: true},
		{name: "length 15 when bound", as: trx, send: short(15), want: []answer{nacked(0, smpp.StatusInvCmdLen)}, ends: true},
		{name: "length 16 with a body", as: trx, send: append(short(16), "\x00\x00\x00\x00"...),
			want: []answer{linked(5), nacked(0, smpp.StatusInvCmdLen)}, ends: true},
		{name: "length 2^24-1", send: short(1<<24 - 1), want: []answer{nacked(5, smpp.StatusInvCmdLen)}, ends: true},
		{name: "length 2^31", send: short(1 << 31), ends: true},
		{name: "length 2^32-1", send: short(1<<32 - 1), ends: true},
		{name: "length 2^31 when bound", as: trx, send: short(1 << 31), want: []answer{nacked(0, smpp.StatusInvCmdLen)}, ends: true},
		{name: "length 2^32-1 when bound", as: trx, send: short(1<<32 - 1), want: []answer{nacked(0, smpp.StatusInvCmdLen)}, ends: true},
		{name: "one over the longest before a bind", send: pduOf(1025, smpp.BindTransceiverID, 5, ""),
			want: []answer{nacked(5, smpp.StatusInvCmdLen)}, ends: true},
		{name: "one over the longest when bound", as: trx, send: short(smpp.MaxPDU + 1),
			want: []answer{nacked(5, smpp.StatusInvCmdLen)}, ends: true},
		{name: "the longest", as: trx, send: long, want: []answer{linked(5)}},
		{name: "one octet too short", as: trx, send: shortened(submit),
			want: []answer{submitted(6, smpp.StatusInvMsgLen), nacked(0, smpp.StatusInvCmdLen)}, ends: true},
		{name: "one octet too long", as: trx, send: append(lengthened(submit), link...),
			want: []answer{submitted(6, 0)}, hangUp: true},
		{name: "a header octet by octet", as: trx, send: link, drip: true, want: []answer{linked(5)}},
		{name: "a bind octet by octet", send: octetsOf(5, bindOf("mark", trx)), drip: true,
			want: []answer{{smpp.BindTransceiverRespID, 0, 5}}},
		{name: "a submit octet by octet", as: trx, send: submit, drip: true, want: []answer{submitted(6, 0)}},
		{name: "two in one segment", as: trx, send: join(link, submit), want: []answer{linked(5), submitted(6, 0)}},
		{name: "half a header, then the end", as: trx, send: link[:8], hangUp: true},
		{name: "half a submit, then the end", as: trx, send: submit[:30], hangUp: true},
		{name: "half a bind, then the end", send: octetsOf(5, bindOf("mark", trx))[:20], hangUp: true},
		{name: "the end of one direction", as: trx, send: link, want: []answer{linked(5)}, hangUp: true},
		{name: "sequence_number 0", as: trx, send: octetsOf(0, good()), want: []answer{submitted(0, 0)}},
		{name: "sequence_number 2^32-1", as: trx, send: octetsOf(1<<32-1, good()), want: []answer{submitted(1<<32-1, 0)}},
		{name: "a sequence_number three times", as: trx, send: repeat(3, submit),
			want: []answer{submitted(6, 0), submitted(6, 0), submitted(6, 0)}},
		{name: "a command_status in a request", as: trx, send: smpp.Append(nil, 0xDEADBEEF, 6, good()), want: []answer{submitted(6, 0)}},
	})
	return append(cases,
		hostileCase{"a submit split at every octet", splitEverywhere},
		hostileCase{"a thousand at once", thousandAtOnce},
		hostileCase{"a body cut at every octet", cutEverywhere()},
		hostileCase{"unknown command_ids", variants(200,
			func(i uint32) []byte { return withBody(smpp.CommandID(0x10000+i*0x9E37), i, "private") },
			func(_ uint32, h smpp.Header) bool {
				return h.ID == smpp.GenericNackID && h.Status == smpp.StatusInvCmdID
			})},
		hostileCase{"reset in the middle of a PDU", resetInside(submit)},
	)
}

// shortened claims one octet less than there is.
func shortened(b []byte) []byte {
	b = append([]byte(nil), b...)
	b[3]--
	return append(b, "\x00\x00\x00\x00"...)
}

// lengthened claims one octet more than there is.
func lengthened(b []byte) []byte {
	b = append([]byte(nil), b...)
	b[3]++
	return b
}

// splitEverywhere sends a submit in two segments, cut at each octet in turn.
func splitEverywhere(t *testing.T, h *hostile) {
	a := h.attackAs(t, "mark", smpp.Transmitter)
	for i := 1; i < len(octetsOf(0, good())); i++ {
		b := octetsOf(uint32(i), good())
		for _, part := range [][]byte{b[:i], b[i:]} {
			if err := a.raw(part); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.expect(submitted(uint32(i), 0)); err != nil {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
}

// thousandAtOnce is one write, of twenty times what a session reads at first.
func thousandAtOnce(t *testing.T, h *hostile) {
	a := h.attackAs(t, "mark", smpp.Transmitter)
	var b []byte
	want := make([]answer, 1000)
	for i := range want {
		b = smpp.Append(b, 0, uint32(i), good())
		want[i] = submitted(uint32(i), 0)
	}
	if err := a.raw(b); err != nil {
		t.Fatal(err)
	}
	if err := a.expect(want...); err != nil {
		t.Error(err)
	}
}

// cutEverywhere sends each beginning of a submit's body as a whole one.
func cutEverywhere() func(*testing.T, *hostile) {
	body := octetsOf(0, good())[16:]
	return variants(uint32(len(body)), func(i uint32) []byte { return withBody(smpp.SubmitSMID, i, string(body[:i])) },
		statusesOf(smpp.StatusInvCmdLen, smpp.StatusInvMsgLen))
}

// resetInside breaks connections off inside a PDU.
func resetInside(b []byte) func(*testing.T, *hostile) {
	return func(t *testing.T, h *hostile) {
		for n := 1; n < len(b); n += 7 {
			a := h.attackAs(t, "mark", smpp.Transceiver)
			if err := a.raw(b[:n]); err != nil {
				t.Fatal(err)
			}
			a.reset()
		}
	}
}
