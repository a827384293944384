package aliyun

import (
	"strings"

	"smppbridge/store"
)

// What a report says beside its err_code.
type reportOutcome uint8

const (
	outcomeUnsaid    reportOutcome = iota
	outcomeFailed                  // success is false
	outcomeDelivered               // success is true
)

// Endings of SMPP that the store does not tell apart (SMPP 3.4, 5.2.28).
const (
	endDeleted  store.Ending = 4
	endAccepted store.Ending = 6
)

// Receipts' err without a code of the API behind it.
const (
	deliveredErr = "000"
	pendingErr   = "118"
	carrierErr   = "119" // a raw code of a carrier's
	unknownErr   = "199"
)

// A fate is what an err_code of a report means for the message.
type fate struct {
	ending store.Ending // 0: not final
	err    string
}

// fates are the err_codes of delivery reports, with the receipt that each becomes.
var fates = map[string]fate{
	"MOBILE_NOT_ON_SERVICE":   {store.EndUndeliverable, "101"},
	"INVALID_NUMBER":          {store.EndUndeliverable, "102"},
	"MOBILE_ACCOUNT_ABNORMAL": {store.EndUndeliverable, "103"},
	"MOBLLE_TERMINAL_ERROR":   {store.EndUndeliverable, "104"}, // the API's spelling
	"MOBILE_TERMINAL_ERROR":   {store.EndUndeliverable, "104"},
	"MOBILE_SEND_LIMIT":       {store.EndRejected, "105"},
	"MOBILE_IN_BLACK":         {store.EndRejected, "106"},
	"USER_REJECT":             {store.EndRejected, "107"},
	"CONTENT_KEYWORD":         {store.EndRejected, "108"},
	"CONTENT_ERROR":           {store.EndRejected, "109"},
	"SIGNATURE_BLACKLIST":     {store.EndRejected, "110"},
	"PORT_NOT_REGISTERED":     {store.EndRejected, "111"},
	"IS_CLOSE":                {store.EndUndeliverable, "112"},
	"NO_ROUTE":                {store.EndUndeliverable, "113"},
	"SP_NOT_BY_INTER_SMS":     {store.EndUndeliverable, "115"},
	"SP_UNKNOWN_ERROR":        {store.EndUndeliverable, "116"},
	"EXPIRED":                 {store.EndExpired, "117"},
	"REQUEST_SUCCESS":         {0, pendingErr}, // at the carrier, whose report is awaited

	// States that some carriers' reports carry unchanged.
	"UNDELIV": {store.EndUndeliverable, "120"},
	"REJECTD": {store.EndRejected, "120"},
	"DELETED": {endDeleted, "120"},
	"ACCEPTD": {endAccepted, "120"},
	"UNKNOWN": {store.EndUnknown, "120"},

	// The carrier's centre has not reported.
	"MC:0001": {store.EndUnknown, carrierErr},
	"MC:0151": {store.EndUnknown, carrierErr},
}

// carrierPrefixes begin the raw codes of carriers, which all mean that it was not delivered.
var carrierPrefixes = []string{"MK:", "MI:", "MN:", "MA:", "MB:", "MC:", "CA:", "CB:", "DB:", "IA:", "IB:", "ID:", "SGIP:", "LT:"}

// meaning is the ending and the receipt's err of a report. A known err_code decides, except that
// "delivered" is believed only if success does not deny it.
func meaning(code string, said reportOutcome) (store.Ending, string) {
	switch code {
	case "DELIVERED", "DELIVRD", "0":
		if said != outcomeFailed {
			return store.EndDelivered, deliveredErr
		}
		return store.EndUndeliverable, unknownErr
	}
	if f, known := fates[code]; known {
		return f.ending, f.err
	}
	if r, known := builtin.byCode[code]; known && foreignCode(code) == code && code != codeOK {
		// The platform refused it after having accepted it, in the words of an answer.
		return store.EndRejected, r.err
	}
	if strings.HasPrefix(code, "isv.") || strings.HasPrefix(code, "isp.") {
		return store.EndRejected, unknownErr
	}
	for _, prefix := range carrierPrefixes {
		if strings.HasPrefix(code, prefix) {
			return store.EndUndeliverable, carrierErr
		}
	}
	if said == outcomeDelivered {
		return store.EndDelivered, deliveredErr
	}
	return store.EndUndeliverable, unknownErr
}
