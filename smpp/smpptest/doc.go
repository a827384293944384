// Package smpptest has what tests of SMPP sessions need: an ESME that does as it
// is told, right or wrong; a listener in memory, so that a test can run in fake
// time; and a runner for dialogues, which are text files of what goes over the
// wire in each direction.
//
// # Dialogues
//
// A dialogue is a file of lines. An empty line and one that begins with # mean
// nothing. The others:
//
//	> bind_transmitter system_id=test password=secret    send a PDU
//	> raw 00000010 00000015 00000000 00000001            send octets
//	> raw "GET / HTTP/1.1"                               send text
//	> close                                              close the connection
//	< bind_transmitter_resp status=ESME_ROK system_id=*  expect a PDU
//	< closed                                             expect the end of the stream
//	< nothing                                            expect silence for a second
//	! name arguments                                     have the test do something
//	wait 31s                                             let time pass
//
// Fields have the standard's names. Values are words or Go strings in double quotes.
// Every PDU has also seq, status, and length (the command_length, to expect only).
// A parameter is written with the standard's name or its number: tlv:message_payload="value",
// tlv:0x1400="value". submit_multi has dest, and submit_multi_resp failed, for each
// destination in order:
//
//	> submit_multi dest=1/1/8613900000000 dest=list:staff short_message="hello"
//	< submit_multi_resp message_id=* failed=1/1/8613900000000/ESME_RINVDSTADR
//
// In what is sent, a missing field is zero; in what is expected, a missing field may be
// anything, but status must be ESME_ROK and a response must carry the number of the oldest
// request it can belong to. "*" or any is any value, an asterisk in a longer value anything in its
// place, !tlv:message_state means that there is no such parameter, and failed="" that there are no
// failures.
//
// $name is a variable. It has its value from the test (Dialogue.Vars), or from the first expected
// field that is it and nothing else; later it stands for that value, in what is sent, in what is
// expected and in actions' arguments:
//
//	< submit_sm_resp message_id=$first
//	> query_sm message_id=$first
//	< deliver_sm short_message="id:$first sub:001 *"
package smpptest
