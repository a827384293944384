package smpptest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smppbridge/smpp"
)

// A recorder is a testing.TB that keeps what fails it.
type recorder struct {
	testing.TB
	failure string
}

func (r *recorder) Helper()        {}
func (r *recorder) Cleanup(func()) {}
func (r *recorder) Fatal(a ...any) { r.Fatalf("%s", fmt.Sprint(a...)) }
func (r *recorder) Fatalf(format string, a ...any) {
	r.failure = fmt.Sprintf(format, a...)
	panic(r)
}

// play runs a dialogue against a peer that answers each enquire_link, each
// submit_sm with a message_id, submit_multi and query_sm as is said below, and everything
// else not at all.
func play(t *testing.T, text string) (failure string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dialogue.txt")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := ReadDialogue(path)
	if err != nil {
		t.Fatal(err)
	}
	d.Vars = map[string]string{"given": "value"}
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() { answer(theirs); close(done) }()
	defer func() { ours.Close(); <-done }()
	r := &recorder{TB: t}
	defer func() {
		if p := recover(); p != nil && p != any(r) {
			panic(p)
		}
		failure = r.failure
	}()
	d.Run(r, New(r, ours), Actions{"fail": func([]string) error { return os.ErrInvalid }, "work": func([]string) error { return nil },
		"is": func(args []string) error {
			if args[0] != args[1] {
				return os.ErrInvalid
			}
			return nil
		}})
	return ""
}

func answer(conn net.Conn) {
	defer conn.Close()
	frames := smpp.NewReader(conn, smpp.MaxPDU)
	for {
		h, body, err := frames.Next()
		if err != nil {
			return
		}
		var out []byte
		pdu, err := smpp.Decode(h, body)
		if err != nil {
			return
		}
		switch h.ID {
		case smpp.EnquireLinkID:
			out = smpp.Append(nil, smpp.StatusOK, h.Sequence, &smpp.EnquireLinkResp{})
		case smpp.SubmitSMID:
			out = smpp.Append(nil, smpp.StatusOK, h.Sequence, &smpp.SubmitSMResp{MessageID: "10", TLVs: smpp.TLVs("").With(0x1400, "x")})
		case smpp.SubmitMultiID:
			out = smpp.Append(nil, smpp.StatusOK, h.Sequence, multiResp(pdu.(*smpp.SubmitMulti)))
		case smpp.QuerySMID:
			out = smpp.Append(nil, smpp.StatusOK, h.Sequence, &smpp.QuerySMResp{MessageID: pdu.(*smpp.QuerySM).MessageID, MessageState: smpp.StateDelivered, ErrorCode: 7})
		case smpp.UnbindID:
			return
		}
		if len(out) == 0 {
			continue
		}
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

// multiResp refuses every destination, and has the last one as message_id.
func multiResp(m *smpp.SubmitMulti) *smpp.SubmitMultiResp {
	resp := &smpp.SubmitMultiResp{}
	for _, d := range m.Destinations {
		resp.MessageID = formatDestination(d)
		u := smpp.Unsuccess{TON: d.TON, NPI: d.NPI, Addr: d.Addr, Status: smpp.StatusInvDstAdr}
		if d.List != "" {
			u.Addr, u.Status = d.List, smpp.StatusSysErr
		}
		resp.Failed = append(resp.Failed, u)
	}
	return resp
}

// playedDialogues are dialogues with how they fail; those without pass.
var playedDialogues = []struct{ name, text, want string }{
	{"right", "# comment\n\n> enquire_link\n< enquire_link_resp\n! work", ""},
	{"right fields", "> submit_sm source_addr=1 data_coding=0x08 short_message=\"a b\"\n< submit_sm_resp message_id=10 tlv:0x1400=x seq=1 length=*", ""},
	{"right parameters", "> submit_sm tlv:message_payload=x\n< submit_sm_resp tlv:0x1400=any !tlv:message_state", ""},
	{"right lists", "> submit_multi dest=1/0x02/86 dest=list:staff\n< submit_multi_resp message_id=list:staff failed=1/2/86/ESME_RINVDSTADR failed=0/0/staff/ESME_RSYSERR", ""},
	{"right state", "> query_sm message_id=5\n< query_sm_resp message_id=5 message_state=2 error_code=0x07", ""},
	{"right variable", "> submit_sm\n< submit_sm_resp message_id=$id tlv:0x1400=x\n> query_sm message_id=$id\n< query_sm_resp message_id=$id\n> query_sm message_id=a$id\n< query_sm_resp message_id=\"a$id\"", ""},
	{"right variable in an action", "> enquire_link seq=7\n< enquire_link_resp seq=$n\n! is 7 $n", ""},
	{"right pattern", "> submit_sm\n< submit_sm_resp message_id=1*\n> query_sm message_id=abcbd\n< query_sm_resp message_id=a*b*d", ""},
	{"right given variable", "> query_sm message_id=$given\n< query_sm_resp message_id=value", ""},
	{"right end", "> unbind\n< closed", ""},
	{"right octets", "> unbind_resp\n> raw 00000010 00000015 00000000 00000001\n< enquire_link_resp seq=1", ""},
	{"other variable", "> submit_sm\n< submit_sm_resp message_id=$id\n> query_sm message_id=5\n< query_sm_resp message_id=$id", `want "10"`},
	{"other variable in an action", "> enquire_link seq=7\n< enquire_link_resp seq=$n\n! is 8 $n", "invalid argument"},
	{"variable without a value sent", "> query_sm message_id=$id", "$id has no value yet"},
	{"variable without a value in a longer one", "> enquire_link\n< enquire_link_resp seq=1$n", "$n has no value yet"},
	{"variable without a value in an action", "! is 8 $n", "$n has no value yet"},
	{"variable of no field", "> submit_sm\n< submit_sm_resp source_addr=$a", "no field"},
	{"other start", "> submit_sm\n< submit_sm_resp message_id=2*", `want "2*"`},
	{"other end", "> submit_sm\n< submit_sm_resp message_id=*1", `want "*1"`},
	{"other middle", "> query_sm message_id=abd\n< query_sm_resp message_id=a*c*d", `want "a*c*d"`},
	{"start and end overlap", "> query_sm message_id=aba\n< query_sm_resp message_id=ab*ba", `want "ab*ba"`},
	{"other command", "> enquire_link\n< submit_sm_resp", "got enquire_link_resp"},
	{"other status", "> enquire_link\n< enquire_link_resp status=ESME_RSYSERR", "got status"},
	{"other number", "> enquire_link\n< enquire_link_resp seq=9", "got seq"},
	{"other length", "> enquire_link\n< enquire_link_resp length=17", "got length"},
	{"other field", "> submit_sm\n< submit_sm_resp message_id=11", `got message_id="10"`},
	{"other parameter", "> submit_sm\n< submit_sm_resp tlv:0x1400=y", "got tlv"},
	{"no parameter", "> submit_sm\n< submit_sm_resp tlv:0x1401=y", "no parameter"},
	{"parameter there", "> submit_sm\n< submit_sm_resp !tlv:0x1400", "want none"},
	{"absence of a field", "> submit_sm\n< submit_sm_resp !message_id", `got message_id="10", want none`},
	{"absence of no field", "> submit_sm\n< submit_sm_resp !jump", "no field"},
	{"other failure", "> submit_multi dest=1/2/86\n< submit_multi_resp failed=1/2/86/ESME_RSYSERR", "got failed"},
	{"failure too many", "> submit_multi dest=1/2/86\n< submit_multi_resp failed=\"\"", "got failed"},
	{"failure missing", "> submit_multi dest=1/2/86\n< submit_multi_resp failed=1/2/86/ESME_RINVDSTADR failed=1/2/86/ESME_RINVDSTADR", "got failed"},
	{"other state", "> query_sm\n< query_sm_resp message_state=3", `got message_state="2"`},
	{"no such field", "> submit_sm\n< submit_sm_resp source_addr=1", "no field"},
	{"not silent", "> enquire_link\n< nothing", "want nothing"},
	{"not closed", "> enquire_link\n< closed", "want the end"},
	{"closed", "> unbind\n< unbind_resp", "dialogue.txt:2: < unbind_resp"},
	{"action", "! fail", "invalid argument"},
	{"no such action", "! jump", "no such action"},
	{"no such command", "> jump", "no such command"},
	{"no such field sent", "> submit_sm jump=1", "no field"},
	{"no such parameter sent", "> enquire_link tlv:0x1400=1", "no parameter"},
	{"no such parameter's name", "> submit_sm tlv:jump=1", "no parameter"},
	{"no such destination", "> submit_multi dest=86", "want TON/NPI/address"},
	{"bad TON", "> submit_multi dest=x/1/86", "TON"},
	{"bad NPI", "> submit_multi dest=1/x/86", "NPI"},
	{"no such failure", "> submit_multi_resp failed=86", "want TON/NPI/address/status"},
	{"no such failure's status", "> submit_multi_resp failed=1/1/86/ESME_JUMP", "no status"},
	{"no such status", "> enquire_link status=ESME_JUMP", "no status"},
	{"bad number", "> submit_sm data_coding=256", "out of range"},
	{"bad sequence", "> submit_sm seq=x", "invalid syntax"},
	{"bad octets", "> raw 0", "odd length"},
	{"bad quotes", `> submit_sm short_message="a`, "cannot be read"},
	{"bad line", "jump now", "a line begins with"},
	{"empty line kind", ">", "cannot be read"},
	{"bad wait", "wait long", "invalid duration"},
}

// TestDialoguesFail: a runner that lets everything pass would be worthless.
func TestDialoguesFail(t *testing.T) {
	for _, tt := range playedDialogues {
		got := play(t, tt.text)
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestWaits(t *testing.T) {
	d := &Dialogue{lines: []string{"> enquire_link", "wait 3s"}}
	if !d.Waits() || (&Dialogue{lines: []string{"# wait"}}).Waits() {
		t.Error("Waits")
	}
	if _, err := ReadDialogue("testdata/none.txt"); err == nil {
		t.Error("a file that is not there was read")
	}
}
