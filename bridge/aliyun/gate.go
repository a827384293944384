package aliyun

import (
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	_ "unsafe" // for go:linkname

	"github.com/alibabacloud-go/tea/tea"
)

// hookDo is the SDK's own seam around the http.Client that makes its requests. It is not exported, and there is no other
// place from which to learn what becomes of a request between our last look at the clock and the socket: the SDK
// takes neither a context nor a transport. A version of the SDK without it does not link.
//
//go:linkname hookDo github.com/alibabacloud-go/tea/tea.hookDo
var hookDo func(func(*http.Request) (*http.Response, error)) func(*http.Request) (*http.Response, error)

// crossingHeader carries the number of a call's crossing through the SDK. It is not signed and not sent.
const crossingHeader = "Smppbridge-Crossing"

// crossings are the calls under way by number, and the number given last. They are the process's, as hookDo is.
var (
	crossings    sync.Map // string -> *crossing
	lastCrossing atomic.Uint64
)

// watchCrossings puts watch behind hookDo. It comes before the first call.
var watchCrossings = sync.OnceFunc(func() {
	inner := hookDo
	hookDo = func(do func(*http.Request) (*http.Response, error)) func(*http.Request) (*http.Response, error) {
		return inner(func(req *http.Request) (*http.Response, error) { return do(watch(req)) })
	}
})

// watch returns req with its crossing's trace, without the header that named it.
func watch(req *http.Request) *http.Request {
	number := req.Header[crossingHeader]
	if len(number) != 1 {
		return req
	}
	delete(req.Header, crossingHeader)
	x, ok := crossings.Load(number[0])
	if !ok {
		return req
	}
	return req.WithContext(httptrace.WithClientTrace(req.Context(), x.(*crossing).trace()))
}

// A crossing is a call between our last look at the clock and the socket. A process that is frozen there, while it
// dials for example, must not write its request when it is woken: the message may have been sent again by then.
type crossing struct {
	number string
	by     time.Time // when it must have been written; zero = whenever
	now    func() time.Time

	conn    net.Conn    // touched by the trace's functions, one after the other
	begun   atomic.Bool // a connection was got in time: from then on the request may be written
	refused atomic.Bool // one was got too late, and closed
}

// cross begins a crossing, which end ends.
func cross(by time.Time, now func() time.Time) *crossing {
	x := &crossing{number: strconv.FormatUint(lastCrossing.Add(1), 10), by: by, now: now}
	crossings.Store(x.number, x)
	return x
}

func (x *crossing) end() { crossings.Delete(x.number) }

func (x *crossing) headers() map[string]*string {
	return map[string]*string{crossingHeader: tea.String(x.number)}
}

func (x *crossing) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{GotConn: x.gotConn, WroteRequest: x.wroteRequest}
}

// gotConn looks at the clock again: dialling may have taken long. The write deadline is for a process that is frozen
// after this: its timers are looked at before its goroutines.
func (x *crossing) gotConn(info httptrace.GotConnInfo) {
	x.conn = info.Conn
	if x.by.IsZero() {
		x.begun.Store(true)
		return
	}
	if past(x.by, x.now()) {
		x.refused.Store(true)
		_ = info.Conn.Close() // nothing else keeps the transport from writing
		return
	}
	_ = info.Conn.SetWriteDeadline(x.by)
	x.begun.Store(true)
}

// wroteRequest leaves the connection as it was for the next call.
func (x *crossing) wroteRequest(httptrace.WroteRequestInfo) {
	if x.conn != nil && !x.by.IsZero() {
		_ = x.conn.SetWriteDeadline(time.Time{})
	}
}

// judge corrects what the SDK made of a call that surely was not written.
func (x *crossing) judge(f failure) failure {
	switch {
	case x.begun.Load():
		return f
	case x.refused.Load():
		return failure{code: codeTooLate, detail: "the connection took too long"}
	case f.code == codeTimeout || f.code == codeConnectionLost:
		return failure{code: codeUnreachable, detail: "no connection"}
	}
	return f
}

// past reports whether now is not before by, by the monotonic clock or by the wall clock: the former stands
// still with a machine that is suspended.
func past(by, now time.Time) bool {
	return !now.Before(by) || now.Round(0).After(by.Round(0))
}
