package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// writeText writes s for people.
func (s *summary) writeText(w io.Writer) error {
	t := &textWriter{w: w}
	if !s.Config.Idle {
		s.writeSubmits(t)
	}
	if r := s.Receipts; r != nil {
		r.writeTo(t)
	}
	t.printf("sessions     %d, %d lost; %d unanswered, %d repeated ids, %d stray PDUs\n",
		s.Binds, s.SessionsLost, s.Unanswered, s.Repeated, s.Stray)
	if s.Config.Reconnect {
		t.printf("connections  %d broken, %d made again; %d submit_sm of unknown outcome, %d of them submitted again\n",
			s.Broken, s.Remade, s.Unknown, s.Resubmitted)
	}
	if s.Submitted > 0 {
		t.printf("cpu          %.2f us per message\n", s.CPU)
	}
	for _, row := range s.Series {
		t.printf("second %5d %d submitted, %d accepted, %d refused, p50 %.2f ms, p99 %.2f ms; %d receipts, p50 %.2f ms, p99 %.2f ms\n",
			row.Second, row.Submitted, row.Accepted, row.Refused, row.RespP50, row.RespP99, row.Receipts, row.DoneP50, row.DoneP99)
	}
	return t.err
}

func (s *summary) writeSubmits(t *textWriter) {
	t.printf("accepted     %.0f/s   (%d of %d in %.2f s)\n", s.OKRate, s.OK, s.Submitted, s.Seconds)
	t.printf("longest gap  %.0f ms between two ESME_ROK\n", s.Gap)
	t.printf("latency      p50 %.2f ms   p90 %.2f ms   p99 %.2f ms   p99.9 %.2f ms   max %.2f ms\n", s.P50, s.P90, s.P99, s.P999, s.Max)
	t.printf("statuses    %s\n", counts(s.Statuses))
	if s.Rate > 0 || s.Config.Schedule != "" {
		t.printf("generator    p99 %.2f ms late\n", s.LateP99)
	}
}

func (r *receiptSummary) writeTo(t *textWriter) {
	t.printf("receipts     %d received, %d missing, %d duplicate, %d unknown, %d odd; %d other deliver_sm\n",
		r.Received, r.Missing, r.Duplicate, r.Unknown, r.Odd, r.Incoming)
	t.printf("             %d early, %d wrong addresses, %d wrong state, %d interim; %d overtook, %d redelivered, %d of unanswered\n",
		r.Early, r.WrongAddresses, r.WrongState, r.Interim, r.Overtook, r.Redelivered, r.OfUnanswered)
	t.printf("             %.0f/s over %.2f s   p50 %.2f ms   p90 %.2f ms   p99 %.2f ms   p99.9 %.2f ms   max %.2f ms\n",
		r.EndToEnd, r.AllSeconds, r.P50, r.P90, r.P99, r.P999, r.Max)
	t.printf("states      %s\n", counts(r.States))
	if len(r.MissingIDs) > 0 {
		t.printf("missing      %s\n", strings.Join(r.MissingIDs, " "))
	}
}

// A textWriter keeps the first error.
type textWriter struct {
	w   io.Writer
	err error
}

func (t *textWriter) printf(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format, args...)
	}
}

// counts lists names in their order.
func counts(m map[string]uint64) string {
	var out []byte
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = fmt.Appendf(out, " %s %d", name, m[name])
	}
	return string(out)
}
