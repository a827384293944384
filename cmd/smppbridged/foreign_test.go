package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	linx "github.com/linxGnu/gosmpp"
	linxdata "github.com/linxGnu/gosmpp/data"
	linxpdu "github.com/linxGnu/gosmpp/pdu"

	"smppbridge/smpp"
)

const devPassword = "secret"

// TestForeignClients has the clients of others do with the built `smppbridged dev` what a newcomer
// would.
func TestForeignClients(t *testing.T) {
	d := startDev(t, buildDaemon(t), "--log-level", "debug")
	f := &foreign{d: d}
	for name, bind := range map[string]func(*testing.T, string) foreignESME{
		"go-smpp transceiver":              d.bindGoSMPP,
		"go-smpp transmitter and receiver": d.bindGoSMPPPair,
		"gosmpp transceiver":               d.bindLinx,
		"gosmpp transmitter and receiver":  d.bindLinxPair,
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("texts", func(t *testing.T) { f.testTexts(t, bind(t, "test")); d.awaitOutbox() })
			t.Run("long texts", func(t *testing.T) { f.testLongTexts(t, bind(t, "test")); d.awaitOutbox() })
			t.Run("one-time codes", func(t *testing.T) { f.testOTP(t, bind(t, "otp")); d.awaitOutbox() })
		})
	}
	t.Run("receipts within a second", f.testSpeed)
	t.Run("the slow account", d.testSlow)
	t.Run("a hundred binds", d.testHundredBinds)
	d.stop()
}

// awaitOutbox waits until the node has noted that all receipts were taken: what it has not noted when a client hangs up, the
// next one gets again.
func (d *devProcess) awaitOutbox() {
	d.t.Helper()
	if err := within(func() error {
		resp, err := http.Get(d.http + "/v1/status")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		var s statusDoc
		if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
			return err
		}
		if s.Outbox > 0 {
			return fmt.Errorf("%d receipts are left", s.Outbox)
		}
		return nil
	}); err != nil {
		d.t.Error(err)
	}
}

// foreignESME is a client of others, bound for both directions.
type foreignESME interface {
	// submit sends a text as one message and returns what it was answered.
	submit(t *testing.T, to, text string) (smpp.Status, string)
	// submitLong sends a text in parts and returns their message_ids.
	submitLong(t *testing.T, to, text string) []string
	// receipt is the next receipt.
	receipt(t *testing.T) foreignReceipt
}

// foreignReceipt is a deliver_sm as the client's library shows it.
type foreignReceipt struct {
	esmClass     byte
	source, dest string
	text         string
	tlvID        string // receipted_message_id
	tlvState     string // message_state
}

// foreign gives every message a phone of its own: by it, its SMS is found in the simulator's ledger.
type foreign struct {
	d      *devProcess
	phones int
}

func (f *foreign) phone() string {
	f.phones++
	return fmt.Sprintf("139%08d", f.phones)
}

// testTexts: short texts in both alphabets go out as they are, and their receipts come back.
func (f *foreign) testTexts(t *testing.T, e foreignESME) {
	for _, c := range []struct {
		text string
		stat smpp.MessageState
	}{
		{"private, hello", smpp.StateDelivered},
		{"private [a] {b} ~^|\\ 5€ @£$¥ Ñüà", smpp.StateDelivered},
		{"您的验证码在哪里？", smpp.StateDelivered},
		{"private 𠮷野家 𝄞 ÿ", smpp.StateDelivered}, // surrogate pairs
		// Emoji arrive whole at the API, which takes them in no template's variable
		// (aliyun-facts, 4): accepted, and reported as what the API said.
		{"private 😀👍🏽", smpp.StateDelivered},
	} {
		to := f.phone()
		st, id := e.submit(t, to, c.text)
		if st != smpp.StatusOK || id == "" {
			t.Fatalf("%q answered %v, message_id %q", c.text, st, id)
		}
		checkForeignReceipt(t, e.receipt(t), id, to, c.stat)
		if c.stat == smpp.StateDelivered {
			f.checkSent(t, to, c.text)
		}
	}
}

// testLongTexts: parts are put together again, also where a library cuts through the middle of a
// character, and each part gets its receipt.
func (f *foreign) testLongTexts(t *testing.T, e foreignESME) {
	for _, text := range []string{
		"private " + strings.Repeat("a", 143) + "€" + strings.Repeat("{b}", 60), // 152 octets to a part in go-smpp
		"private " + strings.Repeat("长", 57) + "𠮷" + strings.Repeat("文", 80),    // 132
	} {
		to := f.phone()
		ids := e.submitLong(t, to, text)
		if len(ids) < 2 {
			t.Fatalf("%d parts, want a text that takes more", len(ids))
		}
		waiting := slices.Clone(ids)
		for range ids {
			r := e.receipt(t)
			i := slices.Index(waiting, r.tlvID)
			if i < 0 {
				t.Fatalf("a receipt for %q, want one of %q", r.tlvID, waiting)
			}
			checkForeignReceipt(t, r, waiting[i], to, smpp.StateDelivered)
			waiting = slices.Delete(waiting, i, i+1)
		}
		f.checkSent(t, to, text)
	}
}

// testOTP: the account takes a one-time code and no other text.
func (f *foreign) testOTP(t *testing.T, e foreignESME) {
	to := f.phone()
	st, id := e.submit(t, to, "您的验证码是471153，5分钟内有效，请勿泄露。")
	want(t, "a one-time code", st, smpp.StatusOK)
	checkForeignReceipt(t, e.receipt(t), id, to, smpp.StateDelivered)
	for _, text := range []string{"private, hello", "您的验证码是", "您的验证码是abc，5分钟内有效，请勿泄露。"} {
		st, id := e.submit(t, f.phone(), text)
		want(t, "another text", st, smpp.StatusInvDftMsgID)
		want(t, "its message_id", id, "")
	}
}

// testSpeed: a receipt comes within a second, and what a busy machine and a slow disk add. What they add is measured by the
// answers to the submits: each waits for the disk once, a receipt some four times. The median is what the product promises;
// single ones are at the mercy of the machine.
func (f *foreign) testSpeed(t *testing.T) {
	e := f.d.bindLinx(t, "test")
	var answered, took []time.Duration
	for range 7 {
		to, began := f.phone(), time.Now()
		_, id := e.submit(t, to, "private")
		answered = append(answered, time.Since(began))
		began = time.Now()
		checkForeignReceipt(t, e.receipt(t), id, to, smpp.StateDelivered)
		took = append(took, time.Since(began))
	}
	slices.Sort(answered)
	slices.Sort(took)
	most := time.Second + 8*answered[len(answered)/2]
	if median := took[len(took)/2]; median > most {
		t.Errorf("receipts took %v, answers %v, want half of the receipts within %v", took, answered, most)
	}
}

// checkForeignReceipt: the id is that of the submit_sm_resp, letter for letter, in text and TLV.
func checkForeignReceipt(t *testing.T, got foreignReceipt, id, to string, stat smpp.MessageState) {
	t.Helper()
	r, err := smpp.ParseReceipt(got.text, time.UTC)
	if err != nil {
		t.Fatalf("not a receipt: %v", err)
	}
	want(t, "esm_class", got.esmClass, smpp.ESMClassReceipt)
	want(t, "id", r.MessageID, id)
	want(t, "receipted_message_id", got.tlvID, id)
	want(t, "stat", r.State, stat)
	want(t, "message_state", got.tlvState, string(byte(stat)))
	want(t, "source_addr", got.source, to)
	want(t, "destination_addr", got.dest, "1069")
	if !strings.HasPrefix(got.text, "id:"+id+" sub:001 dlvrd:00") || !strings.Contains(got.text, " stat:"+stat.String()+" err:") {
		t.Errorf("the text is not Appendix B's: %q", got.text)
	}
}

// checkSent: one SMS has gone to a phone, with that text.
func (f *foreign) checkSent(t *testing.T, to, text string) {
	t.Helper()
	resp, err := http.Get(f.d.sim + "/sim/ledger")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	type sms struct{ Phone, Params string }
	var page struct{ Entries []sms }
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil {
		t.Fatal(err)
	}
	page.Entries = slices.DeleteFunc(page.Entries, func(e sms) bool { return e.Phone != to })
	if len(page.Entries) != 1 {
		t.Fatalf("%d SMS to %s, want 1", len(page.Entries), to)
	}
	var params struct{ Content string }
	if err := json.Unmarshal([]byte(page.Entries[0].Params), &params); err != nil {
		t.Fatal(err)
	}
	want(t, "what was sent", params.Content, text)
}

// soon takes what a client's library hands over in another goroutine.
func soon[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s", what)
	}
	panic("not reached")
}

// testSlow: five at once, then five a second; what is above that is throttled. Which of them it is, is not
// promised: two groups of submits are committed at a time, in either order, and answered in theirs.
func (d *devProcess) testSlow(t *testing.T) {
	l := d.bindLinx(t, "slow").(*linxESME)
	const n = 100 // more than five a second are while a slow disk takes them
	began := time.Now()
	for i := range n {
		want(t, "parts", l.send(t, fmt.Sprintf("138%08d", i), "private"), 1)
	}
	accepted := 0
	for range n {
		switch resp := soon(t, l.responses, "submit_sm_resp"); resp.CommandStatus {
		case linxdata.ESME_ROK:
			accepted++
		case linxdata.ESME_RTHROTTLED:
			want(t, "message_id of a refusal", resp.MessageID, "")
		default:
			t.Errorf("answered %v", resp.CommandStatus)
		}
	}
	if most := 6 + int(5*time.Since(began).Seconds()); accepted < 5 || accepted > min(most, n-1) {
		t.Errorf("%d of %d accepted, want 5 to %d", accepted, n, most)
	}
	for range accepted {
		soon(t, l.receipts, "receipt")
	}
}

// answerLinks answers the enquire_links of a connection that does nothing else.
func answerLinks(c *linx.Connection) {
	for {
		p, err := linxpdu.Parse(c)
		if err != nil {
			return
		}
		if p.CanResponse() {
			if _, err := c.WritePDU(p.GetResponse()); err != nil {
				return
			}
		}
	}
}

// testHundredBinds: the account may have a hundred, and another when one has gone.
func (d *devProcess) testHundredBinds(t *testing.T) {
	var bound []*linx.Connection
	connect := func() error {
		c, err := linx.TRXConnector(linx.NonTLSDialer, d.linxAuth("test")).Connect()
		if err == nil {
			bound = append(bound, c)
			t.Cleanup(func() { c.Close() })
		}
		return err
	}
	for range 100 {
		if err := connect(); err != nil {
			t.Fatalf("bind %d: %v", len(bound)+1, err)
		}
		c := bound[len(bound)-1]
		go answerLinks(c) // ends with the connection; who does not answer would be replaced by bind 101
	}
	refused, ok := errors.AsType[linx.BindError](connect())
	if !ok || refused.CommandStatus != linxdata.ESME_RBINDFAIL {
		t.Fatalf("bind 101: got %v, want ESME_RBINDFAIL", refused.CommandStatus)
	}
	bound[50].Close()
	if err := connect(); err != nil {
		t.Errorf("bind 101 after one has hung up: %v", err)
	}
}
