package store

import (
	"encoding/binary"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// OrphansAfter returns the kept reports whose id is above id, in ascending order, limit at most: what was kept since the
// last look.
func (s *Store) OrphansAfter(id uint64, limit int) ([]DeliveryReport, error) {
	var reports []DeliveryReport
	if id == 1<<64-1 {
		return nil, nil
	}
	err := s.read(func(tx *bolt.Tx) error {
		c := bktOrphans.find(tx).Cursor()
		for k, raw := c.Seek(key8(id + 1)); len(k) == 8 && len(reports) < limit; k, raw = c.Next() {
			r, _, err := decodeOrphan(raw)
			if err != nil {
				return err
			}
			r.Orphan = binary.BigEndian.Uint64(k)
			reports = append(reports, r)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("orphans after %d: %w", id, err)
	}
	return reports, nil
}

// OrphansAnswered returns the BizIDs of kept reports that a call of the API was answered with, as far as messages of it
// are open, in order: whoever had the answer committed did not see them.
func (s *Store) OrphansAnswered() (bizIDs []string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for bizID := range s.view.orphans {
		if _, ok := s.view.biz[bizID]; ok {
			bizIDs = append(bizIDs, bizID)
		}
	}
	slices.Sort(bizIDs)
	return bizIDs
}
