package aliyunsim

import (
	"fmt"
	"net"
	"net/http"
	"time"
)

// slowPieces is how many writes FaultSlowBody makes.
const slowPieces = 8

// htmlError is what a load balancer says when the service behind it does not answer.
const htmlError = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n" +
	"<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>Tengine</center>\r\n</body>\r\n</html>\r\n"

// loginPath is where FaultRedirect sends its victims.
const (
	loginPath = "/login"
	loginPage = "<html><body>Please log in to use this network.</body></html>\n"
)

// fail answers a call that a fault befalls.
func (s *Server) fail(w http.ResponseWriter, c *call, a *action, f callFault) {
	var out answer
	if f.executes() {
		out = s.execution(a, c)
	}
	if bad := f.refusal(); bad != nil {
		s.write(w, c, bad.answer(c.id))
		return
	}
	s.counters.answer(c.action, "fault_"+string(f.Kind))
	switch f.Kind {
	case FaultHang:
		if !s.wait(f.delay, c.r.Context().Done()) {
			closeConn(w)
			return
		}
		send(w, c, out, len(out.body))
	case FaultDrop:
		closeConn(w)
	case FaultReset:
		resetConn(w)
	case FaultBlackHole:
		s.hold(c.r.Context().Done())
		closeConn(w)
	case FaultRedirect:
		w.Header().Set("Location", loginPath)
		w.WriteHeader(http.StatusFound)
	case FaultHTML502:
		sendHTML(w, http.StatusBadGateway, htmlError)
	case FaultEmpty503:
		w.WriteHeader(http.StatusServiceUnavailable)
	case FaultSlowBody:
		s.sendSlowly(w, c, out, f.delay)
	case FaultIdleClose:
		s.sendAndClose(w, c, out, f.delay)
	case FaultTruncated:
		if out.body == nil {
			out = accepted(c.id, 0)
		}
		send(w, c, out, len(out.body)/2)
	case FaultGarbage:
		out = answer{status: http.StatusOK, body: []byte("upstream connect error or disconnect/reset before headers")}
		send(w, c, out, len(out.body))
	}
}

// executes reports whether the service does its work under the fault.
func (f *callFault) executes() bool {
	switch f.Kind {
	case FaultHang, FaultSlowBody, FaultIdleClose:
		return true
	case FaultThrottle, FaultGateway, FaultBlackHole:
		return false
	}
	return f.Executed
}

// refusal is the error that the fault answers, if it does that.
func (f *callFault) refusal() *apiError {
	switch f.Kind {
	case FaultError500:
		return gatewayError(http.StatusInternalServerError, "InternalError",
			"The request processing has failed due to some unknown error.")
	case FaultThrottle:
		code := f.Code
		if code == "" {
			code = "Throttling.User"
		}
		bad := throttled(code, f.Message)
		bad.rate = &rateState{limit: 1, left: time.Second}
		return bad
	case FaultBusiness:
		code, message := f.Code, f.Message
		if code == "" {
			code = "isp.SYSTEM_ERROR"
		}
		if message == "" {
			message = messageOf(code)
		}
		return businessError(code, message)
	case FaultGateway:
		status := f.Status
		if status == 0 {
			status = http.StatusForbidden
		}
		return gatewayError(status, f.Code, f.Message)
	}
	return nil
}

// sendHTML answers with a page for people.
func sendHTML(w http.ResponseWriter, status int, page string) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(page))
}

// send answers with the first n bytes of the body under the header of the whole. net/http closes the
// connection where that is less than the header promised.
func send(w http.ResponseWriter, c *call, a answer, n int) {
	a.setHeader(w.Header(), c.id)
	w.Header().Set("Content-Length", fmt.Sprint(len(a.body)))
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body[:n])
}

// sendSlowly spreads the body over d.
func (s *Server) sendSlowly(w http.ResponseWriter, c *call, a answer, d time.Duration) {
	flush := http.NewResponseController(w)
	send(w, c, a, 0)
	size := (len(a.body) + slowPieces - 1) / slowPieces
	for rest := a.body; len(rest) > 0; {
		n := min(size, len(rest))
		_, _ = w.Write(rest[:n])
		rest = rest[n:]
		if flush.Flush() != nil || !s.wait(d/slowPieces, c.r.Context().Done()) {
			return
		}
	}
}

// closeConn closes the connection of w without a word.
func closeConn(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil { // not a connection of net/http's server, as in a test with a recorder
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	_ = conn.Close()
}

// resetConn ends the connection of w as a crashed process or a firewall does.
func resetConn(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	if below, ok := conn.(interface{ NetConn() net.Conn }); ok { // TLS
		conn = below.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// sendAndClose answers, promises to keep the connection, and closes it after d, as a gateway does
// whose idle timeout is shorter than the client's. What the client writes meanwhile is never read.
func (s *Server) sendAndClose(w http.ResponseWriter, c *call, a answer, d time.Duration) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		send(w, c, a, len(a.body))
		return
	}
	defer func() { _ = conn.Close() }()
	h := http.Header{}
	a.setHeader(h, c.id)
	_, _ = fmt.Fprintf(rw, "HTTP/1.1 %d %s\r\nContent-Length: %d\r\n", a.status, http.StatusText(a.status), len(a.body))
	_ = h.Write(rw)
	_, _ = rw.WriteString("\r\n")
	_, _ = rw.Write(a.body)
	if rw.Flush() == nil {
		s.wait(d, nil)
	}
}
