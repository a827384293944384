package cluster

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"smppbridge/store"
)

// ended waits until the other end of a connection has closed it.
func ended(t *testing.T, c net.Conn) bool {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	_, err := c.Read(make([]byte, 1))
	return err != nil && !isTimeout(err)
}

// TestConnectionsAreLookedAtAgain: two nodes that belonged nowhere when they were greeted, or one of them, do not
// go on talking when it turns out that they belong apart; those who belong together do.
func TestConnectionsAreLookedAtAgain(t *testing.T) {
	ours := identity{"n1", "abc", 2, store.Lineage{1}}
	theirs := identity{"n2", "abc", 2, store.Lineage{2}}
	tests := []struct {
		name   string
		hello  identity // of n2, to n1 that is of no cluster yet
		learns func(l *port) error
		ends   bool
	}{
		{"n1 comes to another cluster", theirs, func(l *port) error { l.review(); return nil }, true},
		{"n1 comes to the same one", identity{"n2", "abc", 2, store.Lineage{1}}, func(l *port) error { l.review(); return nil }, false},
		{"n2 came to another one", identity{node: "n2"}, func(l *port) error { return l.meet(theirs) }, true},
		{"n3 came to another one", identity{node: "n2"}, func(l *port) error {
			_ = l.meet(identity{"n3", "abc", 2, store.Lineage{2}})
			return nil
		}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var self atomic.Pointer[identity]
			self.Store(&identity{node: "n1"})
			var logs bytes.Buffer
			l := openPortOf(t, func() identity { return *self.Load() }, &logs)
			out, err := openPort(t, test.hello).connect(streamMesh, l.Addr().String(), "n1", patience)
			if err != nil {
				t.Fatal(err)
			}
			in := <-l.mesh
			self.Store(&ours)
			err = test.learns(l)
			if test.ends != (strings.Contains(logs.String(), "each was recovered by itself")) {
				t.Errorf("logged %q", logs.String())
			}
			if test.ends {
				if !ended(t, out) {
					t.Error("the connection lives")
				}
				return
			}
			if _, werr := in.Write([]byte("x")); werr != nil || err != nil {
				t.Errorf("the connection has ended: %v, %v", werr, err)
			}
		})
	}
}

// TestAnotherVersionsAnswer: a listener that does not know our hello answers in the form that it knows.
func TestAnotherVersionsAnswer(t *testing.T) {
	short := appendName(appendName([]byte{helloUnknown}, "n1"), "abc")
	_, err := greeting(&duplex{Reader: bytes.NewReader(short)}, streamMesh, identity{node: "n2"}, "n1")
	if !errors.Is(err, errStranger) || !strings.Contains(err.Error(), "another version of the program") {
		t.Errorf("%v, want errStranger that says why", err)
	}
}

// TestStrangersAreLeftOnceJoined: a node without a cluster takes connections of any. When it has joined one it ends
// those of others.
func TestStrangersAreLeftOnceJoined(t *testing.T) {
	s, other := pair(t)
	out, err := openPort(t, identity{"x1", "theirs", 1, store.Lineage{9}}).connect(streamRaft, other.node.Addr(), "n2", patience)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.node.Join(ctx, "n2", other.node.Addr()); err != nil {
		t.Fatal(err)
	}
	if !ended(t, out) {
		t.Error("another cluster's connection lives")
	}
	eventually(t, "n2 to have its cluster's lineage", func() bool { return other.store.Lineage() == s.store.Lineage() })
	if s.store.Lineage() == (store.Lineage{}) {
		t.Error("the cluster has no lineage")
	}
}

// TestPulseOfAnotherLineage is no sign of life, and ends the connection that it came over.
func TestPulseOfAnotherLineage(t *testing.T) {
	s, other := pair(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.node.Join(ctx, "n2", other.node.Addr()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "n2 to be heard of", func() bool { return !s.node.sightings.get("n2").heard.IsZero() })
	strange := other.node.ownPulse()
	strange.cluster, strange.epoch, strange.lineage = s.store.ClusterID(), s.store.Epoch(), store.Lineage{9}
	other.node.Answer(subjectPulse, func(context.Context, string, []byte) ([]byte, error) { return strange.encode(), nil })
	p := s.node.mesh.peer("n2")
	p.mu.Lock()
	session := p.session
	p.mu.Unlock()
	eventually(t, "the connection to end", session.IsClosed)
	eventually(t, "a pulse to be refused", func() bool { _, err := s.node.feel(ctx, "n2"); return errors.Is(err, errStranger) })
	if s.node.sightings.get("n2").pulse.lineage == strange.lineage {
		t.Error("the pulse of another lineage counts")
	}
}

// pair starts a cluster of n1, and n2, which waits to be joined.
func pair(t *testing.T) (*site, *site) {
	t.Helper()
	quick := func(c *Config) { c.PulseInterval = 50 * time.Millisecond }
	s, other := newSite(t, quick), newSite(t, func(c *Config) { quick(c); c.NodeID, c.Bootstrap = "n2", false })
	s.start()
	if err := other.try(); err != nil {
		t.Fatal(err)
	}
	return s, other
}
