package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

// spaceOptOut is the registry's space of those who opted out: account, 0, number (optOutKey).
//
// A record says since when, and how: "out 1763712000000 message". Who opted in again stays on record ("in …"): what is offered
// twice by a source may come after the opposite was said, and the later word counts. Records without a choice to remember
// would be removed; there are few who choose twice.
const spaceOptOut = "optout"

// errCodeOptedOut is the err of a receipt for who opted out: as the API has it (aliyun-facts, 3: USER_REJECT).
const errCodeOptedOut = "107"

var errOptedOut = errors.New("the number has opted out of the account's messages of this class")

// How a choice was made, for records and metrics.
const (
	byMessage  = "message"  // the phone has said so
	byOperator = "operator" //
)

// optOut is an account's rule about those who want no more of it. Its zero value has none.
type optOut struct {
	words   map[string]bool // true: opts out, false: in again
	classes map[string]bool // that are not sent to who is out
}

func newOptOut(c *configs.OptOut) (o optOut) {
	if c.Enabled != nil && !*c.Enabled {
		return o
	}
	o.words = make(map[string]bool, len(c.Words)+len(c.In))
	for _, w := range c.In {
		o.words[optWord(w)] = false
	}
	for _, w := range c.Words {
		o.words[optWord(w)] = true
	}
	o.classes = setOf(c.Classes)
	return o
}

// optWord is what counts of a text that may be an opt-out word: people write it in either case, with punctuation around it, and in
// the wide forms that Chinese keyboards have of Latin letters.
func optWord(text string) string {
	narrow := strings.Map(func(r rune) rune {
		if r >= '！' && r <= '～' {
			r -= '！' - '!'
		}
		return unicode.ToLower(r)
	}, text)
	return strings.TrimFunc(narrow, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsPunct(r) })
}

// says reports whether a text is a choice, and which.
func (o *optOut) says(text string) (out, says bool) {
	if len(text) > 256 { // a word has far fewer
		return false, false
	}
	out, says = o.words[optWord(text)]
	return out, says
}

func optOutKey(account, phone string) string { return account + "\x00" + phone }

// optedOut refuses a message of a class to who wants no more of it: a *smpp.StatusError with ESME_RINVDSTADR, which no client tries
// again.
func (b *Bridge) optedOut(a *account, class, phone string) error {
	if !a.optOut.classes[class] {
		return nil
	}
	r, ok := b.store.Record(spaceOptOut, optOutKey(a.SystemID, phone))
	if !ok || !isOut(r.Value) {
		return nil
	}
	b.metrics.incoming.optRefused.Inc()
	return &smpp.StatusError{Status: smpp.StatusInvDstAdr, Err: errOptedOut}
}

// A choice is that a number is out, or in again.
type choice struct {
	key string
	out bool
	at  time.Time
	by  string // "" = byMessage
}

// value is the record's.
func (c *choice) value() []byte {
	word := "in "
	if c.out {
		word = "out "
	}
	by := c.by
	if by == "" {
		by = byMessage
	}
	return []byte(word + strconv.FormatInt(c.at.UnixMilli(), 10) + " " + by)
}

func isOut(value []byte) bool { return len(value) > 0 && value[0] == 'o' }

// parseChoice reads a record's value.
func parseChoice(value []byte) (out bool, at time.Time, by string) {
	word, rest, _ := strings.Cut(string(value), " ")
	ms, by, _ := strings.Cut(rest, " ")
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil {
		n = 0 // another program's: it counts as the oldest
	}
	return word == "out", store.FromMillis(n), by
}

// choose commits choices, but for those that something later was said after. Of two about one number the later one counts.
func (b *Bridge) choose(ctx context.Context, choices []choice) error {
	_, err := b.commitChoices(ctx, choices)
	return err
}

// commitChoices returns how many numbers are now another way than before.
func (b *Bridge) commitChoices(ctx context.Context, choices []choice) (changed int, err error) {
	slices.SortStableFunc(choices, func(x, y choice) int { return x.at.Compare(y.at) })
	last := make(map[string]int, len(choices))
	for i := range choices {
		last[choices[i].key] = i
	}
	cmd := &store.Put{}
	for i := range choices {
		c := &choices[i]
		if last[c.key] != i {
			continue
		}
		r, ok := b.store.Record(spaceOptOut, c.key)
		was, at, _ := parseChoice(r.Value)
		if ok && (at.After(c.at) || was == c.out) || !ok && !c.out && c.by == byOperator {
			continue
		}
		cmd.Items = append(cmd.Items, store.PutItem{Space: spaceOptOut, Key: c.key, Value: c.value()})
	}
	if len(cmd.Items) == 0 {
		return 0, nil
	}
	res, err := b.settle(ctx, cmd)
	if err != nil {
		return 0, fmt.Errorf("commit %d opt-outs: %w", len(cmd.Items), err)
	}
	r, ok := res.(*store.PutResult)
	if !ok || len(r.Changed) != len(cmd.Items) {
		return 0, fmt.Errorf("commit %d opt-outs: result %T", len(cmd.Items), res)
	}
	for i, now := range r.Changed {
		if now {
			changed++
			out, _, by := parseChoice(cmd.Items[i].Value)
			b.metrics.incoming.chosen(out, by)
		}
	}
	return changed, nil
}
