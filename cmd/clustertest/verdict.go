//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"smppbridge/bridge/aliyun/aliyunsim"
	"smppbridge/smpp"
)

// How far apart things may be and still belong together.
const (
	// closeBy is how long before a session's or node's end a receipt may have been delivered without its answer
	// having been recorded: the response timeout, and what a new leader may take.
	closeBy = 6 * time.Second
	// readSlack is what may lie between the reading of two connections by this program on a machine with much to
	// do. On one connection the order is exact.
	readSlack = 200 * time.Millisecond
)

// A disturbance is when a node was hurt: killed, frozen, cut off, and until when its sessions may tell.
type disturbance struct {
	node     int
	from, to time.Time // to is zero while it lasts
}

// A tally is what a round, or all of a scene's, came to.
type tally struct {
	accepted, sent         int // submit_sm; messages
	refusals, unanswered   int // submit_sm
	lost, doubled, ghosts  int // messages
	missing                int // receipts of submit_sm
	extraAllowed, extra    int
	early, late, wrong     int // receipts
	errorsOthers, cutOther int // submit_sm on nodes that were not hurt: errors; connections that ended first
	overRate, overPhone    int
	callsPerSecond         int           // the most
	slack                  time.Duration // readSlack, or how long the machine stood still
	delivered, unknown     int           // submit_sm by the state in their first receipt
	examples               []string
}

// bad is how much of it must not be. errors says whether undisturbed nodes' ESMEs must have seen no trouble.
func (t *tally) bad(errors bool) int {
	n := t.lost + t.doubled + t.ghosts + t.missing + t.extra + t.early + t.wrong + t.overRate + t.overPhone
	if t.callsPerSecond > 2*apiQPS+apiQPS/10 { // a call may begin a second after it was counted
		n++
	}
	if errors {
		n += t.errorsOthers + t.cutOther
	}
	return n
}

// example remembers a message for whoever looks into it, a few of each kind.
func (t *tally) example(what string, p *part) {
	if len(t.examples) < 5 {
		node := 0
		if p.session != nil {
			node = p.session.node + 1
		}
		t.examples = append(t.examples, fmt.Sprintf("%s: account %s, message_id %q, node n%d, sent %s, answered %s, status %#x, %d receipts",
			what, p.of.account, p.id, node, clock(p.sent), clock(p.answered), uint32(p.status), len(p.receipts)))
	}
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }

// judge compares what the ESMEs of a round (0 = all rounds) were told with what the API did.
func (b *book) judge(round int, sent map[string][]aliyunsim.Entry, hurt []disturbance) tally {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := tally{slack: max(readSlack, b.stall)}
	for _, m := range b.messages {
		if round == 0 || m.round == round {
			t.message(m, len(sent[m.key()]))
			for _, p := range m.parts {
				t.part(p, hurt)
				t.truth(p, sent[m.key()])
			}
		}
	}
	t.strays(b, round, sent)
	t.overRate = overRate(b.messages, round)
	return t
}

// message judges whether a message was sent as its ESME was told.
func (t *tally) message(m *message, times int) {
	if times > 0 {
		t.sent++
	}
	if times > 1 {
		t.doubled += times - 1
		t.example("doubled", m.parts[0])
	}
	for _, p := range m.parts {
		if p.answer == refused && times > 0 {
			t.ghosts++
			t.example("ghost", p)
			return
		}
	}
	if m.whole() && times == 0 && !m.failed() {
		t.lost++
		t.example("lost", m.parts[0])
	}
}

// failed reports whether the ESME was told that the message failed.
func (m *message) failed() bool {
	for _, p := range m.parts {
		for _, r := range p.receipts {
			if r.state != smpp.StateDelivered && r.state.Final() {
				return true
			}
		}
	}
	return false
}

// part judges a submit_sm and its receipts.
func (t *tally) part(p *part, hurt []disturbance) {
	switch p.answer {
	case pending:
		return
	case refused:
		t.refusals++
		if len(p.receipts) > 0 {
			t.ghosts++
		}
		if !p.mayBeRefused() && !disturbed(hurt, p.session.node, p.sent, p.answered) {
			t.errorsOthers++
			t.example("error on a node not hurt", p)
		}
		return
	case unanswered:
		t.unanswered++
		if !disturbed(hurt, p.session.node, p.sent, p.answered) {
			t.cutOther++
			t.example("unanswered on a node not hurt", p)
		}
		return
	}
	t.accepted++
	if len(p.receipts) == 0 && p.of.whole() {
		t.missing++
		t.example("no receipt", p)
	}
	t.receipts(p, hurt)
}

// mayBeRefused reports whether an error is an answer like any other: over the account's rate, or the API's.
func (p *part) mayBeRefused() bool {
	return p.of.account == "rated" && p.status == smpp.StatusThrottled || p.of.account == "mix-submitted"
}

// truth judges whether the first receipt of an accepted submit_sm says what became of a message that was sent once. UNKNOWN
// is true of every message whose class does not resend.
func (t *tally) truth(p *part, sent []aliyunsim.Entry) {
	if p.answer != accepted || len(p.receipts) == 0 {
		return
	}
	state := p.receipts[0].state
	switch state {
	case smpp.StateDelivered:
		t.delivered++
	case smpp.StateUnknown:
		t.unknown++
	}
	if len(sent) != 1 || state == smpp.StateUnknown && slices.Contains(reportUncertain(), p.of.account) {
		return
	}
	if (state == smpp.StateDelivered) != (sent[0].ErrCode == "DELIVERED") {
		t.wrong++
		t.example(fmt.Sprintf("sent with result %s, receipt says %v", sent[0].ErrCode, state), p)
	}
}

// reportUncertain are the accounts of whose messages nobody may ever know whether they were sent.
func reportUncertain() []string { return []string{"otp", "capped", "mix-code", "mix-capped"} }

// share is what part of the accepted submit_sm was delivered.
func (t *tally) share() float64 { return float64(t.delivered) / float64(max(1, t.accepted)) }

// receipts judges the receipts of an accepted submit_sm.
func (t *tally) receipts(p *part, hurt []disturbance) {
	for i, r := range p.receipts {
		slack := t.slack
		if r.session == p.session {
			slack = 0
		}
		if ahead := p.answered.Sub(r.at); ahead > slack && disturbed(hurt, p.session.node, p.sent, p.answered) {
			t.late++
		} else if ahead > slack {
			t.early++
			t.example(fmt.Sprintf("receipt on n%d, %s before the answer", r.session.node+1, ahead), p)
		}
		if r.phone != p.of.phone || r.state != p.receipts[0].state {
			t.wrong++
			t.example("wrong receipt", p)
		}
		if i == 0 {
			continue
		}
		if excused(p.receipts[:i], hurt) {
			t.extraAllowed++
			continue
		}
		t.extra++
		t.example(fmt.Sprintf("extra receipt on n%d at %s, first on n%d at %s", r.session.node+1, clock(r.at),
			p.receipts[0].session.node+1, clock(p.receipts[0].at)), p)
	}
}

// excused reports whether one of the deliveries can have gone unrecorded.
func excused(before []receipt, hurt []disturbance) bool {
	return slices.ContainsFunc(before, func(r receipt) bool {
		if end := r.session.end(); !end.IsZero() && end.Sub(r.at) < closeBy {
			return true
		}
		return disturbed(hurt, r.session.node, r.at, r.at.Add(closeBy))
	})
}

// disturbed reports whether a node was hurt at some time between two.
func disturbed(hurt []disturbance, node int, from, to time.Time) bool {
	return slices.ContainsFunc(hurt, func(d disturbance) bool {
		return d.node == node && d.from.Before(to) && (d.to.IsZero() || d.to.After(from))
	})
}

// strays judges receipts whose id no submit_sm_resp has named: those of unanswered submit_sm are as they should be.
func (t *tally) strays(b *book, round int, sent map[string][]aliyunsim.Entry) {
	open := map[string]bool{}
	for _, m := range b.messages {
		for _, p := range m.parts {
			if p.answer == unanswered || p.answer == pending && !p.sent.IsZero() {
				open[m.phone] = true
			}
		}
	}
	for id, list := range b.stray {
		for _, r := range list {
			if id == "" || !open[r.phone] {
				t.wrong++
				t.examples = append(t.examples, fmt.Sprintf("receipt of nothing: message_id %q", id))
			}
		}
	}
	if round != 0 {
		return
	}
	for key := range sent {
		if b.byKey[key] == nil {
			t.ghosts++
			t.examples = append(t.examples, "sent but never submitted like that")
		}
	}
}

// overRate is by how many messages account rated got more than its rate: those submitted after one moment and
// answered before another were charged between the two.
func overRate(messages []*message, round int) int {
	var list []*part
	for _, m := range messages {
		if m.account == "rated" && m.parts[0].answer == accepted && (round == 0 || m.round == round) {
			list = append(list, m.parts[0])
		}
	}
	slices.SortFunc(list, func(a, b *part) int { return a.answered.Compare(b.answered) })
	most := 0
	for _, first := range list {
		count := 0
		for _, last := range list {
			if last.sent.Before(first.sent) {
				continue
			}
			count++
			allowed := ratedBurst + int(ratedRate*last.answered.Sub(first.sent).Seconds()) + 1
			most = max(most, count-allowed)
		}
	}
	return most
}

// byKey sorts the API's ledger by message.
func byKey(entries []aliyunsim.Entry) map[string][]aliyunsim.Entry {
	sent := map[string][]aliyunsim.Entry{}
	for _, e := range entries {
		var params struct{ Content, Code string }
		_ = json.Unmarshal([]byte(e.Params), &params) // it is then like nothing that was submitted
		phone := strings.TrimPrefix(e.Phone, "86")
		key := phone + "/" + params.Content + params.Code
		sent[key] = append(sent[key], e)
	}
	return sent
}

// mostCalls is the most calls that the API executed within a second.
func mostCalls(entries []aliyunsim.Entry) int {
	calls := map[string]time.Time{}
	for _, e := range entries {
		calls[e.BizID] = e.Time
	}
	times := make([]time.Time, 0, len(calls))
	for _, at := range calls {
		times = append(times, at)
	}
	slices.SortFunc(times, time.Time.Compare)
	most, first := 0, 0
	for i, at := range times {
		for at.Sub(times[first]) >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// add sums rounds up.
func (t *tally) add(o tally) {
	t.accepted += o.accepted
	t.sent += o.sent
	t.refusals += o.refusals
	t.unanswered += o.unanswered
	t.lost += o.lost
	t.doubled += o.doubled
	t.ghosts += o.ghosts
	t.missing += o.missing
	t.extraAllowed += o.extraAllowed
	t.extra += o.extra
	t.early += o.early
	t.late += o.late
	t.wrong += o.wrong
	t.errorsOthers += o.errorsOthers
	t.cutOther += o.cutOther
	t.overRate += o.overRate
	t.overPhone += o.overPhone
	t.delivered += o.delivered
	t.unknown += o.unknown
	t.callsPerSecond = max(t.callsPerSecond, o.callsPerSecond)
	t.examples = append(t.examples, o.examples...)
}

// longestWait is the longest that an ESME waited for an ESME_ROK on a node that nobody hurt meanwhile, and when that
// began. Accounts with ack submitted are left out: they wait for the API.
func (b *book) longestWait(round int, hurt []disturbance) (longest time.Duration, from time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.messages {
		if m.round != round || strings.HasSuffix(m.account, "submitted") {
			continue
		}
		for _, p := range m.parts {
			wait := p.answered.Sub(p.sent)
			if p.answer == accepted && wait > longest && !disturbed(hurt, p.session.node, p.sent, p.answered) {
				longest, from = wait, p.sent
			}
		}
	}
	return longest, from
}

// gap is the longest time since a moment for which no node accepted anything.
func (b *book) gap(since time.Time) (longest time.Duration, from time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var last time.Time
	for _, o := range b.oks {
		if !last.IsZero() && o.at.After(since) && o.at.Sub(last) > longest {
			longest, from = o.at.Sub(last), last
		}
		last = o.at
	}
	return longest, from
}
