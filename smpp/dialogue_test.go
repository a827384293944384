package smpp_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"smppbridge/smpp"
	"smppbridge/smpp/smpptest"
)

// TestDialogues plays each file of testdata twice: in memory and fake time, and,
// unless it lets time pass, over TCP, where a careless close loses octets.
func TestDialogues(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) < 12 {
		t.Fatalf("testdata: %d files, %v", len(paths), err)
	}
	for _, path := range paths {
		d, err := smpptest.ReadDialogue(path)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		t.Run(name+"/memory", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := smpptest.NewListener()
				playDialogue(t, d, l, l.Dial)
			})
		})
		if d.Waits() {
			continue
		}
		t.Run(name+"/tcp", func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			playDialogue(t, d, l, func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) })
		})
	}
}

func playDialogue(t *testing.T, d *smpptest.Dialogue, l net.Listener, dial func() (net.Conn, error)) {
	reg := prometheus.NewRegistry()
	b := newBackend()
	var congestion atomic.Int64
	srv := smpp.NewServer(smpp.Config{
		SystemID: "unset", Registerer: reg, Congestion: func() int { return int(congestion.Load()) },
	}, b)
	stop := serve(t, srv, l)
	defer stop()
	conn, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	do := actions(srv, b, reg)
	do["congestion"] = func(args []string) error {
		return withInt(args, func(n int) error { congestion.Store(int64(n)); return nil })
	}
	d.Run(t, smpptest.New(t, conn), do)
}

// serve runs srv until stop is called.
func serve(t testing.TB, srv *smpp.Server, l net.Listener) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, l) }()
	return func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Serve did not return")
		}
		if n := srv.Sessions(); n != 0 {
			t.Errorf("%d sessions left after Serve", n)
		}
	}
}

// errNames are the errors that dialogues name.
var errNames = map[string]error{
	"ErrClosed": smpp.ErrClosed, "ErrTimeout": smpp.ErrTimeout,
	"ErrWindowFull": smpp.ErrWindowFull, "ErrNotReceiver": smpp.ErrNotReceiver,
}

// actions are what the dialogues' "!" lines do.
func actions(srv *smpp.Server, b *backend, reg *prometheus.Registry) smpptest.Actions {
	drained := make(chan error, 1)
	probed := make(chan error, 1)
	return smpptest.Actions{
		"hold":    func([]string) error { b.mu.Lock(); defer b.mu.Unlock(); b.hold = true; return nil },
		"answer":  func(args []string) error { return withInt(args, b.answer) },
		"taken":   func(args []string) error { return withInt(args, func(n int) error { return b.reached(n, true) }) },
		"waiting": func(args []string) error { return withInt(args, b.waits) },
		"closed":  func(args []string) error { return withInt(args, func(n int) error { return b.reached(n, false) }) },
		"close":   func([]string) error { b.session.Close(errors.New("outcome unknown")); return nil },
		"drained": func([]string) error { return <-drained },
		"drain": func([]string) error {
			go func() { drained <- srv.Drain(context.Background()) }()
			return nil
		},
		"probe": func([]string) error {
			go func() { probed <- b.session.Probe(context.Background()) }()
			return nil
		},
		"probed": func(args []string) error {
			if err := <-probed; (err == nil) != (args[0] == "alive") {
				return fmt.Errorf("got %v", err)
			}
			return nil
		},
		"payload":   func(args []string) error { return withInt(args, b.checkPayload) },
		"deliver":   func(args []string) error { return b.checkDeliver(args) },
		"delivered": func(args []string) error { return b.checkResult(args[0]) },
		"submitted": func(args []string) error { return b.checkSubmitted(args[0]) },
		"handled":   func(args []string) error { return b.checkHandled(args[0]) },
		"metric":    func(args []string) error { return checkMetric(reg, args[0], args[1]) },
	}
}

func withInt(args []string, do func(int) error) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	return do(n)
}

// reached waits until so many submits were taken, or sessions closed, and no more.
func (b *backend) reached(want int, submits bool) error {
	return eventually(func() error {
		taken, closed := b.counts()
		if got := closed; !submits && got != want {
			return fmt.Errorf("got %d sessions closed, want %d", got, want)
		}
		if submits && taken != want {
			return fmt.Errorf("got %d submits, want %d", taken, want)
		}
		return nil
	})
}

// waits waits until so many answers wait to be given.
func (b *backend) waits(want int) error {
	return eventually(func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		if got := len(b.waiting); got != want {
			return fmt.Errorf("%d answers wait, want %d", got, want)
		}
		return nil
	})
}

// eventually tries until it succeeds; in fake time that takes none.
func eventually(try func() error) (err error) {
	for range 4000 { // 20 s
		if err = try(); err == nil {
			return nil
		}
		<-time.After(5 * time.Millisecond)
	}
	return err
}

func (b *backend) checkDeliver(args []string) error {
	var want error
	if len(args) > 0 {
		want = errNames[args[0]]
	}
	return eventually(func() error {
		if err := b.deliver(); !errors.Is(err, want) {
			return fmt.Errorf("got %v, want %v", err, want)
		}
		return nil
	})
}

// checkPayload delivers so many octets in message_payload. More than short_message takes do
// not fit all sessions.
func (b *backend) checkPayload(n int) error {
	err := b.deliverPayload(n)
	if n > smpp.MaxShortMessage && smpp.StatusOf(err, smpp.StatusOK) == smpp.StatusInvMsgLen {
		return nil
	}
	return err
}

func (b *backend) checkResult(want string) error {
	err := <-b.results
	if e, ok := errNames[want]; ok {
		if !errors.Is(err, e) {
			return fmt.Errorf("got %v", err)
		}
		return nil
	}
	if st := smpp.StatusOf(err, smpp.StatusSysErr); st.String() != want {
		return fmt.Errorf("got %v", err)
	}
	return nil
}

func (b *backend) checkSubmitted(want string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return checkField(&b.messages[len(b.messages)-1], want)
}

func (b *backend) checkHandled(want string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return checkField(b.handled, want)
}

// checkField compares a field with what a dialogue wants of it, name=value.
func checkField(p smpp.PDU, want string) error {
	name, value, _ := strings.Cut(want, "=")
	got, err := smpptest.Field(p, name)
	if err == nil && got != value {
		err = fmt.Errorf("got %q", got)
	}
	return err
}

// checkMetric compares a counter or gauge, written with its labels as Prometheus does.
func checkMetric(reg *prometheus.Registry, name, want string) error {
	return eventually(func() error {
		families, err := reg.Gather()
		if err != nil {
			return err
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				full := f.GetName()
				for _, l := range m.GetLabel() {
					full += fmt.Sprintf("{%s=%s}", l.GetName(), l.GetValue())
				}
				if full != strings.ReplaceAll(name, `"`, "") {
					continue
				}
				if got := fmt.Sprint(m.GetCounter().GetValue() + m.GetGauge().GetValue()); got != want {
					return fmt.Errorf("got %s", got)
				}
				return nil
			}
		}
		return errors.New("no such metric")
	})
}
