package aliyun

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"smppbridge/bridge"
)

const (
	maxPushBody = 4 << 20
	// pushTaken is the answer that Alibaba Cloud documents. It checks that code is a number.
	pushTaken = `{"code":0,"msg":"接收成功"}`
	maxOutID  = 256
	maxPhone  = 32
)

// PushHandler takes the delivery reports that Alibaba Cloud pushes to
// POST /callback/{secret}/smsreport, and the incoming messages that it pushes to …/smsup. All reports
// of a request become one call of s.Report, all messages one of s.Incoming, and the request is answered
// with 200 only after that has returned nil; otherwise with 503, upon which Alibaba Cloud comes again
// after 1, 5 and 10 minutes (with messages for some hours) and then gives up. Pushes are not
// signed: whoever knows the secret can report, so it must be long, and the listener behind TLS.
// Without the secret everything is answered with 404 and the connection closed.
//
// An empty secret matches nothing. log and reg may be nil. Time-outs on slow requests are the
// http.Server's.
func PushHandler(s bridge.Sink, secret string, log *slog.Logger, reg prometheus.Registerer) http.Handler {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	reports, messages, err := newPushMetrics(reg)
	if err != nil {
		log.Error("push metrics are not registered", "err", err)
	}
	return &push{
		sink: s, enabled: secret != "", secret: sha256.Sum256([]byte(secret)),
		log: log, reports: reports, messages: messages, now: time.Now,
	}
}

type push struct {
	sink     bridge.Sink
	enabled  bool
	secret   [sha256.Size]byte // hashed, so that comparing takes the same time for any length
	log      *slog.Logger
	reports  *prometheus.CounterVec
	messages *prometheus.CounterVec
	now      func() time.Time
}

// ServeHTTP implements http.Handler.
func (p *push) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	what, ok := p.authorize(req.URL.Path)
	if !ok {
		p.count(reportForbidden, 1)
		w.Header().Set("Connection", "close")
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	switch {
	case what != "smsreport" && what != "smsup":
		http.Error(w, "not found", http.StatusNotFound)
	case req.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "POST a JSON array", http.StatusMethodNotAllowed)
	case what == "smsup":
		p.takeIncoming(w, req)
	default:
		p.takeReports(w, req)
	}
}

// authorize returns what follows the secret in the path, if the secret is right.
func (p *push) authorize(path string) (what string, ok bool) {
	rest, found := strings.CutPrefix(path, "/callback/")
	secret, what, _ := strings.Cut(rest, "/")
	sum := sha256.Sum256([]byte(secret))
	match := subtle.ConstantTimeCompare(sum[:], p.secret[:]) == 1
	return what, found && match && p.enabled
}

// takeReports answers one push.
func (p *push) takeReports(w http.ResponseWriter, req *http.Request) {
	elements, status := readElements[pushedReport](w, req)
	if status != http.StatusOK {
		p.count(reportMalformed, 1)
		p.log.WarnContext(req.Context(), "pushed reports unreadable", "status", status)
		http.Error(w, http.StatusText(status), status)
		return
	}
	reports, pending, bad := p.decode(elements)
	p.count(reportPending, pending)
	p.count(reportBad, bad)
	if bad > 0 {
		// They would be as bad when they come again.
		p.log.WarnContext(req.Context(), "pushed reports skipped", "bad", bad, "of", len(elements))
	}
	if bad > 0 && bad == len(elements) {
		http.Error(w, "no report understood", http.StatusBadRequest)
		return
	}
	if err := p.report(req.Context(), reports); err != nil {
		p.count(reportRefused, len(reports))
		p.log.WarnContext(req.Context(), "pushed reports not committed", "reports", len(reports), "err", err)
		http.Error(w, "come again", http.StatusServiceUnavailable)
		return
	}
	p.count(reportTaken, len(reports))
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	_, _ = io.WriteString(w, pushTaken)
}

// report hands the reports over, if there are any.
func (p *push) report(ctx context.Context, reports []bridge.IncomingReport) error {
	if len(reports) == 0 {
		return nil
	}
	return p.sink.Report(ctx, reports)
}

func (p *push) count(result string, n int) { p.reports.WithLabelValues(result).Add(float64(n)) }

// readElements reads the body: an array, or a single element as the message queue spells it. What is no T is a zero
// T. The status is what to answer when there is nothing to work with.
func readElements[T any](w http.ResponseWriter, req *http.Request) (elements []T, status int) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxPushBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return nil, http.StatusRequestEntityTooLarge
	}
	if err != nil {
		return nil, http.StatusBadRequest
	}
	body = bytes.TrimSpace(body)
	if len(body) > 0 && body[0] == '{' && json.Valid(body) {
		body = slices.Concat([]byte("["), body, []byte("]"))
	}
	if json.Unmarshal(body, &elements) == nil {
		return elements, http.StatusOK
	}
	var each []json.RawMessage // one of them is bad, or all is
	if err := json.Unmarshal(body, &each); err != nil {
		return nil, http.StatusBadRequest
	}
	elements = make([]T, len(each))
	for i, raw := range each {
		if json.Unmarshal(raw, &elements[i]) != nil {
			elements[i] = *new(T)
		}
	}
	return elements, http.StatusOK
}

// decode turns elements into reports, and counts those that say nothing final and those that are
// no reports.
func (p *push) decode(elements []pushedReport) (reports []bridge.IncomingReport, pending, bad int) {
	reports = make([]bridge.IncomingReport, 0, len(elements))
	for i := range elements {
		if !elements[i].usable() {
			bad++
			continue
		}
		report := elements[i].incoming(p.now)
		if report.Ending == 0 {
			pending++
			continue
		}
		reports = append(reports, report)
	}
	return reports, pending, bad
}

// pushedReport is one element of a push. Fields that are not needed are not read, whatever their
// type: sms_size and send_time, and those that other products add.
type pushedReport struct {
	Phone      looseString `json:"phone_number"`
	ReportTime looseString `json:"report_time"`
	Success    looseString `json:"success"` // documented as a bool
	ErrCode    looseString `json:"err_code"`
	BizID      looseString `json:"biz_id"`
	OutID      looseString `json:"out_id"`
}

// usable reports whether r can name a message.
func (r *pushedReport) usable() bool {
	return r.Phone != "" && len(r.Phone) <= maxPhone && len(r.OutID) <= maxOutID &&
		(r.OutID != "" || cleanID(string(r.BizID)) != "")
}

// incoming is r in the bridge's terms. A report without a readable time was made when it came.
func (r *pushedReport) incoming(now func() time.Time) bridge.IncomingReport {
	said := outcomeUnsaid
	switch strings.ToLower(string(r.Success)) {
	case "true", "1":
		said = outcomeDelivered
	case "false", "0":
		said = outcomeFailed
	}
	report := bridge.IncomingReport{
		OutID:  string(r.OutID),
		BizID:  cleanID(string(r.BizID)),
		Phone:  bareNumber(string(r.Phone)),
		DoneAt: parseTime(string(r.ReportTime)),
	}
	report.Code = cleanID(string(r.ErrCode))
	report.Ending, report.Err = meaning(string(r.ErrCode), said)
	if report.DoneAt.IsZero() {
		report.DoneAt = now()
	}
	return report
}

// A looseString takes any JSON scalar: some senders write numbers and booleans as strings, and
// some the other way round.
type looseString string

// plainASCII reports whether a quoted JSON string stands for its own octets.
func plainASCII(raw []byte) bool {
	for _, c := range raw {
		if c == '\\' || c < ' ' || c > '~' {
			return false
		}
	}
	return len(raw) >= 2
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *looseString) UnmarshalJSON(raw []byte) error {
	switch {
	case len(raw) == 0 || raw[0] == '{' || raw[0] == '[':
		return errors.New("not a scalar")
	case raw[0] == '"' && plainASCII(raw): // most are; a push may have hundreds
		*s = looseString(strings.TrimSpace(string(raw[1 : len(raw)-1])))
	case raw[0] == '"':
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return errors.New("not a string")
		}
		*s = looseString(strings.TrimSpace(text))
	case string(raw) == "null":
		*s = ""
	default:
		*s = looseString(raw)
	}
	return nil
}
