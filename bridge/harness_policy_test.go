package bridge

// promisePolicy has an account for each thing that the tests of promises want to see.
const promisePolicy = `
signatures: [测试]
classes:
  otp: {validity: 5m, on_uncertain: report, resend_after: 5m}
  notice: {validity: 24h, on_uncertain: resend, resend_after: 5m}
templates:
  - {code: SMS_1, class: otp, text: "您的验证码是${code}。", vars: {code: {kind: digits, min: 4, max: 6}}}
  - {code: SMS_2, class: notice, text: "${content}", phone_limit: false, vars: {content: {kind: free, max: 500}}}
routes:
  - {name: main, kind: dysmsapi, endpoint: "127.0.0.1:1", workers: 4, qps: 1000}
  - {name: slow, only_named: true, kind: dysmsapi, endpoint: "127.0.0.1:2", workers: 4, qps: 2}
  - {name: single, only_named: true, kind: dysmsapi, endpoint: "127.0.0.1:3", workers: 1, qps: 1000}
  - {name: wide, only_named: true, kind: dysmsapi, endpoint: "127.0.0.1:4", workers: 64, qps: 1000}
accounts:
  - {system_id: otp, password_hash: "HASH", sign_name: 测试, templates: [SMS_1]}
  - {system_id: any, password_hash: "HASH", sign_name: 测试, templates: [SMS_2]}
  - {system_id: keep, password_hash: "HASH", sign_name: 测试, templates: [SMS_2], keep_texts: true}
  - {system_id: slow, password_hash: "HASH", sign_name: 测试, templates: [SMS_2], route: slow}
  - {system_id: one, password_hash: "HASH", sign_name: 测试, templates: [SMS_2], session: {deliver_window: 1}}
  - {system_id: three, password_hash: "HASH", sign_name: 测试, templates: [SMS_2], session: {deliver_window: 3}}
  - {system_id: tlvs, password_hash: "HASH", sign_name: 测试, templates: [SMS_2], receipt: {text: false}}
  - {system_id: hex8, password_hash: "HASH", sign_name: 测试, templates: [SMS_2], message_id: hex8}
  - {system_id: acked, password_hash: "HASH", sign_name: 测试, templates: [SMS_2], ack: submitted, route: wide}
  - {system_id: ackonce, password_hash: "HASH", sign_name: 测试, templates: [SMS_2], ack: submitted, dedupe: 60s}
  - {system_id: last, password_hash: "HASH", sign_name: 测试, templates: [SMS_2], receipt: {parts: last}}
  - {system_id: single, password_hash: "HASH", sign_name: 测试, templates: [SMS_2], route: single, binds: 2, session: {window: 3}}
`
