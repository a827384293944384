//go:build linux

package main

import (
	"fmt"
	"strings"

	"smppbridge/bridge/aliyun/aliyunsim"
)

// How long a message of the mix is worth sending. What the faults keep back for longer ends by itself, so that the round does.
const mixValidity = "150s"

// Templates of the mix.
const (
	templateMixCode   = "SMS_100000011"
	templateMixCapped = "SMS_100000012"
	templateMixNotice = "SMS_100000013"
	templateMixAdvert = "SMS_100000014"
)

// Endpoints of the mix, each of another Alibaba Cloud account.
const (
	mixPortA = "8081"
	mixPortB = "8082"
	// mixAccountQPS is what the second account may call, less than the policy says of its route.
	mixAccountQPS = 120
)

// failingSuffix is how phone numbers end that do not get what they are sent.
const failingSuffix = "77"

// mixTemplates are what the mix's templates are to the API.
func mixTemplates() []aliyunsim.Template {
	free := map[string]aliyunsim.Variable{"content": {Attribute: aliyunsim.AttributeAny, Max: 1000}}
	return []aliyunsim.Template{
		{Code: templateMixCode, Content: "登录码${code}，请勿转发。", Type: aliyunsim.TypeCode},
		{Code: templateMixCapped, Content: "支付码${code}，请勿转发。", Type: aliyunsim.TypeCode},
		{Code: templateMixNotice, Content: "${content}", Type: aliyunsim.TypeNotice, Variables: free, Unlimited: true, MaxContent: 1100},
		{Code: templateMixAdvert, Content: "${content}，拒收请回复R", Type: aliyunsim.TypePromotion, Variables: free, Unlimited: true,
			MaxContent: 1100},
	}
}

// secondAccount has what the first one has.
func secondAccount(first aliyunsim.Account) aliyunsim.Account {
	first.Name, first.Keys = "second", []aliyunsim.Key{{ID: "second-key", Secret: "second-secret"}}
	first.QPS = map[string]int{"SendSms": mixAccountQPS, "SendBatchSms": mixAccountQPS, "*": -1}
	return first
}

// policy is what the nodes are to do. Uncertain attempts are settled within seconds, not minutes, and what a phone
// may not be sent is worthless soon, so that a round is over soon.
func (a *api) policy() string {
	return strings.NewReplacer(
		"RESEND", resendAfter, "AFTER", mixResendAfter, "VALIDITY", mixValidity, "HASH", a.password,
		"SIM", endpoint(apiPort), "FIRST", endpoint(mixPortA), "SECOND", endpoint(mixPortB),
		"QPS", fmt.Sprint(apiQPS), "RATE", fmt.Sprint(ratedRate), "BURST", fmt.Sprint(ratedBurst), "CAPPED", templateCapped,
	).Replace(policyText)
}

// policyText is the policy, with words in capitals for what is said elsewhere. Accounts and routes of the mix are its own:
// what befalls its routes befalls no other scene.
const policyText = `signatures: [阿里云测试]
classes:
  notice: {resend_after: RESEND}
  otp: {resend_after: RESEND, validity: 1m, on_uncertain: report, urgent: true}
  capped: {resend_after: RESEND, validity: 10s, on_uncertain: report, phone_limits: [{per: minute, limit: 1}]}
  mix-code: {resend_after: AFTER, validity: 1m, on_uncertain: report, urgent: true}
  mix-capped: {resend_after: AFTER, validity: 10s, on_uncertain: report, phone_limits: [{per: minute, limit: 1}]}
  mix-notice: {resend_after: AFTER, validity: VALIDITY, on_uncertain: resend, batch: 100}
  mix-advert: {resend_after: AFTER, validity: VALIDITY, on_uncertain: resend, batch: 100}
templates:
  - {code: SMS_100000003, class: notice, text: "${content}", phone_limit: false, vars: {content: {kind: free, max: 1000}}}
  - {code: SMS_100000001, class: otp, text: "您的验证码是${code}，5分钟内有效，请勿泄露。", vars: {code: {kind: digits, min: 4, max: 6}}}
  - {code: CAPPED, class: capped, text: "动态密码${code}，请勿转发。", vars: {code: {kind: digits, min: 4, max: 6}}}
  - {code: SMS_100000011, class: mix-code, text: "登录码${code}，请勿转发。", vars: {code: {kind: digits, min: 4, max: 6}}}
  - {code: SMS_100000012, class: mix-capped, text: "支付码${code}，请勿转发。", vars: {code: {kind: digits, min: 4, max: 6}}}
  - {code: SMS_100000013, class: mix-notice, text: "${content}", phone_limit: false, vars: {content: {kind: free, max: 1000}}}
  - {code: SMS_100000014, class: mix-advert, text: "${content}，拒收请回复R", phone_limit: false, vars: {content: {kind: free, max: 1000}}}
routes:
  - {name: sim, kind: dysmsapi, endpoint: "SIM", plain: true, qps: QPS, workers: 32, timeout: 2s}
  - {name: mix-a, kind: dysmsapi, endpoint: "FIRST", plain: true, qps: 350, query_qps: 200, workers: 64, timeout: 2s, account: mix-a, only_named: true, weight: 2}
  - {name: mix-b, kind: dysmsapi, endpoint: "SECOND", plain: true, qps: 350, query_qps: 200, workers: 64, timeout: 2s, credentials: second, only_named: true}
accounts:
  - {system_id: notice, password_hash: "HASH", binds: 100, sign_name: 阿里云测试, templates: [SMS_100000003]}
  - {system_id: pair, password_hash: "HASH", binds: 100, sign_name: 阿里云测试, templates: [SMS_100000003]}
  - {system_id: otp, password_hash: "HASH", binds: 100, sign_name: 阿里云测试, templates: [SMS_100000001]}
  - {system_id: capped, password_hash: "HASH", binds: 100, sign_name: 阿里云测试, templates: [CAPPED]}
  - {system_id: long, password_hash: "HASH", binds: 100, sign_name: 阿里云测试, templates: [SMS_100000003], validity: 15s}
  - {system_id: submitted, password_hash: "HASH", binds: 100, sign_name: 阿里云测试, templates: [SMS_100000003], ack: submitted}
  - {system_id: rated, password_hash: "HASH", binds: 100, sign_name: 阿里云测试, templates: [SMS_100000003], rate: RATE, burst: BURST}
  - {system_id: mix-code, password_hash: "HASH", binds: 100, sign_name: 阿里云测试, templates: [SMS_100000011], routes: [mix-a, mix-b]}
  - {system_id: mix-capped, password_hash: "HASH", binds: 100, sign_name: 阿里云测试, templates: [SMS_100000012], routes: [mix-a, mix-b]}
  - {system_id: mix-notice, password_hash: "HASH", binds: 100, sign_name: 阿里云测试, templates: [SMS_100000013], routes: [mix-a, mix-b]}
  - {system_id: mix-advert, password_hash: "HASH", binds: 100, sign_name: 阿里云测试, templates: [SMS_100000014], routes: [mix-a, mix-b]}
  - {system_id: mix-long, password_hash: "HASH", binds: 100, sign_name: 阿里云测试, templates: [SMS_100000013], routes: [mix-a, mix-b]}
  - {system_id: mix-submitted, password_hash: "HASH", binds: 100, sign_name: 阿里云测试, templates: [SMS_100000013], routes: [mix-a, mix-b], ack: submitted}
`
