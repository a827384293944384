package smpp_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"smppbridge/smpp"
	"smppbridge/smpp/smpptest"
)

// answering accepts at once.
type answering struct{ sessions chan *smpp.Session }

func (b *answering) Bind(_ context.Context, s *smpp.Session, _ *smpp.Bind) (smpp.Options, error) {
	b.sessions <- s
	return smpp.Options{}, nil
}

func (*answering) SubmitSM(s *smpp.Session, r smpp.Request, _ *smpp.SubmitSM) {
	s.Respond(r, smpp.StatusOK, "00000000ab", uint64(r.Sequence))
}

func (*answering) Handle(s *smpp.Session, r smpp.Request, _ smpp.PDU) {
	s.Respond(r, smpp.StatusInvCmdID, "", 0)
}

func (*answering) Closed(*smpp.Session) {}

// flooding is an ESME that submits as fast as it can while deliver_sm come, each of which
// it answers.
type flooding struct {
	net.Conn
	each time.Duration // that reading takes for each 8 KiB

	mu     sync.Mutex
	sentAt map[string]time.Time // guarded by mu; when the backend wanted each deliver_sm sent, by text
	took   []time.Duration      // guarded by mu; until the ESME had it

	answers   chan []byte
	responses int // submit_sm_resp
}

func (f *flooding) Read(p []byte) (int, error) {
	if f.each > 0 {
		time.Sleep(f.each) // in fake time
	}
	return f.Conn.Read(p[:min(len(p), 8<<10)])
}

// submit writes until the connection is closed.
func (f *flooding) submit() {
	octets := bytes.Repeat(smpp.Append(nil, 0, 2, hello), 50)
	for {
		next := octets
		select {
		case next = <-f.answers:
		default:
		}
		if _, err := f.Conn.Write(next); err != nil {
			return
		}
	}
}

// deliver has s send a deliver_sm every 10 ms, so many in all, trying again as a backend does.
func (f *flooding) deliver(s *smpp.Session, many int) {
	for i := range many {
		m := &smpp.DeliverSM{SourceAddr: "86", ShortMessage: strconv.Itoa(i)}
		f.mu.Lock()
		f.sentAt[m.ShortMessage] = time.Now()
		f.mu.Unlock()
		for {
			err := s.DeliverSM(m, func(smpp.Status, error) {})
			if err == nil {
				break
			}
			if !errors.Is(err, smpp.ErrWindowFull) {
				return // the test has ended
			}
			<-time.After(time.Millisecond)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// read takes what comes until so many deliver_sm have.
func (f *flooding) read(many int) error {
	frames := smpp.NewReader(f, smpp.MaxPDU)
	for len(f.took) < many {
		h, body, err := frames.Next()
		if err != nil {
			return err
		}
		if h.ID != smpp.DeliverSMID {
			f.responses++
			continue
		}
		var m smpp.DeliverSM
		if err := m.Decode(body); err != nil {
			return err
		}
		f.mu.Lock()
		f.took = append(f.took, time.Since(f.sentAt[m.ShortMessage]))
		f.mu.Unlock()
		f.answers <- smpp.Append(nil, 0, h.Sequence, &smpp.DeliverSMResp{})
	}
	return nil
}

// play binds on f's connection, floods, and returns how long each deliver_sm took, sorted.
func (f *flooding) play(t *testing.T, b *answering, many int) []time.Duration {
	f.sentAt, f.answers = make(map[string]time.Time), make(chan []byte, many)
	e := smpptest.New(t, f.Conn)
	e.MustBind(smpp.Transceiver, "test", "secret")
	if err := f.Conn.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	s := <-b.sessions
	var wg sync.WaitGroup
	wg.Go(f.submit)
	wg.Go(func() { f.deliver(s, many) })
	if err := f.read(many); err != nil {
		t.Error(err)
	}
	f.Conn.Close()
	wg.Wait()
	if f.responses < 10*many {
		t.Errorf("%d submits answered beside %d deliver_sm: no flood", f.responses, many)
	}
	slices.Sort(f.took)
	return f.took
}

// TestReceiptsAreNotStarved: an ESME submits as fast as it can and reads 8 MB/s, which is
// less than its submits' answers would take. Each deliver_sm is with it within 100 ms.
func TestReceiptsAreNotStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := smpptest.NewListener()
		b := &answering{sessions: make(chan *smpp.Session, 1)}
		stop := serve(t, smpp.NewServer(smpp.Config{}, b), l)
		defer stop()
		conn, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		took := (&flooding{Conn: conn, each: time.Millisecond}).play(t, b, 50)
		if longest := took[len(took)-1]; longest > 100*time.Millisecond {
			t.Errorf("the slowest of %d deliver_sm took %v", len(took), longest)
		}
	})
}

// TestReceiptsAreNotStarvedOverTCP is the same in real time, where the ESME reads as fast as it
// can. A busy machine may make one late, not half of them.
func TestReceiptsAreNotStarvedOverTCP(t *testing.T) {
	b := &answering{sessions: make(chan *smpp.Session, 1)}
	_, addr := startTCP(t, smpp.Config{}, b)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	took := (&flooding{Conn: conn}).play(t, b, 100)
	t.Logf("median %v, slowest %v", took[len(took)/2], took[len(took)-1])
	if median := took[len(took)/2]; median > 100*time.Millisecond {
		t.Errorf("half of %d deliver_sm took more than %v", len(took), median)
	}
}
