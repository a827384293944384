package store

import (
	"fmt"
	"strings"
)

// genesis applies a Genesis.
func (t *txn) genesis(c *Genesis) None {
	if t.meta.named != 0 || !validClusterID(c.ClusterID) {
		return None{}
	}
	t.cluster, t.meta.named, t.meta.lineage = strings.Clone(c.ClusterID), 1, c.Lineage
	t.put(bktMeta, []byte(metaCluster), []byte(t.cluster))
	t.view.cluster = t.cluster
	return None{}
}

// nodeDown applies a NodeDown. The incarnation stays the node's current one, so that the node, if it
// lives, opens its binds again.
func (t *txn) nodeDown(c *NodeDown) None {
	t.dropBinds(c.Node, func(incarnation uint64) bool { return incarnation == c.Incarnation })
	return None{}
}

// raise applies a Raise. A version that this program does not know stops the node: what others do from
// here on, it cannot.
func (t *txn) raise(c *Raise) (None, error) {
	if c.Version <= t.meta.clusterVersion {
		return None{}, nil
	}
	if err := checkVersion(c.Version); err != nil {
		return None{}, err
	}
	t.meta.clusterVersion = c.Version
	return None{}, nil
}

// mark applies a Mark.
func (t *txn) mark(index uint64) None {
	t.hashRest()
	t.meta.markIndex, t.meta.markHash = index, t.meta.hash
	return None{}
}

// verify applies a Verify. A node that has noted another Mark since, or was restored behind it, has
// nothing to compare.
func (t *txn) verify(c *Verify) (None, error) {
	if t.meta.markIndex == c.Mark && t.meta.markHash != c.Hash {
		return None{}, fmt.Errorf("%w since some entry before %d: it noted hash %016x, most noted %016x",
			ErrDiverged, c.Mark, t.meta.markHash, c.Hash)
	}
	return None{}, nil
}
