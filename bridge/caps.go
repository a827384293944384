package bridge

import (
	"errors"
	"math/bits"
	"slices"
	"strings"
	"time"

	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

// errOverCap refuses what is over a cap of the policy.
var errOverCap = errors.New("over a cap of the policy")

// A ceiling is a cap of the policy, compiled. Its meter counts for all nodes, accounts and templates that it is about, from
// the moment at which a message is accepted: who has texts sent to numbers that earn him money is to be stopped there.
type ceiling struct {
	configs.Cap
	digits string // of the prefix
	charge store.Charge
}

// ceilings are the caps of a policy that concern one account.
type ceilings struct {
	all  []ceiling // of the policy
	mine []int     // indexes in all
}

// chargeKey names a set of charges: what an account's messages cost, and the caps that count them, bits by their place in the
// policy.
type chargeKey struct {
	account *account
	caps    uint64
}

func newCeilings(doc *configs.Policy) []ceiling {
	list := make([]ceiling, len(doc.Caps))
	for i, c := range doc.Caps {
		rule := store.Rule{Kind: store.RuleWindow, Limit: uint32(c.Limit), Offset: cst}
		switch c.Per {
		case "minute":
			rule.Period = time.Minute.Milliseconds()
		case "hour":
			rule.Period = time.Hour.Milliseconds()
		case "day":
			rule.Period = (24 * time.Hour).Milliseconds()
		}
		list[i] = ceiling{Cap: c, digits: strings.TrimPrefix(c.Prefix, "+"),
			charge: store.Charge{Key: "cap/" + c.Name, Amount: 1, Rules: []store.Rule{rule}}}
	}
	return list
}

// of returns the caps of all that concern an account.
func (c ceilings) of(account string) ceilings {
	c.mine = nil
	for i := range c.all {
		if c.all[i].Account == "" || c.all[i].Account == account {
			c.mine = append(c.mine, i)
		}
	}
	return c
}

// over returns the caps that count a message. A part of a long message has no template yet.
func (c ceilings) over(m *store.Message) (set uint64) {
	for _, i := range c.mine {
		x := &c.all[i]
		if (x.Template == "" || x.Template == m.TemplateCode) && hasPrefix(m.Phone, x.digits) {
			set |= 1 << i
		}
	}
	return set
}

// hasPrefix reports whether a number as the API takes it begins with digits, which begin with the country code.
func hasPrefix(phone, digits string) bool {
	if digits == "" || !isMainlandMobile(phone) {
		return strings.HasPrefix(phone, digits)
	}
	if rest, ok := strings.CutPrefix(digits, "86"); ok {
		return strings.HasPrefix(phone, rest)
	}
	return digits == "8"
}

// chargesUnder are the charges of a message that a set of caps counts; those of the account stand first.
func (a *account) chargesUnder(caps uint64) []store.Charge {
	if caps == 0 {
		return a.charges
	}
	list := slices.Grow(slices.Clone(a.charges), bits.OnesCount64(caps))
	for ; caps != 0; caps &= caps - 1 {
		list = append(list, a.caps.all[bits.TrailingZeros64(caps)].charge)
	}
	return list
}

// capAt is the cap whose charge stands at a place among chargesUnder; nil if it is one of the account's own.
func (a *account) capAt(caps uint64, limit uint8) *ceiling {
	n := int(limit) - len(a.charges)
	if n < 0 {
		return nil
	}
	for ; n > 0; n-- {
		caps &= caps - 1
	}
	return &a.caps.all[bits.TrailingZeros64(caps)]
}

// overLimit is why a message is refused whose charge at a place did not fit.
func (b *Bridge) overLimit(a *account, caps uint64, limit uint8) *smpp.StatusError {
	if c := a.capAt(caps, limit); c != nil {
		b.metrics.capped.WithLabelValues(c.Name).Inc()
		return &smpp.StatusError{Status: smpp.StatusThrottled, Err: errOverCap}
	}
	return &smpp.StatusError{Status: a.statuses[limit], Err: errOverLimit}
}
