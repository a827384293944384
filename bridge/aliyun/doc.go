// Package aliyun sends messages through Alibaba Cloud's SMS API (Dysmsapi, version 2017-05-25)
// and takes its delivery reports. It is the only user of the SDK, and nothing that the SDK says
// leaves this package as it is: the SDK's errors carry phone numbers, texts and keys.
//
// To read it, begin with the way of one message:
//
//   - client.go: Client.Send makes one call, Client.SetRoutes replaces the routes at run time.
//   - route.go: what a route needs before its first call (see "The SDK" below).
//   - request.go: one recipient becomes a SendSms, several a SendBatchSms.
//   - classify.go: what the SDK returned, reduced to a code, an HTTP status and nothing else.
//   - table.go: the one table that says what a code means: accepted, rejected, to be retried, or
//     uncertain. Whoever learns a new code of the API adds a line there, or, without a new version,
//     to the policy's outcomes (override.go). lookup.go reads it, outcome.go makes the Answer.
//   - find.go: asks the API whether an uncertain call was executed after all.
//   - catalog.go: the templates and signatures that an account has, and what the auditors said.
//   - push.go and report.go: delivery reports as they are pushed to us, and what their codes mean.
//   - queue.go: the same from a message queue, where an account has its reports and incoming messages there. queue_read.go
//     receives, hands over and deletes; queue_client.go speaks to the message service, with the keys that queue_token.go fetches.
//   - credentials.go, keyfile.go, chain.go: where AccessKeys come from. credentials_temporary.go keeps
//     those of a role fresh, which credentials_instance.go and credentials_sts.go fetch.
//
// # Outcomes
//
// Dysmsapi has no idempotency key, so the difference between "surely not executed" and "perhaps
// executed" decides whether a person gets one SMS or two. A call is retried only when the kind of
// the error proves that no request was written (dialling, a certificate that did not verify), when the
// call never had a connection (gate.go), or when the API itself refused the call (HTTP 4xx with a code).
// Everything else is uncertain: time-outs, lost connections, any 5xx, answers that cannot be read.
//
// A business error on a call for several is about one of them, as a rule, and the API does not say
// which, nor whether the others were sent (Answer.Whole).
//
// # The SDK
//
// What this package does because of it: a shallow copy of the SDK's client for each worker
// (sharing one is a data race); the same options on every call (they choose the connection pool);
// connect time-outs in whole seconds, read time-outs in milliseconds; no automatic retry; proxies
// checked beforehand, because a bad one locks a mutex for ever; pools made before the first call,
// because several first calls at a time would make one each; keys fetched by us, because the
// credentials library at this version refreshes without a lock, cannot be cancelled, knows neither
// OIDC nor the metadata service's tokens, and quotes keys in its errors. An environment with
// DEBUG=tea or DEBUG=credential is refused: it makes the SDK print numbers and keys.
//
// Between our last look at the clock and the socket the SDK signs, dials and shakes hands. There the call is watched
// through a seam of the SDK's (gate.go): whoever was frozen for so long that the message may have been sent again does
// not write its request any more, and a call that never had a connection is known not to have been made.
//
// The SDK cannot be cancelled. A call that outlives its context is waited for, at most for the
// route's Timeout. It reads answers without a limit on their size; the endpoint is trusted that far.
package aliyun
