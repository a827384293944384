// Package smpp is the message-centre side of SMPP 3.4 (binds of 3.3 and 5.0
// clients are welcome): framing, typed PDUs, sessions with their states,
// windows and timers, text encodings, concatenation and receipt texts.
//
// It knows nothing of accounts, storage or routes: a [Backend] decides who may
// bind and what becomes of a submit_sm. Read it in this order:
//
//	command.go, status.go   the standard's numbers and their names
//	pdu.go, bind.go, ...    one file per PDU, strict decoding, appending encoding
//	frame.go                PDUs out of a byte stream
//	server.go, serve.go     listeners, limits, drain
//	listen.go, listen_*.go  what lies below SMPP: PROXY headers, TLS
//	session.go              one connection: its state and what the backend calls
//	session_read.go         the reader: one switch, one method per command
//	session_submit.go       what takes a slot of the window until it is answered
//	session_respond.go      its answers, as the ESME's version of SMPP has them
//	session_write.go        the writer: everything gathered goes out in one write
//	session_tick.go         all timers of all sessions, in one goroutine
//	buffers.go              what all sessions together may hold
//	text.go, text_*.go      alphabets: one file each, and which data_coding means which
//
// # How a session runs
//
// A session has two goroutines. The reader decodes what has arrived and calls
// the backend; it never writes to the socket. Responses and requests of ours
// are appended to one buffer under the session's lock; the writer takes the
// whole buffer and writes it at once, so that the busier a session is the fewer
// system calls a PDU costs. There is no goroutine and no timer per message: one
// goroutine per listener ticks over all sessions.
//
// # Bounds
//
// A submit_sm, or another request that the backend answers, takes a slot of the
// session's window until then; with no slot free the reader stops reading and TCP
// slows the client down. A client that does not read its responses stops being read
// from when they pass its share of what all may hold, and is cut when no octet leaves
// within the write timeout. Nothing one client does makes another wait.
//
// A session holds at most a buffer to read into (2 KiB idle, 64 KiB busy, 128 KiB while
// a PDU of 64 KiB arrives; with TLS 33 KiB more), its share of output (256 KiB or less)
// and the answers to a full window. All together hold at most Config.MaxBuffered, and
// some 12 KiB each that is idle, 25 KiB with TLS. The kernel's socket buffers are its own.
package smpp
