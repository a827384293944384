package store

import (
	"errors"
	"fmt"
)

// Version is the highest cluster version that this program can apply. The version in force is in the
// state, the same on all nodes, and rises by Raise only when every member can apply it: so nodes of two
// programs never differ in what a command does.
const Version = 3

// firstVersion is the cluster version of a new file: what every program since has been able to apply.
const firstVersion = 1

// ErrVersion is wrapped by Open and Restore for a file, and by Apply for a command, of a cluster version
// that is not in force or that this program does not know.
var ErrVersion = errors.New("cluster version")

// ErrDiverged is wrapped by Apply when a Verify names another hash than this node noted: its state is
// not the majority's. The node must stop, and its data be replaced by another node's.
var ErrDiverged = errors.New("this node's state differs from the majority's")

// Since returns the cluster version that must be in force before c may enter the log.
func Since(c Command) uint64 { return since(c.kind()) }

func since(k Kind) uint64 {
	switch k {
	case KindNodeDown, KindMark, KindVerify, KindRecover:
		return 2
	case KindPut, KindIncoming:
		return 3
	}
	return firstVersion
}

// checkVersion refuses a state that only a later program understands.
func checkVersion(v uint64) error {
	if v > Version {
		return fmt.Errorf("%w %d is in force, this program knows versions up to %d: run a later one", ErrVersion, v, uint64(Version))
	}
	return nil
}

// ClusterVersion returns the cluster version in force.
func (s *Store) ClusterVersion() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.view.meta.clusterVersion
}

// ClusterID returns the name that Genesis gave the cluster; "" before it.
func (s *Store) ClusterID() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.view.meta.named == 0 {
		return ""
	}
	return s.view.cluster
}

// Epoch returns the epoch: 1, and one more for each Recover.
func (s *Store) Epoch() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.view.meta.epoch
}

// A Lineage is drawn by chance when a cluster begins, and anew for each Recover. By it histories are told
// apart that go on from one state under the same cluster id and in the same epoch: those of two nodes, for
// instance, each of which was recovered by itself.
type Lineage [16]byte

// String spells the first octets: enough for people to tell two apart.
func (l Lineage) String() string { return fmt.Sprintf("%x", l[:4]) }

// Lineage returns the lineage that the last Recover began, or Genesis; zero before it.
func (s *Store) Lineage() Lineage {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.view.meta.lineage
}

// otherLineage reports whether a file is of a history that parted from the state's at a Recover, or began
// apart from it: then their indexes say nothing about which is ahead. A snapshot from before the last
// Recover may be of our own past and changes nothing, as any that is not ahead.
func (s *Store) otherLineage(h *header) bool {
	m := &s.machine.meta
	past := h.meta.epoch < m.epoch && h.meta.index <= m.index
	return m.named != 0 && h.meta.lineage != m.lineage && !past
}

// Marked returns the index of the last Mark and the hash that was noted at it; 0 before the first.
func (s *Store) Marked() (index, hash uint64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.view.meta.markIndex, s.view.meta.markHash
}
