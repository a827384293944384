package configs

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Incoming says which incoming messages (MO) are an account's, and how it gets them.
type Incoming struct {
	// numbers whose incoming messages are its own; with a trailing * all that begin so; empty = those that answer a signature which no other account may use
	DestCodes []string `yaml:"dest_codes"`
	Long      string   `yaml:"long"` // a text too long for one deliver_sm: parts (default), or payload: in message_payload
	Keep      Duration `yaml:"keep"` // how long one waits for a receiver; default 72h
}

// OptOut says what an account's subscribers write to get no more of it, and what they get no more.
type OptOut struct {
	Enabled *bool    `yaml:"enabled"` // heed the list of those who opted out, and what incoming messages say; default true
	Words   []string `yaml:"words"`   // incoming texts that opt out, in any case; default R, TD, T, 退订, STOP
	In      []string `yaml:"in"`      // incoming texts that opt in again; default START
	Classes []string `yaml:"classes"` // what is not sent to who opted out; default promotion
}

// KeepIncoming is the longest that an incoming message waits for a receiver.
const KeepIncoming = 72 * time.Hour

func (i *Incoming) setDefaults() {
	i.Long = cmp.Or(i.Long, "parts")
	i.Keep = cmp.Or(i.Keep, Duration(KeepIncoming))
}

func (o *OptOut) setDefaults() {
	o.Enabled = cmp.Or(o.Enabled, new(true))
	if o.Words == nil {
		o.Words = []string{"R", "TD", "T", "退订", "STOP"}
	}
	if o.In == nil {
		o.In = []string{"START"}
	}
	if o.Classes == nil {
		o.Classes = []string{ClassPromotion}
	}
}

// destShape is a number as the API spells it, or how it begins.
var destShape = regexp.MustCompile(`^[0-9]{1,20}\*?$`)

// maxOptWord is how many characters an opt-out word may have: a word, not a sentence.
const maxOptWord = 20

func (c *policyCheck) checkIncoming(key string, in *Incoming) {
	for i, code := range in.DestCodes {
		at := fmt.Sprintf("%s.dest_codes[%d]", key, i)
		if !destShape.MatchString(code) {
			c.addf(at, "%s is not a number; allowed: 1 to 20 digits, and perhaps a * behind them", quote(code))
		}
		if c.destCodes[code] {
			c.addf(at, "%s is already an account's", quote(code))
		}
		c.destCodes[code] = true
	}
	c.oneOf(key+".long", in.Long, "parts", "payload")
	c.lasting(key+".keep", in.Keep, Duration(time.Minute), Duration(KeepIncoming))
}

func (c *policyCheck) checkOptOut(key string, o *OptOut) {
	seen := map[string]bool{}
	c.optWords(key+".words", o.Words, seen)
	c.optWords(key+".in", o.In, seen)
	c.list(key+".classes", o.Classes, "class", func(name string) bool { return slices.Contains(sortedKeys(c.Classes), name) })
}

// optWords checks words that are compared without regard to case.
func (c *policyCheck) optWords(key string, words []string, seen map[string]bool) {
	for i, w := range words {
		at := fmt.Sprintf("%s[%d]", key, i)
		if n := utf8.RuneCountInString(w); n == 0 || n > maxOptWord || strings.TrimSpace(w) != w {
			c.addf(at, "%s is not a word; allowed: 1 to %d characters without outer spaces", quote(w), maxOptWord)
		}
		c.once(at, strings.ToLower(w), seen)
	}
}
