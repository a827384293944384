package aliyunsim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// A FaultKind is a way in which a call or a report goes wrong.
type FaultKind string

// Faults of calls. They befall calls that the gateway has admitted. Of those that leave the client in
// doubt, Fault.Executed says whether the service did what it was asked.
const (
	// FaultLatency delays the execution by Delay plus up to Jitter.
	FaultLatency FaultKind = "latency"
	// FaultHang executes, and holds the answer back for Delay plus up to Jitter.
	FaultHang FaultKind = "hang"
	// FaultDrop closes the connection without an answer.
	FaultDrop FaultKind = "drop"
	// FaultReset is FaultDrop with a reset (RST) in place of an end (FIN).
	FaultReset FaultKind = "reset"
	// FaultBlackHole neither executes nor answers, until the client gives up.
	FaultBlackHole FaultKind = "black_hole"
	// FaultRedirect answers HTTP status 302 with another path of the same host, at which there is a page for people, as
	// networks do that want a login first.
	FaultRedirect FaultKind = "redirect"
	// FaultError500 answers InternalError with HTTP status 500.
	FaultError500 FaultKind = "error500"
	// FaultHTML502 answers HTTP status 502 with the HTML page of a load balancer.
	FaultHTML502 FaultKind = "html502"
	// FaultEmpty503 answers HTTP status 503 and nothing else.
	FaultEmpty503 FaultKind = "empty503"
	// FaultThrottle answers Throttling.User, or Code, as the gateway does. Nothing is executed.
	FaultThrottle FaultKind = "throttle"
	// FaultBusiness answers the business error Code, isp.SYSTEM_ERROR if that is empty.
	FaultBusiness FaultKind = "business"
	// FaultGateway answers the gateway's error Code with HTTP status Status (403 if that is 0). Nothing
	// is executed.
	FaultGateway FaultKind = "gateway"
	// FaultSlowBody executes, and sends the answer's body in pieces over Delay.
	FaultSlowBody FaultKind = "slow_body"
	// FaultIdleClose answers as ever, and closes the connection unannounced Delay later.
	FaultIdleClose FaultKind = "idle_close"
	// FaultTruncated sends half of the answer's body and closes the connection.
	FaultTruncated FaultKind = "truncated"
	// FaultGarbage answers HTTP status 200 with a body that is not JSON.
	FaultGarbage FaultKind = "garbage"
)

// Faults of reports, decided message by message when it is executed.
const (
	// FaultReportDuplicate pushes the report again, Delay later.
	FaultReportDuplicate FaultKind = "report_duplicate"
	// FaultReportLate delays the report by Delay plus up to Jitter, so that later ones overtake it.
	FaultReportLate FaultKind = "report_late"
	// FaultReportWithhold keeps the report until ReleaseReports.
	FaultReportWithhold FaultKind = "report_withhold"
	// FaultReportEarly pushes the report before the call is answered.
	FaultReportEarly FaultKind = "report_early"
	// FaultReportNoOutID leaves out the report's out_id.
	FaultReportNoOutID FaultKind = "report_no_out_id"
	// FaultReportLose never pushes the report. QuerySendDetails knows it.
	FaultReportLose FaultKind = "report_lose"
	// FaultReportUnlisted has QuerySendDetails list the message Delay plus up to Jitter later.
	FaultReportUnlisted FaultKind = "report_unlisted"
)

// Faults are looked through in order. All delays that apply are added; of the other faults of calls the
// first one applies.
type Faults []Fault

// A Fault is something that goes wrong now and then.
type Fault struct {
	Kind FaultKind `json:"kind"`
	// Probability is how often, between 0 and 1; 0 means always.
	Probability float64 `json:"probability,omitempty"`
	// Count is how many times more; 0 means without end.
	Count int `json:"count,omitempty"`
	// Suffix confines the fault to phone numbers that end in it, and to calls with one such number.
	Suffix string `json:"suffix,omitempty"`
	// Action confines the fault to one API; empty means those that send, "*" all.
	Action   string `json:"action,omitempty"`
	Executed bool   `json:"executed,omitempty"`
	DelayMS  int    `json:"delay_ms,omitempty"`
	JitterMS int    `json:"jitter_ms,omitempty"`
	Code     string `json:"code,omitempty"`
	Message  string `json:"message,omitempty"`
	Status   int    `json:"status,omitempty"`
}

// validate says what is wrong with the first bad fault.
func (f Faults) validate() error {
	for i, fault := range f {
		switch {
		case !slices.Contains(kinds(), fault.Kind):
			return fmt.Errorf("fault %d: unknown kind %q", i, fault.Kind)
		case fault.Probability < 0 || fault.Probability > 1:
			return fmt.Errorf("fault %d: the probability is not between 0 and 1", i)
		case fault.Count < 0 || fault.DelayMS < 0 || fault.JitterMS < 0:
			return fmt.Errorf("fault %d: a negative number", i)
		case fault.Kind == FaultGateway && fault.Code == "":
			return fmt.Errorf("fault %d: %s needs a code", i, fault.Kind)
		}
		if _, ok := digits(fault.Suffix); !ok {
			return fmt.Errorf("fault %d: the suffix of a phone number is digits", i)
		}
	}
	return nil
}

func kinds() []FaultKind {
	return []FaultKind{FaultLatency, FaultHang, FaultDrop, FaultReset, FaultBlackHole, FaultRedirect, FaultError500, FaultHTML502, FaultEmpty503,
		FaultThrottle, FaultBusiness, FaultGateway, FaultSlowBody, FaultIdleClose, FaultTruncated, FaultGarbage, FaultReportDuplicate,
		FaultReportLate, FaultReportWithhold, FaultReportEarly, FaultReportNoOutID, FaultReportLose, FaultReportUnlisted}
}

func (k FaultKind) ofReport() bool { return len(k) > 7 && k[:7] == "report_" }

// A faultSet decides which faults befall what. Its choices follow from the seed and the order of the calls.
type faultSet struct {
	mu   sync.Mutex
	rand *rand.Rand     // guarded by mu
	list Faults         // guarded by mu; counts are those that remain
	hits map[string]int // guarded by mu; by kind
}

func newFaultSet(seed uint64, list Faults) *faultSet {
	return &faultSet{rand: rand.New(rand.NewPCG(seed, seed)), list: slices.Clone(list), hits: map[string]int{}}
}

func (s *faultSet) set(list Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = slices.Clone(list)
}

func (s *faultSet) get() Faults {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.list)
}

// A callFault is what befalls a call.
type callFault struct {
	latency time.Duration
	Fault   // Kind is empty where nothing else does
	delay   time.Duration
}

// ofCall chooses what befalls a call of an action to those phone numbers.
func (s *faultSet) ofCall(name string, a *action, phones func(suffix string) bool) (out callFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.list {
		f := &s.list[i]
		if f.Kind.ofReport() || f.Kind != FaultLatency && out.Kind != "" {
			continue
		}
		if f.Action != "*" && f.Action != name && (f.Action != "" || !a.sends) {
			continue
		}
		if !phones(f.Suffix) || !s.strikes(f) {
			continue
		}
		if f.Kind == FaultLatency {
			out.latency += s.delay(f)
		} else {
			out.Fault, out.delay = *f, s.delay(f)
		}
	}
	s.list = slices.DeleteFunc(s.list, spent)
	return out
}

// A reportFault is what befalls a report.
type reportFault struct {
	late      time.Duration
	duplicate bool
	again     time.Duration // after the first copy
	withhold  bool
	early     bool
	noOutID   bool
	lose      bool
	unlisted  time.Duration // on top of Config.DetailLag
}

// ofReport chooses what befalls the report of a message to p.
func (s *faultSet) ofReport(p phone) (out reportFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.list {
		f := &s.list[i]
		if !f.Kind.ofReport() || !p.hasSuffix(f.Suffix) || !s.strikes(f) {
			continue
		}
		switch f.Kind {
		case FaultReportDuplicate:
			out.duplicate, out.again = true, s.delay(f)
		case FaultReportLate:
			out.late += s.delay(f)
		case FaultReportWithhold:
			out.withhold = true
		case FaultReportEarly:
			out.early = true
		case FaultReportNoOutID:
			out.noOutID = true
		case FaultReportLose:
			out.lose = true
		case FaultReportUnlisted:
			out.unlisted += s.delay(f)
		}
	}
	s.list = slices.DeleteFunc(s.list, spent)
	return out
}

// strikes rolls the dice for f and counts it down; a count that is used up becomes negative. The caller
// holds mu.
func (s *faultSet) strikes(f *Fault) bool {
	if f.Count < 0 || f.Probability > 0 && s.rand.Float64() >= f.Probability {
		return false
	}
	s.hits[string(f.Kind)]++
	if f.Count == 1 {
		f.Count = -1
	} else if f.Count > 1 {
		f.Count--
	}
	return true
}

func spent(f Fault) bool { return f.Count < 0 }

func (s *faultSet) delay(f *Fault) time.Duration {
	d := time.Duration(f.DelayMS) * time.Millisecond
	if f.JitterMS > 0 {
		d += time.Duration(s.rand.Int64N(int64(f.JitterMS) * int64(time.Millisecond)))
	}
	return d
}

// jitter returns a random part of d.
func (s *faultSet) jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Duration(s.rand.Int64N(int64(d)))
}
