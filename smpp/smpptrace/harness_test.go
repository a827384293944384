package smpptrace

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"smppbridge/smpp"
	"smppbridge/smpp/smpptest"
)

// What nobody but the ESME may see.
const (
	secretWord  = "pw-7Qx9z"
	secretPhone = "13912345678"
	secretText  = "private words 471153"
)

// centre is a backend that accepts everything. A submit_sm that asks for a receipt gets one at once.
type centre struct {
	mu sync.Mutex
	n  int // guarded by mu; messages accepted
}

func (c *centre) Bind(_ context.Context, _ *smpp.Session, b *smpp.Bind) (smpp.Options, error) {
	if b.Password != secretWord {
		return smpp.Options{}, &smpp.StatusError{Status: smpp.StatusInvPaswd, Err: fmt.Errorf("wrong")}
	}
	return smpp.Options{SystemID: "centre"}, nil
}

func (c *centre) Closed(*smpp.Session) {}

func (c *centre) next() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return fmt.Sprintf("%010x", c.n)
}

func (c *centre) SubmitSM(s *smpp.Session, r smpp.Request, m *smpp.SubmitSM) {
	id := c.next()
	s.Respond(r, smpp.StatusOK, id, 0)
	if m.RegisteredDelivery == 0 || !s.CanReceive() {
		return
	}
	receipt := smpp.Receipt{MessageID: id, Sub: 1, Dlvrd: 1, State: smpp.StateDelivered, Err: "000", Text: secretText,
		SubmitDate: time.Unix(1e9, 0), DoneDate: time.Unix(1e9, 0)}
	_ = s.DeliverSM(&smpp.DeliverSM{ // a session that ends meanwhile gets none
		SourceAddr: m.DestinationAddr, DestinationAddr: m.SourceAddr, ESMClass: smpp.ESMClassReceipt,
		ShortMessage: receipt.ShortMessage(), TLVs: receipt.TLVs(),
	}, func(smpp.Status, error) {})
}

func (c *centre) Handle(s *smpp.Session, r smpp.Request, p smpp.PDU) {
	switch p := p.(type) {
	case *smpp.SubmitMulti:
		s.RespondPDU(r, smpp.StatusOK, &smpp.SubmitMultiResp{MessageID: c.next(),
			Failed: []smpp.Unsuccess{{TON: 1, NPI: 1, Addr: p.Destinations[0].Addr, Status: smpp.StatusInvDstAdr}}}, 0)
	case *smpp.QuerySM:
		s.RespondPDU(r, smpp.StatusOK, &smpp.QuerySMResp{MessageID: "0000000001", MessageState: smpp.StateEnroute}, 0)
	case *smpp.CancelSM:
		s.RespondPDU(r, smpp.StatusOK, &smpp.CancelSMResp{}, 0)
	case *smpp.ReplaceSM:
		s.RespondPDU(r, smpp.StatusOK, &smpp.ReplaceSMResp{}, 0)
	}
}

// system is a message centre with a recorder.
type system struct {
	*Recorder
	t    testing.TB
	srv  *smpp.Server
	addr string
	dir  string
	logs *logBuffer
}

func startSystem(t testing.TB) *system {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := startOn(t, l)
	s.addr = l.Addr().String()
	return s
}

func startOn(t testing.TB, l net.Listener) *system {
	s := &system{t: t, dir: t.TempDir(), logs: new(logBuffer)}
	s.srv = smpp.NewServer(smpp.Config{}, &centre{})
	s.Recorder = NewRecorder(s.srv, s.dir, slog.New(slog.NewTextHandler(s.logs, nil)))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx) })
	wg.Go(func() { _ = s.srv.Serve(ctx, l) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return s
}

func (s *system) start(f Filter, o Options) Status {
	s.t.Helper()
	st, err := s.Start(f, o)
	if err != nil {
		s.t.Fatal(err)
	}
	return st
}

// finish stops the trace and returns the file's octets.
func (s *system) finish() (Status, []byte) {
	s.t.Helper()
	s.Stop()
	st, _ := s.Status()
	f, err := s.Open("")
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	b, err := os.ReadFile(f.Name())
	if err != nil {
		s.t.Fatal(err)
	}
	if int64(len(b)) != st.Octets {
		s.t.Errorf("the status says %d octets, the file has %d", st.Octets, len(b))
	}
	return st, b
}

func (s *system) bind(account string) *smpptest.ESME {
	s.t.Helper()
	e := smpptest.Dial(s.t, s.addr)
	e.MustBind(smpp.Transceiver, account, secretWord)
	return e
}

// submit sends a submit_sm to a number and takes its answer, and its receipt if it asks for one.
func submit(e *smpptest.ESME, to string, registered byte) {
	e.Send(&smpp.SubmitSM{SourceAddr: "10690000", DestinationAddr: to, RegisteredDelivery: registered, ShortMessage: secretText})
	e.Expect(smpp.SubmitSMRespID)
	if registered != 0 {
		h, _ := e.Expect(smpp.DeliverSMID)
		e.Respond(h.Sequence, smpp.StatusOK, &smpp.DeliverSMResp{})
		e.Send(&smpp.EnquireLink{}) // answered behind it: the response has been seen then
		e.Expect(smpp.EnquireLinkRespID)
	}
}

type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// traced counts the log's lines about PDUs of a command.
func (l *logBuffer) traced(command string) int {
	return strings.Count(l.String(), ` command=`+command+` `)
}

// spellings are the octets that a word may have in a PDU. GSM's are ASCII's for all words of these tests.
func spellings(word string) map[string][]byte {
	var be, le []byte
	for _, u := range utf16.Encode([]rune(word)) {
		be = append(be, byte(u>>8), byte(u))
		le = append(le, byte(u), byte(u>>8))
	}
	gsm, err := smpp.EncodeText(smpp.DataCodingDefault, smpp.AlphabetGSM7, word)
	if err != nil {
		gsm = word
	}
	return map[string][]byte{"UTF-8": []byte(word), "GSM": []byte(gsm), "UCS-2": be, "UCS-2 little-endian": le}
}

// wantNone fails the test if a word is in b in any spelling.
func wantNone(t *testing.T, where string, b []byte, words ...string) {
	t.Helper()
	for _, word := range words {
		for how, octets := range spellings(word) {
			if bytes.Contains(b, octets) {
				t.Errorf("%s has %q in %s", where, word, how)
			}
		}
	}
}
