package smpp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"smppbridge/smpp"
	"smppbridge/smpp/smpptest"
)

// stuffing is a backend that sends a session deliver_sm until no more are taken.
type stuffing struct {
	backend
	mu       sync.Mutex
	sessions []*smpp.Session // the receivers among them
}

func (b *stuffing) Bind(_ context.Context, s *smpp.Session, _ *smpp.Bind) (smpp.Options, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.BindType() == smpp.Receiver {
		b.sessions = append(b.sessions, s)
	}
	return smpp.Options{DeliverWindow: 1 << 20}, nil
}

var long = &smpp.DeliverSM{SourceAddr: "86", TLVs: smpp.TLVs("").With(smpp.TagMessagePayload, strings.Repeat("x", 1000))}

// stuff fills all sessions up.
func (b *stuffing) stuff(t *testing.T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.sessions {
		for {
			err := s.DeliverSM(long, nil)
			if errors.Is(err, smpp.ErrWindowFull) || errors.Is(err, smpp.ErrClosed) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// inMemoryForReal is a server in memory, in real time: nothing hides in the kernel's buffers.
func inMemoryForReal(t *testing.T, cfg smpp.Config, b smpp.Backend) (dial func() *smpptest.ESME) {
	l := smpptest.NewListener()
	t.Cleanup(serve(t, smpp.NewServer(cfg, b), l))
	return func() *smpptest.ESME {
		conn, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		return smpptest.New(t, conn)
	}
}

// TestSlowReadersStayWithinTheBound: 500 ESMEs that do not read, with as much waiting for
// each as is taken, hold no more than MaxBuffered, and one beside them is answered at once.
func TestSlowReadersStayWithinTheBound(t *testing.T) {
	const readers, bound = 500, 16 << 20
	reg := prometheus.NewRegistry()
	b := new(stuffing)
	dial := inMemoryForReal(t, smpp.Config{MaxBuffered: bound, WriteTimeout: time.Hour, Registerer: reg}, b)
	good := dial()
	good.MustBind(smpp.Transmitter, "test", "secret")
	before := memory()
	for range readers {
		dial().MustBind(smpp.Receiver, "test", "secret")
	}
	b.stuff(t)
	var took []time.Duration
	for range 300 {
		start := time.Now()
		good.Send(hello)
		good.Expect(smpp.SubmitSMRespID)
		took = append(took, time.Since(start))
		b.stuff(t)
	}
	slices.Sort(took)
	// A busy machine may make one late, not half of them.
	if median := took[len(took)/2]; median > 100*time.Millisecond && !raceEnabled {
		t.Errorf("half of the answers beside them took more than %v", median)
	}
	// The sum is of the last tick: wait for one that has seen them all.
	const least = readers * bound / 2 / (readers + 1)
	held := 0.0
	if err := eventually(func() (err error) {
		if held, err = metricValue(reg, "smppbridge_smpp_buffered_bytes"); err == nil && held < least {
			err = fmt.Errorf("%v octets are held, want %d or more", held, least)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	if held > bound {
		t.Errorf("%v octets are held, want at most %d", held, bound)
	}
	if err := checkMetric(reg, "smppbridge_smpp_connections", fmt.Sprint(readers+1)); err != nil {
		t.Errorf("within the bound nobody is cut: %v", err)
	}
	grown := int64(memory()) - int64(before)
	t.Logf("%.0f octets held, %d of memory, slowest answer %v", held, grown, took[len(took)-1])
	// A buffer may be half empty; the rest of a session, and the ESME's side, are 24 KiB.
	if most := int64(bound + readers*24<<10); grown > most {
		t.Errorf("memory has grown by %d octets, want at most %d", grown, most)
	}
}

func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// TestThoseThatHoldMostAreCut: what gathered while there were few sessions, and shares
// large, is more than the bound when there are many.
func TestThoseThatHoldMostAreCut(t *testing.T) {
	const bound = 2 << 20
	reg := prometheus.NewRegistry()
	b := new(stuffing)
	synctest.Test(t, func(t *testing.T) {
		l := smpptest.NewListener()
		stop := serve(t, smpp.NewServer(smpp.Config{MaxBuffered: bound, WriteTimeout: time.Hour, Registerer: reg}, b), l)
		defer stop()
		dial := func() *smpptest.ESME {
			conn, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			return smpptest.New(t, conn)
		}
		good := dial()
		good.MustBind(smpp.Transmitter, "test", "secret")
		var slow []*smpptest.ESME
		for range 30 {
			e := dial()
			e.MustBind(smpp.Receiver, "test", "secret")
			b.stuff(t)
			slow = append(slow, e)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if held, err := metricValue(reg, "smppbridge_smpp_buffered_bytes"); err != nil || held > bound || held < bound/4 {
			t.Errorf("%v octets are held (%v), want at most %d", held, err, bound)
		}
		cut, err := metricValue(reg, "smppbridge_smpp_session_ends_total{reason=buffer_limit}")
		if err != nil || cut < 1 || cut > 6 {
			t.Errorf("%v sessions were cut (%v), want the few that hold most", cut, err)
		}
		slow[0].ExpectClosed()
		for _, e := range []*smpptest.ESME{good, slow[len(slow)-1]} { // those that hold little
			go func() { _, _ = io.Copy(io.Discard, e.Conn()) }()
			e.Send(&smpp.EnquireLink{})
		}
		synctest.Wait()
		if open, err := metricValue(reg, "smppbridge_smpp_connections"); err != nil || open != 31-cut {
			t.Errorf("%v connections are open (%v), %v were cut", open, err, cut)
		}
	})
}

// TestLongPDUsThatDoNotEnd count like what is not read.
func TestLongPDUsThatDoNotEnd(t *testing.T) {
	reg := prometheus.NewRegistry()
	inMemory(t, smpp.Config{MaxBuffered: 1 << 20, Registerer: reg}, func(t *testing.T, srv *smpp.Server, _ *backend, dial func() *smpptest.ESME) {
		whole := smpp.Append(nil, 0, 2, &smpp.SubmitSM{TLVs: smpp.TLVs("").With(smpp.TagMessagePayload, strings.Repeat("x", 65000))})
		good := dial()
		good.MustBind(smpp.Transmitter, "test", "secret")
		for range 20 {
			e := dial()
			e.MustBind(smpp.Transmitter, "test", "secret")
			_, _ = e.Conn().Write(whole[:len(whole)-1]) // some are cut while they write
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if held, err := metricValue(reg, "smppbridge_smpp_buffered_bytes"); err != nil || held > 1<<20 || held < 1<<19 {
			t.Errorf("%v octets are held (%v)", held, err)
		}
		if cut, err := metricValue(reg, "smppbridge_smpp_session_ends_total{reason=buffer_limit}"); err != nil || cut < 3 || cut > 6 {
			t.Errorf("%v sessions were cut (%v)", cut, err)
		}
		good.SendRaw(whole)
		good.Expect(smpp.SubmitSMRespID)
	})
}

// TestThoseThatHoldMostAreCutOnAllListeners: what is too much together is not taken from the listener that added the
// last of it, but from those that hold most, wherever they are.
func TestThoseThatHoldMostAreCutOnAllListeners(t *testing.T) {
	reg := prometheus.NewRegistry()
	whole := smpp.Append(nil, 0, 2, &smpp.SubmitSM{TLVs: smpp.TLVs("").With(smpp.TagMessagePayload, strings.Repeat("x", 65000))})
	synctest.Test(t, func(t *testing.T) {
		srv := smpp.NewServer(smpp.Config{MaxBuffered: 1 << 20, WriteTimeout: time.Hour, Registerer: reg}, new(backend))
		part := func(l *smpptest.Listener, octets int) *smpptest.ESME {
			conn, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			e := smpptest.New(t, conn)
			e.MustBind(smpp.Transmitter, "test", "secret")
			e.SendRaw(whole[:octets])
			return e
		}
		one, other := smpptest.NewListener(), smpptest.NewListener()
		stop := serve(t, srv, one)
		defer stop()
		ctx, cancel := context.WithCancel(t.Context())
		var serving sync.WaitGroup
		serving.Go(func() {
			if err := srv.Serve(ctx, other); err != nil {
				t.Errorf("Serve: %v", err)
			}
		})
		defer serving.Wait()
		defer cancel()
		value := func(name string) float64 {
			time.Sleep(time.Second)
			synctest.Wait()
			v, err := metricValue(reg, name)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		for value("smppbridge_smpp_buffered_bytes") < 1<<20-66000 {
			part(one, len(whole)-1)
		}
		var good []*smpptest.ESME
		for value("smppbridge_smpp_session_ends_total{reason=buffer_limit}") == 0 {
			good = append(good, part(other, 30_000))
		}
		for _, e := range good {
			e.SendRaw(whole[30_000:])
			e.Expect(smpp.SubmitSMRespID)
		}
		if got := value("smppbridge_smpp_session_ends_total{reason=buffer_limit}"); got > 2 {
			t.Errorf("%v sessions were cut", got)
		}
	})
}

// metricValue returns a series as checkMetric names it.
func metricValue(reg *prometheus.Registry, name string) (float64, error) {
	families, err := reg.Gather()
	if err != nil {
		return 0, err
	}
	for _, f := range families {
		for _, m := range f.Metric {
			series := f.GetName()
			for _, l := range m.Label {
				series += "{" + l.GetName() + "=" + l.GetValue() + "}"
			}
			if series == name {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue(), nil
			}
		}
	}
	return 0, fmt.Errorf("no metric %s", name)
}

// TestIdleBindsAreCheap: the memory of a bound session that does nothing, a few
// enquire_links after a burst of traffic. The ESME's side of TLS is thrown away; of TCP
// it is part of the figure.
func TestIdleBindsAreCheap(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector has its own memory")
	}
	ours := newAuthority(t)
	for _, tt := range []struct {
		name string
		tr   smpp.Transport
		most uint64
	}{
		{"plain", smpp.Transport{}, 24 << 10},
		{"TLS", smpp.Transport{TLS: load(t, ours.files(t, "centre")).Config()}, 64 << 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const binds = 300
			_, addr := through(t, smpp.Config{}, tt.tr)
			before := memory()
			for range binds {
				idleBind(t, addr, tt.tr.TLS != nil)
			}
			var each uint64
			err := eventually(func() error { // buffers are given back at the second tick, whenever that is
				if each = (memory() - before) / binds; each > tt.most {
					return fmt.Errorf("%d octets per bind, want at most %d", each, tt.most)
				}
				return nil
			})
			t.Logf("%d octets per bind", each)
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// idleBind binds, submits a hundred times, says a few times that it is alive and then
// does nothing until the test ends.
func idleBind(t testing.TB, addr string, secure bool) {
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	conn := raw
	if secure {
		conn = tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	}
	pdus := smpp.Append(nil, 0, 1, &smpp.Bind{Type: smpp.Transceiver})
	pdus = append(pdus, bytes.Repeat(smpp.Append(nil, 0, 2, hello), 100)...)
	if _, err := conn.Write(pdus); err != nil {
		t.Fatal(err)
	}
	frames := smpp.NewReader(conn, smpp.MaxPDU)
	next := func() {
		if _, _, err := frames.Next(); err != nil {
			t.Fatal(err)
		}
	}
	for range 101 {
		next()
	}
	for range 5 {
		if _, err := conn.Write(smpp.Append(nil, 0, 3, &smpp.EnquireLink{})); err != nil {
			t.Fatal(err)
		}
		next()
	}
}
