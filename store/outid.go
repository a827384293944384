package store

import (
	"fmt"
	"strconv"
	"strings"
)

// outID spells the OutId of an attempt: "<cluster id>-<epoch>-<attempt in hexadecimal>".
func outID(cluster string, epoch uint64, id AttemptID) string {
	return cluster + "-" + strconv.FormatUint(epoch, 10) + "-" + strconv.FormatUint(uint64(id), 16)
}

// OutID spells the OutId of an attempt of the present epoch.
func (s *Store) OutID(id AttemptID) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return outID(s.view.cluster, s.view.meta.epoch, id)
}

// ParseOutID reads an OutId that a store made. A report whose OutId is another's gives an error.
func ParseOutID(outID string) (cluster string, epoch uint64, id AttemptID, err error) {
	parts := strings.Split(outID, "-")
	if len(parts) != 3 || !validClusterID(parts[0]) {
		return "", 0, 0, fmt.Errorf("OutId: %w", strconv.ErrSyntax)
	}
	epoch, err = strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return "", 0, 0, fmt.Errorf("OutId: epoch: %w", strconv.ErrSyntax)
	}
	n, err := strconv.ParseUint(parts[2], 16, 64)
	if err != nil {
		return "", 0, 0, fmt.Errorf("OutId: attempt: %w", strconv.ErrSyntax)
	}
	return parts[0], epoch, AttemptID(n), nil
}

// validClusterID reports whether id is 1 to 8 of a to z and 0 to 9.
func validClusterID(id string) bool {
	if id == "" || len(id) > 8 {
		return false
	}
	for _, c := range id {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
