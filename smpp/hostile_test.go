package smpp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"smppbridge/smpp"
	"smppbridge/smpp/smpptest"
)

// TestSlowReaderIsCut: an ESME that submits and never reads is cut when the write
// time-out is over; another one's responses come all the time.
func TestSlowReaderIsCut(t *testing.T) {
	inMemory(t, smpp.Config{}, func(t *testing.T, srv *smpp.Server, _ *backend, dial func() *smpptest.ESME) {
		slow, good := dial(), dial()
		slow.MustBind(smpp.Transmitter, "test", "secret")
		good.MustBind(smpp.Transmitter, "test", "secret")
		slow.Send(hello)
		for i := range 11 {
			if n := srv.Sessions(); n != 2 {
				t.Fatalf("%d sessions after %d s", n, i)
			}
			good.Send(hello)
			good.Expect(smpp.SubmitSMRespID)
			time.Sleep(time.Second) // fake
			synctest.Wait()
		}
		if n := srv.Sessions(); n != 1 {
			t.Errorf("%d sessions after the write time-out, want 1", n)
		}
		slow.ExpectClosed()
	})
}

// TestSlowReaderIsCutOverTCP: the kernel's buffers only put it off.
func TestSlowReaderIsCutOverTCP(t *testing.T) {
	reg := prometheus.NewRegistry()
	b := newBackend()
	_, addr := startTCP(t, smpp.Config{WriteTimeout: time.Second, Registerer: reg}, b)
	e := smpptest.Dial(t, addr)
	e.MustBind(smpp.Receiver, "test", "secret")
	long := &smpp.DeliverSM{SourceAddr: "86", TLVs: smpp.TLVs("").With(smpp.TagMessagePayload, strings.Repeat("x", 60000))}
	err := eventually(func() error {
		switch err := b.session.DeliverSM(long, func(smpp.Status, error) {}); {
		case errors.Is(err, smpp.ErrClosed):
			return nil
		case err == nil || errors.Is(err, smpp.ErrWindowFull):
			return errors.New("still open")
		default:
			return err
		}
	})
	if err != nil {
		t.Error(err)
	}
	if err := eventually(func() error {
		return checkMetric(reg, "smppbridge_smpp_session_ends_total{reason=slow_reader}", "1")
	}); err != nil {
		t.Error(err)
	}
}

// TestSlowReaderStopsBeingRead: before it is cut, what gathers for it is bounded,
// because nothing more is taken from it.
func TestSlowReaderStopsBeingRead(t *testing.T) {
	inMemory(t, smpp.Config{}, func(t *testing.T, _ *smpp.Server, b *backend, dial func() *smpptest.ESME) {
		e := dial()
		e.MustBind(smpp.Transmitter, "test", "secret")
		links := bytes.Repeat(smpp.Append(nil, smpp.StatusOK, 1, &smpp.EnquireLink{}), 4096)
		written := 0
		e.Timeout = time.Second
		for range 100 {
			if err := e.Conn().SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
				t.Fatal(err)
			}
			n, err := e.Conn().Write(links)
			if written += n; err != nil {
				break
			}
		}
		if most := 1 << 20; written > most {
			t.Errorf("%d octets were read from an ESME that reads nothing, want at most %d", written, most)
		}
	})
}

func TestConnectionFlood(t *testing.T) {
	inMemory(t, smpp.Config{MaxUnbound: 3, MaxSessions: 5}, func(t *testing.T, srv *smpp.Server, b *backend, dial func() *smpptest.ESME) {
		var open []*smpptest.ESME
		for range 3 {
			open = append(open, dial())
		}
		for range 20 {
			dial().ExpectClosed()
		}
		for _, e := range open {
			e.MustBind(smpp.Receiver, "test", "secret")
		}
		for range 2 { // bound ones do not count as unbound, but as sessions
			dial().MustBind(smpp.Receiver, "test", "secret")
		}
		dial().ExpectClosed()
		open[0].Close()
		synctest.Wait()
		dial().MustBind(smpp.Receiver, "test", "secret")
		if n := srv.Sessions(); n != 5 {
			t.Errorf("%d sessions, want 5", n)
		}
	})
}

// later answers submits from another goroutine, in groups, as a backend that
// commits does.
type later struct {
	backend
	queue    chan func()
	accepted atomic.Int64
}

func (*later) Handle(s *smpp.Session, r smpp.Request, _ smpp.PDU) {
	s.Respond(r, smpp.StatusInvCmdID, "", 0)
}

func (b *later) SubmitSM(s *smpp.Session, r smpp.Request, _ *smpp.SubmitSM) {
	n := b.accepted.Add(1)
	b.queue <- func() { s.Respond(r, smpp.StatusOK, fmt.Sprint(n), uint64(n)) }
}

func (b *later) run() {
	for answer := range b.queue {
		answer()
	}
}

// TestDrainUnderLoad: every submit_sm that the backend took is answered before the
// unbind, and none is taken after.
func TestDrainUnderLoad(t *testing.T) {
	b := &later{queue: make(chan func(), 10000)}
	go b.run()
	defer close(b.queue)
	srv, addr := startTCP(t, smpp.Config{}, b)
	const clients = 8
	var ok, throttled atomic.Int64
	var wg sync.WaitGroup
	var started sync.WaitGroup
	started.Add(clients)
	for range clients {
		wg.Go(func() {
			n, refused, err := floodUntilUnbind(addr, started.Done)
			if err != nil {
				t.Error(err)
			}
			ok.Add(int64(n))
			throttled.Add(int64(refused))
		})
	}
	started.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := srv.Drain(ctx); err != nil {
		t.Errorf("Drain: %v", err)
	}
	wg.Wait()
	if got := b.accepted.Load(); got != ok.Load() || got == 0 {
		t.Errorf("the backend took %d submits, the clients got %d answers (and %d were told to wait)", got, ok.Load(), throttled.Load())
	}
}

// floodUntilUnbind submits without a pause until the server unbinds, answers that,
// and counts the responses.
func floodUntilUnbind(addr string, started func()) (ok, throttled int, err error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	frames := smpp.NewReader(conn, smpp.MaxPDU)
	if _, err := conn.Write(smpp.Append(nil, 0, 1, &smpp.Bind{Type: smpp.Transmitter, Password: "secret"})); err != nil {
		return 0, 0, err
	}
	wg.Go(func() { flood(conn, stop) })
	for {
		h, _, err := frames.Next()
		switch {
		case err != nil:
			close(stop)
			return ok, throttled, fmt.Errorf("before the unbind: %w", err)
		case h.ID == smpp.UnbindID:
			close(stop)
			wg.Wait() // two writers of one connection can starve each other
			_, err = conn.Write(smpp.Append(nil, 0, h.Sequence, &smpp.UnbindResp{}))
			return ok, throttled, err
		case h.ID == smpp.SubmitSMRespID && h.Status == smpp.StatusOK:
			if ok++; ok == 1000 {
				started()
			}
		case h.Status == smpp.StatusThrottled:
			throttled++
		}
	}
}

func flood(conn net.Conn, stop <-chan struct{}) {
	octets := bytes.Repeat(smpp.Append(nil, 0, 2, hello), 50)
	for {
		select {
		case <-stop:
			return
		default:
			if _, err := conn.Write(octets); err != nil {
				return
			}
		}
	}
}

// TestCloseWhileDelivering: each deliver_sm that was taken is ended exactly once,
// and Closed comes after the last of them.
func TestCloseWhileDelivering(t *testing.T) {
	for round := range 20 {
		b := &delivering{ended: make(chan struct{})}
		_, addr := startTCP(t, smpp.Config{}, b)
		e := smpptest.Dial(t, addr)
		e.MustBind(smpp.Receiver, "test", "secret")
		for range 50 {
			h, _ := e.Expect(smpp.DeliverSMID)
			e.Respond(h.Sequence, smpp.StatusOK, &smpp.DeliverSMResp{})
		}
		switch round % 3 {
		case 0:
			e.Close()
		case 1:
			e.Send(&smpp.Unbind{})
		case 2:
			b.session.Load().Close(errors.New("enough"))
		}
		<-b.ended
		b.wg.Wait()
		if taken, done := b.taken.Load(), b.done.Load(); taken != done {
			t.Errorf("round %d: %d taken, %d ended", round, taken, done)
		}
		if late := b.late.Load(); late != 0 {
			t.Errorf("round %d: %d ended after Closed", round, late)
		}
	}
}

// delivering sends deliver_sm to its session for as long as that takes them.
type delivering struct {
	session           atomic.Pointer[smpp.Session]
	taken, done, late atomic.Int64
	closed            atomic.Bool
	ended             chan struct{}
	wg                sync.WaitGroup
}

func (b *delivering) Bind(_ context.Context, s *smpp.Session, _ *smpp.Bind) (smpp.Options, error) {
	b.session.Store(s)
	for range 2 {
		b.wg.Go(func() { b.deliver(s) })
	}
	return smpp.Options{}, nil
}

func (b *delivering) deliver(s *smpp.Session) {
	slot := make(chan struct{}, 1)
	for {
		err := s.DeliverSM((*smpp.DeliverSM)(hello), func(smpp.Status, error) {
			b.done.Add(1)
			if b.closed.Load() {
				b.late.Add(1)
			}
			select {
			case slot <- struct{}{}:
			default:
			}
		})
		switch {
		case err == nil:
			b.taken.Add(1)
		case errors.Is(err, smpp.ErrWindowFull):
			select {
			case <-slot:
			case <-b.ended:
				return
			}
		default:
			return
		}
	}
}

func (*delivering) Handle(s *smpp.Session, r smpp.Request, _ smpp.PDU) {
	s.Respond(r, smpp.StatusInvCmdID, "", 0)
}

func (b *delivering) SubmitSM(*smpp.Session, smpp.Request, *smpp.SubmitSM) {}

func (b *delivering) Closed(*smpp.Session) {
	if b.closed.Swap(true) {
		panic("Closed twice")
	}
	close(b.ended)
}

// TestStalledReaderIsNotHeldAgainstTheESME: while the window is full its answers
// lie unread in the socket; no deliver_sm times out for that.
func TestStalledReaderIsNotHeldAgainstTheESME(t *testing.T) {
	inMemory(t, smpp.Config{}, func(t *testing.T, _ *smpp.Server, b *backend, dial func() *smpptest.ESME) {
		b.hold = true
		e := dial()
		e.MustBind(smpp.Transceiver, "window2", "secret")
		if err := b.deliver(); err != nil {
			t.Fatal(err)
		}
		h, _ := e.Expect(smpp.DeliverSMID)
		for range 3 {
			e.Send(hello) // the third waits for a slot
		}
		e.Timeout = time.Hour
		go e.Respond(h.Sequence, smpp.StatusOK, &smpp.DeliverSMResp{})
		time.Sleep(time.Minute) // in fake time; the response time-out is 10 s
		if len(b.results) != 0 {
			t.Fatalf("ended while the reader stood: %v", <-b.results)
		}
		if err := b.answer(2); err != nil {
			t.Fatal(err)
		}
		if err := <-b.results; err != nil {
			t.Errorf("deliver_sm: %v", err)
		}
	})
}
