// Package smpptrace records the PDUs of one account or one number for a while: in a
// file that Wireshark opens, and a line for each in the log.
//
// A [Recorder] makes one [Trace] at a time and keeps the files of the last ones. A Trace is
// an [smpp.Tracer] while it runs. Read it in this order:
//
//	recorder.go   one trace at a time: start, stop, what it did
//	trace.go      what a session calls, and the goroutine that writes
//	queue.go      between the two: bounded, never waited for
//	filter.go     which PDUs are wanted; number.go: spellings of one number
//	layout.go     where the fields of a body are
//	mask.go       what of them is not written
//	pcap.go       the file: PDUs in TCP segments that never were
//	folder.go     the files' names, how many are kept and for how long
//
// # What a trace costs
//
// Without one, a session reads one pointer per PDU. With one, it decides whether the PDU is
// wanted and copies it into the queue; everything else is the trace's own goroutine's. What
// does not fit the queue is dropped and counted, so that a slow disk or log never slows a
// session.
//
// # What a trace shows
//
// Passwords never. Unless it was started unmasked, neither texts nor whole numbers: those
// octets are overwritten, and every length stays as it was. A PDU that cannot be decoded is a
// header alone then, since nobody knows where its private fields are. The log's lines have no
// bodies, masked or not.
package smpptrace
