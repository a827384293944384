package configs

import "time"

// A Duration is a time.Duration that reads as "90s", "5m" or "48h" in YAML.
type Duration time.Duration

// Std converts d.
func (d Duration) Std() time.Duration { return time.Duration(d) }
