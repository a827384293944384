package upstream

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"smppbridge/bridge"
	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

// Types of a deliver_sm, in its esm_class (SMPP 3.4, 5.2.12).
const (
	typeMask    byte = 0x3C
	typeInterim byte = 0x20 // an intermediate notification
)

const codeMost = 64 // octets of a report's Code

// isReceipt reports whether m is about a message of ours. Some centres say so by its parameters alone.
func isReceipt(m *smpp.DeliverSM) bool {
	switch m.ESMClass & typeMask {
	case smpp.ESMClassReceipt, typeInterim:
		return true
	case 0:
		_, ok := m.TLVs.Get(smpp.TagReceiptedMessageID)
		return ok
	}
	return false
}

// readReceipt reads a receipt: its parameters, and what they leave out from its text (SMPP 3.4, Appendix B). It is false for
// one that names no message. Its times are not read: nobody knows the zone of a centre's clock.
func (r *route) readReceipt(m *smpp.DeliverSM) (report bridge.IncomingReport, ok bool) {
	fields := appendixB(m)
	id, _ := m.TLVs.Get(smpp.TagReceiptedMessageID)
	if id = strings.TrimRight(id, "\x00"); id == "" {
		id = fields["id"]
	}
	if id == "" {
		return report, false
	}
	report = bridge.IncomingReport{
		BizID:  r.bizID(id, r.receiptBase()),
		Phone:  phoneOf(m.SourceAddr),
		Ending: endingOf(fields["stat"]),
		DoneAt: r.c.cfg.Now(),
	}
	if state, there := m.TLVs.Get(smpp.TagMessageState); there && len(state) == 1 {
		report.Ending = endings[smpp.MessageState(state[0])]
	}
	if m.ESMClass&typeMask == typeInterim {
		report.Ending = 0
	}
	report.Err = errOf(m, fields["err"], report.Ending)
	report.Code = codeText(fields["stat"], fields["err"])
	return report, true
}

// codeText is what the centre calls the end of a message, such as UNDELIV:034.
func codeText(stat, err string) string {
	if err != "" {
		stat += ":" + err
	}
	if len(stat) > codeMost {
		return ""
	}
	return printable(stat)
}

// receiptFields are what a receipt's text tells, each up to the next space.
var receiptFields = []string{"id", "stat", "err"}

// appendixB reads the fields of a receipt's text. Centres differ in their order and in which there are.
func appendixB(m *smpp.DeliverSM) map[string]string {
	text := m.ShortMessage
	if payload, ok := m.TLVs.Get(smpp.TagMessagePayload); ok && text == "" {
		text = payload
	}
	lower := strings.ToLower(text)
	if len(lower) != len(text) { // it is no ASCII
		return nil
	}
	if n := strings.Index(lower, " text:"); n >= 0 { // what follows is the sender's
		lower = lower[:n]
	}
	fields := make(map[string]string, len(receiptFields))
	for _, name := range receiptFields {
		n := strings.Index(" "+lower, " "+name+":")
		if n < 0 {
			continue
		}
		value := text[n+len(name)+1 : len(lower)]
		if end := strings.IndexByte(value, ' '); end >= 0 {
			value = value[:end]
		}
		fields[name] = value
	}
	return fields
}

// endings are the states of messages that have ended (SMPP 3.4, 5.2.28). Others are on their way.
var endings = map[smpp.MessageState]store.Ending{
	smpp.StateDelivered:     store.EndDelivered,
	smpp.StateExpired:       store.EndExpired,
	smpp.StateDeleted:       store.EndDeleted,
	smpp.StateUndeliverable: store.EndUndeliverable,
	smpp.StateUnknown:       store.EndUnknown,
	smpp.StateRejected:      store.EndRejected,
}

// endingOf reads a receipt's stat; 0 where it is none of the standard's, or not final.
func endingOf(stat string) store.Ending {
	for state, ending := range endings {
		if strings.EqualFold(state.String(), stat) {
			return ending
		}
	}
	return 0
}

// errOf is the err of a receipt: three characters, from its text or from network_error_code (SMPP 3.4, 5.3.2.31).
func errOf(m *smpp.DeliverSM, text string, ending store.Ending) string {
	if ending == store.EndDelivered || ending == 0 {
		return "000"
	}
	if isErr(text) {
		return text
	}
	if v, ok := m.TLVs.Get(smpp.TagNetworkErrorCode); ok && len(v) == 3 {
		if n := binary.BigEndian.Uint16([]byte(v[1:])); n <= 999 {
			return fmt.Sprintf("%03d", n)
		}
	}
	return errOther
}

func isErr(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return len(s) == 3 && s != "000"
}

// phoneOf is the number that a receipt is about; empty where its source_addr is none.
func phoneOf(addr string) string {
	addr = strings.TrimPrefix(addr, "+")
	if len(addr) < 7 || strings.Trim(addr, "0123456789") != "" {
		return ""
	}
	return addr
}

// bizID is what the bridge knows a message_id by. Several centres number their messages alike; those that spell an
// id in two ways have one spelling here, for which base is that of the spelling at hand, 0 where it stays as it is.
func (r *route) bizID(id string, base int) string {
	if id == "" {
		return ""
	}
	if base != 0 {
		if n, err := strconv.ParseUint(id, base, 64); err == nil {
			id = strconv.FormatUint(n, 16)
		}
	}
	return r.Account + "/" + id
}

// answerBase is the base of message_ids in submit_sm_resp.
func (r *route) answerBase() int {
	switch r.SMPP.ReceiptIDs {
	case configs.ReceiptDecimal:
		return 16
	case configs.ReceiptHex:
		return 10
	}
	return 0
}

// receiptBase is the base of message_ids in receipts.
func (r *route) receiptBase() int {
	switch r.SMPP.ReceiptIDs {
	case configs.ReceiptDecimal:
		return 10
	case configs.ReceiptHex:
		return 16
	}
	return 0
}
