package cluster

import (
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"smppbridge/store"
)

// TestOutcomesTravel: what the leader says of a command is what the node that proposed says of it. A leader
// that stops is one that leads no longer.
func TestOutcomesTravel(t *testing.T) {
	unknown := errors.New("outcome unknown: leadership lost")
	tests := []struct {
		name string
		err  error
		sure bool
		is   []error
	}{
		{"not the leader", notProposed(ErrNotLeader), true, []error{ErrNotLeader}},
		{"too much waits", notProposed(ErrBacklog), true, []error{ErrBacklog, store.ErrFull}},
		{"no disk space", notProposed(ErrDiskFull), true, []error{ErrDiskFull, store.ErrFull}},
		{"too large", notProposed(ErrTooLarge), true, []error{ErrTooLarge}},
		{"version", notProposed(ErrVersion), true, []error{ErrVersion, store.ErrVersion}},
		{"it stops", notProposed(ErrShutdown), true, []error{ErrNotLeader}},
		{"given up in its queue", notProposed(context.Canceled), true, nil},
		{"unknown", unknown, false, nil},
		{"unknown, for a reason of the others", errors.Join(unknown, ErrNotLeader), false, nil},
		{"unknown, with a long text", errors.New(strings.Repeat("x", 10000)), false, nil},
	}
	for _, test := range tests {
		octets := encodeOutcome(nil, test.err)
		res, err := decodeOutcome(octets)
		if err == nil || res != nil || errors.Is(err, store.ErrNotProposed) != test.sure {
			t.Errorf("%s: %v, %v, want surely not proposed %v", test.name, res, err, test.sure)
		}
		for _, is := range test.is {
			if !errors.Is(err, is) {
				t.Errorf("%s: %v is not %v", test.name, err, is)
			}
		}
		for _, r := range refusals {
			if (test.err == unknown || test.name == "given up in its queue") && errors.Is(err, r.err) {
				t.Errorf("%s: %v is %v", test.name, err, r.err)
			}
		}
		if len(octets) > maxErrorText+2 {
			t.Errorf("%s: %d octets", test.name, len(octets))
		}
	}
	for _, want := range []store.Result{
		store.None{},
		&store.AcceptResult{Items: []store.AcceptItem{{Code: store.AcceptOK, Number: 7}, {Code: store.AcceptOverLimit, Limit: 2}}},
	} {
		if got, err := decodeOutcome(encodeOutcome(want, nil)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("result %#v: %#v, %v", want, got, err)
		}
	}
	for _, in := range []string{"", "\x00", "\x00\xff\xff", "\x01", "\x02", "\x03x", "\xff"} {
		if res, err := decodeOutcome([]byte(in)); err == nil || res != nil || errors.Is(err, store.ErrNotProposed) {
			t.Errorf("malformed %q: %v, %v, want an unknown outcome", in, res, err)
		}
	}
	if _, err := decodeOutcome([]byte{outcomeRefused, 99, 'x'}); !errors.Is(err, store.ErrNotProposed) {
		t.Errorf("a reason of a later version: %v, want ErrNotProposed", err)
	}
}

// TestForeignCommandsAreChecked: what another node wants proposed and would stop every node, or is not its
// to propose, is refused and not in the log.
func TestForeignCommandsAreChecked(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	eventually(t, "the cluster version", func() bool { return s.store.ClusterVersion() == store.Version })
	last := s.node.raft.LastIndex()
	cut := store.Encode(0, acceptCommand(1, "one"))
	for name, octets := range map[string][]byte{
		"nothing": nil, "no command": []byte("no command"), "half of one": cut[:len(cut)-3],
		"one and a half": append(cut, 0), "a leader's own": store.Encode(0, &store.Lead{Node: "n2"}),
	} {
		answer, err := s.node.answerPropose(context.Background(), "n2", octets)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeOutcome(answer); !errors.Is(err, store.ErrNotProposed) {
			t.Errorf("%s: %v, want ErrNotProposed", name, err)
		}
	}
	if got := s.node.raft.LastIndex(); got != last {
		t.Errorf("the log ends at %d, ended at %d", got, last)
	}
	answer, err := s.node.answerPropose(context.Background(), "n2", store.Encode(0, acceptCommand(1, "one")))
	if err != nil {
		t.Fatal(err)
	}
	if res, err := decodeOutcome(answer); err != nil || len(res.(*store.AcceptResult).Items) != 1 {
		t.Errorf("a good one: %v, %v", res, err)
	}
}

// TestLeadersEndWaits: a wait ends when another node leads, not when none is known for a time.
func TestLeadersEndWaits(t *testing.T) {
	l := newLeaders()
	l.set("n1")
	ctx, cancel := l.while(context.Background(), "n1")
	defer cancel()
	stale, cancelStale := l.while(context.Background(), "n2")
	defer cancelStale()
	if !errors.Is(context.Cause(stale), errLeaderChanged) {
		t.Errorf("a wait for a node that does not lead: %v", context.Cause(stale))
	}
	l.set("")
	l.set("n1")
	if ctx.Err() != nil {
		t.Errorf("the wait ended: %v", context.Cause(ctx))
	}
	_, changed := l.look()
	l.set("n2")
	if !errors.Is(context.Cause(ctx), errLeaderChanged) {
		t.Errorf("another node leads: %v", context.Cause(ctx))
	}
	select {
	case <-changed:
	default:
		t.Error("nobody was told of the change")
	}
	if len(l.calls) != 0 {
		t.Errorf("%d waits are kept", len(l.calls))
	}
}

// TestSyncsShareRounds: who comes while a round is under way gets the next one, together with the others who
// do.
func TestSyncsShareRounds(t *testing.T) {
	s := newSyncs()
	first := s.join()
	if s.join() != first {
		t.Error("two before the round do not share it")
	}
	if s.take() != first {
		t.Fatal("another round was taken")
	}
	second := s.join()
	if second == first || s.join() != second {
		t.Error("who comes during a round is not in the next one")
	}
	if s.take() != second || s.take() != nil {
		t.Error("not one round for those who came")
	}
	<-s.wake
}

// TestProgressWakes: a wait sees what is applied between its look and its sleep.
func TestProgressWakes(t *testing.T) {
	var p progress
	looks, applied := 0, false
	err := p.wait(context.Background(), func() bool {
		if looks++; looks == 1 {
			applied = true
			p.wake()
			return false
		}
		return applied
	})
	if err != nil || looks != 2 {
		t.Errorf("%d looks, %v", looks, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.wait(ctx, func() bool { return false }); !errors.Is(err, context.Canceled) {
		t.Errorf("wait: %v", err)
	}
	p.wake()
	if p.waiting.Load() != 0 {
		t.Errorf("%d wait", p.waiting.Load())
	}
}

// TestOctetsAreBounded: a length beyond the limit is refused before anything is set aside for it.
func TestOctetsAreBounded(t *testing.T) {
	in := strings.NewReader("\xff\xff\xff\xff")
	if _, err := readOctets(in, 100); err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("4 GiB: %v", err)
	}
	if got := maxRequest("x"); got != maxAsk {
		t.Errorf("at most %d octets, want %d", got, maxAsk)
	}
}

// TestSyncPassesRaftsOwnEntries: the log ends with entries that the store never sees.
func TestSyncPassesRaftsOwnEntries(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	s.accept(1, "one")
	for range 3 {
		if err := s.node.raft.Barrier(patience).Error(); err != nil {
			t.Fatal(err)
		}
	}
	if applied, _ := s.store.Applied(); s.node.raft.CommitIndex() <= applied {
		t.Fatalf("the barriers are applied, up to %d", applied)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience/2)
	defer cancel()
	if err := s.node.Sync(ctx); err != nil {
		t.Error(err)
	}
}
