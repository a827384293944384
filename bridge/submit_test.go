package bridge

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

// testPolicy is a policy with one account of each kind that decisions differ for.
const testPolicy = `
signatures: [测试]
templates:
  - {code: SMS_1, class: otp, text: "您的验证码是${code}。", vars: {code: {kind: digits, min: 4, max: 6}}}
  - {code: SMS_2, class: notice, text: "${content}", phone_limit: false, vars: {content: {kind: free, max: 500}}}
routes:
  - {name: main, kind: dysmsapi, endpoint: "127.0.0.1:1"}
accounts:
  - {system_id: otp, password_hash: "HASH", sign_name: 测试, templates: [SMS_1], rate: 5, burst: 7, window: 10, daily_quota: 100}
  - {system_id: any, password_hash: "HASH", sign_name: 测试, templates: [SMS_1], fallback_template: SMS_2, validity: 1h}
`

const testHash = "$argon2id$v=19$m=65536,t=1,p=2$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b27dEdhdTFzDjBqC4e1AYuGmm0"

func compiled(t testing.TB) *policy {
	t.Helper()
	doc, err := configs.ParsePolicy("test", []byte(strings.ReplaceAll(testPolicy, "HASH", testHash)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := compile(3, doc)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func submitSM(text string) *smpp.SubmitSM {
	octets, err := smpp.EncodeText(smpp.DataCodingUCS2, smpp.AlphabetGSM7, text)
	if err != nil {
		panic(err)
	}
	return &smpp.SubmitSM{DestinationAddr: "13800138000", DataCoding: smpp.DataCodingUCS2, ShortMessage: octets}
}

func TestDecideMatches(t *testing.T) {
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	m := submitSM("您的验证码是4711。")
	m.SourceAddr, m.SourceAddrTON, m.RegisteredDelivery = "1069", 3, smpp.RegisteredDeliveryAlways
	got, err := compiled(t).accounts["otp"].decide(m, now)
	if err != nil {
		t.Fatal(err)
	}
	want := store.Message{
		Account: "otp", Source: store.Address{TON: 3, Addr: "1069"}, Dest: store.Address{Addr: "13800138000"},
		DataCoding: smpp.DataCodingUCS2, RegisteredDelivery: 1, Phone: "13800138000", Class: "otp", SignName: "测试",
		TemplateCode: "SMS_1", Params: `{"code":"4711"}`, Text: "您的验证码是4711。",
		Wants: store.WantsSuccess | store.WantsFailure, PolicyVersion: 3,
		Expires: now.Add(5 * time.Minute).UnixMilli(),
	}
	if got.Parts != nil || !equalMessage(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// equalMessage compares but for Parts, which is a slice.
func equalMessage(a, b store.Message) bool {
	if len(a.Parts) != len(b.Parts) {
		return false
	}
	a.Parts, b.Parts = nil, nil
	return a.Account == b.Account && a.Source == b.Source && a.Dest == b.Dest && a.DataCoding == b.DataCoding &&
		a.RegisteredDelivery == b.RegisteredDelivery && a.Phone == b.Phone && a.Class == b.Class &&
		a.SignName == b.SignName && a.TemplateCode == b.TemplateCode && a.Params == b.Params && a.Text == b.Text &&
		a.Wants == b.Wants && a.PolicyVersion == b.PolicyVersion && a.Expires == b.Expires && a.SendAt == b.SendAt &&
		a.Segment == b.Segment
}

func TestDecideFallsBack(t *testing.T) {
	got, err := compiled(t).accounts["any"].decide(submitSM("hello"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if got.TemplateCode != "SMS_2" || got.Params != `{"content":"hello"}` {
		t.Errorf("got %s %s, want the fallback template", got.TemplateCode, got.Params)
	}
}

func TestDecideRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*smpp.SubmitSM)
		want   smpp.Status
	}{
		{"no template", func(m *smpp.SubmitSM) { *m = *submitSM("hello") }, smpp.StatusInvDftMsgID},
		{"empty text", func(m *smpp.SubmitSM) { m.ShortMessage = "" }, smpp.StatusInvDftMsgID},
		{"variable too long", func(m *smpp.SubmitSM) { *m = *submitSM("您的验证码是47110815。") }, smpp.StatusInvDftMsgID},
		{"unknown signature", func(m *smpp.SubmitSM) { *m = *submitSM("【别人】您的验证码是4711。") }, smpp.StatusInvDftMsgID},
		{"bad number", func(m *smpp.SubmitSM) { m.DestinationAddr = "abc" }, smpp.StatusInvDstAdr},
		{"binary", func(m *smpp.SubmitSM) { m.DataCoding = 4 }, smpp.StatusInvDCS},
		{"binary part", func(m *smpp.SubmitSM) {
			m.DataCoding, m.ESMClass, m.ShortMessage = 4, smpp.ESMClassUDHI, "\x05\x00\x03\x01\x02\x01ab"
		}, smpp.StatusInvDCS},
		{"validity over", func(m *smpp.SubmitSM) { m.ValidityPeriod = "200101000000000+" }, smpp.StatusInvExpiry},
		{"bad validity", func(m *smpp.SubmitSM) { m.ValidityPeriod = "soon" }, smpp.StatusInvExpiry},
		{"bad schedule", func(m *smpp.SubmitSM) { m.ScheduleDeliveryTime = "never" }, smpp.StatusInvSched},
	}
	acct := compiled(t).accounts["otp"]
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := submitSM("您的验证码是4711。")
			tt.change(m)
			_, err := acct.decide(m, time.Now())
			var se *smpp.StatusError
			if !errors.As(err, &se) || se.Status != tt.want {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// TestDecideValidity: the ESME may shorten the validity of class and account, not lengthen it.
func TestDecideValidity(t *testing.T) {
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	tests := []struct {
		name, account, text, validity, schedule string
		expires, sendAt                         time.Duration // after now; 0 = none
	}{
		{"class", "otp", "您的验证码是4711。", "", "", 5 * time.Minute, 0},
		{"shorter", "otp", "您的验证码是4711。", "000000000100000R", "", time.Minute, 0},
		{"longer is cut", "otp", "您的验证码是4711。", "000001000000000R", "", 5 * time.Minute, 0},
		{"account below class", "any", "hello", "", "", time.Hour, 0},
		{"class below account", "any", "您的验证码是4711。", "", "", 5 * time.Minute, 0},
		{"scheduled", "any", "hello", "", "000000020000000R", 3 * time.Hour, 2 * time.Hour},
	}
	p := compiled(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := submitSM(tt.text)
			m.ValidityPeriod, m.ScheduleDeliveryTime = tt.validity, tt.schedule
			got, err := p.accounts[tt.account].decide(m, now)
			if err != nil {
				t.Fatal(err)
			}
			if want := now.Add(tt.expires).UnixMilli(); got.Expires != want {
				t.Errorf("expires after %v, want %v", store.FromMillis(got.Expires).Sub(now), tt.expires)
			}
			want := int64(0)
			if tt.sendAt != 0 {
				want = now.Add(tt.sendAt).UnixMilli()
			}
			if got.SendAt != want {
				t.Errorf("SendAt %d, want %d", got.SendAt, want)
			}
		})
	}
}

func TestWants(t *testing.T) {
	both := store.WantsSuccess | store.WantsFailure
	for rd, want := range map[uint8]store.Wants{0: 0, 1: both, 2: store.WantsFailure, 3: store.WantsSuccess, 0x10: 0, 0x11: both} {
		if got := wants(rd); got != want {
			t.Errorf("wants(%#x) = %v, want %v", rd, got, want)
		}
	}
}

// TestChargeStatus: clients treat "slow down" and "queue full" differently.
func TestChargeStatus(t *testing.T) {
	a := compiled(t).accounts["otp"]
	want := []smpp.Status{smpp.StatusThrottled, smpp.StatusMsgQFul, smpp.StatusThrottled}
	if len(a.charges) != len(want) {
		t.Fatalf("%d charges, want %d", len(a.charges), len(want))
	}
	for i, st := range want {
		if a.statuses[i] != st {
			t.Errorf("charge %s answers %v, want %v", a.charges[i].Key, a.statuses[i], st)
		}
	}
	if r := a.charges[0].Rules[0]; r.Limit != 5000 || r.Period != 1_000_000 || r.Burst != 7 {
		t.Errorf("rate is %+v, want 5000 per 1,000,000 ms, burst 7", r)
	}
}

// replaceOne replaces what a policy has exactly once.
func replaceOne(t *testing.T, doc, old, with string) string {
	t.Helper()
	if strings.Count(doc, old) != 1 {
		t.Fatalf("%q is in the policy %d times", old, strings.Count(doc, old))
	}
	return strings.Replace(doc, old, with, 1)
}

// counted is a counter's value.
func counted(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	return testutil.ToFloat64(c)
}
