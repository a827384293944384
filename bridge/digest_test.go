package bridge

import (
	"testing"
	"time"

	"smppbridge/smpp"
)

// cutPart makes a part of the first octets of a message.
func cutPart(header string, cut int) func(*smpp.SubmitSM) {
	return func(m *smpp.SubmitSM) { m.ESMClass, m.ShortMessage = smpp.ESMClassUDHI, header+m.ShortMessage[:cut] }
}

// otherMessages are changes that make another SMS of one.
var otherMessages = map[string]func(*smpp.SubmitSM){
	"source":         func(m *smpp.SubmitSM) { m.SourceAddr = "1068" },
	"source's TON":   func(m *smpp.SubmitSM) { m.SourceAddrTON = 1 },
	"destination":    func(m *smpp.SubmitSM) { m.DestinationAddr = "13800138001" },
	"text":           func(m *smpp.SubmitSM) { *m = *submitSM("hello!"); m.SourceAddr = "1069" },
	"data_coding":    func(m *smpp.SubmitSM) { m.DataCoding, m.ShortMessage = 0, "hello" },
	"signature":      func(m *smpp.SubmitSM) { *m = *submitSM("【别的】hello"); m.SourceAddr = "1069" },
	"schedule":       func(m *smpp.SubmitSM) { m.ScheduleDeliveryTime = "000000010000000R" },
	"a part":         cutPart("\x05\x00\x03\x01\x02\x01", 4),
	"another part":   cutPart("\x05\x00\x03\x01\x02\x02", 4),
	"its reference":  cutPart("\x05\x00\x03\x02\x02\x01", 4),
	"parts in total": cutPart("\x05\x00\x03\x01\x03\x01", 4),
	"its octets":     cutPart("\x05\x00\x03\x01\x02\x01", 6),
}

// TestDigest: a repeated submit has the digest of the first; whatever would make another SMS of it
// gives another one.
func TestDigest(t *testing.T) {
	acct := compile1(t, fieldPolicy, "once")
	of := func(change func(*smpp.SubmitSM), later time.Duration) [16]byte {
		t.Helper()
		m := submitSM("hello")
		m.SourceAddr = "1069"
		change(m)
		got, err := acct.decide(m, fieldNow.Add(later))
		if err != nil {
			t.Fatal(err)
		}
		if got.DedupeFor != 60_000 || got.Digest == [16]byte{} {
			t.Fatalf("DedupeFor %d, digest %x", got.DedupeFor, got.Digest)
		}
		return got.Digest
	}
	first := of(func(*smpp.SubmitSM) {}, 0)
	for name, change := range map[string]func(*smpp.SubmitSM){
		"again":                  func(*smpp.SubmitSM) {},
		"another receipt wanted": func(m *smpp.SubmitSM) { m.RegisteredDelivery = 1 },
		"the number with +86":    func(m *smpp.SubmitSM) { m.DestinationAddr = "+8613800138000" },
		"another reference":      func(m *smpp.SubmitSM) { m.TLVs = m.TLVs.With(smpp.TagUserMessageReference, "ab") },
	} {
		if of(change, 10*time.Second) != first {
			t.Errorf("%s: another digest", name)
		}
	}
	seen := map[[16]byte]string{first: "first"}
	for name, change := range otherMessages {
		d := of(change, 0)
		if other, ok := seen[d]; ok {
			t.Errorf("%s and %s have the same digest", name, other)
		}
		seen[d] = name
	}
	if got, err := compile1(t, fieldPolicy, "any").decide(submitSM("hello"), fieldNow); err != nil || got.DedupeFor != 0 || got.Digest != [16]byte{} {
		t.Errorf("switched off: DedupeFor %d, digest %x (%v)", got.DedupeFor, got.Digest, err)
	}
}

// TestDuplicates: within the window the same submit is answered with the first one's message_id, sent
// once and counted; its receipt is the first one's. After the window it is a message again.
func TestDuplicates(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.putPolicy(fieldPolicy)
		pass(time.Second)
		a, b := r.bind("once", smpp.Transceiver), r.bind("once", smpp.Transmitter)
		first := a.accepted("hello")
		if again := b.accepted("hello"); again != first { // over another session
			t.Errorf("the repetition is message %s, want %s", again, first)
		}
		other := a.accepted("hello again")
		pass(time.Second)
		if got := len(r.api.called()); got != 2 || other == first {
			t.Errorf("%d SMS for two messages, the second is %s", got, other)
		}
		r.report(first)
		if got := a.take(smpp.StatusOK).MessageID; got != first.String() {
			t.Errorf("receipt of %s, want %s", got, first)
		}
		if got := counted(t, r.metrics.duplicates.WithLabelValues("once")); got != 1 {
			t.Errorf("%v duplicates counted, want 1", got)
		}
		r.jump(1, time.Minute)
		if again := a.accepted("hello"); again == first {
			t.Error("after the window the message was still taken for a repetition")
		}
	})
}

// TestDuplicateIsNotCharged: a repetition takes no room under the account's limits.
func TestDuplicateIsNotCharged(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.putPolicy(replaceOne(t, fieldPolicy, "dedupe: 60s", "dedupe: 60s, daily_quota: 2"))
		pass(time.Second)
		e := r.bind("once", smpp.Transmitter)
		first := e.accepted("hello")
		for range 5 {
			if again := e.accepted("hello"); again != first {
				t.Errorf("the repetition is message %s, want %s", again, first)
			}
		}
		e.accepted("hello again")
		e.submit("hello for the third time")
		if h, _ := e.Expect(smpp.SubmitSMRespID); h.Status != smpp.StatusThrottled {
			t.Errorf("third message of two answered %v", h.Status)
		}
		if again := e.accepted("hello"); again != first {
			t.Errorf("at the limit the repetition is message %s, want %s", again, first)
		}
	})
}
