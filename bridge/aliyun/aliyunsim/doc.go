// Package aliyunsim is an HTTP server that plays Alibaba Cloud's SMS API, Dysmsapi 2017-05-25, for tests,
// demonstrations and benchmarks. It checks, executes, reports and fails as the API does, and keeps a ledger of
// what it executed, by which a test can tell what a client was told from what was done. Nothing is sent to anybody.
//
// # What it plays
//
// The gateway: GET and POST, parameters of query and form merged, signatures ACS3-HMAC-SHA256 (V3) and RPC v1
// (HMAC-SHA1), temporary credentials, timestamps within 15 minutes, nonces, the calls an account may make in a
// second, and the gateway's errors with their HTTP status, HostId and Recommend. Answers are JSON, whatever
// Format says.
//
// The service: SendSms, SendBatchSms, QuerySendDetails, QuerySendStatistics, QuerySmsTemplateList and QuerySmsSignList with their
// checks and business errors (HTTP status 200), the limits per phone number in clock minutes, clock hours and
// rolling days, one BizId to a call, and reports pushed in batches and retried when they are refused.
//
// The message queues of reports and incoming messages: QueryTokenForMnsQueue of Dybaseapi, and of the message service
// (2015-06-06) the requests that receive and delete several messages, with their signature, long polls, and messages that
// come again when they are not deleted in time. An account with a ReportQueue has its reports there.
//
// # What is certain and what is not
//
// No live endpoint was compared. Documented, or seen in other people's traffic: the parameters, both signatures,
// the bodies of success and error, the codes, the limits, the report's fields and its retries. Inferred: the
// order of the gateway's checks; HTTP status 404 of InvalidAction.NotFound and 400 of InvalidTimeStamp.* and
// SignatureNonceUsed; that out_id is left out of a report when the call had none; HTML and empty answers of load
// balancers. Unknown, and chosen here:
//
//   - the order of the service's checks, and the Message texts but for those of the frequency limits: match codes;
//   - whether one bad number refuses the whole of a call for several (it does unless Config.Partial is set);
//   - what a number abroad gets for a domestic template (isv.MOBILE_NUMBER_ILLEGAL), and how texts are searched
//     for URLs and traditional characters;
//   - the codes about temporary credentials, and what an ACS3 request gets echoed with SignatureDoesNotMatch: here
//     its whole canonical request, the worst case for a client that logs it;
//   - the scope of nonces (here all accounts together) and of out-of-range query values (isv.INVALID_PARAMETERS);
//   - the order of QuerySendDetails' rows (youngest first) and when they appear (Config.DetailLag);
//   - the timeout and size of a push (ReportConfig);
//   - what keys for a queue get when they have expired, and what somebody else's queue gets (isp.RAM_PERMISSION_DENY).
//
// # Control
//
// The endpoints under /sim/ are on the API's own listener and ask for no credentials: this is a test tool and
// must not be reachable by others.
//
//	GET, PUT, DELETE /sim/faults         a JSON array of Fault; counts are those that remain
//	GET, PUT, DELETE /sim/outages        a JSON array of Outage: endpoints that are away, for a time or until DELETE
//	PUT    /sim/audit                    an Audit: the audit state that a template or signature has from now on
//	GET    /sim/ledger?since=N&limit=M   {"entries":[…],"next":N}
//	GET    /sim/ledger/summary           a Summary: counts, and what was sent more than once
//	DELETE /sim/ledger                   forgets what was executed
//	GET    /sim/counters                 Counters
//	GET    /sim/queues                   what became of the messages of each queue
//	POST   /sim/queues/{queue}           puts the body into a queue
//	POST   /sim/reports/release          pushes what report_withhold held back
//	PUT    /sim/reports/url              {"url":"…"}
//	GET    /sim/incoming                 a JSON array of SmsUp: all incoming messages, and how far they have come
//	POST   /sim/incoming                 a JSON array of SmsUp: phones send these; answers them with their sequence_ids
//	PUT    /sim/incoming/url             {"url":"…"}
//
// A fault that answers 502 to every tenth call although it executed it, and one report in twenty pushed twice:
//
//	curl -X PUT localhost:18080/sim/faults -d '[
//	  {"kind":"html502","probability":0.1,"executed":true},
//	  {"kind":"report_duplicate","probability":0.05}]'
//
// An API has as many endpoints as Run has listeners, all of them with the same accounts, ledger and limits. One that
// is gone for ten seconds:
//
//	curl -X PUT localhost:18080/sim/outages -d '[{"kind":"refuse","endpoint":"127.0.0.1:18081","for_ms":10000}]'
package aliyunsim
