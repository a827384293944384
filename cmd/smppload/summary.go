package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// A summary is what a run measured, and what --json prints: one object with one line
// to a field, so that a script can take one without a parser. Names that end in _ms
// are milliseconds, percentiles are exact to 0.8%. receipts is missing where none
// were asked for and none came, series without --series.
type summary struct {
	Config config `json:"config"`

	Binds       int               `json:"binds"`
	Window      int               `json:"window"`
	Rate        int64             `json:"rate"`          // messages per second that were asked for; 0 = none, or a schedule
	Seconds     float64           `json:"seconds"`       // from the start to the last ESME_ROK
	Messages    uint64            `json:"messages"`      // whose submit_sm, one for each part, were all written
	Submitted   uint64            `json:"submitted"`     // submit_sm written; those written again too
	OK          uint64            `json:"ok"`            // of them answered ESME_ROK
	OKRate      float64           `json:"ok_per_second"` // ok / seconds
	Statuses    map[string]uint64 `json:"statuses"`      // answers by command_status
	Unanswered  uint64            `json:"unanswered"`    // submit_sm without an answer at the end
	Unknown     uint64            `json:"unknown"`       // submit_sm without one when their connection broke and was made again
	Resubmitted uint64            `json:"resubmitted"`   // of these written again
	Repeated    uint64            `json:"repeated_ids"`  // submit_sm_resp with a message_id given before

	P50  float64 `json:"p50_ms"` // from the intended time to the submit_sm_resp
	P90  float64 `json:"p90_ms"`
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p999_ms"`
	Max  float64 `json:"max_ms"`
	// Late is how late the generator itself was: from the intended time to the write.
	// It is in the latencies, and where it is much of them the server was not what was slow.
	LateP99 float64 `json:"late_p99_ms"`
	Gap     float64 `json:"longest_gap_ms"` // from one ESME_ROK to the next, on whatever bind

	Receipts *receiptSummary `json:"receipts,omitempty"`

	SessionsLost int     `json:"sessions_lost"`          // and not made again
	LostBecause  string  `json:"lost_because,omitempty"` // of them, and of those made again, the first
	Broken       int     `json:"connections_broken"`
	Remade       int     `json:"connections_remade"`
	Stray        uint64  `json:"stray"`              // PDUs that answer nothing, cannot be read or do not belong on their bind
	CPU          float64 `json:"cpu_us_per_message"` // the generator's own, by submit_sm

	Series []second `json:"series,omitempty"`

	strict bool
}

// A config is what of the command line decides what is measured. There is no text and
// no password in it.
type config struct {
	Addr           string         `json:"addr"`
	TLS            bool           `json:"tls"`
	SystemID       string         `json:"system_id"`
	Version        string         `json:"interface_version"`
	BindMode       string         `json:"bind_mode"`          // trx or pair
	Idle           bool           `json:"idle"`               // nothing is submitted
	Schedule       string         `json:"schedule,omitempty"` // instead of rate
	Duration       float64        `json:"duration_seconds"`   // of the schedule; 0 = no end
	Limit          int64          `json:"message_limit"`      // 0 = none
	First          int64          `json:"first"`              // number of the first message
	Texts          int            `json:"texts"`              // how many different ones
	Seed           *uint64        `json:"seed,omitempty"`     // by which they are chosen, if not in turn
	DataCodings    map[string]int `json:"data_codings"`       // texts by data_coding
	Long           string         `json:"long"`               // payload, udh8, udh16 or sar
	MostParts      int            `json:"most_parts"`         // of one text
	Registered     bool           `json:"registered"`         // receipts are asked for
	ReceiptsWithin float64        `json:"receipts_within_seconds"`
	ExpectStates   string         `json:"expect_states"`
	Strict         bool           `json:"strict"`
	Reconnect      bool           `json:"reconnect"`
	Resubmit       bool           `json:"resubmit"`
}

// A receiptSummary is about receipts. Each is compared with what was submitted and got
// its message_id: there is to be exactly one for each accepted submit_sm. What is about
// its contents is counted only where receipts were asked for.
type receiptSummary struct {
	Received       uint64            `json:"received"`              // submit_sm whose receipt came
	Missing        uint64            `json:"missing"`               // accepted submit_sm without one
	MissingIDs     []string          `json:"missing_ids,omitempty"` // some of their message_ids
	Awaited        bool              `json:"awaited"`               // they were given their time
	Duplicate      uint64            `json:"duplicate"`             // receipts for a submit_sm that had one
	Redelivered    uint64            `json:"redelivered"`           // not among them: the connection of one of the two broke
	Unknown        uint64            `json:"unknown_ids"`           // receipts whose id no submit_sm_resp of this run had
	OfUnanswered   uint64            `json:"of_unanswered"`         // not among them: to the phone of a submit_sm whose answer was lost
	Early          uint64            `json:"early"`                 // read before their submit_sm_resp on the same connection
	Overtook       uint64            `json:"overtook"`              // read before it on another one: there they may
	Odd            uint64            `json:"odd"`                   // text and parameters name different messages
	WrongAddresses uint64            `json:"wrong_addresses"`       // not those of the submit_sm, swapped, to the letter
	WrongState     uint64            `json:"wrong_state"`           // not one of those expected, or text and parameters disagree
	Interim        uint64            `json:"interim"`               // of a state that is not final: nobody asks for those
	Incoming       uint64            `json:"incoming"`              // deliver_sm that were no receipts
	States         map[string]uint64 `json:"states"`                // all receipts by message_state
	P50            float64           `json:"receipt_p50_ms"`        // from the submit_sm's intended time to the first receipt
	P90            float64           `json:"receipt_p90_ms"`
	P99            float64           `json:"receipt_p99_ms"`
	P999           float64           `json:"receipt_p999_ms"`
	Max            float64           `json:"receipt_max_ms"`
	EndToEnd       float64           `json:"completed_per_second"` // received / completed_seconds
	AllSeconds     float64           `json:"completed_seconds"`    // from the start to the last first receipt
}

// summary adds up. All goroutines of the run have ended.
func (f *fleet) summary(awaited bool, cpu time.Duration) *summary {
	l := f.run.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &summary{
		Config: f.config(), strict: f.opts.strict,
		Binds: f.opts.binds, Window: f.opts.window, Rate: f.opts.schedule.rate,
		Seconds: l.lastOK.Seconds(), Unknown: l.unknown, Repeated: l.matches.repeated, Stray: l.stray,
		Statuses: make(map[string]uint64),
		P50:      ms(l.latency.quantile(0.5)), P90: ms(l.latency.quantile(0.9)), P99: ms(l.latency.quantile(0.99)),
		P999: ms(l.latency.quantile(0.999)), Max: ms(l.latency.max), LateP99: ms(l.late.quantile(0.99)), Gap: ms(l.gap),
	}
	for st, n := range l.statuses {
		s.Statuses[st.String()] = n
		if st == 0 {
			s.OK = n
		}
	}
	for _, b := range f.binds {
		s.addBind(b, l.checks)
	}
	s.OKRate = perSecond(s.OK, l.lastOK)
	if s.Submitted > 0 {
		s.CPU = float64(cpu.Nanoseconds()) / 1e3 / float64(s.Submitted)
	}
	if l.checks != nil || len(l.states) > 0 || l.incoming > 0 {
		s.Receipts = l.receiptSummaryLocked(awaited)
	}
	if l.series != nil {
		s.Series = l.series.result()
	}
	return s
}

// addBind adds what b counted, and tells c, if there is one, what it left unanswered.
func (s *summary) addBind(b *bind, c *checks) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.Messages += b.messages
	s.Submitted += b.submitted
	s.Resubmitted += b.resubmitted
	s.Broken += b.broken
	s.Remade += b.remade
	if b.lostLocked() {
		s.SessionsLost++
	}
	if b.err != nil && s.LostBecause == "" {
		s.LostBecause = b.err.Error()
	}
	for _, r := range b.takeUnansweredLocked() {
		s.Unanswered++
		if c != nil {
			c.unanswered(r.piece)
		}
	}
}

// config is the command line again.
func (f *fleet) config() config {
	o, t := &f.opts, f.run.texts
	c := config{
		Addr: o.addr, TLS: f.run.dialer.tls != nil, SystemID: o.systemID, BindMode: bindModes[0], Idle: o.hold,
		Version: fmt.Sprintf("0x%02x", o.version), Duration: o.schedule.duration.Seconds(),
		Limit: o.schedule.messages, First: o.first, Texts: len(t.messages), DataCodings: make(map[string]int),
		Long: longForms[o.message.long], MostParts: t.mostParts(), Registered: o.message.registered,
		ReceiptsWithin: o.receipts.Seconds(), ExpectStates: o.expect.String(), Strict: o.strict,
		Reconnect: o.reconnect, Resubmit: o.resubmit,
	}
	if o.pair {
		c.BindMode = bindModes[1]
	}
	if p := o.schedule.plan; p != nil {
		c.Schedule, c.Duration = p.text, p.length().Seconds()
	}
	if t.random {
		c.Seed = &t.seed
	}
	for value, n := range t.codings {
		c.DataCodings[fmt.Sprintf("0x%02x", value)] = n
	}
	return c
}

// someIDs is how many message_ids a summary names.
const someIDs = 5

// receiptSummaryLocked is called once.
func (l *ledger) receiptSummaryLocked(awaited bool) *receiptSummary {
	m := &l.matches
	r := &receiptSummary{
		Received: m.both, Missing: m.missing(), Awaited: awaited,
		Duplicate: m.doubled, Unknown: m.unknown(), Odd: l.odd, Incoming: l.incoming,
		States: make(map[string]uint64),
		P50:    ms(l.delay.quantile(0.5)), P90: ms(l.delay.quantile(0.9)), P99: ms(l.delay.quantile(0.99)),
		P999: ms(l.delay.quantile(0.999)), Max: ms(l.delay.max),
		EndToEnd: perSecond(m.both, l.lastDone), AllSeconds: l.lastDone.Seconds(),
	}
	for st, n := range l.states {
		r.States[st.String()] += n // states the standard does not know share one name
	}
	c := l.checks
	if c == nil {
		r.Missing = 0 // nobody asked for any: these are another run's
		return r
	}
	r.MissingIDs = m.missingIDs(someIDs)
	r.OfUnanswered, r.Redelivered = c.ofUnanswered(), c.redelivered()
	r.Unknown -= r.OfUnanswered
	r.Duplicate -= r.Redelivered
	r.Early, r.Overtook, r.WrongAddresses, r.WrongState, r.Interim = c.early, c.overtook, c.wrongAddresses, c.wrongState, c.interim
	return r
}

// failed says why a run's exit code is 1: a session was lost, a submit_sm was never
// answered, receipts that were asked for did not come in the time they were given or,
// if the run is strict, anything was wrong about one.
func (s *summary) failed() error {
	switch {
	case s.SessionsLost > 0:
		return fmt.Errorf("%d sessions lost with %d submit_sm unanswered: %s", s.SessionsLost, s.Unanswered, s.LostBecause)
	case s.Unanswered > 0:
		return fmt.Errorf("%d submit_sm unanswered", s.Unanswered)
	case s.Receipts != nil && s.Receipts.Awaited && s.Receipts.Missing > 0:
		return fmt.Errorf("%d receipts missing", s.Receipts.Missing)
	case s.strict:
		return s.wrong()
	}
	return nil
}

// wrong names the first thing that a strict run does not forgive.
func (s *summary) wrong() error {
	r := s.Receipts
	if r == nil {
		r = new(receiptSummary)
	}
	for _, c := range []struct {
		n    uint64
		what string
	}{
		{s.Repeated, "message_ids given twice"},
		{r.Missing, "receipts missing"},
		{r.Duplicate, "receipts came twice"},
		{r.Unknown, "receipts with an unknown message_id"},
		{r.Early, "receipts before their submit_sm_resp"},
		{r.Odd, "receipts whose text and parameters name different messages"},
		{r.WrongAddresses, "receipts with wrong addresses"},
		{r.WrongState, "receipts with a wrong state"},
		{r.Interim, "intermediate notifications that nobody asked for"},
		{s.Stray, "stray PDUs"},
	} {
		if c.n > 0 {
			return fmt.Errorf("%d %s", c.n, c.what)
		}
	}
	return nil
}

// writeJSON writes s for scripts.
func (s *summary) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(s)
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
