package cluster

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/yamux"
)

var errTorn = errors.New("the connection is torn")

// A tearing conn fails the write that begins with what it is told, after so many of its octets are out.
type tearing struct {
	net.Conn
	begins string
	after  int
	torn   func() // called between; may be nil
}

func (c *tearing) Write(p []byte) (int, error) {
	if c.begins == "" || !strings.HasPrefix(string(p), c.begins) {
		return c.Conn.Write(p)
	}
	n, err := c.Conn.Write(p[:min(c.after, len(p))])
	if c.torn != nil {
		c.torn()
	}
	return n, errors.Join(errTorn, err)
}

// A line is a peer with a session whose other end the test plays.
type line struct {
	mesh    *mesh
	peer    *peer
	near    *tearing
	session *yamux.Session // the other end

	whole chan struct{} // closed when the other end has read a whole request

	mu   sync.Mutex
	read string // guarded by mu; whatever has come over all streams
}

func newLine(t *testing.T) *line {
	cfg := Config{NodeID: "n1", HeartbeatTimeout: patience, Log: slog.New(slog.DiscardHandler)}
	m := newMesh(cfg, nil, newAddressBook(cfg, nil))
	a, b := net.Pipe()
	l := &line{mesh: m, peer: m.peer("n2"), near: &tearing{Conn: a}, whole: make(chan struct{})}
	var err error
	if l.peer.session, err = yamux.Client(l.near, &m.mux); err != nil {
		t.Fatal(err)
	}
	if l.session, err = yamux.Server(b, &m.mux); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.session.Close(); m.close() })
	return l
}

// serve plays the other node: it reads each request to its end, and then does what then says.
func (l *line) serve(request string, then func(*yamux.Stream)) {
	go func() { // ends with the session
		for {
			s, err := l.session.AcceptStream()
			if err != nil {
				return
			}
			b := make([]byte, len(encodeRequest("x", []byte(request))))
			n, err := io.ReadFull(s, b)
			l.mu.Lock()
			l.read += string(b[:n])
			l.mu.Unlock()
			if err == nil {
				close(l.whole)
				then(s)
			}
		}
	}()
}

func (l *line) arrived() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.read
}

// TestNotSentIsSure is the table of what is said of a request: "not sent" only if none of its octets can have
// reached the other node, because whoever proposes then says that nothing was accepted. Each way to fail has a row in
// which the other node has got the request.
func TestNotSentIsSure(t *testing.T) {
	const request = "the octets"
	whole := string(encodeRequest("x", []byte(request)))
	silent := func(*yamux.Stream) {}
	hangUp := func(s *yamux.Stream) { _ = s.Close() }
	tests := []struct {
		name    string
		sure    bool
		arrives bool                                       // all octets
		then    func(*yamux.Stream)                        // at the other node
		prepare func(l *line, c *call, cancel func(error)) // may be nil
	}{
		{name: "nobody is dialled, the last dial has just failed", sure: true, prepare: func(l *line, _ *call, _ func(error)) {
			l.peer.drop()
			l.peer.err, l.peer.retryAt = errTorn, time.Now().Add(patience)
		}},
		{name: "the node stops before it dials", sure: true, prepare: func(l *line, _ *call, _ func(error)) {
			l.peer.drop()
			l.mesh.closed = true
		}},
		{name: "the node stops, and the connection is there", sure: true, then: hangUp, prepare: func(l *line, _ *call, _ func(error)) {
			l.mesh.closed = true
		}},
		{name: "given up before its first octet", sure: true, then: hangUp, prepare: func(_ *line, c *call, _ func(error)) {
			c.state.Store(callGivenUp)
		}},
		{name: "the connection fails before the stream is opened", sure: true, prepare: func(l *line, _ *call, _ func(error)) {
			l.near.begins, l.near.after = "\x00\x01", 0 // the header of its first frame
		}},
		{name: "a write fails with half of it out", prepare: func(l *line, _ *call, _ func(error)) {
			l.near.begins, l.near.after = whole, len(whole)/2
		}},
		{name: "a write fails with all of it out", arrives: true, prepare: func(l *line, _ *call, _ func(error)) {
			l.near.begins, l.near.after = whole, len(whole)
			l.near.torn = func() { <-l.whole }
		}},
		{name: "given up while it is answered", arrives: true, prepare: func(l *line, _ *call, cancel func(error)) {
			go func() {
				<-l.whole
				cancel(errLeaderChanged)
			}()
		}},
		{name: "the connection ends instead of an answer", arrives: true, then: func(s *yamux.Stream) { _ = s.Session().Close() }},
		{name: "the stream ends instead of an answer", arrives: true, then: hangUp},
		{name: "half of an answer", arrives: true, then: func(s *yamux.Stream) {
			b := encodeAnswer([]byte("an answer"), nil)
			_, _ = s.Write(b[:len(b)-2])
			_ = s.Close()
		}},
		{name: "an answer of another kind", arrives: true, then: func(s *yamux.Stream) { _, _ = s.Write([]byte{9, 0, 0, 0, 0}) }},
		{name: "it answers with an error that says so", arrives: true, then: func(s *yamux.Stream) {
			_, _ = s.Write(encodeAnswer(nil, errNotSent))
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := newLine(t)
			then := test.then
			if then == nil {
				then = silent
			}
			l.serve(request, then)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			c := newCall("x", []byte(request))
			if test.prepare != nil {
				test.prepare(l, c, cancel)
			}
			l.peer.places <- struct{}{}
			_, err := l.mesh.await(ctx, c, l.peer.exchange)
			if err == nil || isNotSent(err) != test.sure {
				t.Errorf("%v, want surely not sent: %t", err, test.sure)
			}
			<-c.done // exchange has ended: nothing is sent later
			l.peer.drop()
			<-l.session.CloseChan()
			if got := l.arrived(); got == whole != test.arrives {
				t.Errorf("%q arrived; all of it: want %t", got, test.arrives)
			} else if test.sure && got != "" {
				t.Errorf("%q arrived of what was not sent", got)
			}
			if len(l.peer.places) != 0 {
				t.Error("its place is kept")
			}
		})
	}
}

// TestPlacesAreWaitedFor: a request that waits for a place has not been sent; and who waits hears that another node
// leads now, and may try that one.
func TestPlacesAreWaitedFor(t *testing.T) {
	l := newLine(t)
	for range cap(l.peer.places) {
		l.peer.places <- struct{}{}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errLeaderChanged)
	if _, err := l.mesh.ask(ctx, "n2", "x", nil); !isNotSent(err) || !errors.Is(err, errLeaderChanged) {
		t.Errorf("%v, want that it is not sent and why", err)
	}
	if _, err := l.mesh.ask(t.Context(), "n2", "x", make([]byte, maxAsk+1)); !isNotSent(err) {
		t.Errorf("too large: %v, want that it is not sent", err)
	}
	for range cap(l.peer.places) {
		<-l.peer.places
	}
}
