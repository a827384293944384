package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"smppbridge/store"
)

// TestWhoMayConnect: two nodes of different clusters or epochs do not, in either direction, and both say so
// in their logs, once a minute; a node that has no cluster yet may be of any.
func TestWhoMayConnect(t *testing.T) {
	none, old, recovered, elsewhere := store.Lineage{}, store.Lineage{1}, store.Lineage{2}, store.Lineage{2, 15: 1}
	abc1 := identity{"n1", "abc", 1, old}
	tests := []struct {
		name    string
		listens identity
		dials   identity
		seeks   string
		want    string // part of the dialler's error; empty = they connect
	}{
		{"the same cluster", abc1, identity{"n2", "abc", 1, old}, "n1", ""},
		{"anybody is sought", abc1, identity{"n2", "abc", 1, old}, "", ""},
		{"it joins", abc1, identity{"n2", "", 1, none}, "n1", ""},
		{"it joins one after a recovery", identity{"n1", "abc", 3, recovered}, identity{"n2", "", 1, none}, "n1", ""},
		{"it is joined", identity{"n1", "", 0, none}, identity{"n2", "abc", 2, recovered}, "n1", ""},
		{"another cluster", abc1, identity{"n2", "xyz", 1, old}, "n1", "node n1 of cluster abc, epoch 1, lineage 01000000 is of another cluster than node n2 of cluster xyz"},
		{"from before a recovery", identity{"n1", "abc", 2, recovered}, identity{"n2", "abc", 1, old}, "n1", "node n2 of cluster abc, epoch 1, lineage 01000000 is from before a recovery"},
		{"from after a recovery", abc1, identity{"n2", "abc", 2, recovered}, "n1", "node n1 of cluster abc, epoch 1, lineage 01000000 is from before a recovery"},
		{"after the same recovery", identity{"n1", "abc", 2, recovered}, identity{"n2", "abc", 2, recovered}, "n1", ""},
		{"recovered apart", identity{"n1", "abc", 2, recovered}, identity{"n2", "abc", 2, elsewhere}, "n1", "node n1 of cluster abc, epoch 2, lineage 02000000 and node n2 of cluster abc, epoch 2, lineage 02000000: each was recovered by itself"},
		{"begun apart", abc1, identity{"n2", "abc", 1, elsewhere}, "n1", "each began a cluster by itself"},
		{"another node is sought", abc1, identity{"n2", "abc", 1, old}, "n3", "node n1 answers where node n3 was sought"},
	}
	for _, kind := range []byte{streamRaft, streamMesh} {
		for _, test := range tests {
			t.Run(fmt.Sprintf("%c %s", kind, test.name), func(t *testing.T) {
				var logs, dialLogs bytes.Buffer
				l := openPortLogging(t, test.listens, &logs)
				d := openPortLogging(t, test.dials, &dialLogs)
				for range 2 {
					conn, err := d.connect(kind, l.Addr().String(), test.seeks, patience)
					if test.want == "" {
						checkConnected(t, l, kind, conn, err)
						continue
					}
					if err == nil || !strings.Contains(err.Error(), test.want) {
						t.Fatalf("connect: %v, want %q", err, test.want)
					}
				}
				_, _ = l.Close(), d.Close() // who logs has ended
				want := min(len(test.want), 1)
				for _, log := range []*bytes.Buffer{&logs, &dialLogs} {
					if got := strings.Count(log.String(), "level=WARN"); got != want {
						t.Errorf("%d warnings, want %d: %s", got, want, log)
					}
				}
			})
		}
	}
}

// TestStrangersAreLoggedOnce a minute for each host, however many names they give: nothing proves a name.
func TestStrangersAreLoggedOnce(t *testing.T) {
	var logs bytes.Buffer
	l := openPortLogging(t, identity{node: "n1", cluster: "ours"}, &logs)
	for i := range 20 {
		d := openPort(t, identity{node: fmt.Sprint("x", i), cluster: "theirs"})
		if _, err := d.connect(streamMesh, l.Addr().String(), "n1", patience); err == nil {
			t.Fatal("a stranger is welcome")
		}
	}
	_ = l.Close()
	if got := strings.Count(logs.String(), "level=WARN"); got != 1 {
		t.Errorf("%d warnings, want one", got)
	}
}

func openPortLogging(t *testing.T, self identity, log io.Writer) *port {
	t.Helper()
	return openPortOf(t, func() identity { return self }, log)
}

// openPortOf opens the port of a node that may become another.
func openPortOf(t *testing.T, self func() identity, log io.Writer) *port {
	t.Helper()
	cfg := Config{Addr: "127.0.0.1:0", Log: slog.New(slog.NewTextHandler(log, nil))}.withDefaults()
	p, err := listenPort(cfg, self)
	if err != nil {
		t.Fatal(err)
	}
	p.run()
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// checkConnected: both ends have the connection, know each other, and nothing of the greeting is left in it.
func checkConnected(t *testing.T, l *port, kind byte, out *portConn, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var in net.Conn
	if kind == streamRaft {
		in = <-l.raft
	} else {
		in = <-l.mesh
	}
	if from := in.(*portConn).peer; from.node != "n2" || out.peer.node != "n1" {
		t.Errorf("connected %v with %v", from, out.peer)
	}
	if _, err := out.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 1)
	if _, err := io.ReadFull(in, got); err != nil || got[0] != 'x' {
		t.Errorf("read %q, %v", got, err)
	}
}

// TestRaftReachesTheNodeItMeans: the address of one node leads to another. What that one writes to its log
// must not count for the first.
func TestRaftReachesTheNodeItMeans(t *testing.T) {
	l := openPort(t, identity{node: "n1"})
	d := openPort(t, identity{node: "n2"})
	d.nodeAt = newAddressBook(Config{NodeID: "n2", Peers: []Peer{{"n3", l.Addr().String()}}}, d).nodeAt
	if _, err := d.Dial("", time.Second); err == nil {
		t.Error("dialled no address")
	}
	self, at := d.nodeAt(d.Addr().String()), d.nodeAt("127.0.0.1:1")
	if self != "n2" || at != "" {
		t.Errorf("at its own address it sees %q, at an unknown one %q", self, at)
	}
	if _, err := d.Dial("127.0.0.1:1", time.Second); errors.Is(err, errStranger) {
		t.Errorf("nobody listens: %v", err)
	}
	addr := l.Addr().String()
	if _, err := d.connect(streamRaft, addr, "", patience); err != nil {
		t.Errorf("dialled for anybody: %v", err)
	}
	if _, err := d.connect(streamRaft, addr, d.nodeAt(addr), patience); !errors.Is(err, errStranger) {
		t.Errorf("n3 sought at the address of n1: %v", err)
	}
}

// TestSilenceDoesNotShutOut: more connections than may wait say nothing, and a node still gets in at once;
// the oldest of them are dropped.
func TestSilenceDoesNotShutOut(t *testing.T) {
	l := openPort(t, identity{node: "n1"})
	d := openPort(t, identity{node: "n2"})
	var silent []net.Conn
	for range maxGreeting + 8 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		silent = append(silent, c)
	}
	if _, err := d.connect(streamMesh, l.Addr().String(), "n1", patience); err != nil {
		t.Fatalf("connect: %v", err)
	}
	_ = silent[0].SetReadDeadline(time.Now().Add(helloTimeout / 2))
	if _, err := silent[0].Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("the oldest silent connection lives: %v", err)
	}
	l.mu.Lock()
	waiting := len(l.greeting)
	l.mu.Unlock()
	if waiting > maxGreeting {
		t.Errorf("%d connections wait to greet, at most %d may", waiting, maxGreeting)
	}
}

// A duplex is a connection of which both directions are in memory.
type duplex struct {
	io.Reader
	bytes.Buffer
}

func (d *duplex) Read(p []byte) (int, error) { return d.Reader.Read(p) }

// FuzzHello: whatever comes is refused or understood, and answered with a status at most.
func FuzzHello(f *testing.F) {
	self := identity{"n1", "abc", 1, store.Lineage{1}}
	f.Add(appendName(identity{"n2", "abc", 1, store.Lineage{1}}.append([]byte{streamRaft, helloFormat}), "n1"))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add([]byte{tlsHandshake, 3, 1, 0, 5})
	f.Add([]byte{streamMesh, helloFormat, 255, 'x'})
	f.Fuzz(func(t *testing.T, in []byte) {
		d := &duplex{Reader: bytes.NewReader(in)}
		kind, peer, err := welcome(d, self)
		if err != nil {
			return
		}
		want := appendName(peer.append([]byte{kind, helloFormat}), self.node)
		if !bytes.HasPrefix(in, want) && !bytes.HasPrefix(in, want[:len(want)-len(self.node)-1]) {
			t.Errorf("%q was welcomed as %v", in, peer)
		}
		if got := d.Buffer.Bytes(); len(got) == 0 || got[0] != helloWelcome {
			t.Errorf("%q was answered with %q", in, got)
		}
	})
}

// FuzzAnswer: an answer of another node, whatever it is, is an outcome or an error.
func FuzzAnswer(f *testing.F) {
	f.Add(encodeAnswer([]byte("yes"), nil))
	f.Add(encodeAnswer(nil, errors.New("no")))
	f.Add(encodeAnswer(encodeOutcome(nil, notProposed(ErrBacklog)), nil))
	f.Fuzz(func(t *testing.T, in []byte) {
		answer, err := readAnswer(bytes.NewReader(in), 100)
		if err == nil && len(answer) > 100 {
			t.Errorf("an answer of %d octets was taken", len(answer))
		}
		if res, err := decodeOutcome(answer); err == nil && res == nil {
			t.Errorf("%q is neither a result nor an error", answer)
		}
		if _, request, err := readRequest(bytes.NewReader(in)); err == nil && len(request) > len(in) {
			t.Errorf("a request of %d octets out of %d", len(request), len(in))
		}
	})
}
