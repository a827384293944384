package upstream

import (
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

// joined is the text of a message's parts, after checking that they are one.
func joined(t *testing.T, list []*smpp.SubmitSM, most int) string {
	t.Helper()
	var b strings.Builder
	var ref uint16
	for i, m := range list {
		c, payload, ok, err := m.Segment()
		if err != nil || !ok || int(c.Total) != len(list) || int(c.Seq) != i+1 || i > 0 && c.Ref != ref {
			t.Fatalf("part %d is %+v (%v, %v), want one of %d", i+1, c, ok, err, len(list))
		}
		if ref = c.Ref; len(m.ShortMessage) > most {
			t.Errorf("part %d has %d octets, want at most %d", i+1, len(m.ShortMessage), most)
		}
		if err := smpp.CheckPart(m.DataCoding, smpp.AlphabetGSM7, payload); err != nil {
			t.Errorf("part %d by itself: %v", i+1, err)
		}
		if want := i == len(list)-1; (m.RegisteredDelivery != 0) != want {
			t.Errorf("part %d has registered_delivery %d, want it on the last alone", i+1, m.RegisteredDelivery)
		}
		text, err := smpp.DecodeText(m.DataCoding, smpp.AlphabetGSM7, payload)
		if err != nil {
			t.Fatalf("part %d: %v", i+1, err)
		}
		b.WriteString(text)
	}
	return b.String()
}

// TestParts: a long text is cut between characters, and its parts are one message again.
func TestParts(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		parts      int
		most       int // octets of one, with its header
	}{
		{"GSM, one", strings.Repeat("a", 160), 1, 160},
		{"GSM, two", strings.Repeat("a", 161), 2, 159},
		{"GSM, an escape at the edge", strings.Repeat("a", 152) + "€" + strings.Repeat("b", 20), 2, 159},
		{"UCS-2, one", strings.Repeat("码", 70), 1, 140},
		{"UCS-2, two", strings.Repeat("码", 71), 2, 140},
		{"UCS-2, a pair at the edge", strings.Repeat("码", 66) + "😀" + strings.Repeat("码", 10), 2, 140},
		{"UCS-2, many", strings.Repeat("码", 67*6), 6, 140},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				a := r.submit("o", tt.text)
				got := r.centre.got()
				if len(got) != tt.parts || a.Kind != store.OutcomeAccepted {
					t.Fatalf("%d parts, %+v; want %d, accepted", len(got), a, tt.parts)
				}
				if tt.parts == 1 {
					return
				}
				if text := joined(t, got, tt.most); text != tt.text {
					t.Errorf("joined %d UTF-16 units, want %d", len(utf16.Encode([]rune(text))), len(utf16.Encode([]rune(tt.text))))
				}
				if want := "acct/m" + string(rune('0'+tt.parts)); a.BizID != want {
					t.Errorf("goes by %s, want the last part's %s", a.BizID, want)
				}
			})
		})
	}
}

// TestPartsEnd: what a refusal or silence in the middle of a long text means.
func TestPartsEnd(t *testing.T) {
	for _, tt := range []struct {
		name      string
		part      int // that is answered with
		status    smpp.Status
		silent    bool
		submitted int
		want      store.OutcomeKind
	}{
		{"first throttled: nothing was sent", 1, smpp.StatusThrottled, false, 1, store.OutcomeRetry},
		{"second throttled: the first was", 2, smpp.StatusThrottled, false, 2, store.OutcomeRejected},
		{"last refused", 3, smpp.StatusSubmitFail, false, 3, store.OutcomeRejected},
		{"second silent", 2, 0, true, 2, store.OutcomeUncertain},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				r.centre.answersSubmits(func(n int) (smpp.Status, string, bool) {
					if n == tt.part {
						return tt.status, "", !tt.silent
					}
					return smpp.StatusOK, "id", true
				})
				a := r.submit("o", strings.Repeat("a", 153*3))
				if n := len(r.centre.got()); a.Kind != tt.want || n != tt.submitted {
					t.Errorf("got %+v after %d parts, want kind %d after %d", a, n, tt.want, tt.submitted)
				}
			})
		})
	}
}

// TestPayload: a route may want long texts in message_payload.
func TestPayload(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		text := strings.Repeat("长", 300)
		if a := r.submit("o", text); a.Kind != store.OutcomeAccepted {
			t.Fatalf("got %+v", a)
		}
		m := r.centre.got()[0]
		payload, _ := m.TLVs.Get(smpp.TagMessagePayload)
		if got, err := smpp.DecodeText(m.DataCoding, smpp.AlphabetGSM7, payload); err != nil || got != text || m.ShortMessage != "" || m.ESMClass != 0 {
			t.Errorf("payload of %d octets (%v), short_message of %d", len(payload), err, len(m.ShortMessage))
		}
	}, func(r *Route) { r.SMPP.Long = configs.LongPayload })
}

// TestPartsArePaced: the meter counts a long text as one call, so its other parts keep to the route's rate by themselves.
func TestPartsArePaced(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		pass(time.Second)
		start := time.Now()
		r.submit("o", strings.Repeat("a", 153*6))
		if took := time.Since(start); took < 5*500*time.Millisecond {
			t.Errorf("six parts at 2/s took %v", took)
		}
	}, func(r *Route) { r.QPS = 2 })
}

// TestEncoding: data_coding stays as submitted where the text can be written so.
func TestEncoding(t *testing.T) {
	for _, tt := range []struct {
		name   string
		wanted byte
		zero   smpp.Alphabet
		text   string
		want   byte
	}{
		{"the same", 0, smpp.AlphabetGSM7, "hello", 0},
		{"their 0 was another alphabet", 0, smpp.AlphabetGSM7, "你好", 8},
		{"our 0 is another alphabet", 0, smpp.AlphabetGBK, "你好", 0},
		{"flash", 0x18, smpp.AlphabetGSM7, "你好", 0x18},
		{"ASCII as UCS-2", 8, smpp.AlphabetGSM7, "hello", 8},
		{"GB 18030", 0x0F, smpp.AlphabetGSM7, "你好", 8},
		{"not text", 4, smpp.AlphabetGSM7, "hello", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			coding, octets, err := encode(tt.wanted, tt.zero, tt.text)
			if err != nil || coding != tt.want {
				t.Fatalf("data_coding %#x (%v), want %#x", coding, err, tt.want)
			}
			if back, err := smpp.DecodeText(coding, tt.zero, octets); err != nil || back != tt.text {
				t.Errorf("reads as %q (%v), want %q", back, err, tt.text)
			}
		})
	}
}

// TestSignature: a route may want a signature in front of texts that have none.
func TestSignature(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		for text, want := range map[string]string{"hello": "【速通】hello", "【甲】hello": "【甲】hello", "hello【甲】 ": "hello【甲】 "} {
			r.submit("o", text)
			list := r.centre.got()
			m := list[len(list)-1]
			if got, err := smpp.DecodeText(m.DataCoding, smpp.AlphabetGSM7, m.ShortMessage); err != nil || got != want {
				t.Errorf("%q was sent as %q (%v), want %q", text, got, err, want)
			}
			if m.SourceAddr != "SUTONG" || m.SourceAddrTON != 5 || m.SourceAddrNPI != 0 {
				t.Errorf("from %q, TON %d, NPI %d; want the route's own address", m.SourceAddr, m.SourceAddrTON, m.SourceAddrNPI)
			}
		}
	}, func(r *Route) { r.SMPP.Signature, r.SMPP.SourceAddr = configs.SignatureFront, "SUTONG" })
}
