package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"smppbridge/smpp"
)

// submitRow is a row of one submit_sm in a bound session, which stays.
func submitRow(name string, st smpp.Status, change ...func(*smpp.SubmitSM)) row {
	return row{name: name, as: smpp.Transceiver, send: octetsOf(6, good(change...)), want: []answer{submitted(6, st)}}
}

// params puts octets where the optional parameters are.
func params(octets string) func(*smpp.SubmitSM) {
	return func(m *smpp.SubmitSM) { m.TLVs = smpp.TLVs(octets) }
}

// param is an optional parameter.
func param(tag smpp.Tag, value string) string {
	b := binary.BigEndian.AppendUint16(nil, uint16(tag))
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	return string(b) + value
}

// payload puts the text into message_payload.
func payload(dataCoding byte, octets string) func(*smpp.SubmitSM) {
	return func(m *smpp.SubmitSM) {
		m.DataCoding, m.ShortMessage, m.TLVs = dataCoding, "", smpp.TLVs(param(smpp.TagMessagePayload, octets))
	}
}

func sar(ref, total, seq string) func(*smpp.SubmitSM) {
	return params(param(smpp.TagSARMsgRefNum, ref) + param(smpp.TagSARTotalSegments, total) + param(smpp.TagSARSegmentSeqnum, seq))
}

// parameterCases are optional parameters, user data headers and parts.
func parameterCases() []hostileCase {
	const stream, value = smpp.StatusInvOptParStream, smpp.StatusInvOptParamVal
	const most = 65535 // octets of a parameter
	rows := []row{
		submitRow("half a parameter's header", stream, params("\x04\x24\x00")),
		submitRow("a parameter one octet short", stream, params(param(0x1500, "private")[:10])),
		submitRow("a parameter of 64 KiB that is not there", stream, params("\x15\x00\xFF\xFF")),
		submitRow("an empty unknown parameter", 0, params(param(0x1500, ""))),
		submitRow("an unknown parameter of 64 KiB", 0, params(param(0x1500, strings.Repeat("x", most)))),
		submitRow("a parameter 10,000 times", 0, params(strings.Repeat(param(0x1500, "x"), 10000))),
		submitRow("sar_total_segments 10,000 times", smpp.StatusMissingOptParam, params(strings.Repeat(param(smpp.TagSARTotalSegments, "\x02"), 10000))),
		submitRow("an empty message_payload beside the text", 0, params(param(smpp.TagMessagePayload, ""))),
		submitRow("two texts", smpp.StatusOptParNotAllwd, params(param(smpp.TagMessagePayload, "private"))),
		submitRow("vendor's parameters of an account without them", 0, params(param(0x1400, "SMS_1")+param(0x1401, "{")+param(0x1402, "\xFF"))),
		submitRow("user_message_reference of three octets", smpp.StatusInvParLen, params(param(smpp.TagUserMessageReference, "abc"))),
		submitRow("segment 1 of 0", value, sar("ab", "\x00", "\x01")),
		submitRow("segment 3 of 2", value, sar("ab", "\x02", "\x03")),
		submitRow("segment 0 of 2", value, sar("ab", "\x02", "\x00")),
		submitRow("a reference of one octet", smpp.StatusInvParLen, sar("a", "\x02", "\x01")),
		submitRow("a total of four octets", smpp.StatusInvParLen, sar("ab", "\x00\x00\x00\x02", "\x01")),
		submitRow("sar_ without a total", smpp.StatusMissingOptParam, params(param(smpp.TagSARMsgRefNum, "ab"))),
		submitRow("64 KiB of GSM", smpp.StatusInvMsgLen, payload(0, strings.Repeat("a", most))),
		submitRow("64 KiB of ASCII", smpp.StatusInvMsgLen, payload(smpp.DataCodingASCII, strings.Repeat("a", most))),
		submitRow("64 KiB of Latin-1", smpp.StatusInvMsgLen, payload(smpp.DataCodingLatin1, strings.Repeat("\xE4", most))),
		submitRow("64 KiB of UCS-2", smpp.StatusInvMsgLen, payload(smpp.DataCodingUCS2, strings.Repeat("\x4E\x2D", most/2))),
		submitRow("64 KiB of GBK", smpp.StatusInvMsgLen, payload(smpp.DataCodingGBK, strings.Repeat("\xD6\xD0", most/2))),
		submitRow("64 KiB of surrogates without a partner", smpp.StatusInvDCS, payload(smpp.DataCodingUCS2, strings.Repeat("\xD8\x3D", most/2))),
	}
	for _, u := range []struct {
		name, octets string
		want         smpp.Status
	}{
		{"a header longer than the message", "\xFFprivate", smpp.StatusInvEsmClass},
		{"a header that is all there is", "\x05\x00\x03\x01\x02\x01", 0},
		{"an empty header", "\x00private", 0},
		{"no header", "", smpp.StatusInvEsmClass},
		{"an element beyond the header", "\x05\x00\xFF\x01\x02\x01private", smpp.StatusInvEsmClass},
		{"half an element", "\x01\x00private", smpp.StatusInvEsmClass},
		{"a header inside a header", "\x08\x24\x06\x05\x00\x03\x01\x02\x03private", 0},
		{"part 0 of 2", "\x05\x00\x03\x01\x02\x00private", smpp.StatusInvEsmClass},
		{"part 1 of 0", "\x05\x00\x03\x01\x00\x01private", smpp.StatusInvEsmClass},
		{"part 3 of 2, wide", "\x06\x08\x04\x00\x01\x02\x03private", smpp.StatusInvEsmClass},
		{"a place of two octets", "\x04\x00\x02\x01\x02private", smpp.StatusInvEsmClass},
		{"70 empty elements", "\x8C" + strings.Repeat("\x7F\x00", 70) + "private", 0},
	} {
		rows = append(rows, submitRow("UDH: "+u.name, u.want, udh(u.octets)))
	}
	return append(casesOf(rows),
		hostileCase{"5,000 sets of which one part comes", neverComplete},
		hostileCase{"one part of 255, 300 times", variants(300, func(i uint32) []byte {
			return octetsOf(i, good(udh("\x05\x00\x03\x01\xFF\x07private")))
		}, statusesOf(0))},
		hostileCase{"255 parts of 200 octets", variants(255, func(i uint32) []byte {
			return octetsOf(i, good(udh("\x06\x08\x04\xAB\xCD\xFF"+string([]byte{byte(i + 1)})+strings.Repeat("private ", 25))))
		}, statusesOf(0))},
		hostileCase{"parameters at random", variants(500, randomParams, func(i uint32, h smpp.Header) bool { return h.ID == smpp.SubmitSMRespID })},
	)
}

// randomParams is a submit_sm with a random optional part.
func randomParams(i uint32) []byte {
	random := rand.New(rand.NewPCG(uint64(i), 7))
	b := make([]byte, random.IntN(200))
	for k := range b {
		b[k] = byte(random.Uint32() >> random.IntN(8))
	}
	return octetsOf(i, good(params(string(b))))
}

// neverComplete sends the first part of 5,000 messages, all of which stay incomplete. The account's window is what
// bounds them: beyond it the account, and nobody else, is told that its queue is full.
func neverComplete(t *testing.T, h *hostile) {
	a := h.attackAs(t, "parts", smpp.Transmitter)
	const n = 5000
	failed := make(chan error, 1)
	go func() {
		var b []byte
		for i := range uint32(n) {
			b = smpp.Append(b, 0, i, good(udh(string(smpp.Concat{Ref: uint16(i), Total: 255, Seq: 1, Wide: true}.AppendUDH(nil))+"private"),
				func(m *smpp.SubmitSM) { m.ValidityPeriod = "000000000005000R" })) // 5 s
		}
		failed <- a.raw(b)
	}()
	for range n {
		hd, _, err := a.next()
		if err != nil {
			t.Fatal(err)
		}
		if hd.Status != smpp.StatusOK && hd.Status != smpp.StatusMsgQFul {
			t.Fatalf("answered %v", hd.Status)
		}
	}
	if err := <-failed; err != nil {
		t.Error(err)
	}
}

// readable are the values of data_coding in which "private!" is text.
func readable(i uint32) bool {
	switch i {
	case 0, 1, 3, 6, 7, 8, 15:
		return true
	}
	return i>>4 == 1 && i&4 == 0 || i>>4 == 15 && i&4 == 0
}

// textCases are texts that are none, and fields that are what they must not be.
func textCases() []hostileCase {
	const cs, escapes = smpp.StatusInvDCS, "\x1b]0;private\x07\n\r\x00\x7F\x1b[2J"
	rows := []row{
		submitRow("UCS-2 with an odd octet", smpp.StatusInvMsgLen, octets(8, "\x4E\x2D\x65")),
		submitRow("UCS-2: high surrogate alone", cs, octets(8, "\xD8\x3D")),
		submitRow("UCS-2: low surrogate first", cs, octets(8, "\xDC\x00\xD8\x3D")),
		submitRow("UCS-2: nothing but a byte order mark", smpp.StatusInvDftMsgID, octets(8, "\xFE\xFF")),
		submitRow("GSM: octets above 127", cs, octets(0, strings.Repeat("\xFF", 254))),
		submitRow("GSM: escape at the end", 0, octets(0, "private\x1b")),
		submitRow("GSM: escape to nowhere", 0, octets(0, "private\x1b\x1b\x1b")),
		submitRow("ASCII: octets above 127", cs, octets(1, "private\x80")),
		submitRow("GBK: half a character", cs, octets(15, "private\xD6")),
		submitRow("GBK: no character", cs, octets(15, "\xFF\xFF")),
		{name: "sm_length 255", as: smpp.Transceiver, want: []answer{submitted(6, smpp.StatusInvMsgLen)},
			send: withBody(smpp.SubmitSMID, 6, "\x00\x00\x00\x00\x00\x0013700000000\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xFF"+strings.Repeat("x", 255))},
	}
	type wrong struct {
		name string
		want smpp.Status
	}
	long := strings.Repeat("x", 300)
	for at, w := range []wrong{{"service_type", smpp.StatusInvSerTyp}, {"source_addr", smpp.StatusInvSrcAdr},
		{"destination_addr", smpp.StatusInvDstAdr}, {"schedule_delivery_time", smpp.StatusInvSched}, {"validity_period", smpp.StatusInvExpiry}} {
		rows = append(rows, row{name: w.name + " without an end", as: smpp.Transceiver, want: []answer{submitted(6, w.want)},
			send: withBody(smpp.SubmitSMID, 6, fieldsUpTo(at)+long)})
	}
	cases := append(casesOf(rows),
		hostileCase{"every data_coding", variants(256,
			func(i uint32) []byte { return octetsOf(i, good(octets(byte(i), "private!"))) },
			func(i uint32, h smpp.Header) bool {
				return readable(i) && h.Status == 0 || !readable(i) && h.Status == cs
			})},
		hostileCase{"every esm_class", variants(256,
			func(i uint32) []byte {
				return octetsOf(i, good(func(m *smpp.SubmitSM) { m.ESMClass = byte(i) }))
			},
			func(i uint32, h smpp.Header) bool { // a type, transaction mode, or a header that "private" does not begin with
				bad := i&0x3C != 0 || i&3 == 2 || i&0x40 != 0
				return bad && h.Status == smpp.StatusInvEsmClass || !bad && h.Status == 0
			})},
		hostileCase{"every flag", variants(5*256, flagged, statusesOf(0, smpp.StatusInvPrtFlg, smpp.StatusInvSubRep, smpp.StatusInvRepFlag, smpp.StatusInvDftMsgID))},
		hostileCase{"every octet as a text", variants(256,
			func(i uint32) []byte {
				return octetsOf(i, good(octets(0, strings.Repeat(string([]byte{byte(i)}), 20))))
			},
			statusesOf(0, cs, smpp.StatusInvDftMsgID, smpp.StatusInvMsgLen))},
		hostileCase{"control characters in each field", variants(6, func(i uint32) []byte {
			return octetsOf(i, good(func(m *smpp.SubmitSM) {
				*[]*string{&m.ServiceType, &m.SourceAddr, &m.DestinationAddr, &m.ScheduleDeliveryTime, &m.ValidityPeriod, &m.ShortMessage}[i] = "\x1b[2J\n"
			}))
		}, statusesOf(0, smpp.StatusInvSrcAdr, smpp.StatusInvDstAdr, smpp.StatusInvSched, smpp.StatusInvExpiry, cs))},
		hostileCase{"escapes and NULs in texts", variants(4, func(i uint32) []byte {
			return octetsOf(i, good(octets([]byte{0, 1, 3, 15}[i], escapes)))
		}, statusesOf(0, cs))},
		hostileCase{"fields at random", variants(500, randomBody, func(_ uint32, h smpp.Header) bool { return h.ID == smpp.SubmitSMRespID })},
	)
	return cases
}

// fieldsUpTo is the beginning of a submit_sm's body, before one of its strings.
func fieldsUpTo(field int) string {
	return []string{"", "\x00\x00\x00", "\x00\x00\x00\x00\x00\x00", "\x00\x00\x00\x00\x00\x0013700000000\x00\x00\x00\x00",
		"\x00\x00\x00\x00\x00\x0013700000000\x00\x00\x00\x00\x00"}[field]
}

// flagged has each value in each field of one octet.
func flagged(i uint32) []byte {
	return octetsOf(i, good(func(m *smpp.SubmitSM) {
		*[]*byte{&m.PriorityFlag, &m.RegisteredDelivery, &m.ReplaceIfPresent, &m.SMDefaultMsgID, &m.ProtocolID}[i>>8] = byte(i)
	}))
}

// randomBody is a submit_sm in whose body a few octets are wrong.
func randomBody(i uint32) []byte {
	random := rand.New(rand.NewPCG(uint64(i), 11))
	b := octetsOf(i, good(func(m *smpp.SubmitSM) {
		m.DestinationAddr = fmt.Sprintf("136%08d", i)
		m.TLVs = smpp.TLVs(param(smpp.TagUserMessageReference, "ab"))
	}))
	for range 1 + random.IntN(6) {
		b[16+random.IntN(len(b)-16)] = byte(random.Uint32())
	}
	return b
}
