package aliyun

import (
	"strings"
	"testing"
	"time"

	"smppbridge/bridge"
	"smppbridge/store"
)

const (
	accepted  = store.OutcomeAccepted
	rejected  = store.OutcomeRejected
	retry     = store.OutcomeRetry
	uncertain = store.OutcomeUncertain
)

// An outcomeCase is a code as it comes over the wire, with what must become of it.
type outcomeCase struct {
	code   string
	kind   store.OutcomeKind
	err    string // of the receipt
	status uint32 // command_status
	label  string // Answer.Code, if not the code
}

// The documented codes of Dysmsapi itself: HTTP 200 with a Code.
var businessCases = []outcomeCase{
	{"OK", accepted, "", 0x00, ""},
	{"isp.SYSTEM_ERROR", uncertain, "021", 0x08, ""},
	{"isp.GATEWAY_ERROR", uncertain, "024", 0x08, ""},
	{"isp.UNKNOWN", uncertain, "022", 0x08, ""},
	{"isp.SOMETHING_NEW", uncertain, "021", 0x08, "isp."},
	{"isv.MOBILE_NUMBER_ILLEGAL", rejected, "033", 0x0B, ""},
	{"isv.MOBILE_COUNT_OVER_LIMIT", rejected, "034", 0x33, ""},
	{"isv.DOMESTIC_NUMBER_NOT_SUPPORTED", rejected, "090", 0x0B, ""},
	{"isv.NOT_SUPPORTED_COUNTRY", rejected, "026", 0x0B, ""},
	{"COUNTRY_RESTRICTED", rejected, "090", 0x0B, ""},
	{"isv.COUNTRY_RESTRICTED", rejected, "090", 0x0B, ""},
	{"isv.BLACK_KEY_CONTROL_LIMIT", rejected, "043", 0x45, ""},
	{"isv.CUSTOMER_REFUSED", rejected, "107", 0x45, ""},
	{"isv.SMS_TEMPLATE_ILLEGAL", rejected, "031", 0x45, ""},
	{"isv.SMS_SIGNATURE_ILLEGAL", rejected, "032", 0x0A, ""},
	{"isv.SMS_SIGN_ILLEGAL", rejected, "032", 0x0A, ""},
	{"isv.SIGN_STATE_ILLEGAL", rejected, "032", 0x0A, ""},
	{"isv.SMS_SIGN_NAME_ILLEGAL", rejected, "032", 0x0A, ""},
	{"isv.SIGN_NAME_ILLEGAL", rejected, "032", 0x0A, ""},
	{"SIGNATURE_BLACKLIST", rejected, "032", 0x0A, ""},
	{"isv.SIGN_SOURCE_ILLEGAL", rejected, "032", 0x0A, ""},
	{"isv.SMS_SIGN_EMOJI_ILLEGAL", rejected, "032", 0x0A, ""},
	{"isv.SMS_SIGNATURE_SCENE_ILLEGAL", rejected, "032", 0x45, ""},
	{"isv.TEMPLATE_MISSING_PARAMETERS", rejected, "035", 0x45, ""},
	{"isv.TEMPLATE_PARAMS_ILLEGAL", rejected, "037", 0x45, ""},
	{"isv.INVALID_PARAMETERS", rejected, "036", 0x45, ""},
	{"PARAMS_ILLEGAL", rejected, "036", 0x45, ""},
	{"isv.PARAMS_ILLEGAL", rejected, "036", 0x45, ""},
	{"isv.INVALID_JSON_PARAM", rejected, "042", 0x45, ""},
	{"isv.PARAM_LENGTH_LIMIT", rejected, "044", 0x01, ""},
	{"isv.PARAM_NOT_SUPPORT_URL", rejected, "050", 0x45, ""},
	{"isv.SMS_CONTENT_ILLEGAL", rejected, "051", 0x45, ""},
	{"isv.UNSUPPORTED_CONTENT", rejected, "051", 0x45, ""},
	{"isv.SMS_CONTENT_MISMATCH_TEMPLATE_TYPE", rejected, "051", 0x45, ""},
	{"isv.EXTEND_CODE_ERROR", rejected, "053", 0x0A, ""},
	{"isv.ONE_CODE_MULTIPLE_SIGN", rejected, "053", 0x0A, ""},
	{"isv.CODE_EXCEED_LIMIT", rejected, "053", 0x0A, ""},
	{"isv.CODE_ERROR", rejected, "053", 0x0A, ""},
	{"isv.SMS_TEST_SIGN_TEMPLATE_LIMIT", rejected, "058", 0x45, ""},
	{"isv.SMS_TEST_NUMBER_LIMIT", rejected, "058", 0x45, ""},
	{"isv.SMS_TEST_TEMPLATE_PARAMS_ILLEGAL", rejected, "058", 0x45, ""},
	{"isv.SOMETHING_NEW", rejected, "199", 0x45, "other"},
	// A server that speaks of being unreachable has been reached.
	{"unreachable", rejected, "199", 0x45, "other"},
}

// Faults of the account: retried, and the route is to be stopped.
var accountCases = []outcomeCase{
	{"isv.DAY_LIMIT_CONTROL", retry, "048", 0x58, ""},
	{"isv.MONTH_LIMIT_CONTROL", retry, "049", 0x58, ""},
	{"isv.AMOUNT_NOT_ENOUGH", retry, "045", 0x08, ""},
	{"isv.OUT_OF_SERVICE", retry, "027", 0x08, ""},
	{"isv.PRODUCT_UN_SUBSCRIPT", retry, "057", 0x08, ""},
	{"isv.PRODUCT_UNSUBSCRIBE", retry, "057", 0x08, ""},
	{"isv.ACCOUNT_NOT_EXISTS", retry, "029", 0x08, ""},
	{"isv.ACCOUNT_ABNORMAL", retry, "030", 0x08, ""},
	{"isv.SECURITY_FROZEN_ACCOUNT", retry, "030", 0x08, ""},
	{"isv.DENY_IP_RANGE", retry, "059", 0x08, ""},
	{"isp.RAM_PERMISSION_DENY", retry, "055", 0x08, ""},
}

// Answers of the gateway, with their HTTP status.
var gatewayCases = []struct {
	status int
	outcomeCase
	account bool
}{
	{400, outcomeCase{"Throttling", retry, "096", 0x58, ""}, false},
	{400, outcomeCase{"Throttling.User", retry, "096", 0x58, ""}, false},
	{400, outcomeCase{"Throttling.Api", retry, "096", 0x58, ""}, false},
	{400, outcomeCase{"Throttling.Something", retry, "096", 0x58, "Throttling"}, false},
	{503, outcomeCase{"Throttling.User", retry, "096", 0x58, ""}, false},
	{429, outcomeCase{"TooMany", retry, "096", 0x45, "other"}, false},
	{400, outcomeCase{"SignatureDoesNotMatch", retry, "060", 0x08, ""}, true},
	{400, outcomeCase{"IncompleteSignature", retry, "060", 0x08, ""}, true},
	{404, outcomeCase{"InvalidAccessKeyId.NotFound", retry, "060", 0x08, ""}, true},
	{400, outcomeCase{"InvalidAccessKeyId.Inactive", retry, "060", 0x08, ""}, true},
	{400, outcomeCase{"InvalidAccessKeyId", retry, "060", 0x08, ""}, true},
	{403, outcomeCase{"Forbidden.RAM", retry, "055", 0x08, "Forbidden"}, true},
	{403, outcomeCase{"NoPermission", retry, "055", 0x08, ""}, true},
	{400, outcomeCase{"InvalidTimeStamp.Expired", retry, "061", 0x08, ""}, true},
	{400, outcomeCase{"InvalidTimeStamp.Format", retry, "061", 0x08, "InvalidTimeStamp"}, true},
	{400, outcomeCase{"SignatureNonceUsed", retry, "062", 0x08, ""}, false},
	{400, outcomeCase{"MissingSecurityToken", retry, "060", 0x08, ""}, false},
	{400, outcomeCase{"InvalidSecurityToken.Expired", retry, "060", 0x08, ""}, false},
	{400, outcomeCase{"InvalidSecurityToken.Malformed", retry, "060", 0x08, "InvalidSecurityToken"}, true},
	{400, outcomeCase{"MissingSignName", rejected, "036", 0x45, "Missing"}, false},
	{400, outcomeCase{"InvalidVersion", retry, "036", 0x08, ""}, true},
	{404, outcomeCase{"InvalidAction.NotFound", retry, "036", 0x08, ""}, true},
	{400, outcomeCase{"isv.MOBILE_NUMBER_ILLEGAL", rejected, "033", 0x0B, ""}, false},
	{400, outcomeCase{"SomethingNew", retry, "199", 0x45, "other"}, false},
	{400, outcomeCase{"timeout", retry, "199", 0x45, "other"}, false},
	{408, outcomeCase{"RequestTimeout", uncertain, "099", 0x45, "other"}, false},
	{500, outcomeCase{"InternalError", uncertain, "021", 0x08, ""}, false},
	{503, outcomeCase{"ServiceUnavailable", uncertain, "021", 0x08, ""}, false},
	{502, outcomeCase{"SomethingNew", uncertain, "021", 0x45, "server_error"}, false},
	// Behind a 5xx a refusal is not believed: it may have been executed.
	{500, outcomeCase{"isv.MOBILE_NUMBER_ILLEGAL", uncertain, "021", 0x0B, ""}, false},
	{500, outcomeCase{"SignatureNonceUsed", uncertain, "021", 0x08, ""}, false},
}

// Every code, through a server, the SDK and the table.
func TestOutcomes(t *testing.T) {
	covered := map[string]bool{}
	try := func(status int, body string, want outcomeCase, account bool) {
		t.Helper()
		if want.label == "" {
			want.label = want.code
		}
		covered[want.label] = true
		srv := serve(t, respond(status, body))
		a := send(t, newClient(t, nil, plainRoute(t, srv.URL)), testCall())
		if a.Kind != want.kind || a.Err != want.err || a.Code != want.label || a.Account != account || a.After != 0 {
			t.Errorf("HTTP %d %s: got %+v; want kind %d, err %s, code %s, account %v", status, want.code, a, want.kind, want.err, want.label, account)
		}
		if want.kind == rejected && a.Ending != store.EndRejected {
			t.Errorf("%s: ending %d, want rejected", want.code, a.Ending)
		}
		if status == 200 {
			if got := builtin.commandStatus(a.Code); got != want.status {
				t.Errorf("%s: command_status %#x, want %#x", want.code, got, want.status)
			}
		}
	}
	for _, tt := range businessCases {
		body := business(tt.code, "message about "+testPhone)
		if tt.code == "OK" {
			body = okBody
		}
		try(200, body, tt, false)
	}
	for _, tt := range accountCases {
		try(200, business(tt.code, "没有访问权限"), tt, true)
	}
	for _, tt := range gatewayCases {
		try(tt.status, gateway(tt.code, "server string to sign is:POST&%2F&AccessKeyId%3D"+testKeyID+"%26PhoneNumbers%3D"+testPhone), tt.outcomeCase, tt.account)
	}
	// The table has no row that this test does not know; our own codes and the per-phone limits
	// have tests of their own.
	for code := range builtin.byCode {
		if !covered[code] && foreignCode(code) == code && !strings.HasPrefix(code, codePhoneLimit) {
			t.Errorf("no case for %s", code)
		}
	}
	for _, f := range families {
		if !covered[f.code] {
			t.Errorf("no case for the family %s", f.code)
		}
	}
}

// Minute and hour limits wait for the next clock window of UTC+8, the day's is final.
func TestPhoneLimits(t *testing.T) {
	now := time.Date(2026, 3, 4, 23, 58, 20, 500e6, beijing)
	tests := []struct {
		message string
		kind    store.OutcomeKind
		code    string
		after   time.Duration
		err     string
		status  uint32
	}{
		{"触发分钟级流控Permits:1", retry, "isv.BUSINESS_LIMIT_CONTROL.minute", 40*time.Second + 500*time.Millisecond, "038", 0x58},
		{"触发小时级流控Permits:5", retry, "isv.BUSINESS_LIMIT_CONTROL.hour", 100*time.Second + 500*time.Millisecond, "039", 0x58},
		{"触发天级流控Permits:10", rejected, "isv.BUSINESS_LIMIT_CONTROL", 0, "040", 0x45},
		{"frequency limit", rejected, "isv.BUSINESS_LIMIT_CONTROL", 0, "040", 0x45},
		{"", rejected, "isv.BUSINESS_LIMIT_CONTROL", 0, "040", 0x45},
	}
	for _, tt := range tests {
		srv := serve(t, respond(200, business("isv.BUSINESS_LIMIT_CONTROL", tt.message)))
		c, err := New(Config{Routes: []Route{plainRoute(t, srv.URL)}, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		a := send(t, c, testCall())
		if a.Kind != tt.kind || a.Code != tt.code || a.After != tt.after || a.Err != tt.err || a.Account {
			t.Errorf("%q: got %+v, want kind %d, %s, after %v, err %s", tt.message, a, tt.kind, tt.code, tt.after, tt.err)
		}
		if got := builtin.commandStatus(a.Code); got != tt.status {
			t.Errorf("%q: command_status %#x, want %#x", tt.message, got, tt.status)
		}
	}
}

// On the edge of a window the wait is for the whole next one: our count and the API's may differ.
func TestWindowEdge(t *testing.T) {
	edge := time.Date(2026, 3, 4, 23, 59, 0, 0, beijing)
	if got := untilWindow(codePhoneMinute, edge); got != time.Minute+windowGuard {
		t.Errorf("at the edge: %v", got)
	}
	if got := untilWindow(codePhoneMinute, edge.Add(-time.Millisecond)); got != time.Millisecond+windowGuard {
		t.Errorf("before the edge: %v", got)
	}
}

// Calls that we never made have their command_status too.
func TestCommandStatusOfOwnCodes(t *testing.T) {
	for code, want := range map[string]uint32{
		"unreachable": 0x08, "tls": 0x08, "no_route": 0x08, "no_credentials": 0x08, "too_late": 0x08, "canceled": 0x08,
		"unsupported": 0x33, "timeout": 0x08, "connection_lost": 0x08, "redirected": 0x08, "bad_answer": 0x08,
		"server_error": 0x08, "sdk_panic": 0x08, "other": 0x45,
	} {
		if got := builtin.commandStatus(code); got != want {
			t.Errorf("%s: %#x, want %#x", code, got, want)
		}
	}
}

// An unknown code is spelled out for the operator only when it can hold nothing of the message.
func TestUnknownCodeInCause(t *testing.T) {
	tests := []struct {
		code, params string
		shown        bool
	}{
		{"isv.SOMETHING_NEW", `{"code":"482913"}`, true},
		{"isp.SOMETHING_NEW", `{}`, true},
		{"isv.13800001111", `{}`, false},
		{"isv.ALICE", `{"name":"Alice"}`, false},
		{"isv.DEAR_ALICE_X", `{"name":"alice"}`, false},
		{"isv.ALI", `{"name":"alice"}`, false},
		{"isv.SOMETHING_NEW", `not JSON`, false},
		{"isv.", `{}`, false},
		{"isv.某某", `{}`, false},
		{"isv." + strings.Repeat("A", 49), `{}`, false},
		{"SomethingNew", `{}`, false},
	}
	for _, tt := range tests {
		got := builtin.describeUnknown(tt.code, []bridge.Recipient{{Params: tt.params}})
		if (got == "unknown code "+tt.code) != tt.shown || (got == "") == tt.shown {
			t.Errorf("%s with %s: %q, want shown %v", tt.code, tt.params, got, tt.shown)
		}
	}
}
