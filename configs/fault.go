package configs

import (
	"fmt"
	"slices"
	"strings"
)

// A Fault is one thing that is wrong with a document.
type Fault struct {
	File string // as the caller named the document; empty for a struct that was never a document
	Line int    // 0 = not known
	Key  string // path of the key, e.g. accounts[0].rate; empty for the whole document
	Msg  string // what is wrong, and what is allowed
}

// Error returns file:line: key: message, without what is not known.
func (f Fault) Error() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File)
		if f.Line > 0 {
			fmt.Fprintf(&b, ":%d", f.Line)
		}
		b.WriteString(": ")
	}
	if f.Key != "" {
		b.WriteString(f.Key + ": ")
	}
	b.WriteString(f.Msg)
	return b.String()
}

// Faults is everything that is wrong with a document, sorted by line. It is the error of every function
// here that reads or validates.
type Faults []Fault

// maxShown is how many faults are worth reading at once.
const maxShown = 100

// Error returns one fault per line, not more than a person reads.
func (fs Faults) Error() string {
	lines := make([]string, 0, min(len(fs), maxShown+1))
	for i, f := range fs {
		if i == maxShown {
			lines = append(lines, fmt.Sprintf("and %d more", len(fs)-i))
			break
		}
		lines = append(lines, f.Error())
	}
	return strings.Join(lines, "\n")
}

// A checker collects the faults of one document.
type checker struct {
	file   string
	lines  map[string]int  // line of each key that the document has; nil for a struct that was never a document
	faulty map[string]bool // keys that have a fault
	faults Faults
}

func newChecker(file string) *checker {
	return &checker{file: file, lines: map[string]int{}, faulty: map[string]bool{}}
}

// addf records a fault of key. A key has one fault at most: what follows from a value that could not
// even be read would only confuse.
func (c *checker) addf(key, format string, args ...any) {
	if c.faulty[key] {
		return
	}
	c.faulty[key] = true
	c.faults = append(c.faults, Fault{File: c.file, Line: c.line(key), Key: key, Msg: fmt.Sprintf(format, args...)})
}

// addAt records a fault at a line of its own, beside any other fault of key.
func (c *checker) addAt(line int, key, msg string) {
	c.faults = append(c.faults, Fault{File: c.file, Line: line, Key: key, Msg: msg})
}

// line returns where key is, or where the nearest key around it is if the document does not have key.
func (c *checker) line(key string) int {
	for {
		if line, ok := c.lines[key]; ok {
			return line
		}
		i := strings.LastIndexAny(key, ".[")
		if i < 0 {
			return c.lines[""]
		}
		key = key[:i]
	}
}

// err returns the faults in the order of their lines, or nil if there are none.
func (c *checker) err() error {
	if len(c.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(c.faults, func(a, b Fault) int { return a.Line - b.Line })
	return c.faults
}

// oneOf faults key unless value is one of allowed.
func (c *checker) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		c.addf(key, "%s is not known; allowed: %s", quote(value), strings.Join(allowed, ", "))
	}
}

// between faults key unless lo <= value <= hi.
func (c *checker) between(key string, value, lo, hi int) {
	if value < lo || value > hi {
		c.addf(key, "%d is out of range; allowed: %d to %d", value, lo, hi)
	}
}

// lasting faults key unless lo <= value <= hi.
func (c *checker) lasting(key string, value, lo, hi Duration) {
	if value < lo || value > hi {
		c.addf(key, "%s is out of range; allowed: %s to %s", value, lo, hi)
	}
}

// quote quotes a value for a fault, shortened.
func quote(s string) string {
	const most = 40
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
