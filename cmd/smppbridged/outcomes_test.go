package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"

	"smppbridge/bridge/aliyun/aliyunsim"
	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

// The validities of messages that are to expire.
const (
	soonOver   = "000000000001000R" // one second: whatever has become of it by then
	calledOnce = "000000000010000R" // ten: its first call is made before, on any machine
	ackIsOver  = "000000000004000R" // four: more than ack_within where it is short, less than until the API is asked
)

// A walk is one case under way: two messages, one of an ESME that is answered when its message is stored, one of
// an ESME that waits for the API's answer. The fault befalls the first call of the one and all calls of the other.
type walk struct {
	apiCase
	n                 int
	stored, waits     *client
	id                string
	seq               uint32
	status            smpp.Status
	waitedID          string
	answered          bool
	toStored, toWaits string
}

// TestEveryOutcome walks every code of the API and every way in which a call can go without an answer through a
// node. Each message ends as the code says, its ESME is told so, and it was sent once or not at all.
func TestEveryOutcome(t *testing.T) {
	for name, cases := range map[string][]apiCase{
		"service": serviceCases(), "gateway": gatewayCases(), "silence": silentCases(closedAddress(t)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			walkThrough(t, cases)
		})
	}
}

func walkThrough(t *testing.T, cases []apiCase) {
	sim, addr := newSimulator(t)
	s := newSystem(t, sim, addr, func(o *options) { o.Policy = outcomePolicy(t, addr, cases) })
	s.start()
	s.endWithTest()

	walks := make([]*walk, len(cases))
	var faults []aliyunsim.Fault
	for i, c := range cases {
		w := &walk{apiCase: c, n: i, toStored: fmt.Sprintf("1391000%03d0", i), toWaits: fmt.Sprintf("1391000%03d1", i)}
		walks[i] = w
		if c.fault.Kind == "" {
			continue
		}
		always, once := c.fault, c.fault
		always.Suffix, once.Suffix = w.toWaits[7:], w.toStored[7:]
		if c.fate != fateSent {
			once.Count = 1
		}
		faults = append(faults, once, always)
	}
	s.fault(faults...)
	awayFromMinuteEdge(t) // what a phone's limit put off is tried again when the minute is over
	for _, w := range walks {
		w.begin(s)
	}
	for _, w := range walks {
		w.awaitAnswer()
	}
	for _, w := range walks {
		t.Run(strings.ReplaceAll(w.name, " ", "_"), func(t *testing.T) { w.check(t, s) })
	}
	// Nobody takes the receipt of a message that was refused: had it one, it would wait here for ever.
	s.eventually("no receipt waits", func() bool { return s.store.Figures().Outbox == 0 })
	if sum := s.sim.Summary(); sum.Extra != 0 || sum.RepeatedOutIDs != 0 {
		t.Errorf("%d texts were sent more than once, %d OutIds used twice", sum.Extra, sum.RepeatedOutIDs)
	}
}

// outcomePolicy has a route, with an Alibaba Cloud account, for each case: what one does to its route must not
// touch the others.
func outcomePolicy(t *testing.T, addr string, cases []apiCase) []byte {
	var routes, accounts strings.Builder
	for i, c := range cases {
		endpoint, plain := `endpoint: "`+addr+`"`, "plain: true"
		switch {
		case strings.HasPrefix(c.route, "endpoint"):
			endpoint = c.route
		case c.route != "":
			plain = c.route
		}
		fmt.Fprintf(&routes, "  - {name: r%03d, %s, %s, account: x%03d, only_named: true, workers: 2, timeout: 1s}\n", i, endpoint, plain, i)
		const form = "  - {system_id: %c%03d, password_hash: \"HASH\", sign_name: 阿里云测试, templates: [SMS_100000003], route: r%03d, ack: %s, ack_within: %s}\n"
		within := "20s" // what ends does so in time, on any machine
		if c.fate == fateUncertain {
			within = "2s" // no answer comes while it is not known
		}
		fmt.Fprintf(&accounts, form, 's', i, i, "stored", within)
		fmt.Fprintf(&accounts, form, 'w', i, i, "submitted", within)
	}
	head, tail, found := strings.Cut(systemPolicy, "accounts:\n")
	if !found {
		t.Fatal("the policy has no accounts")
	}
	doc := head + routes.String() + "accounts:\n" + accounts.String() + tail
	return []byte(strings.NewReplacer("ENDPOINT", addr, "HASH", hashOf(t, password)).Replace(doc))
}

// closedAddress is an address at which nobody listens while the test runs: it is bound, and does not listen.
func closedAddress(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
}

// begin submits both messages and waits for the first one's answer.
func (w *walk) begin(s *system) {
	w.stored = s.bind(fmt.Sprintf("s%03d", w.n), smpp.Transceiver)
	w.waits = s.bind(fmt.Sprintf("w%03d", w.n), smpp.Transceiver)
	w.id = w.stored.mustSubmit(w.toStored, fmt.Sprintf("private %d stored", w.n), w.validity)
	w.seq = w.waits.Send(&smpp.SubmitSM{SourceAddr: "1069", DestinationAddr: w.toWaits, ValidityPeriod: w.waitsFor(),
		RegisteredDelivery: smpp.RegisteredDeliveryAlways, ShortMessage: fmt.Sprintf("private %d waits", w.n)})
}

// lasts reports whether the first message can outlive what befell its first call.
func (w *walk) lasts() bool { return w.fate != fatePhone && w.route == "" }

// validity shortens that of a message which is to expire.
func (w *walk) validity(m *smpp.SubmitSM) {
	if !w.lasts() {
		m.ValidityPeriod = calledOnce
	}
}

// waitsFor is the validity of the second message: only one that is called again and again has to expire.
func (w *walk) waitsFor() string {
	switch w.fate {
	case fateAgain, fatePhone:
		return soonOver
	case fateUncertain:
		return ackIsOver
	}
	return ""
}

// awaitAnswer waits for the submit_sm_resp that waits for the API's answer.
func (w *walk) awaitAnswer() {
	for !w.answered {
		h, p := w.waits.take()
		if resp, is := p.(*smpp.SubmitSMResp); is && h.Sequence == w.seq {
			w.status, w.waitedID, w.answered = h.Status, resp.MessageID, true
		}
	}
}

// check compares what has become of both messages with the case.
func (w *walk) check(t *testing.T, s *system) {
	r := w.stored.receipt(w.id)
	state, err, sent := w.wantStored()
	want(t, "stat", r.State, state)
	want(t, "err", r.Err, err)
	want(t, "sent", s.executed(w.toStored), sent)
	s.eventually("the message is final", func() bool { return s.state(w.id) == store.StateFinal })

	want(t, "command_status", w.status, w.wantStatus())
	if w.fate != fateUncertain && w.fate != fateSent {
		want(t, "command_status of the err", smpp.Status(s.sender.Outcomes().StatusOfErr(w.err)), w.stat)
	}
	sent = 0
	if w.fate == fateSent {
		sent = 1
	}
	if w.status == smpp.StatusOK {
		state := smpp.StateExpired
		if w.fate == fateSent {
			state = smpp.StateDelivered
		}
		want(t, "stat of the one that waited", w.waits.receipt(w.waitedID).State, state)
	} else {
		want(t, "message_id of a refusal", w.waitedID, "")
	}
	want(t, "sent for the one that waited", s.executed(w.toWaits), sent)
}

// wantStatus is the answer to the ESME that waits: of a message that was retried until it expired, that it has.
func (w *walk) wantStatus() smpp.Status {
	if w.fate == fateAgain || w.fate == fatePhone {
		return smpp.StatusInvExpiry
	}
	return w.stat
}

// wantStored is what becomes of the message whose first call the fault befell.
func (w *walk) wantStored() (state smpp.MessageState, err string, sent int) {
	switch {
	case w.fate == fateEnded:
		return smpp.StateRejected, w.err, 0
	case !w.lasts():
		return smpp.StateExpired, w.err, 0
	}
	return smpp.StateDelivered, "000", 1
}

// TestOutcomesInForce: the policy's outcomes decide what an ESME is told, and /v1/outcomes shows them.
func TestOutcomesInForce(t *testing.T) {
	s := startSystem(t, func(o *options) {
		o.Policy = append(o.Policy, `
outcomes:
  isv.BLACK_KEY_CONTROL_LIMIT: {stat: UNDELIV, err: "0B1"}
  isv.NEW: {class: permanent, status: ESME_RINVSERTYP, err: "0B2"}
`...)
	})
	c := s.bind("test", smpp.Transceiver)
	for code, wants := range map[string]smpp.Receipt{
		"isv.BLACK_KEY_CONTROL_LIMIT": {State: smpp.StateUndeliverable, Err: "0B1"},
		"isv.NEW":                     {State: smpp.StateRejected, Err: "0B2"},
		"isv.CUSTOMER_REFUSED":        {State: smpp.StateRejected, Err: "107"},
	} {
		s.fault(aliyunsim.Fault{Kind: aliyunsim.FaultBusiness, Code: code})
		r := c.receipt(c.mustSubmit(phone, "private"))
		want(t, code+": stat", r.State, wants.State)
		want(t, code+": err", r.Err, wants.Err)
	}
	resp, err := http.Get("http://" + s.httpAddr.String() + "/v1/outcomes")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var shown struct{ Outcomes []outcomeLine }
	if err := json.NewDecoder(resp.Body).Decode(&shown); err != nil {
		t.Fatal(err)
	}
	for _, line := range []outcomeLine{
		{"isv.NEW", "permanent", "ESME_RINVSERTYP", "REJECTD", "0B2", true},
		{"isv.BLACK_KEY_CONTROL_LIMIT", "permanent", "ESME_RSUBMITFAIL", "UNDELIV", "0B1", true},
		{"isv.CUSTOMER_REFUSED", "permanent", "ESME_RSUBMITFAIL", "REJECTD", "107", false},
	} {
		if !slices.Contains(shown.Outcomes, line) {
			t.Errorf("not shown: %+v", line)
		}
	}
}

// TestOutcomeStatusesAreTheStandards: what configs takes for a command_status, the standard has.
func TestOutcomeStatusesAreTheStandards(t *testing.T) {
	for _, name := range []string{"ESME_RSUBMITFAIL", "ESME_RSYSERR", "ESME_RTHROTTLED", "ESME_RMSGQFUL", "ESME_RINVSRCADR",
		"ESME_RINVDSTADR", "ESME_RINVMSGLEN", "ESME_RINVNUMDESTS", "ESME_RINVDFTMSGID", "ESME_RINVSYSTYP", "ESME_RINVSERTYP",
		"ESME_RUNKNOWNERR"} {
		p, err := configs.ParsePolicy("test", []byte("outcomes: {isv.NEW: {status: "+name+"}}"))
		if err != nil {
			t.Fatal(err)
		}
		table, err := outcomeTable(p)
		if err != nil {
			t.Fatal(err)
		}
		want(t, name, smpp.Status(*table.Lines()[0].Status).String(), name)
	}
}
