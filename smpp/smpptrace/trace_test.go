package smpptrace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"smppbridge/smpp"
	"smppbridge/smpp/smpptest"
)

// everything has an ESME do all that there is, and returns how many PDUs that took, the bind's included.
func (s *system) everything(account string) int {
	s.t.Helper()
	e := s.bind(account)
	long := strings.Repeat(secretText+" ", 2900) // two segments of TCP
	requests := []smpp.PDU{
		&smpp.SubmitSM{SourceAddr: "10690000", DestinationAddr: secretPhone, ShortMessage: secretText},
		&smpp.SubmitSM{DestinationAddr: "+86" + secretPhone, DataCoding: 8, ShortMessage: ucs2(secretText)},
		&smpp.SubmitSM{DestinationAddr: secretPhone, ESMClass: 0x40, DataCoding: 8, ShortMessage: udh + ucs2(secretText)},
		&smpp.SubmitSM{DestinationAddr: secretPhone, TLVs: smpp.TLVs("").With(smpp.TagMessagePayload, long)},
		&smpp.SubmitSM{DestinationAddr: secretPhone, TLVs: smpp.TLVs("").With(0x1400, "SMS_1").With(0x1401, secretText)},
		&smpp.DataSM{DestinationAddr: secretPhone, TLVs: smpp.TLVs("").With(smpp.TagMessagePayload, secretText)},
		&smpp.SubmitMulti{Message: smpp.SubmitSM{ShortMessage: secretText}, Destinations: []smpp.Destination{{Addr: secretPhone}, {List: "staff"}}},
		&smpp.QuerySM{MessageID: "0000000001", SourceAddr: "10690000"},
		&smpp.QuerySM{MessageID: secretPhone}, // anything may be in that place
		&smpp.CancelSM{MessageID: "0000000001", DestinationAddr: secretPhone},
		&smpp.ReplaceSM{MessageID: "0000000001", ShortMessage: secretText},
		&smpp.EnquireLink{},
	}
	for _, p := range requests {
		e.Send(p)
		resp, _ := p.CommandID().Response()
		e.Expect(resp)
	}
	submit(e, secretPhone, 1) // six PDUs
	e.Send(&smpp.Unbind{})
	e.Expect(smpp.UnbindRespID)
	e.ExpectClosed()
	return 2*(1+len(requests)) + 6 + 2
}

// TestNothingPrivateIsWritten: what a whole conversation leaves in file and log has no text, no whole number and
// no password; unmasked, no password in the file, and nothing private in the log.
func TestNothingPrivateIsWritten(t *testing.T) {
	for _, unmasked := range []bool{false, true} {
		t.Run(fmt.Sprint("unmasked ", unmasked), func(t *testing.T) {
			s := startSystem(t)
			s.start(Filter{SystemID: "bank"}, Options{Unmasked: unmasked})
			n := s.everything("bank")
			st, file := s.finish()
			if st.PDUs != uint64(n) || st.Dropped != 0 || st.Reason != EndedStopped {
				t.Errorf("got %+v, want %d PDUs", st, n)
			}
			wantNone(t, "the file", file, secretWord)
			if !unmasked {
				wantNone(t, "the file", file, secretText, "private", "471153", secretPhone, secretPhone[3:])
			} else if !bytes.Contains(file, []byte(secretText)) || !bytes.Contains(file, []byte(secretPhone)) {
				t.Error("the file that is not masked has no text or no number")
			}
			logs := s.logs.String()
			wantNone(t, "the log", []byte(logs), secretWord, secretText, "private", "471153", secretPhone, secretPhone[3:])
			if got := strings.Count(logs, `msg="pdu traced"`); got != n {
				t.Errorf("%d lines of the log, want %d", got, n)
			}
			for _, want := range []string{
				"direction=received command=submit_sm status=ESME_ROK seq=2 length=", " direction=sent command=submit_sm_resp status=ESME_ROK seq=2 length=27 message_id=0000000001\n",
				"command=deliver_sm status=ESME_ROK seq=268435456 length=", " message_id=0000000008\n", "reason=stopped",
			} {
				if !strings.Contains(logs, want) {
					t.Errorf("the log has no %q", want)
				}
			}
			if level := map[bool]string{false: "INFO", true: "WARN"}[unmasked]; !strings.Contains(logs, "level="+level+` msg="trace started"`) {
				t.Errorf("the start was not logged as %s", level)
			}
		})
	}
}

// TestOneAccount: other accounts' PDUs are not in it, and its own are all there, of sessions older than the
// trace and of binds that are refused.
func TestOneAccount(t *testing.T) {
	s := startSystem(t)
	before, other := s.bind("bank"), s.bind("other")
	s.start(Filter{SystemID: "bank"}, Options{})
	submit(before, secretPhone, 0)
	submit(other, secretPhone, 0)
	after := s.bind("bank")
	submit(after, secretPhone, 0)
	s.bind("bank2")
	if st := smpptest.Dial(t, s.addr).Bind(smpp.Transmitter, "bank", "wrong"); st != smpp.StatusInvPaswd {
		t.Fatal(st)
	}
	broken := smpptest.Dial(t, s.addr)
	broken.SendRaw(withBody(smpp.BindTransceiverID, "bank\x00"+secretWord))
	broken.ExpectClosed()
	st, file := s.finish()
	for command, want := range map[string]int{
		"submit_sm": 2, "submit_sm_resp": 2, "bind_transceiver": 2, "bind_transceiver_resp": 2,
		"bind_transmitter": 1, "bind_transmitter_resp": 1, "enquire_link": 0,
	} {
		if got := s.logs.traced(command); got != want {
			t.Errorf("%d of %s, want %d", got, command, want)
		}
	}
	if st.PDUs != 10 {
		t.Errorf("%d PDUs, want 10", st.PDUs)
	}
	wantNone(t, "the file", file, "other", "bank2", secretWord, "wrong")
}

// TestOneNumber: the requests that name it, however it is spelt, and their answers; receipts too.
func TestOneNumber(t *testing.T) {
	s := startSystem(t)
	one, two := s.bind("bank"), s.bind("shop")
	st := s.start(Filter{Number: "+86 139-1234-5678"}, Options{})
	submit(one, "13700000000", 1)
	s.bind("bank") // has not named the number yet
	submit(one, secretPhone, 1)
	submit(two, "0086"+secretPhone, 0)
	two.Send(&smpp.SubmitMulti{Destinations: []smpp.Destination{{Addr: "13700000000"}, {Addr: "86" + secretPhone}}})
	two.Expect(smpp.SubmitMultiRespID)
	two.Send(&smpp.QuerySM{MessageID: "1", SourceAddr: "10690000"})
	two.Expect(smpp.QuerySMRespID)
	s.bind("bank")
	s.bind("else")
	if st.Number != "+86**********5678" {
		t.Errorf("the status shows %q", st.Number)
	}
	st, _ = s.finish()
	for command, want := range map[string]int{
		"submit_sm": 2, "submit_sm_resp": 2, "deliver_sm": 1, "deliver_sm_resp": 1, "submit_multi": 1, "submit_multi_resp": 1,
		"query_sm": 0, "query_sm_resp": 0, "enquire_link": 0, "bind_transceiver": 1, "bind_transceiver_resp": 1,
	} {
		if got := s.logs.traced(command); got != want {
			t.Errorf("%d of %s, want %d", got, command, want)
		}
	}
	if !strings.HasPrefix(st.File, "trace-number-") {
		t.Errorf("the file is called %q", st.File)
	}
	s.start(Filter{SystemID: "shop", Number: secretPhone}, Options{})
	submit(one, secretPhone, 0)
	submit(two, secretPhone, 0)
	submit(two, "13700000000", 0)
	s.bind("shop")
	s.bind("bank")
	if st, _ = s.finish(); st.PDUs != 4 {
		t.Errorf("of one account and number: %d PDUs, want 4", st.PDUs)
	}
}

// TestTimeEndsATrace, on a clock that is not the world's.
func TestTimeEndsATrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := smpptest.NewListener()
		s := startOn(t, l)
		conn, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		e := smpptest.New(t, conn)
		began := time.Now()
		if st := s.start(Filter{SystemID: "bank"}, Options{}); st.Until != began.Add(DefaultTime) {
			t.Errorf("it would end after %s", st.Until.Sub(began))
		}
		s.Stop()
		const takes = 5 * time.Second // no enquire_link comes in between
		s.start(Filter{SystemID: "bank"}, Options{Time: takes})
		e.MustBind(smpp.Transceiver, "bank", secretWord)
		submit(e, secretPhone, 0)
		time.Sleep(takes - time.Nanosecond)
		synctest.Wait()
		if st, _ := s.Status(); !st.Running || st.PDUs != 4 {
			t.Errorf("just before its end: %+v", st)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if st, _ := s.Status(); st.Running || st.Reason != EndedTime || st.Until != began.Add(takes) {
			t.Errorf("at its end: %+v", st)
		}
		submit(e, secretPhone, 0)
		if st, _ := s.finish(); st.PDUs != 4 || st.Reason != EndedTime {
			t.Errorf("after its end: %+v", st)
		}
		e.Close()
	})
}

// TestFileHasItsSize: a trace ends when the next PDU does not fit, and the file is whole.
func TestFileHasItsSize(t *testing.T) {
	s := startSystem(t)
	e := s.bind("bank")
	const size = 4 << 10
	s.start(Filter{SystemID: "bank"}, Options{Size: size})
	for range 100 {
		submit(e, secretPhone, 0)
	}
	<-s.hasDone
	st, file := s.finish()
	if st.Reason != EndedSize || len(file) > size || len(file) < size/2 || st.Dropped == 0 && st.PDUs > 30 {
		t.Errorf("%d octets, %+v", len(file), st)
	}
	if !bytes.Contains(file, []byte(fmt.Sprintf("masked: %s, %d PDUs, %d more dropped", EndedSize, st.PDUs, st.Dropped))) {
		t.Error("the file does not say how it ended")
	}
}

// A gate is a file on a disk that hangs until it is opened.
type gate struct {
	open chan struct{}
	bytes.Buffer
}

func (g *gate) Write(b []byte) (int, error) {
	<-g.open
	return g.Buffer.Write(b)
}

// TestOverflowIsCounted: while the disk hangs, sessions go on at once; what does not fit the queue is counted,
// and the trace says so at its end.
func TestOverflowIsCounted(t *testing.T) {
	s := startSystem(t)
	e := s.bind("bank")
	g := &gate{open: make(chan struct{})}
	tr, err := New(Filter{SystemID: "bank"}, Options{}, g, "a file", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.srv.SetTracer(tr)
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- tr.Run(ctx) }()
	payload := smpp.TLVs("").With(smpp.TagMessagePayload, strings.Repeat("x", 60_000))
	const n = 200 // 12 MB; queue and buffer hold 4 MiB and a quarter, and as much again is being written
	for range n {
		e.Send(&smpp.SubmitSM{DestinationAddr: secretPhone, TLVs: payload})
		e.Expect(smpp.SubmitSMRespID)
	}
	s.srv.SetTracer(nil)
	tr.queue.mu.Lock()
	dropped := tr.queue.dropped
	tr.queue.mu.Unlock()
	if dropped == 0 {
		t.Error("nothing was dropped")
	}
	close(g.open)
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	st := tr.Status()
	if st.Dropped != dropped || st.PDUs+st.Dropped != 2*n {
		t.Errorf("%d PDUs and %d dropped, want %d and %d", st.PDUs, st.Dropped, 2*n-dropped, dropped)
	}
	if !strings.Contains(g.String(), fmt.Sprintf("%d more dropped", dropped)) {
		t.Error("the file does not say so")
	}
}

// errDisk is what a full disk says.
var errDisk = errors.New("no space left on device")

// A full disk fails all writes behind the first ones.
type full struct{ room int }

func (f *full) Write(b []byte) (int, error) {
	if f.room -= len(b); f.room < 0 {
		return 0, errDisk
	}
	return len(b), nil
}

// TestDiskFails: the trace ends, and sessions do not notice.
func TestDiskFails(t *testing.T) {
	s := startSystem(t)
	e := s.bind("bank")
	tr, err := New(Filter{SystemID: "bank"}, Options{}, &full{room: 300 << 10}, "a file", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.srv.SetTracer(tr)
	done := make(chan error, 1)
	go func() { done <- tr.Run(t.Context()) }()
	payload := smpp.TLVs("").With(smpp.TagMessagePayload, strings.Repeat("x", 60_000))
	for range 20 {
		e.Send(&smpp.SubmitSM{DestinationAddr: secretPhone, TLVs: payload})
		e.Expect(smpp.SubmitSMRespID)
	}
	if err := <-done; !errors.Is(err, errDisk) {
		t.Errorf("got %v, want %v", err, errDisk)
	}
	if st := tr.Status(); st.Running || st.Reason != EndedFailed {
		t.Errorf("got %+v", st)
	}
	submit(e, secretPhone, 0)
}

// TestManySessionsAtOnce: each stream is whole, whatever the others do.
func TestManySessionsAtOnce(t *testing.T) {
	s := startSystem(t)
	s.start(Filter{SystemID: "bank"}, Options{})
	var all sync.WaitGroup
	var mu sync.Mutex
	want := 0
	for range 8 {
		all.Go(func() {
			e := smpptest.Dial(t, s.addr)
			e.MustBind(smpp.Transceiver, "bank", secretWord)
			n := 1 + rand.IntN(40)
			for range n {
				submit(e, secretPhone, 1)
			}
			mu.Lock()
			defer mu.Unlock()
			want += 2 + 6*n
		})
	}
	all.Wait()
	st, file := s.finish()
	if st.PDUs != uint64(want) || st.Dropped != 0 {
		t.Errorf("%d PDUs and %d dropped, want %d", st.PDUs, st.Dropped, want)
	}
	streams := readPcap(t, file)
	if len(streams) != 16 {
		t.Errorf("%d directions, want 16", len(streams))
	}
	got := 0
	for _, octets := range streams {
		r := smpp.NewReader(bytes.NewReader(octets), smpp.MaxPDU)
		for {
			_, _, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got++
		}
	}
	if got != want {
		t.Errorf("%d PDUs in the streams, want %d", got, want)
	}
}
