package aliyun

import (
	"testing"

	"smppbridge/store"
)

func TestMeaning(t *testing.T) {
	const yes, no, unsaid = outcomeDelivered, outcomeFailed, outcomeUnsaid
	tests := []struct {
		code   string
		said   reportOutcome
		ending store.Ending
		err    string
	}{
		{"DELIVERED", yes, store.EndDelivered, "000"},
		{"DELIVERED", unsaid, store.EndDelivered, "000"},
		{"DELIVERED", no, store.EndUndeliverable, "199"}, // it denies itself
		{"DELIVRD", yes, store.EndDelivered, "000"},
		{"0", yes, store.EndDelivered, "000"},
		{"", yes, store.EndDelivered, "000"},
		{"SOMETHING_NEW", yes, store.EndDelivered, "000"},
		{"MOBILE_NOT_ON_SERVICE", no, store.EndUndeliverable, "101"},
		{"INVALID_NUMBER", no, store.EndUndeliverable, "102"},
		{"MOBILE_ACCOUNT_ABNORMAL", no, store.EndUndeliverable, "103"},
		{"MOBLLE_TERMINAL_ERROR", no, store.EndUndeliverable, "104"},
		{"MOBILE_TERMINAL_ERROR", no, store.EndUndeliverable, "104"},
		{"MOBILE_SEND_LIMIT", no, store.EndRejected, "105"},
		{"MOBILE_IN_BLACK", no, store.EndRejected, "106"},
		{"MOBILE_IN_BLACK", yes, store.EndRejected, "106"}, // a known code decides
		{"USER_REJECT", no, store.EndRejected, "107"},
		{"CONTENT_KEYWORD", no, store.EndRejected, "108"},
		{"CONTENT_ERROR", no, store.EndRejected, "109"},
		{"SIGNATURE_BLACKLIST", no, store.EndRejected, "110"},
		{"PORT_NOT_REGISTERED", no, store.EndRejected, "111"},
		{"IS_CLOSE", no, store.EndUndeliverable, "112"},
		{"NO_ROUTE", no, store.EndUndeliverable, "113"},
		{"SP_NOT_BY_INTER_SMS", no, store.EndUndeliverable, "115"},
		{"SP_UNKNOWN_ERROR", no, store.EndUndeliverable, "116"},
		{"EXPIRED", no, store.EndExpired, "117"},
		{"REQUEST_SUCCESS", yes, 0, "118"},
		{"REQUEST_SUCCESS", no, 0, "118"},
		{"PARAMS_ILLEGAL", no, store.EndRejected, "036"},
		{"isv.MOBILE_NUMBER_ILLEGAL", no, store.EndRejected, "033"},
		{"isv.BUSINESS_LIMIT_CONTROL", no, store.EndRejected, "040"},
		{"isv.AMOUNT_NOT_ENOUGH", no, store.EndRejected, "045"},
		{"isp.SYSTEM_ERROR", no, store.EndRejected, "021"},
		{"isv.SOMETHING_NEW", no, store.EndRejected, "199"},
		{"isp.SOMETHING_NEW", no, store.EndRejected, "199"},
		{"UNDELIV", no, store.EndUndeliverable, "120"},
		{"REJECTD", no, store.EndRejected, "120"},
		{"DELETED", no, 4, "120"},
		{"ACCEPTD", no, 6, "120"},
		{"UNKNOWN", no, store.EndUnknown, "120"},
		{"MK:0001", no, store.EndUndeliverable, "119"},
		{"MI:0013", no, store.EndUndeliverable, "119"},
		{"MN:0054", no, store.EndUndeliverable, "119"},
		{"MC:0001", no, store.EndUnknown, "119"},
		{"MC:0151", no, store.EndUnknown, "119"},
		{"MC:0055", no, store.EndUndeliverable, "119"},
		{"SGIP:67", no, store.EndUndeliverable, "119"},
		{"LT:0012", no, store.EndUndeliverable, "119"},
		{"SOMETHING_NEW", no, store.EndUndeliverable, "199"},
		{"", no, store.EndUndeliverable, "199"},
		{"", unsaid, store.EndUndeliverable, "199"},
		{"OK", yes, store.EndDelivered, "000"},
		{"timeout", no, store.EndUndeliverable, "199"}, // one of our own words means nothing here
	}
	covered := map[string]bool{}
	for _, tt := range tests {
		covered[tt.code] = true
		if ending, err := meaning(tt.code, tt.said); ending != tt.ending || err != tt.err {
			t.Errorf("%q, success %d: got %d %s, want %d %s", tt.code, tt.said, ending, err, tt.ending, tt.err)
		}
	}
	for _, prefix := range carrierPrefixes {
		if ending, err := meaning(prefix+"0099", no); ending != store.EndUndeliverable || err != carrierErr {
			t.Errorf("%s0099: got %d %s", prefix, ending, err)
		}
	}
	for code := range fates {
		if !covered[code] {
			t.Errorf("no case for %s", code)
		}
	}
}
