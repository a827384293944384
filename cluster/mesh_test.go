package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"smppbridge/cluster"
	"smppbridge/cluster/clustertest"
)

// short is the wait of a question that is to have no answer.
const short = 300 * time.Millisecond

func TestNodesAskEachOther(t *testing.T) {
	c := clustertest.New(t, 3, nil)
	for i := range 3 {
		c.Node(i).Answer("echo", func(_ context.Context, from string, request []byte) ([]byte, error) {
			return fmt.Appendf(nil, "n%d heard %q of %s", i+1, request, from), nil
		})
		c.Node(i).Answer("refuse", func(context.Context, string, []byte) ([]byte, error) {
			return nil, errors.New("no such thing")
		})
		c.Node(i).Answer("large", func(_ context.Context, _ string, request []byte) ([]byte, error) {
			return append(request, 0), nil
		})
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ask := func(i, j int, subject, request string) (string, error) {
		got, err := c.Node(i).Ask(ctx, fmt.Sprint("n", j+1), subject, []byte(request))
		return string(got), err
	}
	for i := range 3 {
		for j := range 3 {
			want := fmt.Sprintf("n%d heard %q of n%d", j+1, "hello", i+1)
			if got, err := ask(i, j, "echo", "hello"); got != want || err != nil {
				t.Errorf("n%d asked n%d: %q, %v, want %q", i+1, j+1, got, err, want)
			}
			if _, err := ask(i, j, "refuse", ""); err == nil || !strings.Contains(err.Error(), "no such thing") {
				t.Errorf("n%d asked n%d for what is refused: %v", i+1, j+1, err)
			}
			if _, err := ask(i, j, "nothing", ""); err == nil {
				t.Errorf("n%d asked n%d about nothing, without an error", i+1, j+1)
			}
		}
	}
	if got, err := ask(0, 1, "large", strings.Repeat("x", 1<<20-1)); err != nil || len(got) != 1<<20 {
		t.Errorf("1 MiB back: %d octets, %v", len(got), err)
	}
	if _, err := ask(0, 1, "large", strings.Repeat("x", 1<<20)); err == nil {
		t.Error("an answer beyond 1 MiB was taken")
	}
	if _, err := ask(0, 1, "large", strings.Repeat("x", 1<<20+1)); err == nil {
		t.Error("a request beyond 1 MiB was sent")
	}
	if _, err := c.Node(0).Ask(ctx, "n9", "echo", nil); err == nil {
		t.Error("a node that is no member answered")
	}
}

// TestWhoAsksCanLeave: the handler learns that nobody waits any more, and those who ask for more than is
// answered at a time wait for their turn.
func TestWhoAsksCanLeave(t *testing.T) {
	c := clustertest.New(t, 3, nil)
	began, ended := make(chan struct{}, 600), make(chan error, 600)
	c.Node(1).Answer("wait", func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
		began <- struct{}{}
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for range 300 {
		wg.Go(func() {
			if _, err := c.Node(0).Ask(ctx, "n2", "wait", nil); !errors.Is(err, context.Canceled) {
				t.Errorf("asked: %v, want canceled", err)
			}
		})
	}
	for range 256 {
		<-began
	}
	late, stop := context.WithTimeout(context.Background(), short)
	defer stop()
	if _, err := c.Node(0).Ask(late, "n2", "wait", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one more: %v, want that it waits", err)
	}
	select {
	case <-began:
		t.Error("more than 256 requests are answered at a time")
	default:
	}
	cancel()
	for range 256 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the handler's context: %v", err)
		}
	}
}

// TestDeadPeerIsNoticed: packets are dropped without a word; who waits for an answer learns that there will
// be none long before TCP would say so, and later asks over a new connection.
func TestDeadPeerIsNoticed(t *testing.T) {
	t.Parallel()
	c := clustertest.New(t, 3, nil)
	hold := make(chan struct{})
	began := make(chan struct{})
	c.Node(1).Answer("wait", func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
		close(began)
		<-ctx.Done()
		close(hold)
		return nil, nil
	})
	c.Node(1).Answer("echo", func(_ context.Context, _ string, request []byte) ([]byte, error) { return request, nil })
	asked := make(chan error, 1)
	go func() { // ends with the session
		_, err := c.Node(0).Ask(context.Background(), "n2", "wait", nil)
		asked <- err
	}()
	<-began
	at := time.Now()
	c.Isolate(1, clustertest.Drop)
	if err := <-asked; err == nil {
		t.Error("an answer came through")
	}
	t.Logf("noticed after %v", time.Since(at).Round(time.Millisecond))
	if d := time.Since(at); d > patience { // TCP takes a quarter of an hour
		t.Errorf("noticed after %v", d)
	}
	<-hold // the one who was asked notices too
	c.Heal()
	c.Eventually("an answer again", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		got, err := c.Node(0).Ask(ctx, "n2", "echo", []byte("x"))
		return err == nil && string(got) == "x"
	})
}

// TestTwoClustersStayTwo: the address of n3 in one cluster is that of n3 in another one.
func TestTwoClustersStayTwo(t *testing.T) {
	t.Parallel()
	var logs, theirLogs nodeLog
	wrong := ""
	ours := clustertest.New(t, 3, func(cfg *cluster.Config) {
		cfg.ClusterID, cfg.Log = "ours", slog.New(slog.NewTextHandler(&logs, nil))
		if wrong != "" {
			peers := append([]cluster.Peer{}, cfg.Peers...)
			peers[2].Addr = wrong
			cfg.Peers = peers
		}
	})
	theirs := led(t, func(cfg *cluster.Config) {
		steady(cfg)
		cfg.ClusterID, cfg.Log = "theirs", slog.New(slog.NewTextHandler(&theirLogs, nil))
	})
	number(t, ours.Propose(acceptCommand("x", 1, "ours")))
	number(t, theirs.Propose(acceptCommand("x", 1, "theirs")))
	ours.Agree()
	theirs.Agree()
	term := theirs.Node(2).Figures().Term
	for i := range 3 {
		ours.Stop(i)
	}
	wrong = theirs.Node(2).Addr()
	ours.Start(0)
	ours.Start(1)
	number(t, ours.Propose(acceptCommand("x", 2, "ours too")))
	number(t, theirs.Propose(acceptCommand("x", 2, "theirs too")))
	ours.Eventually("a line about it here", func() bool { return logs.has("of another cluster than") && logs.has("of cluster theirs") })
	ours.Eventually("a line about it there", func() bool { return theirLogs.has("of another cluster than") && theirLogs.has("of cluster ours") })
	theirs.Agree()
	if got := texts(t, theirs.Store(2)); len(got) != 2 || got["theirs"] != 1 || got["theirs too"] != 1 {
		t.Errorf("n3 of the other cluster has %v", got)
	}
	if got := theirs.Node(2).Figures().Term; got != term {
		t.Errorf("n3 of the other cluster is in term %d, was in %d", got, term)
	}
}
