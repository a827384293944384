package cluster

import (
	"context"
	"errors"
	"strings"
	"testing"

	"smppbridge/store"
)

// TestWhoMayJoin: a node is added only if what it says of itself fits.
func TestWhoMayJoin(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	eventually(t, "the cluster version", func() bool { return s.store.ClusterVersion() == store.Version })
	other := newSite(t, func(c *Config) { c.NodeID, c.Bootstrap = "n2", false })
	if err := other.try(); err != nil {
		t.Fatal(err)
	}
	own, epoch, lineage := s.store.ClusterID(), s.store.Epoch(), s.store.Lineage()
	ours := pulse{node: "n2", version: store.Version, cluster: own, epoch: epoch, lineage: lineage}
	leads, alone := ours, ours
	leads.leads, alone.alone = true, true
	tests := []struct {
		name  string
		pulse pulse
		says  string // "" = it is added
	}{
		{"another id", pulse{node: "n3", version: store.Version}, "is n3"},
		{"another cluster's", pulse{node: "n2", version: store.Version, cluster: own + "x", epoch: epoch, lineage: lineage}, "is of another cluster"},
		{"of an earlier epoch", pulse{node: "n2", version: store.Version, cluster: own, epoch: epoch - 1, lineage: lineage}, "from before a recovery"},
		{"of another lineage", pulse{node: "n2", version: store.Version, cluster: own, epoch: epoch}, "by itself"},
		{"a copy that leads", leads, "leads a copy"},
		{"a copy that will lead", alone, "leads a copy"},
		{"one that was removed", ours, ""},
		{"about to be a cluster", pulse{node: "n2", version: store.Version, founded: true}, "of its own"},
		{"an earlier program", pulse{node: "n2", version: store.Version - 1}, "install a later program"},
		{"a new node", pulse{node: "n2", version: store.Version}, ""},
	}
	for _, test := range tests {
		other.node.Answer(subjectPulse, func(context.Context, string, []byte) ([]byte, error) { return test.pulse.encode(), nil })
		err := s.node.probe(context.Background(), "n2", other.node.Addr())
		if test.says == "" && err != nil {
			t.Errorf("%s: %v, want none", test.name, err)
		}
		if test.says != "" && (!errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("%s: %v, want ErrRefused that says %q", test.name, err, test.says)
		}
	}
}
