package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

// TestOptOutWords: in either case and width, with what people write around a word; a word in a sentence is none.
func TestOptOutWords(t *testing.T) {
	o := newOptOut(&configs.OptOut{Words: []string{"R", "TD", "退订"}, In: []string{"Start"}, Classes: []string{"promotion"}})
	for text, want := range map[string][2]bool{
		"R": {true, true}, "r": {true, true}, " r。\n": {true, true}, "Ｒ": {true, true}, "ｔｄ": {true, true}, "“退订”！": {true, true},
		"START": {false, true}, "start.": {false, true},
		"": {}, "RR": {}, "R R": {}, "我要退订": {}, "T": {}, "。": {}, strings.Repeat(" ", 300) + "R": {},
	} {
		if out, says := o.says(text); out != want[0] || says != want[1] {
			t.Errorf("%q: %v %v, want %v", text, out, says, want)
		}
	}
	off := newOptOut(&configs.OptOut{Enabled: new(false), Words: []string{"R"}, Classes: []string{"promotion"}})
	if _, says := off.says("R"); says || off.classes["promotion"] {
		t.Error("one that is not enabled has words or classes")
	}
}

// shopUp is an incoming message to account shop.
func shopUp(text string, change ...func(*IncomingMessage)) IncomingMessage {
	m := up(text, change...)
	m.DestCode, m.SignName = "30690000", "商店"
	return m
}

func toPhone(phone string) func(*smpp.SubmitSM) {
	return func(m *smpp.SubmitSM) { m.DestinationAddr = phone }
}

// refused submits a text that must be refused with ESME_RINVDSTADR.
func (e *esme) refused(text, phone string) {
	e.r.t.Helper()
	e.submit(text, toPhone(phone))
	if h, _ := e.Expect(smpp.SubmitSMRespID); h.Status != smpp.StatusInvDstAdr {
		e.r.t.Errorf("submit_sm to one who opted out answered %v", h.Status)
	}
}

const advert, notice = "特价水果。拒收请回复R", "通知hello。"

// TestOptOut: who writes an opt-out word gets no more promotions of that account, until they write a word that opts in; other
// classes, accounts and numbers are not concerned. The account hears what they wrote.
func TestOptOut(t *testing.T) {
	reg := prometheus.NewRegistry()
	inIncomingRig(t, func(t *testing.T, r *rig) {
		hears := r.bind("shop", smpp.Receiver)
		e := r.bind("shop", smpp.Transmitter)
		e.accepted(advert, toPhone(upPhone))
		pass(time.Second) // it is sent: what waits when its phone opts out is not
		r.comes(shopUp("r "))
		if got := hears.hears(smpp.StatusOK); got != "r " {
			t.Errorf("the account heard %q", got)
		}
		e.refused(advert, upPhone)
		e.refused(advert, "+86"+upPhone)
		e.accepted(notice, toPhone(upPhone))
		e.accepted(advert, toPhone("13900001235"))
		none := r.bind("none", smpp.Transmitter)
		none.accepted(advert, toPhone("+86"+upPhone))
		pass(time.Second)
		r.comes(shopUp("START", func(m *IncomingMessage) { m.ID = "2" }))
		hears.hears(smpp.StatusOK)
		e.accepted(advert, toPhone(upPhone))
		page := metricsPage(t, reg)
		for _, want := range []string{`optout_refused_total 2`, `optouts_total{by="message",choice="out"} 1`, `optouts_total{by="message",choice="in"} 1`} {
			if !strings.Contains(page, "smppbridge_bridge_"+want+"\n") {
				t.Errorf("not in the metrics: %s", want)
			}
		}
	}, func(c *Config) { c.Registerer = reg })
}

// TestOptOutLaterWordCounts: what a source offers again, or late, does not undo what was said after it.
func TestOptOutLaterWordCounts(t *testing.T) {
	inIncomingRig(t, func(t *testing.T, r *rig) {
		out := shopUp("R")
		in := shopUp("START", func(m *IncomingMessage) { m.ID, m.SentAt = "2", m.SentAt.Add(10*time.Second) })
		e := r.bind("shop", smpp.Transmitter)
		pass(20 * time.Second)
		for name, order := range map[string][]IncomingMessage{"again": {out, in, out}, "late": {in, out}} {
			for _, m := range order {
				m.Phone = map[string]string{"again": "13900001240", "late": "13900001241"}[name]
				r.comes(m)
			}
		}
		out.Phone, in.Phone = "13900001242", "13900001242"
		r.comes(in, out)
		for i := range 3 {
			e.accepted(advert, toPhone(fmt.Sprintf("1390000124%d", i)))
		}
	})
}

// TestOptOutAfterAccept: a message that waits when its number opts out is not sent; its receipt says why.
func TestOptOutAfterAccept(t *testing.T) {
	inIncomingRig(t, func(t *testing.T, r *rig) {
		r.Pause()
		e := r.bind("shop", smpp.Transceiver)
		n := e.accepted(advert, toPhone(upPhone))
		kept := e.accepted(notice, toPhone(upPhone))
		r.comes(shopUp("TD"))
		e.hears(smpp.StatusOK)
		r.Resume()
		pass(5 * time.Second)
		if got := e.take(smpp.StatusOK); got.MessageID != n.String() || got.State != smpp.StateRejected || got.Err != errCodeOptedOut {
			t.Errorf("receipt of %s, %v, err %s; want of %s, REJECTD, 107", got.MessageID, got.State, got.Err, n)
		}
		if calls := r.api.called(); len(calls) != 1 || r.status(kept).State != store.StateSent {
			t.Errorf("%d calls, want one: the notice's", len(calls))
		}
	})
}

// TestOptOutOfParts: of a long message the class is known only when it is joined.
func TestOptOutOfParts(t *testing.T) {
	inIncomingRig(t, func(t *testing.T, r *rig) {
		r.comes(shopUp("退订"))
		e := r.bind("shop", smpp.Transmitter)
		half := len("特价水果。")
		for i, text := range []string{advert[:half], advert[half:]} {
			e.accepted(text, func(m *smpp.SubmitSM) {
				m.DestinationAddr, m.ESMClass = upPhone, smpp.ESMClassUDHI
				m.ShortMessage = string(smpp.Concat{Ref: 7, Total: 2, Seq: uint8(i + 1)}.AppendUDH(nil)) + m.ShortMessage
			})
		}
		pass(5 * time.Second)
		if calls := r.api.called(); len(calls) != 0 {
			t.Errorf("%d calls, want none", len(calls))
		}
		if st := r.status(1); st.Ending != store.EndRejected || st.Err != errCodeOptedOut {
			t.Errorf("ended %v with err %s", st.Ending, st.Err)
		}
	})
}

// TestOptOutOfDestinations: of a submit_multi only the destinations are refused that opted out.
func TestOptOutOfDestinations(t *testing.T) {
	inIncomingRig(t, func(t *testing.T, r *rig) {
		r.comes(shopUp("R"))
		e := r.bind("shop", smpp.Transmitter)
		e.Send(&smpp.SubmitMulti{Message: *submitSM(advert), Destinations: []smpp.Destination{{Addr: "13900001235"}, {Addr: upPhone}}})
		h, p := e.Expect(smpp.SubmitMultiRespID)
		failed := p.(*smpp.SubmitMultiResp).Failed
		if h.Status != smpp.StatusOK || len(failed) != 1 || failed[0].Addr != upPhone || failed[0].Status != smpp.StatusInvDstAdr {
			t.Errorf("answered %v, %d refused", h.Status, len(failed))
		}
	})
}

// TestOptOutCommit: a choice is proposed again until it is committed; where it is not, the source is told so, and the message
// that said it is not lost.
func TestOptOutCommit(t *testing.T) {
	for name, what := range map[string]fate{"refused": refused, "fails": lost, "fails but happened": hidden} {
		t.Run(name, func(t *testing.T) {
			inIncomingRig(t, func(t *testing.T, r *rig) {
				r.node.decide(first[*store.Put](what, 1<<30))
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				m := shopUp("R")
				if err := r.Incoming(ctx, []IncomingMessage{m}); err == nil {
					t.Error("the source was told that it is committed")
				}
				if got := r.store.Figures().Incoming; got != 0 {
					t.Errorf("%d wait before the choice is committed", got)
				}
				r.node.decide(first[*store.Put](what, 3))
				r.comes(m)
				if got := r.store.Figures().Incoming; got != 1 {
					t.Errorf("%d wait, want 1", got)
				}
				r.bind("shop", smpp.Transmitter).refused(advert, upPhone)
			})
		})
	}
}

// TestOptOutList: an operator sets numbers, in any spelling, and lists those that are out, page by page, one account's alone.
func TestOptOutList(t *testing.T) {
	inIncomingRig(t, func(t *testing.T, r *rig) {
		ctx := context.Background()
		set := func(account string, out bool, numbers ...string) int {
			n, err := r.SetOptOuts(ctx, account, numbers, out)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		var numbers []string
		for i := range 25 {
			numbers = append(numbers, fmt.Sprintf("+86 139 0000 %04d", i))
		}
		if n := set("shop", true, numbers...); n != 25 {
			t.Errorf("%d changed, want 25", n)
		}
		if n := set("shop", true, "13900000003", "+85261234567", "13900000003"); n != 1 {
			t.Errorf("%d changed, want 1", n)
		}
		set("bank", true, "13900000001")
		pass(time.Second)
		if n := set("shop", false, "13900000007", "13911111111"); n != 1 {
			t.Errorf("%d changed, want 1", n)
		}
		r.comes(shopUp("R"))
		var got []string
		for after := ""; ; {
			list, next, err := r.OptOuts("shop", after, 10)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range list {
				if o.Since.IsZero() || o.By != map[bool]string{true: "message", false: "operator"}[o.Phone == upPhone] {
					t.Errorf("%s: since %v, by %s", o.Phone, o.Since, o.By)
				}
				got = append(got, o.Phone)
			}
			if after = next; after == "" {
				break
			}
			if len(list) != 10 {
				t.Errorf("a page of %d", len(list))
			}
		}
		if len(got) != 26 || got[0] != "13900000000" || got[25] != "85261234567" || strings.Contains(strings.Join(got, " "), "13900000007") {
			t.Errorf("%d numbers, from %s to %s", len(got), got[0], got[len(got)-1])
		}
		if list, next, err := r.OptOuts("bank", "", 10); err != nil || len(list) != 1 || next != "" {
			t.Errorf("another account's: %d numbers, %q, %v", len(list), next, err)
		}
		r.bind("shop", smpp.Transmitter).refused(advert, "13900000001")
		_, err := r.SetOptOuts(ctx, "shop", []string{"13900000099", "nobody"}, true)
		var bad *BadNumber
		if !errors.As(err, &bad) || bad.Index != 1 || strings.Contains(err.Error(), "nobody") {
			t.Errorf("a list with something else in it: %v", err)
		}
		if _, err := r.SetOptOuts(ctx, "nobody", nil, true); !errors.Is(err, ErrNoAccount) {
			t.Errorf("no account: %v", err)
		}
		r.bind("shop", smpp.Transmitter).accepted(advert, toPhone("13900000099"))
	})
}
