package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/fiorix/go-smpp/smpp/pdu"
	"github.com/fiorix/go-smpp/smpp/pdu/pdufield"
	"github.com/fiorix/go-smpp/smpp/smpptest"
)

// A centre is a message centre that answers each submit_sm as a test says.
type centre struct {
	*smpptest.Server
	receipt func(id string) []pdu.Body // what follows the submit_sm_resp
	status  pdu.Status
	silent  bool // no submit_sm_resp at all
	hangUp  bool // the connection ends after the submit_sm_resp

	mu   sync.Mutex
	got  []submitted // guarded by mu
	acks int         // guarded by mu; deliver_sm_resp
}

// submitted is what a submit_sm said.
type submitted struct {
	from, to                     string
	text                         []byte
	coding, registered, esmClass byte
}

func startCentre(t *testing.T, c *centre) *centre {
	t.Helper()
	c.Server = smpptest.NewUnstartedServer()
	c.Handler = c.handle
	c.Start()
	t.Cleanup(c.Close)
	t.Setenv(passwordEnv, smpptest.DefaultPasswd)
	return c
}

func (c *centre) handle(conn smpptest.Conn, p pdu.Body) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := p.Fields()
	number := func(name pdufield.Name) byte { return f[name].Raw().(uint8) }
	switch p.Header().ID {
	case pdu.SubmitSMID:
		c.got = append(c.got, submitted{f[pdufield.SourceAddr].String(), f[pdufield.DestinationAddr].String(), f[pdufield.ShortMessage].Bytes(),
			number(pdufield.DataCoding), number(pdufield.RegisteredDelivery), number(pdufield.ESMClass)})
		if c.silent {
			return
		}
		id := fmt.Sprintf("%010x", len(c.got))
		resp := pdu.NewSubmitSMResp()
		resp.Header().Seq, resp.Header().Status = p.Header().Seq, c.status
		must(resp.Fields().Set(pdufield.MessageID, id))
		must(conn.Write(resp))
		if c.hangUp {
			_ = conn.Close() // it is meant to break
		}
		if c.receipt != nil {
			for _, r := range c.receipt(id) {
				must(conn.Write(r))
			}
		}
	case pdu.DeliverSMRespID:
		c.acks++
	case pdu.UnbindID:
		resp := pdu.NewUnbindResp()
		resp.Header().Seq = p.Header().Seq
		_ = conn.Write(resp) // the client may be gone
	}
}

// A frame is a PDU as it goes over the wire. go-smpp's own deliver_sm has a NUL too many.
type frame struct {
	pdu.Body
	octets []byte
}

// SerializeTo implements pdu.Body.
func (f frame) SerializeTo(w io.Writer) error {
	_, err := w.Write(f.octets)
	return err
}

// deliverSM returns a deliver_sm with a receipt's esm_class. SMPP 3.4, 4.6.1.
func deliverSM(sequence uint32, text string, tlvs ...byte) pdu.Body {
	body := make([]byte, 7, 64) // service_type, source and destination: empty
	body = append(body, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, byte(len(text)))
	body = append(append(body, text...), tlvs...)
	b := binary.BigEndian.AppendUint32(nil, uint32(16+len(body)))
	b = binary.BigEndian.AppendUint32(b, uint32(pdu.DeliverSMID))
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint32(b, 0x10000000+sequence)
	return frame{octets: append(b, body...)}
}

// textReceipt is a receipt as SMPP 3.4, Appendix B, has it. The text in it must not be taken for fields.
func textReceipt(id, stat string) pdu.Body {
	return deliverSM(1, "id:"+id+" sub:001 dlvrd:001 submit date:2601021504 done date:2601021505 stat:"+stat+" err:000 text:stat:UNDELIV id:x")
}

// tlvReceipt is a receipt without text.
func tlvReceipt(id string, state byte) pdu.Body {
	tlvs := append([]byte{0x00, 0x1e, 0, byte(len(id) + 1)}, id...)
	return deliverSM(2, "", append(tlvs, 0, 0x04, 0x27, 0, 1, state)...)
}

func (c *centre) send(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return runCommand(t, "", append([]string{"send", "--addr", c.Addr(), "--system-id", "client", "--to", "13900000000"}, args...)...)
}

func TestSend(t *testing.T) {
	each := func(stat string) func(string) []pdu.Body {
		return func(id string) []pdu.Body { return []pdu.Body{textReceipt(id, stat)} }
	}
	for _, tt := range []struct {
		name    string
		centre  *centre
		args    []string
		out     string // the last line
		err     string
		coding  byte
		parts   int
		receipt byte // registered_delivery
	}{
		{"delivered", &centre{receipt: each("DELIVRD")}, []string{"--text", "hello @ [x]", "--from", "1069"},
			"deliver_sm      id=0000000001 stat=DELIVRD err=000", "", 0, 1, 1},
		{"Chinese", &centre{receipt: each("DELIVRD")}, []string{"--text", "您好"},
			"deliver_sm      id=0000000001 stat=DELIVRD err=000", "", 8, 1, 1},
		{"UCS-2 asked for", &centre{receipt: each("DELIVRD")}, []string{"--text", "hello", "--ucs2", "always"},
			"deliver_sm      id=0000000001 stat=DELIVRD err=000", "", 8, 1, 1},
		{"long", &centre{receipt: each("DELIVRD")}, []string{"--text", strings.Repeat("长", 100)},
			"deliver_sm      id=0000000002 stat=DELIVRD err=000", "", 8, 2, 1},
		{"just one message", &centre{receipt: each("DELIVRD")}, []string{"--text", strings.Repeat("长", 70)},
			"deliver_sm      id=0000000001 stat=DELIVRD err=000", "", 8, 1, 1},
		{"not delivered", &centre{receipt: each("UNDELIV")}, []string{"--text", "hello"},
			"deliver_sm      id=0000000001 stat=UNDELIV err=000", "not delivered: UNDELIV", 0, 1, 1},
		{"receipt in TLVs", &centre{receipt: func(id string) []pdu.Body { return []pdu.Body{tlvReceipt(id, 2)} }}, []string{"--text", "hello"},
			"deliver_sm      id=0000000001 stat=DELIVRD err=", "", 0, 1, 1},
		{"expired, in TLVs", &centre{receipt: func(id string) []pdu.Body { return []pdu.Body{tlvReceipt(id, 3)} }}, []string{"--text", "hello"},
			"deliver_sm      id=0000000001 stat=EXPIRED err=", "not delivered: EXPIRED", 0, 1, 1},
		{"on the way, then delivered", &centre{receipt: func(id string) []pdu.Body {
			return []pdu.Body{textReceipt(id, "ENROUTE"), textReceipt(id, "DELIVRD")}
		}}, []string{"--text", "hello"}, "deliver_sm      id=0000000001 stat=DELIVRD err=000", "", 0, 1, 1},
		{"another message's receipt first", &centre{receipt: func(id string) []pdu.Body {
			return []pdu.Body{textReceipt("old", "UNDELIV"), textReceipt(id, "DELIVRD")}
		}}, []string{"--text", "hello"}, "deliver_sm      id=0000000001 stat=DELIVRD err=000", "", 0, 1, 1},
		{"refused", &centre{status: 0x58}, []string{"--text", "hello"},
			"submit_sm_resp  status=0x00000058 (throttling error)", "submit: status 0x00000058", 0, 1, 1},
		{"no receipt asked for", &centre{}, []string{"--text", "hello", "--wait", "0s"},
			"submit_sm_resp  status=0x00000000 message_id=0000000001", "", 0, 1, 0},
		{"no receipt comes", &centre{}, []string{"--text", "hello", "--wait", "2s"},
			"submit_sm_resp  status=0x00000000 message_id=0000000001", "no receipt for 1 of 1 message_ids", 0, 1, 1},
		{"the connection breaks", &centre{hangUp: true}, []string{"--text", "hello"},
			"submit_sm_resp  status=0x00000000 message_id=0000000001", "the connection is gone: ", 0, 1, 1},
		{"no answer", &centre{silent: true}, []string{"--text", "hello", "--wait", "2s"},
			"submit_sm       data_coding=0 octets=5", "wait for submit_sm_resp: context deadline exceeded", 0, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := startCentre(t, tt.centre)
			out, err := c.send(t, tt.args...)
			if lines := strings.Split(strings.TrimSpace(out), "\n"); lines[len(lines)-1] != tt.out {
				t.Errorf("got\n%swant last %q", out, tt.out)
			}
			if (err == nil) != (tt.err == "") || err != nil && !strings.HasPrefix(err.Error(), tt.err) {
				t.Errorf("got error %v, want %q", err, tt.err)
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			if len(c.got) != tt.parts {
				t.Fatalf("got %d submit_sm, want %d", len(c.got), tt.parts)
			}
			if got := c.got[0]; got.to != "13900000000" || got.coding != tt.coding || got.registered != tt.receipt || (got.esmClass == 0x40) != (tt.parts > 1) {
				t.Errorf("submit_sm: got %+v", got)
			}
		})
	}
}

// TestSendEncodes: what arrives is the text, GSM 7-bit with its extension table.
func TestSendEncodes(t *testing.T) {
	c := startCentre(t, &centre{})
	if _, err := c.send(t, "--text", "a@[", "--from", "1069", "--wait", "0s"); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if got, want := string(c.got[0].text), "a\x00\x1b\x3c"; got != want || c.got[0].from != "1069" {
		t.Errorf("got %q from %q, want %q from 1069", got, c.got[0].from, want)
	}
}

func TestSendIsRefusedBeforeItBegins(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "password")
	if err := os.WriteFile(file, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const closed = "127.0.0.1:1" // a port that was free a moment ago may be somebody else's by now
	for _, tt := range []struct {
		name string
		args []string
		err  string
	}{
		{"no password", []string{"--system-id", "a", "--to", "1", "--text", "x"}, "no password: set SMPP_PASSWORD or --password-file"},
		{"no such file", []string{"--system-id", "a", "--to", "1", "--text", "x", "--password-file", dir + "/none"}, "read password: "},
		{"no text", []string{"--system-id", "a", "--to", "1", "--text", "", "--password-file", file}, "the text is empty"},
		{"not GSM", []string{"--system-id", "a", "--to", "1", "--text", "您", "--ucs2", "never", "--password-file", file}, "the text has characters that GSM 7-bit does not have"},
		{"a word we do not know", []string{"--system-id", "a", "--to", "1", "--text", "x", "--ucs2", "yes", "--password-file", file}, "--ucs2 yes: want auto, always or never"},
		{"no flags", nil, "required flag(s)"},
		{"nobody there", []string{"--addr", closed, "--system-id", "a", "--to", "1", "--text", "x", "--password-file", file}, "bind to " + closed + ": "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := runCommand(t, "", append([]string{"send"}, tt.args...)...)
			if err == nil || !strings.HasPrefix(err.Error(), tt.err) {
				t.Errorf("got %v, want %q", err, tt.err)
			}
		})
	}
}

func TestSendWithWrongPassword(t *testing.T) {
	c := startCentre(t, &centre{})
	t.Setenv(passwordEnv, "hunter2")
	_, err := c.send(t, "--text", "x", "--wait", "20s")
	if err == nil || !strings.HasPrefix(err.Error(), "bind to ") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v, want a refused bind", err)
	}
}
