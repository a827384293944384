package aliyun

import "smppbridge/store"

// outcomes is the one table of what codes mean, by code. Sources are the API's documentation of
// error codes and, where it says nothing, caution: whether isp.SYSTEM_ERROR was executed is not
// documented, so it is uncertain. The receipts' err are Alibaba Cloud's own SMPP numbers where it
// published some; 096 to 098 are ours, for calls that were not made.
var outcomes = compile(
	row{codeOK, classOK, store.EndDelivered, "000", csOK},

	// Calls that were surely not executed, in our words.
	row{codeUnreachable, classRetry, store.EndRejected, "097", csSysErr},
	row{codeTLS, classRetry, store.EndRejected, "097", csSysErr},
	row{codeTooLate, classRetry, store.EndRejected, "098", csSysErr},
	row{codeCanceled, classRetry, store.EndRejected, "098", csSysErr},
	row{codeNoRoute, classAccount, store.EndRejected, "098", csSysErr},
	row{codeNoCredentials, classAccount, store.EndRejected, "060", csSysErr},
	row{codeUnsupported, classPermanent, store.EndRejected, "034", csNumDests},

	// Calls of which nobody knows, in our words.
	row{codeTimeout, classUncertain, store.EndUnknown, "099", csSysErr},
	row{codeConnectionLost, classUncertain, store.EndUnknown, "099", csSysErr},
	row{codeRedirected, classUncertain, store.EndUnknown, "099", csSysErr},
	row{codeBadAnswer, classUncertain, store.EndUnknown, "099", csSysErr},
	row{codePanic, classUncertain, store.EndUnknown, "099", csSysErr},
	row{codeServerError, classUncertain, store.EndUndeliverable, "021", csSysErr},

	// The platform's own faults: "call again", which may make two of one.
	row{"isp.SYSTEM_ERROR", classUncertain, store.EndUndeliverable, "021", csSysErr},
	row{"isp.GATEWAY_ERROR", classUncertain, store.EndUndeliverable, "024", csSysErr},
	row{"isp.UNKNOWN", classUncertain, store.EndUndeliverable, "022", csSysErr},

	// Frequency. Minute and hour end by themselves; a day is worth telling the sender.
	row{codePhoneMinute, classPhone, store.EndRejected, "038", csThrottle},
	row{codePhoneHour, classPhone, store.EndRejected, "039", csThrottle},
	row{codePhoneLimit, classPermanent, store.EndRejected, "040", csFail},
	row{"isv.DAY_LIMIT_CONTROL", classAccount, store.EndRejected, "048", csThrottle},
	row{"isv.MONTH_LIMIT_CONTROL", classAccount, store.EndRejected, "049", csThrottle},

	// The recipient.
	row{"isv.MOBILE_NUMBER_ILLEGAL", classPermanent, store.EndRejected, "033", csDestAddr},
	row{"isv.MOBILE_COUNT_OVER_LIMIT", classPermanent, store.EndRejected, "034", csNumDests},
	row{"isv.DOMESTIC_NUMBER_NOT_SUPPORTED", classPermanent, store.EndRejected, "090", csDestAddr},
	row{"isv.NOT_SUPPORTED_COUNTRY", classPermanent, store.EndRejected, "026", csDestAddr},
	row{"isv.COUNTRY_RESTRICTED", classPermanent, store.EndRejected, "090", csDestAddr},
	row{"COUNTRY_RESTRICTED", classPermanent, store.EndRejected, "090", csDestAddr},
	row{"isv.BLACK_KEY_CONTROL_LIMIT", classPermanent, store.EndRejected, "043", csFail},
	row{"isv.CUSTOMER_REFUSED", classPermanent, store.EndRejected, "107", csFail},

	// Template and signature.
	row{"isv.SMS_TEMPLATE_ILLEGAL", classPermanent, store.EndRejected, "031", csFail},
	row{"isv.SMS_SIGNATURE_ILLEGAL", classPermanent, store.EndRejected, "032", csSrcAddr},
	row{"isv.SMS_SIGN_ILLEGAL", classPermanent, store.EndRejected, "032", csSrcAddr},
	row{"isv.SIGN_STATE_ILLEGAL", classPermanent, store.EndRejected, "032", csSrcAddr},
	row{"isv.SMS_SIGN_NAME_ILLEGAL", classPermanent, store.EndRejected, "032", csSrcAddr},
	row{"isv.SIGN_NAME_ILLEGAL", classPermanent, store.EndRejected, "032", csSrcAddr},
	row{"SIGNATURE_BLACKLIST", classPermanent, store.EndRejected, "032", csSrcAddr},
	row{"isv.SIGN_SOURCE_ILLEGAL", classPermanent, store.EndRejected, "032", csSrcAddr},
	row{"isv.SMS_SIGN_EMOJI_ILLEGAL", classPermanent, store.EndRejected, "032", csSrcAddr},
	row{"isv.SMS_SIGNATURE_SCENE_ILLEGAL", classPermanent, store.EndRejected, "032", csFail},
	row{"isv.SMS_TEST_SIGN_TEMPLATE_LIMIT", classPermanent, store.EndRejected, "058", csFail},
	row{"isv.SMS_TEST_NUMBER_LIMIT", classPermanent, store.EndRejected, "058", csFail},
	row{"isv.SMS_TEST_TEMPLATE_PARAMS_ILLEGAL", classPermanent, store.EndRejected, "058", csFail},

	// Parameters and content.
	row{"isv.TEMPLATE_MISSING_PARAMETERS", classPermanent, store.EndRejected, "035", csFail},
	row{"isv.TEMPLATE_PARAMS_ILLEGAL", classPermanent, store.EndRejected, "037", csFail},
	row{"isv.INVALID_PARAMETERS", classPermanent, store.EndRejected, "036", csFail},
	row{"isv.PARAMS_ILLEGAL", classPermanent, store.EndRejected, "036", csFail},
	row{"PARAMS_ILLEGAL", classPermanent, store.EndRejected, "036", csFail},
	row{"isv.INVALID_JSON_PARAM", classPermanent, store.EndRejected, "042", csFail},
	row{"isv.PARAM_LENGTH_LIMIT", classPermanent, store.EndRejected, "044", csMsgLen},
	row{"isv.PARAM_NOT_SUPPORT_URL", classPermanent, store.EndRejected, "050", csFail},
	row{"isv.SMS_CONTENT_ILLEGAL", classPermanent, store.EndRejected, "051", csFail},
	row{"isv.UNSUPPORTED_CONTENT", classPermanent, store.EndRejected, "051", csFail},
	row{"isv.SMS_CONTENT_MISMATCH_TEMPLATE_TYPE", classPermanent, store.EndRejected, "051", csFail},
	row{"isv.EXTEND_CODE_ERROR", classPermanent, store.EndRejected, "053", csSrcAddr},
	row{"isv.ONE_CODE_MULTIPLE_SIGN", classPermanent, store.EndRejected, "053", csSrcAddr},
	row{"isv.CODE_EXCEED_LIMIT", classPermanent, store.EndRejected, "053", csSrcAddr},
	row{"isv.CODE_ERROR", classPermanent, store.EndRejected, "053", csSrcAddr},

	// The account: the message is fine and waits for the operator.
	row{"isv.AMOUNT_NOT_ENOUGH", classAccount, store.EndRejected, "045", csSysErr},
	row{"isv.OUT_OF_SERVICE", classAccount, store.EndRejected, "027", csSysErr},
	row{"isv.PRODUCT_UN_SUBSCRIPT", classAccount, store.EndRejected, "057", csSysErr},
	row{"isv.PRODUCT_UNSUBSCRIBE", classAccount, store.EndRejected, "057", csSysErr},
	row{"isv.ACCOUNT_NOT_EXISTS", classAccount, store.EndRejected, "029", csSysErr},
	row{"isv.ACCOUNT_ABNORMAL", classAccount, store.EndRejected, "030", csSysErr},
	row{"isv.SECURITY_FROZEN_ACCOUNT", classAccount, store.EndRejected, "030", csSysErr},
	row{"isv.DENY_IP_RANGE", classAccount, store.EndRejected, "059", csSysErr},
	row{"isp.RAM_PERMISSION_DENY", classAccount, store.EndRejected, "055", csSysErr},

	// The gateway, before Dysmsapi sees the call.
	row{"SignatureDoesNotMatch", classAccount, store.EndRejected, "060", csSysErr},
	row{"IncompleteSignature", classAccount, store.EndRejected, "060", csSysErr},
	row{"InvalidAccessKeyId.NotFound", classAccount, store.EndRejected, "060", csSysErr},
	row{"InvalidAccessKeyId.Inactive", classAccount, store.EndRejected, "060", csSysErr},
	row{"InvalidTimeStamp.Expired", classAccount, store.EndRejected, "061", csSysErr},
	// A version or action that the endpoint does not know is an endpoint of something else.
	row{"InvalidVersion", classAccount, store.EndRejected, "036", csSysErr},
	row{"InvalidAction.NotFound", classAccount, store.EndRejected, "036", csSysErr},
	// The SDK draws a nonce for each request: this request was refused as a whole.
	row{"SignatureNonceUsed", classRetry, store.EndRejected, "062", csSysErr},
	row{codeTokenMissing, classRetry, store.EndRejected, "060", csSysErr},
	row{codeTokenExpired, classRetry, store.EndRejected, "060", csSysErr},
	row{"Throttling.User", classThrottle, store.EndRejected, "096", csThrottle},
	row{"Throttling.Api", classThrottle, store.EndRejected, "096", csThrottle},
)

// families are for codes without a row of their own, by prefix, tried in order. Their code is
// what the whole family is called in Answer.Code.
var families = []row{
	{"isp.", classUncertain, store.EndUndeliverable, "021", csSysErr},
	{"Throttling", classThrottle, store.EndRejected, "096", csThrottle},
	{"ServiceUnavailable", classUncertain, store.EndUndeliverable, "021", csSysErr},
	{"InternalError", classUncertain, store.EndUndeliverable, "021", csSysErr},
	{"InvalidAccessKeyId", classAccount, store.EndRejected, "060", csSysErr},
	{"InvalidSecurityToken", classAccount, store.EndRejected, "060", csSysErr},
	{"InvalidTimeStamp", classAccount, store.EndRejected, "061", csSysErr},
	{"Forbidden", classAccount, store.EndRejected, "055", csSysErr},
	{"NoPermission", classAccount, store.EndRejected, "055", csSysErr},
	{"Missing", classPermanent, store.EndRejected, "036", csFail},
}

// compile makes the table. A code that stands in it twice is a mistake that must not wait for a
// message to be found.
func compile(rows ...row) map[string]row {
	table := make(map[string]row, len(rows))
	for _, r := range rows {
		if _, twice := table[r.code]; twice {
			panic("aliyun: two rows for " + r.code)
		}
		table[r.code] = r
	}
	return table
}
