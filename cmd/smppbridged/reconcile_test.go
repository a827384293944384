package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"smppbridge/bridge"
	"smppbridge/smpp"
)

// TestReconcileAnswers: what was sent today is counted by route and template, and agrees with what the API counts.
func TestReconcileAnswers(t *testing.T) {
	s := startSystem(t)
	c := s.bind("test", smpp.Transceiver)
	for i := range 3 {
		c.receipt(c.mustSubmit(fmt.Sprintf("1390000000%d", i), "private"))
	}
	c = s.bind("otp", smpp.Transceiver)
	c.receipt(c.mustSubmit("13900000009", "您的验证码是123456，5分钟内有效，请勿泄露。"))
	day := s.cluster.Now().In(beijing()).Format(dayFormat)
	if entries := s.sim.Ledger(); entries[0].Time.In(beijing()).Format(dayFormat) != day {
		t.Skip("midnight")
	}

	doc := decoded[daysDoc](s, "/v1/days?from="+day+"&to="+day)
	if len(doc.Days) != 2 {
		t.Fatalf("got %+v, want two templates", doc.Days)
	}
	for i, want := range []dayLine{{Template: "SMS_100000001", Sent: 1, Delivered: 1}, {Template: "SMS_100000003", Sent: 3, Delivered: 3}} {
		got := doc.Days[i]
		if got.Day != day || got.Route != "sim" || got.Template != want.Template || got.Sent != want.Sent || got.Delivered != want.Delivered {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}

	code, body := s.admin(http.MethodPost, "/v1/reconcile?day="+day)
	var answer reconcileDoc
	if err := json.Unmarshal([]byte(body), &answer); err != nil || code != http.StatusOK || len(answer.Accounts) != 1 {
		t.Fatalf("status %d, %v: %s", code, err, body)
	}
	a := answer.Accounts[0]
	want(t, "account", a.Account, "default")
	for i, k := range []bridge.KindCount{
		{Kind: bridge.KindAll, Ours: bridge.Counts{Sent: 4}}, {Kind: bridge.KindNotice, Ours: bridge.Counts{Sent: 3}}, {Kind: bridge.KindCode, Ours: bridge.Counts{Sent: 1}},
	} {
		if got := a.Kinds[i]; got.Kind != k.Kind || got.Ours.Sent != k.Ours.Sent || got.Theirs.Sent != k.Ours.Sent || got.Difference() != 0 {
			t.Errorf("got %+v, want %+v on both sides", got, k)
		}
	}

	for _, bad := range []string{"POST /v1/reconcile?day=yesterday", "GET /v1/days?from=2026-11-21", "GET /v1/days?from=20200101"} {
		method, path, _ := strings.Cut(bad, " ")
		if code, _ := s.admin(method, path); code != http.StatusBadRequest {
			t.Errorf("%s answered %d, want %d", bad, code, http.StatusBadRequest)
		}
	}
}

// TestReconcileDaily: a node whose policy has a time of day compares the day before by itself, and says so.
func TestReconcileDaily(t *testing.T) {
	s := startSystem(t, func(o *options) {
		o.Policy = append(o.Policy, "\nreconcile: \"00:00\"\n"...)
	})
	s.eventually("yesterday is compared", func() bool {
		_, text := s.admin(http.MethodGet, "/metrics")
		return strings.Contains(text, `smppbridge_bridge_reconcile_difference_messages{account="default",kind="all"} 0`) && strings.Contains(text, `smppbridge_bridge_reconcile_day_seconds{account="default"}`)
	})
}
