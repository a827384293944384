package configs

import (
	"fmt"
	"time"
)

// ParseTimeOfDay reads a time of day such as "10:00", since midnight. "" is none, which is negative.
func ParseTimeOfDay(s string) (time.Duration, error) {
	if s == "" {
		return -1, nil
	}
	at, ok := clockTime(s)
	if !ok || at == day {
		return -1, fmt.Errorf("%s is not a time of day; allowed: 00:00 to 23:59", quote(s))
	}
	return at, nil
}

func (c *policyCheck) checkReconcile() {
	if _, err := ParseTimeOfDay(c.Reconcile); err != nil {
		c.addf("reconcile", "%v", err)
	}
}
