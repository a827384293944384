package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrNoAccount says that the policy has no account of a name.
var ErrNoAccount = errors.New("no such account")

// A BadNumber says which of the numbers that an operator gave is none. It does not repeat it.
type BadNumber struct{ Index int }

// Error says where it is in the list.
func (e *BadNumber) Error() string {
	return fmt.Sprintf("number %d of the list is not a mobile number", e.Index+1)
}

// An OptOut is a number that wants no more messages of an account.
type OptOut struct {
	Phone string
	Since time.Time
	By    string // message, or operator
}

// MaskNumber is a number as operators are shown it who have not asked for whole ones.
func MaskNumber(number string) string { return maskNumber(number) }

// optOutRead is how many records are read at a time.
const optOutRead = 1000

// OptOuts returns those who opted out of an account's messages, in order of their numbers, limit at most, behind the number
// after. next is what the next call begins behind; "" = there are no more.
func (b *Bridge) OptOuts(account, after string, limit int) (list []OptOut, next string, err error) {
	prefix := optOutKey(account, "")
	for {
		records, err := b.store.Records(spaceOptOut, prefix+after, min(optOutRead, limit+1))
		if err != nil {
			return nil, "", fmt.Errorf("read opt-outs: %w", err)
		}
		if len(records) == 0 {
			return list, "", nil
		}
		for i := range records {
			phone, ok := strings.CutPrefix(records[i].Key, prefix)
			switch out, since, by := parseChoice(records[i].Value); {
			case !ok: // another account's
				return list, "", nil
			case out && len(list) == limit:
				return list, after, nil
			case out:
				list = append(list, OptOut{Phone: phone, Since: since, By: by})
				after = phone
			default:
				after = phone
			}
		}
	}
}

// SetOptOuts has numbers opted out of an account's messages, or in again, as an operator says. changed is how many were
// not so before. Where one is not a number, a *BadNumber, nothing is changed.
func (b *Bridge) SetOptOuts(ctx context.Context, system string, numbers []string, out bool) (changed int, err error) {
	a := b.policy.Load().accounts[system]
	if a == nil {
		return 0, ErrNoAccount
	}
	if err := b.current(ctx); err != nil { // else what was said elsewhere a moment ago is not seen
		return 0, fmt.Errorf("set opt-outs: %w", err)
	}
	now := b.now()
	choices := make([]choice, len(numbers))
	for i, n := range numbers {
		phone, err := normalizePhone(n, 0, a.CountryCode)
		if err != nil {
			return 0, &BadNumber{i}
		}
		choices[i] = choice{key: optOutKey(system, phone), out: out, at: now, by: byOperator}
	}
	return b.commitChoices(ctx, choices)
}
