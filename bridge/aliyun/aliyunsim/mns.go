package aliyunsim

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// mnsPath is where the message queues are. The real ones are on a host of their own.
const mnsPath = "/queues/"

const (
	mnsVersion = "2015-06-06"
	mnsSpace   = "http://mns.aliyuncs.com/doc/v1/"
	mnsMost    = 16 // messages to one request
	mnsWait    = 30 // seconds that a request may wait
)

// What faults and counters call the requests to queues.
const (
	actionReceive = "BatchReceiveMessage"
	actionDelete  = "BatchDeleteMessage"
)

// mnsActions are the requests that queues take, by their methods.
func mnsActions() map[string]*action {
	return map[string]*action{
		http.MethodGet:    {name: actionReceive, run: (*Server).receiveMessages},
		http.MethodDelete: {name: actionDelete, run: (*Server).deleteMessages},
	}
}

// A mnsError is a refusal of the message service.
type mnsError struct {
	XMLName   xml.Name `xml:"Error"`
	Space     string   `xml:"xmlns,attr"`
	Code      string
	Message   string
	RequestID string `xml:"RequestId"`
	HostID    string `xml:"HostId"`
}

// serveQueue answers a request to a queue: the message service's checks, then the same faults as calls have.
func (s *Server) serveQueue(w http.ResponseWriter, r *http.Request) {
	c, err := s.readCall(r)
	a := s.mnsActions[r.Method]
	if err != nil || a == nil {
		s.write(w, c, mnsRefusal(c, http.StatusBadRequest, "InvalidRequestURL"))
		return
	}
	c.action = a.name
	if status, code := s.admitToQueue(c); code != "" {
		s.write(w, c, mnsRefusal(c, status, code))
		return
	}
	f := s.faults.ofCall(a.name, a, c.hasPhone)
	if f.latency > 0 && !s.wait(f.latency, nil) {
		closeConn(w)
		return
	}
	if f.Kind == "" {
		s.write(w, c, s.execution(a, c))
		return
	}
	s.fail(w, c, a, f)
}

// admitToQueue checks who asks, as Alibaba's documents have it. What is answered to keys that have expired is not
// documented.
func (s *Server) admitToQueue(c *call) (status int, code string) {
	h := c.r.Header
	id, signature, ok := strings.Cut(strings.TrimPrefix(h.Get("Authorization"), "MNS "), ":")
	date := h.Get("X-Mns-Date")
	if date == "" {
		date = h.Get("Date")
	}
	at, dateErr := time.Parse(http.TimeFormat, date)
	given, known := s.tokens.find(id)
	queue, _ := strings.CutSuffix(strings.TrimPrefix(c.r.URL.Path, mnsPath), "/messages")
	switch {
	case h.Get("X-Mns-Version") != mnsVersion:
		return http.StatusBadRequest, "MissingVersionHeader"
	case h.Get("Authorization") == "":
		return http.StatusBadRequest, "MissingAuthorizationHeader"
	case !strings.HasPrefix(h.Get("Authorization"), "MNS ") || !ok:
		return http.StatusBadRequest, "InvalidAuthorizationHeader"
	case date == "":
		return http.StatusBadRequest, "MissingDateHeader"
	case dateErr != nil:
		return http.StatusBadRequest, "InvalidDateHeader"
	case at.Sub(s.now()).Abs() > clockSkew:
		return http.StatusRequestTimeout, "TimeExpired"
	case !known:
		return http.StatusForbidden, "InvalidAccessKeyId"
	case given.token != h.Get("Security-Token") || s.now().After(given.expires):
		return http.StatusForbidden, "InvalidSecurityToken"
	case signature != signMNS(c.r, date, given.secret):
		return http.StatusForbidden, "SignatureDoesNotMatch"
	case given.queue.name != queue:
		return http.StatusForbidden, "AccessDenied"
	}
	c.queue = given.queue
	return 0, ""
}

// signMNS is the signature that a request must have.
func signMNS(r *http.Request, date, secret string) string {
	var lines []string
	for name, values := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-mns-") {
			lines = append(lines, lower+":"+strings.TrimSpace(values[0])+"\n")
		}
	}
	slices.Sort(lines)
	mac := hmac.New(sha1.New, []byte(secret))
	_, _ = fmt.Fprintf(mac, "%s\n%s\n%s\n%s\n%s%s", r.Method, r.Header.Get("Content-Md5"), r.Header.Get("Content-Type"), date,
		strings.Join(lines, ""), r.URL.RequestURI())
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// mnsXML is an answer of the message service.
func mnsXML(status int, code string, v any) answer {
	body, err := xml.Marshal(v)
	if err != nil { // what is marshalled here always can be
		status, body = http.StatusInternalServerError, nil
	}
	return answer{status: status, body: append([]byte(xml.Header), body...), code: code, contentType: "text/xml;charset=utf-8"}
}

func mnsRefusal(c *call, status int, code string) answer {
	return mnsXML(status, code, mnsError{Space: mnsSpace, Code: code, Message: "The request is refused.", RequestID: c.id, HostID: "http://sim"})
}

// A mnsReceived is a message as it is handed out.
type mnsReceived struct {
	MessageID        string `xml:"MessageId"`
	MessageBodyMD5   string
	MessageBody      string
	ReceiptHandle    string
	EnqueueTime      int64
	FirstDequeueTime int64
	NextVisibleTime  int64
	DequeueCount     int
	Priority         int
}

// receiveMessages hands out what is there, or comes while the request waits.
func (s *Server) receiveMessages(c *call) (answer, *apiError) {
	most, err := strconv.Atoi(c.get("numOfMessages"))
	wait := 0
	if text := c.get("waitseconds"); text != "" && err == nil {
		wait, err = strconv.Atoi(text)
	}
	if err != nil || most < 1 || most > mnsMost || wait < 0 || wait > mnsWait {
		return mnsRefusal(c, http.StatusBadRequest, "InvalidArgument"), nil
	}
	list := s.takeWithin(c.r.Context(), c.queue, most, time.Duration(wait)*time.Second)
	if len(list) == 0 {
		return mnsRefusal(c, http.StatusNotFound, "MessageNotExist"), nil
	}
	out := struct {
		XMLName xml.Name      `xml:"Messages"`
		Space   string        `xml:"xmlns,attr"`
		List    []mnsReceived `xml:"Message"`
	}{Space: mnsSpace}
	for i := range list {
		m := &list[i]
		out.List = append(out.List, mnsReceived{
			MessageID: m.id, MessageBodyMD5: fmt.Sprintf("%X", md5.Sum([]byte(m.body))), MessageBody: m.body, ReceiptHandle: m.handle,
			EnqueueTime: m.enqueued.UnixMilli(), FirstDequeueTime: m.first.UnixMilli(), NextVisibleTime: m.next.UnixMilli(),
			DequeueCount: m.dequeued, Priority: 8,
		})
	}
	return mnsXML(http.StatusOK, codeOK, out), nil
}

// A mnsUndeleted is a handle that deleted nothing.
type mnsUndeleted struct {
	ErrorCode     string
	ErrorMessage  string
	ReceiptHandle string
}

// deleteMessages deletes those of the handles that are still valid, and names the others.
func (s *Server) deleteMessages(c *call) (answer, *apiError) {
	var asked struct {
		XMLName xml.Name `xml:"ReceiptHandles"`
		Handles []string `xml:"ReceiptHandle"`
	}
	if err := xml.Unmarshal(c.body, &asked); err != nil || len(asked.Handles) == 0 || len(asked.Handles) > mnsMost {
		return mnsRefusal(c, http.StatusBadRequest, "MalformedXML"), nil
	}
	out := struct {
		XMLName xml.Name       `xml:"Errors"`
		Space   string         `xml:"xmlns,attr"`
		List    []mnsUndeleted `xml:"Error"`
	}{Space: mnsSpace}
	for _, handle := range asked.Handles {
		seq, err := c.queue.remove(handle)
		if err != nil {
			out.List = append(out.List, mnsUndeleted{"MessageNotExist", err.Error(), handle})
			continue
		}
		if seq != 0 {
			s.ledger.setState(seq, StatePushed)
		}
	}
	if len(out.List) > 0 {
		return mnsXML(http.StatusNotFound, "MessageNotExist", out), nil
	}
	return answer{status: http.StatusNoContent, code: codeOK}, nil
}

// putMessage is the control endpoint that puts a message into a queue.
func (s *Server) putMessage(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		err = s.Enqueue(r.PathValue("queue"), body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
