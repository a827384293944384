package cluster_test

import (
	"testing"

	"smppbridge/cluster/clustertest"
	"smppbridge/store"
)

// TestBindsOfTheLivingStay: when the leader removes binds, those of nodes that answer it stay. The nodes are gone through in
// the order of their ids, so that after the last one all have been judged.
func TestBindsOfTheLivingStay(t *testing.T) {
	t.Parallel()
	c := clustertest.New(t, 3, quick)
	leader := c.Leader()
	for _, id := range []string{"n1", "n2", "n3", "zz"} {
		openBind(c, id)
	}
	for range 3 {
		clustertest.Eventually(t, "the binds of a node that is no member to be removed", func() bool {
			return len(c.Store(leader).NodeBinds("zz")) == 0
		})
		for _, id := range []string{"n1", "n2", "n3"} {
			if got := len(c.Store(leader).NodeBinds(id)); got != 1 {
				t.Errorf("%d binds of %s, which answers, want 1", got, id)
			}
		}
		c.Propose(&store.BindOpen{Bind: store.Bind{Node: "zz", Incarnation: 7, Session: 1, Account: "a"}})
	}
}
