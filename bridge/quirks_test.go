package bridge

import (
	"strings"
	"testing"
	"time"

	"smppbridge/smpp"
)

// TestAckHasTheAccountsShape: a submit_sm_resp that waited for the API spells the message_id as every other does.
func TestAckHasTheAccountsShape(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.putPolicy(strings.Replace(promisePolicy, "system_id: acked,", "system_id: acked, message_id: hex8,", 1))
		pass(time.Second)
		e := r.bind("acked", smpp.Transmitter)
		e.submit("hello")
		if h, p := e.Expect(smpp.SubmitSMRespID); h.Status != smpp.StatusOK || p.(*smpp.SubmitSMResp).MessageID != "00000001" {
			t.Errorf("answered %v, message_id %q, want 00000001", h.Status, p.(*smpp.SubmitSMResp).MessageID)
		}
		if st, _ := e.ask(&smpp.QuerySM{MessageID: "00000001"}); st != smpp.StatusOK {
			t.Errorf("query_sm of that id answered %v", st)
		}
	})
}

// TestPartsInTheAccountsAlphabet: data_coding 0 means in parts what it means in a message of one piece, also where a
// character is cut.
func TestPartsInTheAccountsAlphabet(t *testing.T) {
	const cut = 2 // octets of the first part: in UTF-8 and GBK inside the second character
	for _, alphabet := range []string{"latin1", "utf8", "gbk"} {
		t.Run(alphabet, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				r.putPolicy(strings.Replace(promisePolicy, "system_id: any,", "system_id: any, default_alphabet: "+alphabet+",", 1))
				pass(time.Second)
				octets, err := smpp.EncodeText(smpp.DataCodingDefault, alphabets[alphabet], "où été")
				if err != nil {
					t.Fatal(err)
				}
				e := r.bind("any", smpp.Transmitter)
				for i, part := range []string{octets[:cut], octets[cut:]} {
					place := smpp.Concat{Ref: 7, Total: 2, Seq: byte(i + 1)}
					e.accepted("", func(m *smpp.SubmitSM) {
						m.ESMClass, m.DataCoding = smpp.ESMClassUDHI, smpp.DataCodingDefault
						m.ShortMessage = string(place.AppendUDH(nil)) + part
					})
				}
				pass(time.Second)
				calls := r.api.called()
				if len(calls) != 1 || calls[0].Recipients[0].Params != `{"content":"où été"}` {
					t.Errorf("calls %+v", calls)
				}
			})
		})
	}
}

// TestNumbersOfTheAccountsCountry: country_code is that of numbers without one, and of no others.
func TestNumbersOfTheAccountsCountry(t *testing.T) {
	doc := replaceOne(t, fieldPolicy, "system_id: any,", `system_id: any, country_code: "852",`)
	acct := compile1(t, replaceOne(t, doc, `text: "${content}",`, `text: "${content}", numbers: any,`), "any")
	for addr, want := range map[string]string{
		"91234567": "85291234567", "0091234567890": "91234567890", "+85291234567": "85291234567", "+8613800138000": "13800138000",
	} {
		m := submitSM("hello")
		m.DestAddrTON, m.DestinationAddr = 0, addr
		if got, err := acct.decide(m, fieldNow); err != nil || got.Phone != want {
			t.Errorf("%s is sent to %q, want %s (%v)", addr, got.Phone, want, err)
		}
	}
}

// TestNamedMessagesAreNotDuplicates: what is named by parameters has no text that tells two of them apart.
func TestNamedMessagesAreNotDuplicates(t *testing.T) {
	acct := compile1(t, replaceOne(t, fieldPolicy, "dedupe: 60s", "dedupe: 60s, vendor_tlvs: true"), "once")
	of := func(code, params, sign string) [16]byte {
		t.Helper()
		m := submitSM("")
		m.TLVs = smpp.TLVs("").With(tagTemplateCode, code).With(tagTemplateParam, params).With(tagSignName, sign)
		got, err := acct.decide(m, fieldNow)
		if err != nil || got.Digest == [16]byte{} {
			t.Fatalf("digest %x (%v)", got.Digest, err)
		}
		return got.Digest
	}
	first := of("SMS_4", `{"name":"a","amount":"5"}`, "测试")
	if of("SMS_4", `{"name":"a","amount":5}`, "测试") != first {
		t.Error("the same parameters, written in another way, are another message")
	}
	for what, other := range map[string][16]byte{
		"parameter": of("SMS_4", `{"name":"a","amount":"6"}`, "测试"),
		"template":  of("SMS_3", `{}`, "测试"),
		"signature": of("SMS_4", `{"name":"a","amount":"5"}`, "别的"),
	} {
		if other == first {
			t.Errorf("another %s has the same digest", what)
		}
	}
}
