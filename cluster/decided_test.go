package cluster

import (
	"fmt"
	"testing"

	"github.com/hashicorp/raft"

	"smppbridge/store"
)

// TestWhoWaitsForTheCommit: what any node proposes in numbers is answered when it is decided; the proposer of
// anything else reads the store next.
func TestWhoWaitsForTheCommit(t *testing.T) {
	tests := []struct {
		result store.Result
		waits  bool
	}{
		{&store.AcceptResult{}, false},
		{&store.ReportResult{}, false},
		{&store.DeliveredResult{}, false},
		{&store.BeginResult{}, true},
		{&store.FinishResult{}, true},
		{&store.FoundResult{}, true},
		{&store.CloseResult{}, true},
		{&store.ReplaceResult{}, true},
		{&store.BindResult{}, true},
		{&store.PolicyResult{}, true},
		{store.None{}, true},
	}
	for _, test := range tests {
		name := fmt.Sprintf("%T", test.result)
		q := newQueue(Config{}, nil)
		p := &proposal{octets: []byte("a command"), done: make(chan struct{})}
		q.handed[&p.octets[0]] = p
		waits := q.decided(&raft.Log{Data: p.octets}, test.result)
		if waits != test.waits || p.told.Load() == test.waits {
			t.Errorf("%s: waits %v, told %v", name, waits, p.told.Load())
		}
		if q.decided(&raft.Log{Data: []byte("a command")}, test.result) {
			t.Errorf("%s: another node's proposer waits for this node's commit", name)
		}
	}
}
