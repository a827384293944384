package smpp

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A MessageState is what became of a message (SMPP 3.4, 5.2.28).
type MessageState uint8

// The states of SMPP 3.4.
const (
	StateEnroute       MessageState = 1
	StateDelivered     MessageState = 2
	StateExpired       MessageState = 3
	StateDeleted       MessageState = 4
	StateUndeliverable MessageState = 5
	StateAccepted      MessageState = 6
	StateUnknown       MessageState = 7
	StateRejected      MessageState = 8
)

// stateWords are what a receipt's text calls the states (SMPP 3.4, Appendix B).
var stateWords = [...]string{
	StateEnroute: "ENROUTE", StateDelivered: "DELIVRD", StateExpired: "EXPIRED", StateDeleted: "DELETED",
	StateUndeliverable: "UNDELIV", StateAccepted: "ACCEPTD", StateUnknown: "UNKNOWN", StateRejected: "REJECTD",
}

// String returns the seven letters that a receipt's text has for the state.
func (s MessageState) String() string {
	if int(s) < len(stateWords) && stateWords[s] != "" {
		return stateWords[s]
	}
	return stateWords[StateUnknown]
}

// Final reports whether a message in this state stays in it.
func (s MessageState) Final() bool { return s != StateEnroute && s != StateAccepted }

// A Receipt is a delivery receipt as it travels in short_message (SMPP 3.4,
// Appendix B) and in optional parameters.
type Receipt struct {
	MessageID  string // as in the submit_sm_resp, letter for letter
	Sub        int    // messages submitted
	Dlvrd      int    // of them delivered
	SubmitDate time.Time
	DoneDate   time.Time
	State      MessageState
	Err        string // a network's or ours, three characters
	Text       string // how the message began
}

const (
	receiptTime     = "0601021504"
	receiptTimeLong = "060102150405" // some message centres write the seconds too
	receiptText     = 20             // characters of the message at most
)

// ShortMessage returns the receipt's text, for data_coding 0 in any alphabet. The
// times are written in their own locations.
func (r *Receipt) ShortMessage() string {
	b := make([]byte, 0, 160)
	b = append(b, "id:"...)
	b = append(b, r.MessageID...)
	b = append(b, " sub:"...)
	b = appendCount(b, r.Sub)
	b = append(b, " dlvrd:"...)
	b = appendCount(b, r.Dlvrd)
	b = append(b, " submit date:"...)
	b = r.SubmitDate.AppendFormat(b, receiptTime)
	b = append(b, " done date:"...)
	b = r.DoneDate.AppendFormat(b, receiptTime)
	b = append(b, " stat:"...)
	b = append(b, r.State.String()...)
	b = append(b, " err:"...)
	b = appendErr(b, r.Err)
	b = append(b, " text:"...)
	return string(appendPlain(b, r.Text, receiptText))
}

// TLVs returns the parameters receipted_message_id and message_state (SMPP 3.4,
// 5.3.2.12 and 5.3.2.35).
func (r *Receipt) TLVs() TLVs {
	b := make([]byte, 0, 2*tlvHeaderLen+len(r.MessageID)+2)
	b = appendTLV(b, TagReceiptedMessageID, r.MessageID+"\x00")
	return TLVs(appendTLV(b, TagMessageState, string([]byte{byte(r.State)})))
}

// appendCount writes three digits, which is what the text has room for.
func appendCount(b []byte, n int) []byte {
	n = min(max(n, 0), 999)
	return append(b, byte('0'+n/100), byte('0'+n/10%10), byte('0'+n%10))
}

// appendErr writes exactly three characters: clients cut the text by columns.
func appendErr(b []byte, err string) []byte {
	if n := len(err); n < 3 {
		b = append(b, "000"[n:]...)
	}
	return appendPlain(b, err, 3)
}

// appendPlain writes at most limit characters of s, those outside printable ASCII
// as a question mark: every alphabet has that.
func appendPlain(b []byte, s string, limit int) []byte {
	for _, r := range s {
		if limit--; limit < 0 {
			break
		}
		if r < ' ' || r > '~' {
			r = '?'
		}
		b = append(b, byte(r))
	}
	return b
}

var errReceipt = errors.New("not the text of a receipt")

// receiptKeys are in the order in which every message centre writes them.
var receiptKeys = [...]string{"id:", " sub:", " dlvrd:", " submit date:", " done date:", " stat:", " err:", " text:"}

// ParseReceipt reads a receipt's text; its times are in loc. What follows the state
// may be missing, and times may have seconds.
func ParseReceipt(text string, loc *time.Location) (Receipt, error) {
	var values [len(receiptKeys)]string
	lower := lowerASCII(text) // of the same length, which strings.ToLower does not promise
	last, at := -1, 0
	for i, key := range receiptKeys {
		n := strings.Index(lower[at:], key)
		if n < 0 {
			continue
		}
		if last >= 0 {
			values[last] = text[at : at+n]
		} else if n > 0 {
			return Receipt{}, errReceipt
		}
		last, at = i, at+n+len(key)
	}
	if last < 5 {
		return Receipt{}, errReceipt // nothing up to the state
	}
	values[last] = text[at:]
	return receiptOf(values, loc)
}

func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func receiptOf(v [len(receiptKeys)]string, loc *time.Location) (Receipt, error) {
	r := Receipt{MessageID: v[0], State: StateUnknown, Err: v[6], Text: v[7]}
	var err error
	if r.Sub, err = parseCount(v[1]); err != nil {
		return Receipt{}, fmt.Errorf("%w: sub", errReceipt)
	}
	if r.Dlvrd, err = parseCount(v[2]); err != nil {
		return Receipt{}, fmt.Errorf("%w: dlvrd", errReceipt)
	}
	if r.SubmitDate, err = parseReceiptTime(v[3], loc); err != nil {
		return Receipt{}, fmt.Errorf("%w: submit date", errReceipt)
	}
	if r.DoneDate, err = parseReceiptTime(v[4], loc); err != nil {
		return Receipt{}, fmt.Errorf("%w: done date", errReceipt)
	}
	for s, word := range stateWords {
		if word != "" && strings.EqualFold(word, v[5]) {
			r.State = MessageState(s)
		}
	}
	return r, nil
}

func parseCount(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	return strconv.Atoi(s)
}

func parseReceiptTime(s string, loc *time.Location) (time.Time, error) {
	switch len(s) {
	case 0:
		return time.Time{}, nil
	case len(receiptTimeLong):
		return time.ParseInLocation(receiptTimeLong, s, loc)
	}
	return time.ParseInLocation(receiptTime, s, loc)
}
