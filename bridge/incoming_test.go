package bridge

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

// incomingPolicy has accounts that own incoming messages in each way.
const incomingPolicy = `
signatures: [测试, 商店]
templates:
  - {code: SMS_2, class: notice, text: "${content}", phone_limit: false, vars: {content: {kind: free, max: 500}}}
  - {code: SMS_3, class: promotion, text: "特价${item}。拒收请回复R", phone_limit: false, vars: {item: {kind: free, max: 500}}}
  - {code: SMS_4, class: notice, text: "通知${item}。", phone_limit: false, vars: {item: {kind: free, max: 500}}}
routes:
  - {name: main, kind: dysmsapi, endpoint: "127.0.0.1:1", workers: 4, qps: 1000}
accounts:
  - {system_id: bank, password_hash: "HASH", sign_name: 测试, templates: [SMS_2], signatures: [测试], incoming: {dest_codes: ["10690001", "10690002*"]}}
  - {system_id: deep, password_hash: "HASH", sign_name: 测试, templates: [SMS_2], signatures: [测试], incoming: {dest_codes: ["1069*", "1069000277*"], long: payload}}
  - {system_id: shop, password_hash: "HASH", sign_name: 商店, templates: [SMS_3, SMS_4], signatures: [商店], session: {deliver_window: 1}, incoming: {keep: 1h}}
  - {system_id: none, password_hash: "HASH", sign_name: 测试, templates: [SMS_3], signatures: [测试], opt_out: {enabled: false}, country_code: "852", incoming: {dest_codes: ["20690009"]}}
`

const (
	upPhone = "13900001234"
	upDest  = "10690001"
)

// up is an incoming message to account bank, unless it is changed.
func up(text string, change ...func(*IncomingMessage)) IncomingMessage {
	m := IncomingMessage{Phone: upPhone, DestCode: upDest, Text: text, SentAt: time.Now(), ID: "1"}
	for _, f := range change {
		f(&m)
	}
	return m
}

// inIncomingRig is inRig with incomingPolicy.
func inIncomingRig(t *testing.T, f func(*testing.T, *rig), change ...func(*Config)) {
	t.Helper()
	inRig(t, func(t *testing.T, r *rig) {
		r.putPolicy(incomingPolicy)
		pass(time.Second)
		f(t, r)
		for _, private := range []string{upPhone, "退订", "回复内容"} {
			if strings.Contains(r.logs.String(), private) {
				t.Errorf("a text or a whole number was logged")
			}
		}
	}, change...)
}

// comes has incoming messages committed.
func (r *rig) comes(list ...IncomingMessage) {
	r.t.Helper()
	if err := r.Incoming(context.Background(), list); err != nil {
		r.t.Fatal(err)
	}
}

// incoming reads a deliver_sm that is no receipt, without answering it.
func (e *esme) incoming() (seq uint32, m *smpp.DeliverSM) {
	e.r.t.Helper()
	for asked := 0; ; {
		h, p := e.Next()
		switch p := p.(type) {
		case *smpp.EnquireLink:
			if asked++; asked == 5 {
				e.r.t.Fatal("no deliver_sm within some minutes")
			}
			e.Respond(h.Sequence, smpp.StatusOK, &smpp.EnquireLinkResp{})
		case *smpp.DeliverSM:
			if p.ESMClass&smpp.ESMClassReceipt != 0 {
				e.r.t.Fatal("got a receipt, want an incoming message")
			}
			return h.Sequence, p
		default:
			e.r.t.Fatalf("got %v, want a deliver_sm", h.ID)
		}
	}
}

// hears reads an incoming message, answers it, and returns its text, from whichever field has it, without a header.
func (e *esme) hears(st smpp.Status) string {
	e.r.t.Helper()
	seq, m := e.incoming()
	e.Respond(seq, st, &smpp.DeliverSMResp{})
	return textOf(e.r.t, m)
}

func textOf(t testing.TB, m *smpp.DeliverSM) string {
	t.Helper()
	_, octets, _, err := (*smpp.SubmitSM)(m).Segment()
	if err != nil {
		t.Fatal(err)
	}
	text, err := smpp.DecodeText(m.DataCoding, smpp.AlphabetGSM7, octets)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestIncomingOwner: who names the number, exactly or the most of it, has its messages; else the only account that may use the
// signature.
func TestIncomingOwner(t *testing.T) {
	doc, err := configs.ParsePolicy("test", []byte(strings.ReplaceAll(incomingPolicy, "HASH", testHash)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := compile(1, doc)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ dest, sign, want string }{
		{"10690001", "", "bank"},
		{"106900011", "", "deep"}, // 10690001 has no *
		{"10690002", "", "bank"},
		{"1069000276", "", "bank"},
		{"1069000277", "", "deep"},
		{"10690002771", "", "deep"},
		{"1069", "", "deep"},
		{"106", "", ""},
		{"30690000", "商店", "shop"},
		{"10690001", "商店", "bank"}, // the number goes before
		{"30690000", "测试", ""},     // three may use it
		{"30690000", "别人", ""},
	} {
		got := ""
		if a := p.inboxes.owner(tt.dest, tt.sign); a != nil {
			got = a.SystemID
		}
		if got != tt.want {
			t.Errorf("owner of %s, %q: %q, want %q", tt.dest, tt.sign, got, tt.want)
		}
	}
}

// TestIncomingIsDelivered: as a deliver_sm that is no receipt, from the phone to the number, in the account's alphabet where that
// has the text, else in UCS-2. It leaves the outbox when it is answered (promise 4).
func TestIncomingIsDelivered(t *testing.T) {
	inIncomingRig(t, func(t *testing.T, r *rig) {
		e := r.bind("bank", smpp.Receiver)
		for i, tt := range []struct {
			text   string
			coding byte
		}{{"Yes, I do.", smpp.DataCodingDefault}, {"回复内容", smpp.DataCodingUCS2}, {"", smpp.DataCodingDefault}, {strings.Repeat("x", 160), 0}, {strings.Repeat("好", 70), 8}} {
			r.comes(up(tt.text, func(m *IncomingMessage) { m.Phone, m.ID = "+86"+upPhone, fmt.Sprint(i) }))
			seq, m := e.incoming()
			if m.ESMClass != 0 || m.DataCoding != tt.coding || textOf(t, m) != tt.text || m.TLVs != "" {
				t.Errorf("text %d: esm_class %#x, data_coding %d", i, m.ESMClass, m.DataCoding)
			}
			if m.SourceAddr != upPhone || m.SourceAddrTON != 0 || m.SourceAddrNPI != 1 || m.DestinationAddr != upDest || m.DestAddrTON != 0 {
				t.Errorf("text %d: from %d.%d.%s to %d.%s", i, m.SourceAddrTON, m.SourceAddrNPI, m.SourceAddr, m.DestAddrTON, m.DestinationAddr)
			}
			pass(time.Second)
			if got := r.store.Figures().Incoming; got != 1 {
				t.Errorf("%d wait before the answer, want 1", got)
			}
			e.Respond(seq, smpp.StatusOK, &smpp.DeliverSMResp{})
			pass(time.Second)
			if got := r.store.Figures().Incoming; got != 0 {
				t.Errorf("%d wait after the answer, want 0", got)
			}
		}
	})
}

// TestIncomingSourceCanBeAnswered: an ESME that submits to the source_addr as it came reaches the phone, whatever its account's
// country_code.
func TestIncomingSourceCanBeAnswered(t *testing.T) {
	for _, country := range []string{"86", "852"} {
		for _, phone := range []string{upPhone, "85261234567", "4915112345678"} {
			a := &account{Account: configs.Account{CountryCode: country}}
			source := a.spelt(phone)
			if got, err := normalizePhone(source.Addr, source.TON, country); err != nil || got != phone {
				t.Errorf("country_code %s: %d.%s is answered to %q, %v; want %s", country, source.TON, source.Addr, got, err, phone)
			}
		}
	}
}

// TestIncomingComesTwice: what a source offers again is not delivered again; what differs in one thing is another message.
func TestIncomingComesTwice(t *testing.T) {
	inIncomingRig(t, func(t *testing.T, r *rig) {
		m := up("first")
		r.comes(m, m)
		r.jump(2, 30*time.Hour)
		r.comes(m)
		others := []IncomingMessage{m, m, m, m, m}
		others[0].ID = "2"
		others[1].Text = "second"
		others[2].SentAt = m.SentAt.Add(time.Second)
		others[3].Phone = "13900001235"
		others[4].DestCode = "10690002"
		r.comes(others...)
		if got := r.store.Figures().Incoming; got != 6 {
			t.Errorf("%d wait, want 6", got)
		}
		r.jump(2, 30*time.Hour) // 72 h and more: nobody comes again so late
		r.comes(m)
		if got := r.store.Figures().Incoming; got != 6 { // the first has expired
			t.Errorf("%d wait, want the others and the one that is new again", got)
		}
	})
}

// TestIncomingCommit: the source hears of it only when it is committed; one that fails is proposed again, and one that failed but
// happened is delivered once.
func TestIncomingCommit(t *testing.T) {
	for name, what := range map[string]fate{"refused": refused, "fails": lost, "fails but happened": hidden} {
		t.Run(name, func(t *testing.T) {
			inIncomingRig(t, func(t *testing.T, r *rig) {
				r.node.decide(first[*store.Incoming](what, 3))
				r.comes(up("R"), up("second", func(m *IncomingMessage) { m.ID = "2" }))
				e := r.bind("bank", smpp.Receiver)
				for _, want := range []string{"R", "second"} {
					if got := e.hears(smpp.StatusOK); got != want {
						t.Errorf("got %q, want %q", got, want)
					}
				}
				e.nothing()
			})
		})
		t.Run(name+" to the end", func(t *testing.T) {
			inIncomingRig(t, func(t *testing.T, r *rig) {
				r.node.decide(first[*store.Incoming](what, 1<<30))
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				m := up("first")
				if err := r.Incoming(ctx, []IncomingMessage{m}); err == nil {
					t.Error("the source was told that it is committed")
				}
				r.node.decide(nil)
				r.comes(m)
				if got := r.store.Figures().Incoming; got != 1 {
					t.Errorf("%d wait, want 1", got)
				}
			})
		})
	}
}

// TestIncomingOfNobody: it is acknowledged, counted, and logged with neither text nor whole number.
func TestIncomingOfNobody(t *testing.T) {
	reg := prometheus.NewRegistry()
	inIncomingRig(t, func(t *testing.T, r *rig) {
		r.comes(up("回复内容", func(m *IncomingMessage) { m.DestCode = "30690000" }),
			up("mine"),
			up("回复内容", func(m *IncomingMessage) { m.DestCode = strings.Repeat("1", 21) }),
			up("回复内容", func(m *IncomingMessage) { m.DestCode = "" }),
			up("回复内容", func(m *IncomingMessage) { m.Phone = "anonymous" }),
			up(strings.Repeat("x", maxIncomingText+1)))
		if got := r.store.Figures().Incoming; got != 1 {
			t.Errorf("%d wait, want 1", got)
		}
		page := metricsPage(t, reg)
		for _, want := range []string{`incoming_total{result="nobody"} 1`, `incoming_total{result="bad"} 4`, `incoming_total{result="taken"} 1`} {
			if !strings.Contains(page, "smppbridge_bridge_"+want+"\n") {
				t.Errorf("not in the metrics: %s", want)
			}
		}
		if log := r.logs.String(); !strings.Contains(log, "139****1234") || !strings.Contains(log, "no account's") {
			t.Error("the log does not say whose it was")
		}
	}, func(c *Config) { c.Registerer = reg })
}

// TestIncomingWaits: it is kept while its account is away, for as long as the account wants, and then counted as expired;
// another account's is not.
func TestIncomingWaits(t *testing.T) {
	reg := prometheus.NewRegistry()
	inIncomingRig(t, func(t *testing.T, r *rig) {
		r.comes(up("kept"), up("short", func(m *IncomingMessage) { m.DestCode, m.SignName = "30690000", "商店" }))
		r.jump(1, 50*time.Minute)
		if got := r.store.Figures().Incoming; got != 2 {
			t.Fatalf("%d wait, want 2", got)
		}
		r.jump(7, 10*time.Hour)
		pass(2 * purgeEvery)
		if got := r.store.Figures().Incoming; got != 1 {
			t.Errorf("%d wait, want 1", got)
		}
		if got := r.bind("bank", smpp.Transceiver).hears(smpp.StatusOK); got != "kept" {
			t.Errorf("got %q", got)
		}
		if page := metricsPage(t, reg); !strings.Contains(page, `smppbridge_bridge_incoming_deliveries_total{result="expired"} 1`+"\n") {
			t.Error("it is not counted as expired")
		}
		pass(time.Second)
		for _, want := range []string{`receipts_total{result="expired"} 0`, `receipts_total{result="delivered"} 0`,
			`incoming_deliveries_total{result="delivered"} 1`} {
			if !strings.Contains(metricsPage(t, reg), "smppbridge_bridge_"+want+"\n") {
				t.Errorf("not in the metrics: %s", want)
			}
		}
	}, func(c *Config) { c.Registerer, c.Session.EnquireLink = reg, 1000*time.Hour })
}

// TestIncomingRefusals: as with receipts, what is refused for now comes again, and what is refused for good does not.
func TestIncomingRefusals(t *testing.T) {
	for st, again := range map[smpp.Status]bool{0x08: true, 0x58: true, 0x64: true, 0x01: false, 0x65: false, 0x66: false} {
		t.Run(st.String(), func(t *testing.T) {
			inIncomingRig(t, func(t *testing.T, r *rig) {
				e := r.bind("bank", smpp.Receiver)
				r.comes(up("text"))
				e.hears(st)
				if again {
					if got := e.hears(smpp.StatusOK); got != "text" {
						t.Errorf("got %q", got)
					}
				}
				pass(10 * time.Second)
				e.nothing()
				if got := r.store.Figures().Incoming; got != 0 {
					t.Errorf("%d wait, want 0", got)
				}
			})
		})
	}
}
