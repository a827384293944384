package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// A summary is what a run measured. Its JSON has one line to a field, so that a
// script can take one without a parser.
type summary struct {
	Binds      int               `json:"binds"`
	Window     int               `json:"window"`
	Rate       int64             `json:"rate"`
	Seconds    float64           `json:"seconds"` // from the start to the last ESME_ROK
	Submitted  uint64            `json:"submitted"`
	OK         uint64            `json:"ok"`
	OKRate     float64           `json:"ok_per_second"`
	Statuses   map[string]uint64 `json:"statuses"`
	Unanswered uint64            `json:"unanswered"`
	Repeated   uint64            `json:"repeated_ids"` // submit_sm_resp with a message_id given before

	P50  float64 `json:"p50_ms"` // from the intended time to the submit_sm_resp
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p999_ms"`
	Max  float64 `json:"max_ms"`
	// Late is how late the generator itself was: from the intended time to the write.
	// It is in the latencies, and where it is much of them the server was not what was slow.
	LateP99 float64 `json:"late_p99_ms"`

	Receipts *receiptSummary `json:"receipts,omitempty"`

	SessionsLost int     `json:"sessions_lost"`
	LostBecause  string  `json:"lost_because,omitempty"` // the first of them
	Stray        uint64  `json:"stray"`                  // PDUs that answer nothing or cannot be read
	CPU          float64 `json:"cpu_us_per_message"`     // the generator's own
}

// A receiptSummary is about receipts; it is there if they were asked for or came.
type receiptSummary struct {
	Received   uint64            `json:"received"`  // messages whose receipt came
	Missing    uint64            `json:"missing"`   // accepted messages without one
	Awaited    bool              `json:"awaited"`   // they were given their time
	Duplicate  uint64            `json:"duplicate"` // receipts for a message that had one
	Unknown    uint64            `json:"unknown"`   // ids that no submit_sm_resp of this run had
	Early      uint64            `json:"early"`     // read before their submit_sm_resp: on another connection they may be
	Odd        uint64            `json:"odd"`       // text and parameters name different messages
	Incoming   uint64            `json:"incoming"`  // deliver_sm that were no receipts
	States     map[string]uint64 `json:"states"`
	P50        float64           `json:"receipt_p50_ms"` // from the submit_sm's intended time
	P99        float64           `json:"receipt_p99_ms"`
	EndToEnd   float64           `json:"completed_per_second"`
	AllSeconds float64           `json:"completed_seconds"` // from the start to the last receipt
}

// summary adds up. All goroutines of the run have ended.
func (f *fleet) summary(awaited bool, cpu time.Duration) *summary {
	l := f.run.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &summary{
		Binds: f.opts.binds, Window: f.opts.window, Rate: f.opts.schedule.rate,
		Seconds: l.lastOK.Seconds(), Repeated: l.matches.repeated, Stray: l.stray,
		Statuses: make(map[string]uint64),
		P50:      ms(l.latency.quantile(0.5)), P99: ms(l.latency.quantile(0.99)),
		P999: ms(l.latency.quantile(0.999)), Max: ms(l.latency.max), LateP99: ms(l.late.quantile(0.99)),
	}
	for st, n := range l.statuses {
		s.Statuses[st.String()] = n
		if st == 0 {
			s.OK = n
		}
	}
	for _, b := range f.binds {
		b.mu.Lock()
		s.Submitted += b.submitted
		s.Unanswered += uint64(b.unanswered)
		if b.err != nil {
			s.SessionsLost++
			if s.LostBecause == "" {
				s.LostBecause = b.err.Error()
			}
		}
		b.mu.Unlock()
	}
	s.OKRate = perSecond(s.OK, l.lastOK)
	if s.Submitted > 0 {
		s.CPU = float64(cpu.Nanoseconds()) / 1e3 / float64(s.Submitted)
	}
	if f.opts.message.registered || len(l.states) > 0 || l.incoming > 0 {
		s.Receipts = l.receiptSummaryLocked(awaited)
		if !f.opts.message.registered {
			s.Receipts.Missing = 0 // these are another run's
		}
	}
	return s
}

func (l *ledger) receiptSummaryLocked(awaited bool) *receiptSummary {
	m := &l.matches
	r := &receiptSummary{
		Received: m.both, Missing: m.missing(), Awaited: awaited,
		Duplicate: m.doubled, Unknown: m.unknown(), Early: m.early, Odd: l.odd, Incoming: l.incoming,
		States: make(map[string]uint64),
		P50:    ms(l.delay.quantile(0.5)), P99: ms(l.delay.quantile(0.99)),
		EndToEnd: perSecond(m.both, l.lastDone), AllSeconds: l.lastDone.Seconds(),
	}
	for st, n := range l.states {
		r.States[st.String()] += n // states the standard does not know share one name
	}
	return r
}

// failed says why a run's exit code is 1: a session was lost, a submit_sm was never
// answered, or receipts that were asked for did not come in the time they were given.
func (s *summary) failed() error {
	switch {
	case s.SessionsLost > 0:
		return fmt.Errorf("%d sessions lost with %d submit_sm unanswered: %s", s.SessionsLost, s.Unanswered, s.LostBecause)
	case s.Unanswered > 0:
		return fmt.Errorf("%d submit_sm unanswered", s.Unanswered)
	case s.Receipts != nil && s.Receipts.Awaited && s.Receipts.Missing > 0:
		return fmt.Errorf("%d receipts missing", s.Receipts.Missing)
	}
	return nil
}

// writeJSON writes s for scripts.
func (s *summary) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(s)
}

// writeText writes s for people.
func (s *summary) writeText(w io.Writer) error {
	_, err := fmt.Fprintf(w, `accepted     %.0f/s   (%d of %d in %.2f s)
latency      p50 %.2f ms   p99 %.2f ms   p99.9 %.2f ms   max %.2f ms
statuses    %s
`, s.OKRate, s.OK, s.Submitted, s.Seconds, s.P50, s.P99, s.P999, s.Max, counts(s.Statuses))
	if s.Rate > 0 && err == nil {
		_, err = fmt.Fprintf(w, "generator    p99 %.2f ms late\n", s.LateP99)
	}
	if r := s.Receipts; r != nil && err == nil {
		_, err = fmt.Fprintf(w, `receipts     %d received, %d missing, %d duplicate, %d unknown, %d odd; %d other deliver_sm
             %.0f/s over %.2f s   p50 %.2f ms   p99 %.2f ms   %d before their submit_sm_resp
states      %s
`, r.Received, r.Missing, r.Duplicate, r.Unknown, r.Odd, r.Incoming, r.EndToEnd, r.AllSeconds, r.P50, r.P99, r.Early, counts(r.States))
	}
	if err == nil {
		_, err = fmt.Fprintf(w, "sessions     %d, %d lost; %d unanswered, %d repeated ids, %d stray PDUs\ncpu          %.2f us per message\n",
			s.Binds, s.SessionsLost, s.Unanswered, s.Repeated, s.Stray, s.CPU)
	}
	return err
}

// counts lists names in their order.
func counts(m map[string]uint64) string {
	var out []byte
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = fmt.Appendf(out, " %s %d", name, m[name])
	}
	return string(out)
}

func ms(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
}

func perSecond(n uint64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}
