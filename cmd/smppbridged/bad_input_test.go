package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"smppbridge/smpp"
	"smppbridge/smpp/smpptest"
)

// bystander is a healthy session beside whatever else goes on.
type bystander struct {
	*client
	s    *system
	sent int
}

// check submits and gets its receipt, on the connection it always had, without undue delay.
func (b *bystander) check(t *testing.T) {
	t.Helper()
	began := time.Now()
	id := b.mustSubmit(phone, "private")
	b.sent++
	if r := b.receipt(id); r.State != smpp.StateDelivered {
		t.Errorf("the healthy session's message ended as %v", r.State)
	}
	if took := time.Since(began); took > undue {
		t.Errorf("the healthy session waited %v", took)
	}
}

// undue is a delay that no busy machine makes, and shorter than the node waits for anybody (see newSystem): who had to wait
// behind another session would be seen.
const undue = 20 * time.Second

// newBystander binds a healthy session. When the test ends, the API must have seen its messages, and
// no other one, to its phone.
func newBystander(s *system) *bystander {
	b := &bystander{client: s.bind("test", smpp.Transceiver), s: s}
	s.t.Cleanup(func() { want(s.t, "executed", s.executed(phone), b.sent) })
	return b
}

// TestBadInputGetsItsStatus plays testdata/bad_input: each fault gets the status that the standard
// names, and a healthy session beside it does not notice (promise 6).
func TestBadInputGetsItsStatus(t *testing.T) {
	s := startSystem(t)
	healthy := newBystander(s)
	files, err := filepath.Glob("testdata/bad_input/*.txt")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d dialogues, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			d, err := smpptest.ReadDialogue(file)
			if err != nil {
				t.Fatal(err)
			}
			e := smpptest.Dial(t, s.smppAddr.String())
			e.Timeout = undue
			d.Run(t, e, nil)
			e.Close()
			healthy.check(t)
		})
	}
	want(t, "executed in all", len(s.sim.Ledger()), healthy.sent)
	if strings.Contains(s.logs.String(), "wrong-pw") {
		t.Error("a wrong password is in the log")
	}
}

// badSubmits are submit_sm with one thing wrong each.
var badSubmits = []struct {
	name   string
	change func(*smpp.SubmitSM)
	want   smpp.Status
}{
	{"no number", to(""), smpp.StatusInvDstAdr},
	{"too few digits", to("1391234"), smpp.StatusInvDstAdr},
	{"too many digits", to("1391234567890123"), smpp.StatusInvDstAdr},
	{"no mobile number", to("8601012345678"), smpp.StatusInvDstAdr},
	{"a digit missing", to("+861391234567"), smpp.StatusInvDstAdr},
	{"a sign alone", to("+"), smpp.StatusInvDstAdr},
	{"a word", to("somebody"), smpp.StatusInvDstAdr},
	{"a letter", to("1391234567O"), smpp.StatusInvDstAdr},
	{"other digits", to("１３９"), smpp.StatusInvDstAdr},
	{"two numbers", to("13912345678,13912345"), smpp.StatusInvDstAdr},
	{"a number longer than the field", to("0000000000013912345678"), smpp.StatusInvDstAdr},
	{"a source longer than the field", func(m *smpp.SubmitSM) { m.SourceAddr = strings.Repeat("1", 21) }, smpp.StatusInvSrcAdr},
	{"a service_type longer than the field", func(m *smpp.SubmitSM) { m.ServiceType = "private" }, smpp.StatusInvSerTyp},

	{"data_coding binary", octets(0x04, "private"), smpp.StatusInvDCS},
	{"data_coding binary 2", octets(0x02, "private"), smpp.StatusInvDCS},
	{"no GBK character", octets(0x0F, "private \xFF"), smpp.StatusInvDCS},
	{"data_coding class 1", octets(0xF5, "private"), smpp.StatusInvDCS},
	{"data_coding reserved", octets(0xFF, "private"), smpp.StatusInvDCS},
	{"half a character", octets(smpp.DataCodingUCS2, "\x62\x11\x62"), smpp.StatusInvMsgLen},
	{"half a surrogate pair", octets(smpp.DataCodingUCS2, "\xD8\x3D\x00A"), smpp.StatusInvDCS},
	{"no GSM character", octets(smpp.DataCodingDefault, "private \xE4"), smpp.StatusInvDCS},
	{"no ASCII character", octets(smpp.DataCodingASCII, "private \xE4"), smpp.StatusInvDCS},

	{"validity of 8 octets", validity("tomorrow"), smpp.StatusInvExpiry},
	{"validity of 20 octets", validity("26010100000000000000"), smpp.StatusInvExpiry},
	{"validity in words", validity("tomorrow at noon"), smpp.StatusInvExpiry},
	{"validity in month 13", validity("301301000000000+"), smpp.StatusInvExpiry},
	{"validity on February 30", validity("300230000000000+"), smpp.StatusInvExpiry},
	{"validity at 24:00", validity("300101240000000+"), smpp.StatusInvExpiry},
	{"validity without a sign", validity("300101000000000X"), smpp.StatusInvExpiry},
	{"validity in the past", validity("200101000000000+"), smpp.StatusInvExpiry},
	{"validity of no time", validity("000000000000000R"), smpp.StatusInvExpiry},
	{"schedule in words", func(m *smpp.SubmitSM) { m.ScheduleDeliveryTime = "tomorrow at noon" }, smpp.StatusInvSched},
	{"schedule in month 13", func(m *smpp.SubmitSM) { m.ScheduleDeliveryTime = "301301000000000+" }, smpp.StatusInvSched},
	{"schedule after the validity", func(m *smpp.SubmitSM) {
		m.ScheduleDeliveryTime, m.ValidityPeriod = "000000010000000R", "000000001000000R"
	}, smpp.StatusInvExpiry},

	{"no text", octets(smpp.DataCodingDefault, ""), smpp.StatusInvDftMsgID},
	{"text twice", tlv(smpp.TagMessagePayload, "private"), smpp.StatusOptParNotAllwd},
	{"64 KiB of text", func(m *smpp.SubmitSM) {
		m.ShortMessage, m.TLVs = "", m.TLVs.With(smpp.TagMessagePayload, strings.Repeat("a", 65535))
	}, smpp.StatusInvMsgLen},
	{"a parameter beyond the end", func(m *smpp.SubmitSM) { m.TLVs = "\x04\x24\xff\xffprivate" }, smpp.StatusInvOptParStream},
	{"a header longer than the text", udh("\x50\x00\x03"), smpp.StatusInvEsmClass},
	{"a header that is not there", func(m *smpp.SubmitSM) { m.ESMClass, m.ShortMessage = smpp.ESMClassUDHI, "" }, smpp.StatusInvEsmClass},
	{"part 3 of 2", udh("\x05\x00\x03\x01\x02\x03private"), smpp.StatusInvEsmClass},
	{"part 0", udh("\x05\x00\x03\x01\x02\x00private"), smpp.StatusInvEsmClass},
	{"a reference alone", tlv(smpp.TagSARMsgRefNum, "\x00\x01"), smpp.StatusMissingOptParam},
}

func to(addr string) func(*smpp.SubmitSM) {
	return func(m *smpp.SubmitSM) { m.DestinationAddr = addr }
}

func octets(dataCoding byte, sm string) func(*smpp.SubmitSM) {
	return func(m *smpp.SubmitSM) { m.DataCoding, m.ShortMessage = dataCoding, sm }
}

func validity(s string) func(*smpp.SubmitSM) {
	return func(m *smpp.SubmitSM) { m.ValidityPeriod = s }
}

func tlv(tag smpp.Tag, value string) func(*smpp.SubmitSM) {
	return func(m *smpp.SubmitSM) { m.TLVs = m.TLVs.With(tag, value) }
}

func udh(sm string) func(*smpp.SubmitSM) {
	return func(m *smpp.SubmitSM) { m.ESMClass, m.ShortMessage = smpp.ESMClassUDHI, sm }
}

// TestBadSubmitEndsNoSession: a message that cannot be gets its status and no message_id; the session
// goes on, others beside it too, and nothing of it reaches the API.
func TestBadSubmitEndsNoSession(t *testing.T) {
	s := startSystem(t)
	healthy := newBystander(s)
	c := s.bind("test", smpp.Transmitter)
	good := 0
	for _, tt := range badSubmits {
		t.Run(tt.name, func(t *testing.T) {
			st, id := c.submit("13812345678", "private", tt.change)
			want(t, "status", st, tt.want)
			want(t, "message_id", id, "")
			c.mustSubmit("13700000000", "private") // on the same session
			good++
		})
	}
	healthy.check(t)
	s.eventually("the good ones are sent", func() bool { return s.executed("13700000000") == good })
	want(t, "bad ones sent", s.executed("13812345678"), 0)
	want(t, "executed in all", len(s.sim.Ledger()), good+healthy.sent)
}

// TestNoiseBesideTraffic: many connections that send noise, some of it nearly right, cost a healthy
// session nothing but time, and leave nothing behind.
func TestNoiseBesideTraffic(t *testing.T) {
	s := startSystem(t)
	healthy := newBystander(s)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var noise sync.WaitGroup
	for n := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, n))
		noise.Go(func() {
			for range 40 {
				if err := makeNoise(s.smppAddr.String(), random); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 30 {
		healthy.check(t)
	}
	noise.Wait()
	healthy.check(t)
	// One is left; the noisy ones go as soon as they have been answered.
	s.eventually("the noisy connections are gone", func() bool {
		n, err := testutil.GatherAndCount(s.registry, "smppbridge_smpp_connections")
		return err == nil && n == 1 && s.gauge("smppbridge_smpp_connections") == 1 && len(s.store.AllBinds()) == 1
	})
}

// gauge returns the value of a metric without labels.
func (s *system) gauge(name string) float64 {
	s.t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	s.t.Fatalf("no metric %s", name)
	return 0
}

// makeNoise is one connection: octets at random, or a dialogue in which a few octets are wrong.
func makeNoise(addr string, random *rand.Rand) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return fmt.Errorf("the node takes no connections: %w", err)
	}
	defer conn.Close()
	var b []byte
	if random.IntN(3) == 0 {
		b = make([]byte, random.IntN(4096))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
	} else {
		b = smpp.Append(b, 0, 1, &smpp.Bind{Type: smpp.Transceiver, SystemID: "narrow", Password: password, InterfaceVersion: 0x34})
		for seq := range uint32(5) {
			b = smpp.Append(b, 0, 2+seq, &smpp.SubmitSM{DestinationAddr: "13500000000", ShortMessage: "private noise"})
		}
		// Behind the bind's system_id: who runs the password into it finds both in the log.
		for range 1 + random.IntN(5) {
			b[23+random.IntN(len(b)-23)] = byte(random.Uint32())
		}
		b = b[:len(b)-random.IntN(len(b))]
	}
	// The node may have closed it, or answer: both are its good right.
	_, _ = conn.Write(b)
	if random.IntN(2) == 0 {
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		_, _ = conn.Read(make([]byte, 512))
	}
	return nil
}
