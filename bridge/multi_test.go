package bridge

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// multiPolicy has accounts for a submit_multi's ways to fail.
const multiPolicy = `
signatures: [测试]
classes: {notice: {batch: 1}}
templates:
  - {code: SMS_2, class: notice, text: "${content}", phone_limit: false, vars: {content: {kind: free, max: 500}}}
routes:
  - {name: main, kind: dysmsapi, endpoint: "127.0.0.1:1", workers: 4, qps: 1000}
accounts:
  - {system_id: any, password_hash: "HASH", sign_name: 测试}
  - {system_id: few, password_hash: "HASH", sign_name: 测试, daily_quota: 3}
  - {system_id: bare, password_hash: "HASH", sign_name: 测试, error_body: none, message_id: hex8}
  - {system_id: once, password_hash: "HASH", sign_name: 测试, dedupe: 60s}
  - {system_id: strict, password_hash: "HASH", sign_name: 测试, ack: submitted, ack_within: 5s}
`

func inMultiRig(t *testing.T, f func(*testing.T, *rig), change ...func(*Config)) {
	t.Helper()
	inRig(t, func(t *testing.T, r *rig) {
		r.putPolicy(multiPolicy)
		pass(time.Second)
		f(t, r)
	}, change...)
}

// submitMulti makes a submit_multi to numbers, or to lists where a destination begins with "@".
func submitMulti(text string, to ...string) *smpp.SubmitMulti {
	m := &smpp.SubmitMulti{Message: *submitSM(text)}
	m.Message.DestinationAddr, m.Message.RegisteredDelivery = "", smpp.RegisteredDeliveryAlways
	for _, addr := range to {
		if list, ok := strings.CutPrefix(addr, "@"); ok {
			m.Destinations = append(m.Destinations, smpp.Destination{List: list})
			continue
		}
		m.Destinations = append(m.Destinations, smpp.Destination{TON: 1, NPI: 1, Addr: addr})
	}
	return m
}

// multi sends a submit_multi and returns its answer.
func (e *esme) multi(m *smpp.SubmitMulti) (smpp.Status, *smpp.SubmitMultiResp) {
	e.r.t.Helper()
	e.Send(m)
	h, p := e.Expect(smpp.SubmitMultiRespID)
	return h.Status, p.(*smpp.SubmitMultiResp)
}

// failures spells the refused destinations of an answer.
func failures(resp *smpp.SubmitMultiResp) string {
	var list []string
	for _, f := range resp.Failed {
		list = append(list, fmt.Sprintf("%d/%d/%s %v", f.TON, f.NPI, f.Addr, f.Status))
	}
	return strings.Join(list, ", ")
}

// TestSubmitMulti: each destination is a message of its own; all receipts have the one message_id that
// the ESME got, and the number that they are about.
func TestSubmitMulti(t *testing.T) {
	inMultiRig(t, func(t *testing.T, r *rig) {
		e := r.bind("any", smpp.Transceiver)
		st, resp := e.multi(submitMulti("hello", "13800138001", "8613800138002", "13800138003"))
		if st != smpp.StatusOK || resp.MessageID != "0000000001" || len(resp.Failed) != 0 {
			t.Fatalf("answered %v, id %q, failed %s", st, resp.MessageID, failures(resp))
		}
		pass(time.Second)
		if got := len(r.api.called()); got != 3 || proposed[*store.Accept](r.node) != 1 {
			t.Errorf("%d SMS by %d Accepts, want 3 by 1", got, proposed[*store.Accept](r.node))
		}
		for n := store.Number(3); n > 0; n-- {
			r.report(n)
		}
		sources := make(map[string]int)
		for range 3 {
			seq, receipt, m := e.receipt()
			e.Respond(seq, smpp.StatusOK, &smpp.DeliverSMResp{})
			sources[m.SourceAddr]++
			if receipt.MessageID != resp.MessageID {
				t.Errorf("receipt of %s, want %s", receipt.MessageID, resp.MessageID)
			}
		}
		for _, want := range []string{"13800138001", "8613800138002", "13800138003"} {
			if sources[want] != 1 {
				t.Errorf("%d receipts about destination %d, want 1", sources[want], len(sources))
			}
		}
	})
}

// good is a destination that is accepted.
const good = "13800138001"

// multiTests are submit_multi of which something is wrong.
var multiTests = []struct {
	name, account string
	m             *smpp.SubmitMulti
	status        smpp.Status
	id            string
	failed        string
}{
	{"a bad number", "any", submitMulti("hello", good, "abc", "13800138002"), 0, "0000000001", "1/1/abc ESME_RINVDSTADR"},
	{"the first is bad", "any", submitMulti("hello", "abc", good), 0, "0000000001", "1/1/abc ESME_RINVDSTADR"},
	{"a list", "any", submitMulti("hello", "@friends", good), 0, "0000000001", "0/0/friends ESME_RCNTSUBDL"},
	{"a number twice", "any", submitMulti("hello", good, "+86 138 0013 8001", good), 0, "0000000001",
		"1/1/+86 138 0013 8001 ESME_RINVDSTADR, 1/1/13800138001 ESME_RINVDSTADR"},
	{"over the quota", "few", submitMulti("hello", "abc", good, "13800138002", "13800138003", "13800138004", "13800138005"), 0, "0000000001",
		"1/1/abc ESME_RINVDSTADR, 1/1/13800138004 ESME_RTHROTTLED, 1/1/13800138005 ESME_RTHROTTLED"},
	{"none is good", "any", submitMulti("hello", "abc", "def"), smpp.StatusInvDstAdr, "",
		"1/1/abc ESME_RINVDSTADR, 1/1/def ESME_RINVDSTADR"},
	{"none, for several reasons", "any", submitMulti("hello", "abc", "@friends"), smpp.StatusSubmitFail, "",
		"1/1/abc ESME_RINVDSTADR, 0/0/friends ESME_RCNTSUBDL"},
	{"none, without a body", "bare", submitMulti("hello", "@friends"), smpp.StatusCntSubDL, "", ""},
	{"some, without error bodies", "bare", submitMulti("hello", "@friends", good), 0, "00000001", "0/0/friends ESME_RCNTSUBDL"},
	{"the text", "any", submitMulti("", good, "abc"), smpp.StatusInvDftMsgID, "", ""},
	{"transaction mode", "strict", func() *smpp.SubmitMulti {
		m := submitMulti("hello", good)
		m.Message.ESMClass = 2
		return m
	}(), smpp.StatusInvEsmClass, "", ""},
}

// TestSubmitMultiFails: what is wrong with a destination refuses it alone, with its status; what is wrong
// with the message refuses it all.
func TestSubmitMultiFails(t *testing.T) {
	for _, tt := range multiTests {
		t.Run(tt.name, func(t *testing.T) {
			inMultiRig(t, func(t *testing.T, r *rig) {
				st, resp := r.bind(tt.account, smpp.Transmitter).multi(tt.m)
				if st != tt.status || resp.MessageID != tt.id || failures(resp) != tt.failed {
					t.Errorf("answered %v, id %q, failed %s\nwant %v, id %q, failed %s", st, resp.MessageID, failures(resp),
						tt.status, tt.id, tt.failed)
				}
				if want := len(tt.m.Destinations) - len(resp.Failed); st == smpp.StatusOK && r.stored() != want {
					t.Errorf("%d messages in the store, want %d", r.stored(), want)
				}
				if st != smpp.StatusOK && r.stored() != 0 {
					t.Errorf("%d messages in the store of which none was accepted", r.stored())
				}
			})
		})
	}
}

// TestSubmitMultiAllOverLimit: when only the account's limit is in the way, the ESME is told to slow down.
func TestSubmitMultiAllOverLimit(t *testing.T) {
	inMultiRig(t, func(t *testing.T, r *rig) {
		e := r.bind("few", smpp.Transmitter)
		e.multi(submitMulti("hello", "13800138001", "13800138002", "13800138003"))
		st, resp := e.multi(submitMulti("hello", "abc", "13800138004"))
		if want := "1/1/abc ESME_RINVDSTADR, 1/1/13800138004 ESME_RTHROTTLED"; st != smpp.StatusThrottled || failures(resp) != want {
			t.Errorf("answered %v, failed %s; want ESME_RTHROTTLED, failed %s", st, failures(resp), want)
		}
	})
}

// TestSubmitMultiIsOneAccept: also 254 destinations behind other submits stay together, and are answered
// once.
func TestSubmitMultiIsOneAccept(t *testing.T) {
	inMultiRig(t, func(t *testing.T, r *rig) {
		committed, commit := r.gate()
		r.node.decide(func(cmd store.Command) fate {
			if _, ok := cmd.(*store.Accept); ok {
				<-committed
			}
			return applied
		})
		e := r.bind("any", smpp.Transmitter)
		for i := range 350 {
			e.submit(fmt.Sprintf("hello %d", i))
		}
		var to []string
		for i := range smpp.MaxDestinations {
			to = append(to, fmt.Sprint(13800139000+i))
		}
		for range 2 {
			e.Send(submitMulti("hello", to...))
		}
		pass(time.Second)
		commit()
		for range 350 {
			e.number()
		}
		for range 2 {
			h, p := e.Expect(smpp.SubmitMultiRespID)
			resp := p.(*smpp.SubmitMultiResp)
			head, err := store.ParseNumber(resp.MessageID)
			if err != nil || h.Status != smpp.StatusOK || len(resp.Failed) != 0 {
				t.Fatalf("answered %v, failed %s", h.Status, failures(resp))
			}
			if group, err := r.store.Group(head); err != nil || len(group) != smpp.MaxDestinations {
				t.Errorf("group of %d messages (%v), want %d", len(group), err, smpp.MaxDestinations)
			}
		}
	}, func(c *Config) { c.Paused = true })
}

// TestSubmitMultiUnderAChangedPolicy: it is decided again, as a whole.
func TestSubmitMultiUnderAChangedPolicy(t *testing.T) {
	inMultiRig(t, func(t *testing.T, r *rig) {
		r.node.decide(firstly(func() { r.putPolicy(strings.Replace(multiPolicy, "daily_quota: 3", "daily_quota: 1", 1)) }))
		e := r.bind("few", smpp.Transmitter)
		st, resp := e.multi(submitMulti("hello", "13800138001", "abc", "13800138002"))
		want := "1/1/abc ESME_RINVDSTADR, 1/1/13800138002 ESME_RTHROTTLED"
		if st != smpp.StatusOK || failures(resp) != want || r.stored() != 1 {
			t.Errorf("answered %v, failed %s, %d stored; want %s and 1", st, failures(resp), r.stored(), want)
		}
	})
}

// firstly runs f before the first Accept is applied.
func firstly(f func()) func(store.Command) fate {
	var once sync.Once
	return func(cmd store.Command) fate {
		if _, ok := cmd.(*store.Accept); ok {
			once.Do(f)
		}
		return applied
	}
}

// TestSubmitMultiUnsettled: what is unknown of it is not answered; what surely was not accepted is an error.
func TestSubmitMultiUnsettled(t *testing.T) {
	for name, what := range map[string]fate{"unknown": hidden, "never proposed": refused, "no room": noRoom} {
		t.Run(name, func(t *testing.T) {
			inMultiRig(t, func(t *testing.T, r *rig) {
				r.node.decide(first[*store.Accept](what, 1_000_000))
				e := r.bind("any", smpp.Transmitter)
				e.Send(submitMulti("hello", "13800138001", "13800138002"))
				if what == hidden {
					expectClosedUnanswered(t, e)
					return
				}
				want := map[fate]smpp.Status{refused: smpp.StatusSysErr, noRoom: smpp.StatusMsgQFul}[what]
				if h, _ := e.Expect(smpp.SubmitMultiRespID); h.Status != want {
					t.Errorf("answered %v, want %v", h.Status, want)
				}
			})
		})
	}
}

// TestSubmitMultiRepeated: within the dedupe window the destinations that had the same message get no
// second one; when that is all of them the answer is the first one.
func TestSubmitMultiRepeated(t *testing.T) {
	inMultiRig(t, func(t *testing.T, r *rig) {
		e := r.bind("once", smpp.Transmitter)
		_, first := e.multi(submitMulti("hello", "13800138001", "13800138002"))
		if st, again := e.multi(submitMulti("hello", "13800138001", "13800138002")); st != smpp.StatusOK || again.MessageID != first.MessageID {
			t.Errorf("the repetition is answered %v, id %s, want id %s", st, again.MessageID, first.MessageID)
		}
		st, more := e.multi(submitMulti("hello", "13800138002", "13800138003"))
		if st != smpp.StatusOK || more.MessageID != "0000000003" || len(more.Failed) != 0 {
			t.Errorf("with one more destination: %v, id %s, failed %s; want the new message's id", st, more.MessageID, failures(more))
		}
		if n := e.accepted("hello", func(m *smpp.SubmitSM) { m.DestinationAddr = "13800138002" }); n.String() != first.MessageID {
			t.Errorf("a submit_sm of the same is %s, want %s: by that id it has its receipt", n, first.MessageID)
		}
		if got := r.stored(); got != 3 {
			t.Errorf("%d messages in the store, want 3", got)
		}
	})
}

// TestSubmitMultiIsNotAnsweredLate: also with ack: submitted it is answered when it is stored.
func TestSubmitMultiIsNotAnsweredLate(t *testing.T) {
	inMultiRig(t, func(t *testing.T, r *rig) {
		answer, give := r.gate()
		r.api.send = func(Call) Answer {
			<-answer
			return Answer{Kind: store.OutcomeRejected, Ending: store.EndRejected, Err: "033"}
		}
		e := r.bind("strict", smpp.Transceiver)
		st, resp := e.multi(submitMulti("hello", "13800138001", "13800138002"))
		if st != smpp.StatusOK {
			t.Fatalf("answered %v", st)
		}
		give()
		for range 2 { // and the API's errors have their receipts
			if got := e.take(smpp.StatusOK); got.MessageID != resp.MessageID || got.Err != "033" {
				t.Errorf("receipt of %s with err %s", got.MessageID, got.Err)
			}
		}
	})
}

// TestLongSubmitMulti: parts to several destinations are joined for each.
func TestLongSubmitMulti(t *testing.T) {
	inMultiRig(t, func(t *testing.T, r *rig) {
		e := r.bind("any", smpp.Transceiver)
		var ids []string
		for seq, text := range []string{"hello ", "to all"} {
			m := submitMulti(text, "13800138001", "13800138002")
			m.Message.ESMClass = smpp.ESMClassUDHI
			m.Message.ShortMessage = string(smpp.Concat{Ref: 7, Total: 2, Seq: uint8(seq + 1)}.AppendUDH(nil)) + m.Message.ShortMessage
			st, resp := e.multi(m)
			if st != smpp.StatusOK {
				t.Fatalf("part %d answered %v", seq+1, st)
			}
			ids = append(ids, resp.MessageID)
		}
		pass(time.Second)
		calls := r.api.called()
		if len(calls) != 2 {
			t.Fatalf("%d SMS, want 2", len(calls))
		}
		for _, c := range calls {
			if got := c.Recipients[0].Params; got != `{"content":"hello to all"}` {
				t.Errorf("an SMS of %d octets was sent, want the joined text", len(got))
			}
		}
		for n := store.Number(1); n <= 6; n++ { // four parts, two joined
			if st := r.status(n); st.State == store.StateSent {
				r.report(n)
			}
		}
		count := make(map[string]int)
		for range 4 {
			count[e.take(smpp.StatusOK).MessageID]++
		}
		if count[ids[0]] != 2 || count[ids[1]] != 2 {
			t.Errorf("receipts by id: %v, want two of %s and two of %s", count, ids[0], ids[1])
		}
	})
}

func TestOverall(t *testing.T) {
	tests := []struct {
		in   []smpp.Status
		want smpp.Status
	}{
		{[]smpp.Status{smpp.StatusInvDstAdr}, smpp.StatusInvDstAdr},
		{[]smpp.Status{smpp.StatusInvDstAdr, smpp.StatusInvDstAdr}, smpp.StatusInvDstAdr},
		{[]smpp.Status{smpp.StatusInvDstAdr, smpp.StatusCntSubDL}, smpp.StatusSubmitFail},
		{[]smpp.Status{smpp.StatusInvDstAdr, smpp.StatusThrottled}, smpp.StatusThrottled},
		{[]smpp.Status{smpp.StatusCntSubDL, smpp.StatusMsgQFul, smpp.StatusThrottled}, smpp.StatusMsgQFul},
	}
	for _, tt := range tests {
		if got := overall(tt.in); got != tt.want {
			t.Errorf("overall(%v) = %v, want %v", tt.in, got, tt.want)
		}
	}
}
