package smpp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"smppbridge/smpp"
	"smppbridge/smpp/smpptest"
)

// TestMain fails the package when a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startTCP serves b on a free port until the test ends.
func startTCP(t testing.TB, cfg smpp.Config, b smpp.Backend) (*smpp.Server, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := smpp.NewServer(cfg, b)
	t.Cleanup(serve(t, srv, l))
	return srv, l.Addr().String()
}

// inMemory runs a test in fake time with a server in memory.
func inMemory(t *testing.T, cfg smpp.Config, test func(t *testing.T, srv *smpp.Server, b *backend, dial func() *smpptest.ESME)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := smpptest.NewListener()
		b := newBackend()
		srv := smpp.NewServer(cfg, b)
		stop := serve(t, srv, l)
		defer stop()
		test(t, srv, b, func() *smpptest.ESME {
			conn, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			return smpptest.New(t, conn)
		})
	})
}

var hello = &smpp.SubmitSM{SourceAddr: "1069", DestinationAddr: "8613900000000", ShortMessage: "hello"}

func TestDrainCutsAtItsDeadline(t *testing.T) {
	inMemory(t, smpp.Config{}, func(t *testing.T, srv *smpp.Server, b *backend, dial func() *smpptest.ESME) {
		b.hold = true // a submit that is never answered
		e := dial()
		e.MustBind(smpp.Transmitter, "test", "secret")
		e.Send(hello)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		if err := srv.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Drain: got %v", err)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("Drain took %v", took)
		}
		e.ExpectClosed()
		if err := srv.Drain(t.Context()); err != nil {
			t.Errorf("a second Drain: %v", err)
		}
		l := smpptest.NewListener()
		if err := srv.Serve(t.Context(), l); !errors.Is(err, smpp.ErrServerClosed) {
			t.Errorf("Serve after Drain: %v", err)
		}
	})
}

// TestWrittenOnlyAfterTheSocketTookIt: a receipt may not overtake its response.
func TestWrittenOnlyAfterTheSocketTookIt(t *testing.T) {
	inMemory(t, smpp.Config{}, func(t *testing.T, _ *smpp.Server, b *backend, dial func() *smpptest.ESME) {
		e := dial()
		e.MustBind(smpp.Transmitter, "test", "secret")
		e.Send(hello)
		synctest.Wait() // the response is queued, and the ESME does not read
		if got := b.session.Written(); got != 0 {
			t.Errorf("Written before the ESME read: %d", got)
		}
		e.Expect(smpp.SubmitSMRespID)
		synctest.Wait()
		if got := b.session.Written(); got != 1 {
			t.Errorf("Written after: %d", got)
		}
	})
}

func TestServeStopsWithItsContextAndCutsSessions(t *testing.T) {
	inMemory(t, smpp.Config{}, func(t *testing.T, srv *smpp.Server, b *backend, dial func() *smpptest.ESME) {
		ctx, cancel := context.WithCancel(t.Context())
		second := smpptest.NewListener()
		done := make(chan error, 1)
		go func() { done <- srv.Serve(ctx, second) }()
		conn, err := second.Dial()
		if err != nil {
			t.Fatal(err)
		}
		e, other := smpptest.New(t, conn), dial()
		e.MustBind(smpp.Receiver, "test", "secret")
		other.MustBind(smpp.Receiver, "test", "secret")
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		e.ExpectClosed()
		if taken, closed := b.counts(); closed != 1 {
			t.Errorf("Closed called %d times (%d submits)", closed, taken)
		}
		other.Send(&smpp.EnquireLink{}) // the first listener's are not touched
		other.Expect(smpp.EnquireLinkRespID)
	})
}

// failing is a listener whose Accept fails for a while, then for good.
type failing struct {
	net.Listener
	left int
}

func (l *failing) Accept() (net.Conn, error) {
	if l.left--; l.left > 0 {
		return nil, errors.New("too many open files")
	}
	return nil, net.ErrClosed
}

func TestServeOutlivesFailingAccepts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &failing{Listener: smpptest.NewListener(), left: 20}
		start := time.Now()
		err := smpp.NewServer(smpp.Config{}, newBackend()).Serve(t.Context(), l)
		if !errors.Is(err, net.ErrClosed) || l.left != 0 {
			t.Errorf("got %v with %d left", err, l.left)
		}
		if took := time.Since(start); took < 10*time.Second {
			t.Errorf("20 failing accepts took %v: a busy loop", took)
		}
	})
}

func TestTLS(t *testing.T) {
	web := httptest.NewTLSServer(nil)
	config := &tls.Config{Certificates: web.TLS.Certificates}
	web.Close()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := smpp.NewServer(smpp.Config{}, newBackend())
	t.Cleanup(serve(t, srv, tls.NewListener(plain, config)))
	conn, err := tls.Dial("tcp", plain.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	e := smpptest.New(t, conn)
	e.MustBind(smpp.Transceiver, "test", "secret")
	e.Send(hello)
	e.Expect(smpp.SubmitSMRespID)
	e.Send(&smpp.Unbind{})
	e.Expect(smpp.UnbindRespID)
	e.ExpectClosed()

	smpptest.Dial(t, plain.Addr().String()).Close() // a plain client that says nothing
	odd := smpptest.Dial(t, plain.Addr().String())
	odd.Send(&smpp.EnquireLink{})
	odd.ExpectClosed()
}

// TestLogsTellNoContents looks at everything logged while secrets go over the wire.
func TestLogsTellNoContents(t *testing.T) {
	var buf bytes.Buffer
	var mu sync.Mutex
	log := slog.New(slog.NewJSONHandler(lockedWriter{&mu, &buf}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	inMemory(t, smpp.Config{Log: log}, func(t *testing.T, _ *smpp.Server, b *backend, dial func() *smpptest.ESME) {
		e := dial()
		e.MustBind(smpp.Transceiver, "test", "secret")
		for _, m := range []*smpp.SubmitSM{
			{DestinationAddr: "8613912345678", ShortMessage: "PIN 4711"},
			{DestinationAddr: "8613912345678", ShortMessage: "PIN 4711", TLVs: "bad"},
			{SourceAddr: strings.Repeat("8613912345678", 3), ShortMessage: "PIN 4711"},
		} {
			e.Send(m)
			e.Expect(smpp.SubmitSMRespID)
		}
		if st := dial().Bind(smpp.Transmitter, "test", "hunter2"); st != smpp.StatusInvPaswd {
			t.Errorf("got %s", st)
		}
	})
	mu.Lock()
	defer mu.Unlock()
	for _, word := range []string{"bind accepted", "bind refused", "session ended", "pdu received", "pdu sent", `"reason":"`, "ESME_RINVPASWD"} {
		if !strings.Contains(buf.String(), word) {
			t.Errorf("the log lacks %q", word)
		}
	}
	for _, secret := range []string{"4711", "8613912345678", `"secret"`, "hunter2"} {
		if strings.Contains(buf.String(), secret) {
			t.Errorf("the log tells %q", secret)
		}
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.w.Write(p)
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	inMemory(t, smpp.Config{Registerer: reg}, func(t *testing.T, _ *smpp.Server, b *backend, dial func() *smpptest.ESME) {
		if err := checkMetric(reg, "smppbridge_smpp_responses_total{command=submit_sm_resp}{status=ESME_RTHROTTLED}", "0"); err != nil {
			t.Errorf("before anything happened: %v", err)
		}
		e := dial()
		e.MustBind(smpp.Transceiver, "test", "secret")
		e.Send(hello)
		e.Expect(smpp.SubmitSMRespID)
		e.Respond(1, 0x400, &smpp.DeliverSMResp{})
		e.Send(&smpp.EnquireLink{})
		e.Expect(smpp.EnquireLinkRespID)
		for name, want := range map[string]string{
			"smppbridge_smpp_connections":                                                     "1",
			"smppbridge_smpp_sessions{bind_type=transceiver}":                                 "1",
			"smppbridge_smpp_pdus_total{command=submit_sm}{direction=in}":                     "1",
			"smppbridge_smpp_pdus_total{command=submit_sm_resp}{direction=out}":               "1",
			"smppbridge_smpp_responses_total{command=submit_sm_resp}{status=ESME_ROK}":        "1",
			"smppbridge_smpp_responses_total{command=deliver_sm_resp}{status=other}":          "1",
			"smppbridge_smpp_responses_total{command=bind_transceiver_resp}{status=ESME_ROK}": "1",
		} {
			if err := checkMetric(reg, name, want); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	if err := checkMetric(reg, "smppbridge_smpp_sessions{bind_type=transceiver}", "0"); err != nil {
		t.Error(err)
	}
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
}
