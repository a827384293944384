package cluster

import (
	"errors"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"smppbridge/store"
)

// TestMajorityOfAMark is the table of what is named after a Mark, as this node, the leader of three, has
// noted one hash and the others, 0 of them not yet, another or the same.
func TestMajorityOfAMark(t *testing.T) {
	tests := []struct {
		name             string
		second, third    int // hashes: 0 none yet, 1 this node's, 2 and 3 others
		late             bool
		named, undecided bool
		diverged         int64
		fatal            bool
	}{
		{name: "all the same", second: 1, third: 1, named: true},
		{name: "one differs", second: 1, third: 2, named: true, diverged: 1},
		{name: "this node differs", second: 2, third: 2, named: true, diverged: 1, fatal: true},
		{name: "all differ", second: 2, third: 3, undecided: true},
		{name: "nobody has answered", late: true},
		{name: "one the same, one not yet", second: 1},
		{name: "one the same, one too late", second: 1, late: true, named: true},
		{name: "one differs, one not yet", second: 2, late: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t, func(c *Config) { c.PulseInterval = time.Hour })
			s.start()
			eventually(t, "the cluster version", func() bool { return s.store.ClusterVersion() == store.Version })
			n, r := s.node, s.node.lead.current()
			if _, err := n.commit(r, &store.Mark{}); err != nil {
				t.Fatal(err)
			}
			mark, own := s.store.Marked()
			a := &auditor{node: n, mark: mark, at: time.Now()}
			if test.late {
				a.at = a.at.Add(-3 * time.Hour)
			}
			var others []raft.Server
			for id, hash := range map[string]int{"n2": test.second, "n3": test.third} {
				others = append(others, raft.Server{ID: raft.ServerID(id)})
				if hash > 0 {
					n.sightings.done(id, &sighting{pulse: pulse{mark: mark, hash: own + uint64(hash) - 1}})
				}
			}
			n.cfg.MarkInterval = 10 * time.Hour
			before := n.raft.LastIndex()
			err := a.settle(r, others, 2)
			if named := n.raft.LastIndex() > before; named != test.named || (err != nil) != test.fatal {
				t.Errorf("named %v, %v, want %v", named, err, test.named)
			}
			f := n.Figures()
			if (f.Undecided == 1) != test.undecided || f.Diverged != test.diverged {
				t.Errorf("undecided %d, diverged %d", f.Undecided, f.Diverged)
			}
			if test.fatal { // it is told of beside what the proposer is
				eventually(t, "a fatal error", func() bool { return len(s.faults()) > 0 })
			}
			if got := s.faults(); (len(got) == 1 && errors.Is(got[0], store.ErrDiverged)) != test.fatal {
				t.Errorf("fatal %v, want one: %v", got, test.fatal)
			}
		})
	}
}
