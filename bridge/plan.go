package bridge

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// planned is a due message with what its call needs.
type planned struct {
	store.DueItem
	template *approved
	ways     ways
	from     *backlog
	state    plannedState
	size     int // segments, once its call is begun
}

// plannedState is what has become of a message in a round.
type plannedState uint8

const (
	notLooked plannedState = iota
	stays                  // it cannot go in this round
	inCall                 // it is in a call
)

// errNoRoute says that the policy has no route for a message.
var errNoRoute = errors.New("no route")

// examine decides what is to be done with a due message: it is planned, or else it is closed as end says.
func (d *dispatcher) examine(pol *policy, it *store.DueItem, now time.Time) (p planned, end store.CloseItem, ok bool) {
	end = store.CloseItem{Number: it.Number, Revision: it.Status.Revision}
	if it.Message.Expires != 0 && now.UnixMilli() >= it.Message.Expires {
		end.Ending, end.Err = store.EndExpired, lastErr(&it.Status)
		return p, end, false
	}
	p, err := plan(pol, it)
	if err != nil {
		end.Ending, end.Err = store.EndRejected, errCodeOf(err)
		return p, end, false
	}
	if p.expired(now) {
		end.Ending, end.Err = store.EndExpired, lastErr(&it.Status)
		return p, end, false
	}
	if d.b.optedOut(p.ways.account, p.template.Class, p.Message.Phone) != nil { // since it was accepted, or it is joined only now
		end.Ending, end.Err = store.EndRejected, errCodeOptedOut
		return p, end, false
	}
	p.ways.stopped = d.b.brakes.Load().holds(BrakeTemplate, p.template.Code)
	return p, end, true
}

// lastErr is the err of a message that expires: why its last attempt failed, if it had one.
func lastErr(s *store.Status) string { return cmp.Or(s.Err, errCodeExpired) }

// plan finds template and ways of a message under the policy in force. A joined message is
// matched here: its text is known only now.
func plan(pol *policy, it *store.DueItem) (planned, error) {
	acct := pol.accounts[it.Message.Account]
	if acct == nil {
		return planned{}, errUnknownAccount
	}
	p := planned{DueItem: *it}
	if it.Message.Params != "" { // of a joined message the template may be named, but is not filled
		p.template = pol.templates[it.Message.TemplateCode]
		if p.template == nil {
			return planned{}, fmt.Errorf("template %s is not in the policy any more", it.Message.TemplateCode)
		}
	} else {
		t, err := acct.matchJoined(&p.Message)
		if err != nil {
			return planned{}, err
		}
		if err := acct.checkNumber(t, &p.Message); err != nil {
			return planned{}, err
		}
		p.template = t
	}
	p.ways = acct.ways(p.template, p.Message.SignName)
	if p.ways.routes == 0 && !acct.withdrawn(p.template.Code, p.Message.SignName) { // that may be over in a while
		return planned{}, errNoRoute
	}
	return p, nil
}

// expired reports whether a joined message is past its class's validity, which its parts did not
// know: no text, no class.
func (p *planned) expired(now time.Time) bool {
	v := p.template.class.Validity.Std()
	return len(p.Message.Parts) > 0 && v > 0 && now.Sub(store.FromMillis(p.Status.AcceptedAt)) >= v
}

// batch is how many messages the call may have that p goes with.
func (p *planned) batch() int {
	if p.Status.Alone {
		return 1
	}
	return max(1, p.template.class.Batch)
}

// matchJoined decodes and matches the joined octets of a long message.
func (a *account) matchJoined(m *store.Message) (*approved, error) {
	text, err := smpp.DecodeText(m.DataCoding, a.alphabet, m.Text)
	if err != nil {
		return nil, err
	}
	return a.fill(m, text, naming{code: m.TemplateCode, sign: m.SignName})
}
