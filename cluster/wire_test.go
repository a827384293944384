package cluster

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"smppbridge/store"
)

// TestRefusalsKeepTheirNumbers: nodes of two programs tell each other why they refuse.
func TestRefusalsKeepTheirNumbers(t *testing.T) {
	for code, reason := range []error{1: ErrNotLeader, 2: ErrBacklog, 3: ErrDiskFull, 4: ErrTooLarge, 5: ErrVersion, 6: store.ErrFull} {
		if reason == nil {
			continue
		}
		if got := encodeOutcome(nil, notProposed(reason)); !bytes.HasPrefix(got, []byte{outcomeRefused, byte(code)}) {
			t.Errorf("%v: % x, want reason %d", reason, got[:2], code)
		}
	}
	for got, want := range map[byte]byte{outcomeResult: 0, outcomeUnknown: 1, outcomeRefused: 2} {
		if got != want {
			t.Errorf("outcome %d, want %d", got, want)
		}
	}
}

// TestWhoseCommands: of each command it is decided whether only a leader may propose it, and those are taken from no other
// node.
func TestWhoseCommands(t *testing.T) {
	everyones := []store.Command{
		&store.Accept{}, &store.Finish{}, &store.Report{}, &store.Close{}, &store.Delivered{}, &store.NodeUp{}, &store.BindOpen{},
		&store.BindClose{}, &store.PutPolicy{}, &store.Purge{}, &store.Found{}, &store.Replace{},
	}
	leaders := []store.Command{
		&store.Begin{}, &store.Lead{}, &store.Genesis{}, &store.NodeDown{}, &store.Raise{}, &store.Mark{}, &store.Verify{},
	}
	s := newSite(t, nil)
	s.start()
	eventually(t, "the cluster version", func() bool { return s.store.ClusterVersion() == store.Version })
	for _, cmd := range everyones {
		if leaderOnly(cmd) {
			t.Errorf("%T is a leader's own", cmd)
		}
	}
	for _, cmd := range leaders {
		if !leaderOnly(cmd) {
			t.Errorf("%T is everyone's", cmd)
		}
		last := s.node.raft.LastIndex()
		answer, err := s.node.answerPropose(context.Background(), "n2", store.Encode(0, cmd))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeOutcome(answer); !errors.Is(err, store.ErrNotProposed) {
			t.Errorf("%T of another node: %v, want ErrNotProposed", cmd, err)
		}
		if got := s.node.raft.LastIndex(); got != last {
			t.Errorf("%T of another node is in the log", cmd)
		}
	}
}

// TestRepeatedOrderIsDone: whoever has asked the leader to remove a node, and has not heard what came of it, asks again: that
// the node is no member then is what was wanted. When first asked for it is an error.
func TestRepeatedOrderIsDone(t *testing.T) {
	tests := []struct {
		name    string
		answers []byte
		ok      bool
		refused bool
	}{
		{"done", []byte{changeDone}, true, false},
		{"no member", []byte{changeAbsent}, false, true},
		{"refused", []byte{changeRefused}, false, true},
		{"unknown, then done", []byte{changeAgain, changeDone}, true, false},
		{"unknown, then no member any more", []byte{changeAgain, changeAbsent}, true, false},
		{"unknown, then refused", []byte{changeAgain, changeRefused}, false, true},
	}
	s := newSite(t, nil)
	s.start()
	for _, test := range tests {
		left := test.answers
		s.node.Answer(subjectMembers, func(context.Context, string, []byte) ([]byte, error) {
			answer := appendField(left[:1:1], "because")
			left = left[1:]
			return answer, nil
		})
		err := s.node.Remove(context.Background(), "n2")
		if (err == nil) != test.ok || errors.Is(err, ErrRefused) != test.refused || len(left) > 0 {
			t.Errorf("%s: %v, %d answers left", test.name, err, len(left))
		}
	}
}

// TestFullDiskOfTheLeader: what is new is refused by the leader that has no room for it, whoever wants it proposed.
func TestFullDiskOfTheLeader(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	for _, test := range []struct {
		cmd  store.Command
		full bool
	}{{acceptCommand(1, "one"), true}, {&store.Finish{}, false}} {
		err := s.withFullDisk(func() error {
			answer, err := s.node.answerPropose(context.Background(), "n2", store.Encode(0, test.cmd))
			if err != nil {
				t.Fatal(err)
			}
			_, err = decodeOutcome(answer)
			return err
		})
		if errors.Is(err, ErrDiskFull) != test.full || errors.Is(err, store.ErrNotProposed) != test.full || (err == nil) == test.full {
			t.Errorf("%T: %v, want ErrDiskFull: %t", test.cmd, err, test.full)
		}
	}
}
