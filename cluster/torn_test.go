package cluster_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"smppbridge/cluster"
	"smppbridge/store"
)

// A tearing is the way of one node to the others, which can be torn at the moment that is the worst for a forwarded
// command: all of it has reached the leader, and the write fails. Afterwards nobody can be dialled.
type tearing struct {
	armed   atomic.Bool
	torn    atomic.Bool
	reached func() // waits until the leader has applied the command
}

var errTorn = errors.New("torn")

func (w *tearing) tune(cfg *cluster.Config) {
	dial := cfg.Dial
	cfg.Dial = func(addr string, timeout time.Duration) (net.Conn, error) {
		if w.torn.Load() {
			return nil, errTorn
		}
		c, err := dial(addr, timeout)
		if err != nil {
			return nil, err
		}
		return tearingConn{c, w}, nil
	}
}

type tearingConn struct {
	net.Conn
	way *tearing
}

// Write implements net.Conn. A forwarded command begins with its subject.
func (c tearingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err == nil && strings.HasPrefix(string(p), "\x07propose") && c.way.armed.CompareAndSwap(true, false) {
		c.way.reached()
		c.way.torn.Store(true)
		return 0, errTorn
	}
	return n, err
}

// TestForwardThatFailedMayHaveHappened: a write that fails does not say what the leader has got. If it were
// taken for "not sent", the ESME would be told that a message is not accepted which is.
func TestForwardThatFailedMayHaveHappened(t *testing.T) {
	t.Parallel()
	var ways [3]tearing
	c := led(t, func(cfg *cluster.Config) {
		firstLeads(cfg) // nobody is to follow the leader
		cfg.EnqueueTimeout = 500 * time.Millisecond
		ways[index(cfg)].tune(cfg)
	})
	leader := c.Leader()
	follower := (leader + 1) % 3
	number(t, c.ProposeOn(follower, acceptCommand("x", 1, "before")))
	has := func(text string) bool { return texts(t, c.Store(leader))[text] == 1 }
	way := &ways[follower]
	way.reached = func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for !has("forwarded") && t.Context().Err() == nil {
			<-tick.C
		}
	}
	way.armed.Store(true)
	_, err := c.Node(follower).Propose(context.Background(), acceptCommand("x", 2, "forwarded"))
	if err == nil || errors.Is(err, store.ErrNotProposed) {
		t.Errorf("propose: %v, want an unknown outcome", err)
	}
	if !way.torn.Load() || !has("forwarded") {
		t.Fatalf("torn %t, applied %t: nothing was shown", way.torn.Load(), has("forwarded"))
	}
	// Surely not proposed is what cannot be sent at all.
	if _, err := c.Node(follower).Propose(context.Background(), acceptCommand("x", 3, "not sent")); !errors.Is(err, store.ErrNotProposed) {
		t.Errorf("propose where nobody can be dialled: %v, want ErrNotProposed", err)
	}
	way.torn.Store(false)
	number(t, c.ProposeOn(follower, acceptCommand("x", 2, "forwarded")))
	c.Agree()
	for i := range 3 {
		if found := texts(t, c.Store(i)); found["forwarded"] != 1 || found["not sent"] != 0 {
			t.Errorf("n%d has %v", i+1, found)
		}
	}
}
