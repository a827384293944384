package main

import (
	"smppbridge/bridge/aliyun/aliyunsim"
	"smppbridge/smpp"
)

// What is to become of a message, by what the API's documentation says of a code.
type fate uint8

const (
	fateEnded     fate = iota // refused for good
	fateAgain                 // surely not sent: again after a while
	fatePhone                 // surely not sent: again in the phone's next window
	fateUncertain             // perhaps sent: asked for, and sent again when the API does not know it
	fateSent                  // sent, whatever the answer looked like
)

// An apiCase is an answer of the API, or none, with what is to become of the message.
type apiCase struct {
	name  string
	fate  fate
	stat  smpp.Status // command_status of the err, for an ESME that waits for the API's answer
	err   string      // of the receipt
	fault aliyunsim.Fault
	route string // keys of the route that differ
}

// business is an answer of the service's: HTTP status 200.
func business(code string, f fate, st smpp.Status, err string) apiCase {
	return apiCase{code, f, st, err, aliyunsim.Fault{Kind: aliyunsim.FaultBusiness, Code: code, Message: "about " + phone}, ""}
}

// gateway is an answer of the gateway's.
func gateway(status int, code string, f fate, st smpp.Status, err string) apiCase {
	return apiCase{code, f, st, err, aliyunsim.Fault{Kind: aliyunsim.FaultGateway, Status: status, Code: code,
		Message: "server string to sign is:POST&%2F&PhoneNumbers%3D" + phone}, ""}
}

// limited is a limit of one phone, which the API names in its message only.
func limited(name, message string, f fate, st smpp.Status, err string) apiCase {
	c := business("isv.BUSINESS_LIMIT_CONTROL", f, st, err)
	c.name, c.fault.Message = name, message
	return c
}

// broken is a call whose answer does not come, or cannot be read; executed says what had happened to the message.
func broken(kind aliyunsim.FaultKind, executed bool, err string) apiCase {
	c := apiCase{string(kind), fateUncertain, smpp.StatusOK, err, aliyunsim.Fault{Kind: kind, DelayMS: 3000}, ""}
	if executed {
		c.name, c.fate, c.fault.Executed = c.name+" after the call", fateSent, true
	}
	return c
}

const (
	fail    = smpp.StatusSubmitFail
	sysErr  = smpp.StatusSysErr
	slower  = smpp.StatusThrottled
	badDest = smpp.StatusInvDstAdr
	badSrc  = smpp.StatusInvSrcAdr
	ok      = smpp.StatusOK
)

// serviceCases are the codes of Dysmsapi itself, of its list and seen in traffic, and some that it may have tomorrow.
func serviceCases() []apiCase {
	return []apiCase{
		business("isp.SYSTEM_ERROR", fateUncertain, ok, "021"),
		business("isp.GATEWAY_ERROR", fateUncertain, ok, "024"),
		business("isp.UNKNOWN", fateUncertain, ok, "022"),
		business("isp.SOMETHING_NEW", fateUncertain, ok, "021"),
		limited("a phone's minute", "触发分钟级流控Permits:1", fatePhone, slower, "038"),
		limited("a phone's hour", "触发小时级流控Permits:5", fatePhone, slower, "039"),
		limited("a phone's day", "触发天级流控Permits:10", fateEnded, fail, "040"),
		limited("a phone's limit without a name", "流控", fateEnded, fail, "040"),
		business("isv.DAY_LIMIT_CONTROL", fateAgain, slower, "048"),
		business("isv.MONTH_LIMIT_CONTROL", fateAgain, slower, "049"),
		business("isv.MOBILE_NUMBER_ILLEGAL", fateEnded, badDest, "033"),
		business("isv.MOBILE_COUNT_OVER_LIMIT", fateEnded, smpp.StatusInvNumDests, "034"),
		business("isv.DOMESTIC_NUMBER_NOT_SUPPORTED", fateEnded, badDest, "090"),
		business("isv.NOT_SUPPORTED_COUNTRY", fateEnded, badDest, "026"),
		business("isv.COUNTRY_RESTRICTED", fateEnded, badDest, "090"),
		business("COUNTRY_RESTRICTED", fateEnded, badDest, "090"),
		business("isv.BLACK_KEY_CONTROL_LIMIT", fateEnded, fail, "043"),
		business("isv.CUSTOMER_REFUSED", fateEnded, fail, "107"),
		business("isv.SMS_TEMPLATE_ILLEGAL", fateEnded, fail, "031"),
		business("isv.SMS_SIGNATURE_ILLEGAL", fateEnded, badSrc, "032"),
		business("isv.SMS_SIGN_ILLEGAL", fateEnded, badSrc, "032"),
		business("isv.SIGN_STATE_ILLEGAL", fateEnded, badSrc, "032"),
		business("isv.SMS_SIGN_NAME_ILLEGAL", fateEnded, badSrc, "032"),
		business("isv.SIGN_NAME_ILLEGAL", fateEnded, badSrc, "032"),
		business("SIGNATURE_BLACKLIST", fateEnded, badSrc, "032"),
		business("isv.SIGN_SOURCE_ILLEGAL", fateEnded, badSrc, "032"),
		business("isv.SMS_SIGN_EMOJI_ILLEGAL", fateEnded, badSrc, "032"),
		business("isv.SMS_SIGNATURE_SCENE_ILLEGAL", fateEnded, badSrc, "032"), // shares the err, and with it the status
		business("isv.TEMPLATE_MISSING_PARAMETERS", fateEnded, fail, "035"),
		business("isv.TEMPLATE_PARAMS_ILLEGAL", fateEnded, fail, "037"),
		business("isv.INVALID_PARAMETERS", fateEnded, fail, "036"),
		business("isv.PARAMS_ILLEGAL", fateEnded, fail, "036"),
		business("PARAMS_ILLEGAL", fateEnded, fail, "036"),
		business("isv.INVALID_JSON_PARAM", fateEnded, fail, "042"),
		business("isv.PARAM_LENGTH_LIMIT", fateEnded, smpp.StatusInvMsgLen, "044"),
		business("isv.PARAM_NOT_SUPPORT_URL", fateEnded, fail, "050"),
		business("isv.SMS_CONTENT_ILLEGAL", fateEnded, fail, "051"),
		business("isv.UNSUPPORTED_CONTENT", fateEnded, fail, "051"),
		business("isv.SMS_CONTENT_MISMATCH_TEMPLATE_TYPE", fateEnded, fail, "051"),
		business("isv.EXTEND_CODE_ERROR", fateEnded, badSrc, "053"),
		business("isv.ONE_CODE_MULTIPLE_SIGN", fateEnded, badSrc, "053"),
		business("isv.CODE_EXCEED_LIMIT", fateEnded, badSrc, "053"),
		business("isv.CODE_ERROR", fateEnded, badSrc, "053"),
		business("isv.SMS_TEST_SIGN_TEMPLATE_LIMIT", fateEnded, fail, "058"),
		business("isv.SMS_TEST_NUMBER_LIMIT", fateEnded, fail, "058"),
		business("isv.SMS_TEST_TEMPLATE_PARAMS_ILLEGAL", fateEnded, fail, "058"),
		business("isv.AMOUNT_NOT_ENOUGH", fateAgain, sysErr, "045"),
		business("isv.OUT_OF_SERVICE", fateAgain, sysErr, "027"),
		business("isv.PRODUCT_UN_SUBSCRIPT", fateAgain, sysErr, "057"),
		business("isv.PRODUCT_UNSUBSCRIBE", fateAgain, sysErr, "057"),
		business("isv.ACCOUNT_NOT_EXISTS", fateAgain, sysErr, "029"),
		business("isv.ACCOUNT_ABNORMAL", fateAgain, sysErr, "030"),
		business("isv.SECURITY_FROZEN_ACCOUNT", fateAgain, sysErr, "030"),
		business("isv.DENY_IP_RANGE", fateAgain, sysErr, "059"),
		business("isp.RAM_PERMISSION_DENY", fateAgain, sysErr, "055"),
		business("isv.SOMETHING_NEW", fateEnded, fail, "199"),
		business("SOMETHING_NEW", fateEnded, fail, "199"),
	}
}

// gatewayCases are the codes of the gateway in front of it.
func gatewayCases() []apiCase {
	return []apiCase{
		gateway(400, "Throttling", fateAgain, slower, "096"),
		gateway(400, "Throttling.User", fateAgain, slower, "096"),
		gateway(400, "Throttling.Api", fateAgain, slower, "096"),
		gateway(400, "Throttling.New", fateAgain, slower, "096"),
		gateway(503, "Throttling.User", fateAgain, slower, "096"),
		gateway(429, "TooManyRequests", fateAgain, slower, "096"),
		gateway(400, "SignatureDoesNotMatch", fateAgain, sysErr, "060"),
		gateway(400, "IncompleteSignature", fateAgain, sysErr, "060"),
		gateway(404, "InvalidAccessKeyId.NotFound", fateAgain, sysErr, "060"),
		gateway(403, "InvalidAccessKeyId.Inactive", fateAgain, sysErr, "060"),
		gateway(400, "InvalidAccessKeyId", fateAgain, sysErr, "060"),
		gateway(403, "Forbidden.RAM", fateAgain, sysErr, "055"),
		gateway(403, "NoPermission", fateAgain, sysErr, "055"),
		gateway(400, "InvalidTimeStamp.Expired", fateAgain, sysErr, "061"),
		gateway(400, "InvalidTimeStamp.Format", fateAgain, sysErr, "061"),
		gateway(400, "SignatureNonceUsed", fateAgain, sysErr, "062"),
		gateway(400, "MissingSecurityToken", fateAgain, sysErr, "060"),
		gateway(400, "InvalidSecurityToken.Expired", fateAgain, sysErr, "060"),
		gateway(400, "InvalidSecurityToken.MismatchWithAccessKey", fateAgain, sysErr, "060"),
		gateway(400, "MissingSignName", fateEnded, fail, "036"),
		gateway(400, "InvalidVersion", fateAgain, fail, "036"), // shares the err, and with it the status
		gateway(404, "InvalidAction.NotFound", fateAgain, fail, "036"),
		gateway(400, "SomethingNew", fateAgain, fail, "199"),
		gateway(500, "InternalError", fateUncertain, ok, "021"),
		gateway(503, "ServiceUnavailable", fateUncertain, ok, "021"),
		gateway(504, "SomethingNew", fateUncertain, ok, "021"),
		gateway(500, "isv.MOBILE_NUMBER_ILLEGAL", fateUncertain, ok, "021"),
		gateway(408, "RequestTimeout", fateUncertain, ok, "099"),
	}
}

// silentCases are calls without an answer. closed is an address at which nobody listens.
func silentCases(closed string) []apiCase {
	return []apiCase{
		{"refused", fateAgain, sysErr, "097", aliyunsim.Fault{}, "endpoint: " + `"` + closed + `"`},
		{"no TLS", fateAgain, sysErr, "097", aliyunsim.Fault{}, "plain: false"},
		broken(aliyunsim.FaultDrop, false, "099"),
		broken(aliyunsim.FaultDrop, true, "099"),
		broken(aliyunsim.FaultReset, false, "099"),
		broken(aliyunsim.FaultReset, true, "099"),
		broken(aliyunsim.FaultBlackHole, false, "099"),
		broken(aliyunsim.FaultHang, true, "099"),
		broken(aliyunsim.FaultSlowBody, true, "099"),
		broken(aliyunsim.FaultTruncated, false, "099"),
		broken(aliyunsim.FaultTruncated, true, "099"),
		broken(aliyunsim.FaultGarbage, false, "099"),
		broken(aliyunsim.FaultGarbage, true, "099"),
		broken(aliyunsim.FaultRedirect, false, "099"),
		broken(aliyunsim.FaultRedirect, true, "099"),
		broken(aliyunsim.FaultError500, false, "021"),
		broken(aliyunsim.FaultError500, true, "021"),
		broken(aliyunsim.FaultHTML502, false, "099"),
		broken(aliyunsim.FaultHTML502, true, "099"),
		broken(aliyunsim.FaultEmpty503, false, "099"),
		broken(aliyunsim.FaultEmpty503, true, "099"),
		// Executed when the caller has long gone.
		{"late", fateSent, ok, "099", aliyunsim.Fault{Kind: aliyunsim.FaultLatency, DelayMS: 2000}, ""},
	}
}
