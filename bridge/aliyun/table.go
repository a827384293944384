package aliyun

import "smppbridge/store"

// rows are the one table of what codes mean, before a policy's outcomes are laid over it. Sources are
// the API's documentation of error codes and, where it says nothing, caution: whether
// isp.SYSTEM_ERROR was executed is not documented, so it is uncertain. The receipts' err are Alibaba
// Cloud's own SMPP numbers where it published some; 096 to 098 are ours, for calls that were not
// made. Where several codes share an err, the first one's command_status is that of the err.
var rows = []row{
	{codeOK, classOK, store.EndDelivered, "000", csOK},

	// Calls that were surely not executed, in our words.
	{codeUnreachable, classRetry, store.EndRejected, "097", csSysErr},
	{codeTLS, classRetry, store.EndRejected, "097", csSysErr},
	{codeTooLate, classRetry, store.EndRejected, "098", csSysErr},
	{codeCanceled, classRetry, store.EndRejected, "098", csSysErr},
	{codeNoRoute, classRetry, store.EndRejected, "098", csSysErr}, // a new policy took it away: nothing is wrong with its account
	{codeNoCredentials, classAccount, store.EndRejected, "060", csSysErr},
	{codeUnsupported, classPermanent, store.EndRejected, "034", csNumDests},

	// Calls of which nobody knows, in our words.
	{codeTimeout, classUncertain, store.EndUnknown, "099", csSysErr},
	{codeConnectionLost, classUncertain, store.EndUnknown, "099", csSysErr},
	{codeRedirected, classUncertain, store.EndUnknown, "099", csSysErr},
	{codeBadAnswer, classUncertain, store.EndUnknown, "099", csSysErr},
	{codePanic, classUncertain, store.EndUnknown, "099", csSysErr},
	{codeServerError, classUncertain, store.EndUndeliverable, "021", csSysErr},

	// The platform's own faults: "call again", which may make two of one.
	{"isp.SYSTEM_ERROR", classUncertain, store.EndUndeliverable, "021", csSysErr},
	{"isp.GATEWAY_ERROR", classUncertain, store.EndUndeliverable, "024", csSysErr},
	{"isp.UNKNOWN", classUncertain, store.EndUndeliverable, "022", csSysErr},

	// Frequency. Minute and hour end by themselves; a day is worth telling the sender.
	{codePhoneMinute, classPhone, store.EndRejected, "038", csThrottle},
	{codePhoneHour, classPhone, store.EndRejected, "039", csThrottle},
	{codePhoneLimit, classPermanent, store.EndRejected, "040", csFail},
	{"isv.DAY_LIMIT_CONTROL", classAccount, store.EndRejected, "048", csThrottle},
	{"isv.MONTH_LIMIT_CONTROL", classAccount, store.EndRejected, "049", csThrottle},

	// The recipient.
	{"isv.MOBILE_NUMBER_ILLEGAL", classPermanent, store.EndRejected, "033", csDestAddr},
	{codeCountOver, classPermanent, store.EndRejected, "034", csNumDests},
	{"isv.DOMESTIC_NUMBER_NOT_SUPPORTED", classPermanent, store.EndRejected, "090", csDestAddr},
	{"isv.NOT_SUPPORTED_COUNTRY", classPermanent, store.EndRejected, "026", csDestAddr},
	{"isv.COUNTRY_RESTRICTED", classPermanent, store.EndRejected, "090", csDestAddr},
	{"COUNTRY_RESTRICTED", classPermanent, store.EndRejected, "090", csDestAddr},
	{"isv.BLACK_KEY_CONTROL_LIMIT", classPermanent, store.EndRejected, "043", csFail},
	{"isv.CUSTOMER_REFUSED", classPermanent, store.EndRejected, "107", csFail},

	// Template and signature.
	{"isv.SMS_TEMPLATE_ILLEGAL", classPermanent, store.EndRejected, "031", csFail},
	{"isv.SMS_SIGNATURE_ILLEGAL", classPermanent, store.EndRejected, "032", csSrcAddr},
	{"isv.SMS_SIGN_ILLEGAL", classPermanent, store.EndRejected, "032", csSrcAddr},
	{"isv.SIGN_STATE_ILLEGAL", classPermanent, store.EndRejected, "032", csSrcAddr},
	{"isv.SMS_SIGN_NAME_ILLEGAL", classPermanent, store.EndRejected, "032", csSrcAddr},
	{"isv.SIGN_NAME_ILLEGAL", classPermanent, store.EndRejected, "032", csSrcAddr},
	{"SIGNATURE_BLACKLIST", classPermanent, store.EndRejected, "032", csSrcAddr},
	{"isv.SIGN_SOURCE_ILLEGAL", classPermanent, store.EndRejected, "032", csSrcAddr},
	{"isv.SMS_SIGN_EMOJI_ILLEGAL", classPermanent, store.EndRejected, "032", csSrcAddr},
	{"isv.SMS_SIGNATURE_SCENE_ILLEGAL", classPermanent, store.EndRejected, "032", csFail},
	{"isv.SMS_TEST_SIGN_TEMPLATE_LIMIT", classPermanent, store.EndRejected, "058", csFail},
	{"isv.SMS_TEST_NUMBER_LIMIT", classPermanent, store.EndRejected, "058", csFail},
	{"isv.SMS_TEST_TEMPLATE_PARAMS_ILLEGAL", classPermanent, store.EndRejected, "058", csFail},

	// Parameters and content.
	{"isv.TEMPLATE_MISSING_PARAMETERS", classPermanent, store.EndRejected, "035", csFail},
	{"isv.TEMPLATE_PARAMS_ILLEGAL", classPermanent, store.EndRejected, "037", csFail},
	{"isv.INVALID_PARAMETERS", classPermanent, store.EndRejected, "036", csFail},
	{"isv.PARAMS_ILLEGAL", classPermanent, store.EndRejected, "036", csFail},
	{"PARAMS_ILLEGAL", classPermanent, store.EndRejected, "036", csFail},
	{"isv.INVALID_JSON_PARAM", classPermanent, store.EndRejected, "042", csFail},
	{"isv.PARAM_LENGTH_LIMIT", classPermanent, store.EndRejected, "044", csMsgLen},
	{"isv.PARAM_NOT_SUPPORT_URL", classPermanent, store.EndRejected, "050", csFail},
	{"isv.SMS_CONTENT_ILLEGAL", classPermanent, store.EndRejected, "051", csFail},
	{"isv.UNSUPPORTED_CONTENT", classPermanent, store.EndRejected, "051", csFail},
	{"isv.SMS_CONTENT_MISMATCH_TEMPLATE_TYPE", classPermanent, store.EndRejected, "051", csFail},
	{"isv.EXTEND_CODE_ERROR", classPermanent, store.EndRejected, "053", csSrcAddr},
	{"isv.ONE_CODE_MULTIPLE_SIGN", classPermanent, store.EndRejected, "053", csSrcAddr},
	{"isv.CODE_EXCEED_LIMIT", classPermanent, store.EndRejected, "053", csSrcAddr},
	{"isv.CODE_ERROR", classPermanent, store.EndRejected, "053", csSrcAddr},

	// The account: the message is fine and waits for the operator.
	{"isv.AMOUNT_NOT_ENOUGH", classAccount, store.EndRejected, "045", csSysErr},
	{"isv.OUT_OF_SERVICE", classAccount, store.EndRejected, "027", csSysErr},
	{"isv.PRODUCT_UN_SUBSCRIPT", classAccount, store.EndRejected, "057", csSysErr},
	{"isv.PRODUCT_UNSUBSCRIBE", classAccount, store.EndRejected, "057", csSysErr},
	{"isv.ACCOUNT_NOT_EXISTS", classAccount, store.EndRejected, "029", csSysErr},
	{"isv.ACCOUNT_ABNORMAL", classAccount, store.EndRejected, "030", csSysErr},
	{"isv.SECURITY_FROZEN_ACCOUNT", classAccount, store.EndRejected, "030", csSysErr},
	{"isv.DENY_IP_RANGE", classAccount, store.EndRejected, "059", csSysErr},
	{"isp.RAM_PERMISSION_DENY", classAccount, store.EndRejected, "055", csSysErr},

	// The gateway, before Dysmsapi sees the call.
	{"SignatureDoesNotMatch", classAccount, store.EndRejected, "060", csSysErr},
	{"IncompleteSignature", classAccount, store.EndRejected, "060", csSysErr},
	{"InvalidAccessKeyId.NotFound", classAccount, store.EndRejected, "060", csSysErr},
	{"InvalidAccessKeyId.Inactive", classAccount, store.EndRejected, "060", csSysErr},
	{"InvalidTimeStamp.Expired", classAccount, store.EndRejected, "061", csSysErr},
	// A version or action that the endpoint does not know is an endpoint of something else.
	{"InvalidVersion", classAccount, store.EndRejected, "036", csSysErr},
	{"InvalidAction.NotFound", classAccount, store.EndRejected, "036", csSysErr},
	// The SDK draws a nonce for each request: this request was refused as a whole.
	{"SignatureNonceUsed", classRetry, store.EndRejected, "062", csSysErr},
	{codeTokenMissing, classRetry, store.EndRejected, "060", csSysErr},
	{codeTokenExpired, classRetry, store.EndRejected, "060", csSysErr},
	{"Throttling.User", classThrottle, store.EndRejected, "096", csThrottle},
	{"Throttling.Api", classThrottle, store.EndRejected, "096", csThrottle},
}

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
