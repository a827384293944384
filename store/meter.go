package store

import "strings"

// A Charge asks a meter for an amount. The store knows meters by key only; what a key means is
// the charger's business. All charges of a message must fit, or none is made.
type Charge struct {
	Key    string
	Amount uint32
	Rules  []Rule // all must have room; the same key is always charged with the same rules' kinds
}

// A RuleKind says how a meter counts.
type RuleKind uint8

// The kinds. Numbers are stored and travel in commands: append, never reuse.
const (
	// RuleBucket is a token bucket: Limit tokens per Period ms, holding at most Burst.
	RuleBucket RuleKind = 1
	// RuleWindow counts in calendar windows of Period ms at a fixed offset from UTC, e.g. the
	// minute, hour or day of UTC+8. A charge within Guard ms of an edge counts on both sides.
	RuleWindow RuleKind = 2
	// RuleRolling counts what was charged in the last Period + Guard ms: exactly on phones, else
	// in steps of 1/1024 of the period, so that a charge may count for one step longer.
	RuleRolling RuleKind = 3
	// RuleLevel is a level that goes up with charges and down as messages become final, by 1 for
	// each, so its charges have the amount 1. Only OpenKey's level is lowered.
	RuleLevel RuleKind = 4
)

// A Rule limits a meter. It travels in the command, so that Apply depends on nothing else. A
// Period below 1 ms counts as 1 ms; Period, Offset and Guard reach to 49 days.
type Rule struct {
	Kind   RuleKind
	Limit  uint32
	Burst  uint32 // RuleBucket
	Period int64  // ms
	Offset int64  // RuleWindow: ms east of UTC
	Guard  int64  // ms
}

// OpenKey is the RuleLevel meter that counts an account's open messages. Apply lowers it when a
// message of that account becomes final.
func OpenKey(account string) string { return openKeyPrefix + account }

const openKeyPrefix = "open/"

// openAccount is the inverse of OpenKey.
func openAccount(key string) (account string, ok bool) { return strings.CutPrefix(key, openKeyPrefix) }

// PhoneKeyPrefix begins the keys of meters that count per phone. They are many and short-lived:
// their charges are kept in the bucket sends (25 h), their counts in memory, rebuilt from it.
const PhoneKeyPrefix = "phone/"
