package configs

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// What the meters can hold, and what no sane policy exceeds.
const (
	maxRate  = 1e6
	minRate  = 0.01
	maxCount = 1_000_000_000
	maxCost  = 1_000_000 // of one segment
)

var (
	codeShape    = regexp.MustCompile(`^SMS_[0-9A-Z_]{1,60}$`)
	countryShape = regexp.MustCompile(`^[1-9][0-9]{0,2}$`)
	varShape     = regexp.MustCompile(`^[A-Za-z0-9_]{1,50}$`)
)

// Validate returns every fault of p as [Faults], or nil.
func (p *Policy) Validate() error {
	c := newChecker("")
	p.check(c)
	return c.err()
}

// A policyCheck is the check of one policy, with what entries refer to.
type policyCheck struct {
	*checker
	*Policy
	signatures map[string]bool
	templates  map[string]*Template
	routes     map[string]bool
	destCodes  map[string]bool
}

func (p *Policy) check(c *checker) {
	pc := &policyCheck{checker: c, Policy: p,
		signatures: map[string]bool{}, templates: map[string]*Template{}, routes: map[string]bool{}, destCodes: map[string]bool{}}
	pc.checkSignatures()
	for _, name := range sortedKeys(p.Classes) {
		pc.checkClass("classes."+name, name)
	}
	for i := range p.Templates {
		pc.checkTemplate(fmt.Sprintf("templates[%d]", i), &p.Templates[i])
	}
	for i := range p.Routes {
		pc.checkRoute(fmt.Sprintf("routes[%d]", i), &p.Routes[i])
	}
	seen := map[string]bool{}
	for i := range p.Accounts {
		key, a := fmt.Sprintf("accounts[%d]", i), &p.Accounts[i]
		if seen[a.SystemID] && a.SystemID != "" {
			c.addf(key+".system_id", "%s is already an account", quote(a.SystemID))
		}
		seen[a.SystemID] = true
		pc.checkAccount(key, a)
	}
	pc.checkWaysOut()
	pc.checkQueues()
	pc.lastingOr("sync.every", "never", p.Sync.Every, Duration(time.Minute), Duration(24*time.Hour))
	pc.checkCaps()
	pc.checkReconcile()
	for _, code := range sortedKeys(p.Outcomes) {
		pc.checkOutcome("outcomes."+code, code)
	}
}

func (c *policyCheck) checkSignatures() {
	for i, s := range c.Signatures {
		key := fmt.Sprintf("signatures[%d]", i)
		switch n := utf8.RuneCountInString(s); {
		case c.signatures[s]:
			c.addf(key, "%s is already in the list", quote(s))
		case n == 0 || n > 30 || strings.ContainsAny(s, "【】") || strings.TrimSpace(s) != s || strings.ContainsFunc(s, unicode.IsControl):
			c.addf(key, "%s is not a SignName; allowed: 1 to 30 characters without 【】 and outer spaces", quote(s))
		}
		c.signatures[s] = true
	}
}

func (c *policyCheck) checkClass(key, name string) {
	class := c.Classes[name]
	if !nameShape.MatchString(name) {
		c.addf(key, "not a name; allowed: 1 to 32 letters, digits, \".\", \"_\" and \"-\"")
	}
	c.lasting(key+".validity", class.Validity, Duration(10*time.Second), Duration(7*24*time.Hour))
	c.lasting(key+".resend_after", class.ResendAfter, Duration(time.Second), Duration(24*time.Hour))
	c.oneOf(key+".on_uncertain", class.OnUncertain, "report", "resend")
	c.oneOf(key+".phone_limit_by", class.PhoneLimitBy, "sign", "template")
	c.between(key+".batch", class.Batch, 1, MaxBatch)
	c.lasting(key+".batch_within", class.BatchWithin, Duration(time.Millisecond), Duration(10*time.Second))
	c.oneOf(key+".numbers", class.Numbers, NumbersMainland, NumbersInternational, NumbersAny)
	c.oneOf(key+".on_withdrawn", class.OnWithdrawn, WithdrawnPark, WithdrawnRefuse)
	if !(class.Cost >= 0 && class.Cost <= maxCost) {
		c.addf(key+".cost", "%v is out of range; allowed: 0 to %d", class.Cost, maxCost)
	}
	if _, err := ParseHours(class.Hours); err != nil {
		c.addf(key+".hours", "%v", err)
	}
	seen := map[string]bool{}
	for i, l := range class.PhoneLimits {
		at := fmt.Sprintf("%s.phone_limits[%d]", key, i)
		c.oneOf(at+".per", l.Per, "minute", "hour", "day")
		if seen[l.Per] {
			c.addf(at+".per", "%s is already limited above", quote(l.Per))
		}
		seen[l.Per] = true
		c.between(at+".limit", l.Limit, 1, 1_000_000)
	}
}

func (c *policyCheck) checkTemplate(key string, t *Template) {
	switch {
	case !codeShape.MatchString(t.Code):
		c.addf(key+".code", "%s is not a TemplateCode; allowed: SMS_ and 1 to 60 digits, capital letters or \"_\"", quote(t.Code))
	case c.templates[t.Code] != nil:
		c.addf(key+".code", "%s is already a template", quote(t.Code))
	}
	if c.templates[t.Code] == nil {
		c.templates[t.Code] = t
	}
	if _, ok := c.Classes[t.Class]; !ok {
		c.oneOf(key+".class", t.Class, sortedKeys(c.Classes)...)
	}
	c.optional(key+".numbers", t.Numbers, NumbersMainland, NumbersInternational, NumbersAny)
	names := c.checkText(key+".text", t.Text)
	for _, name := range sortedKeys(t.Vars) {
		at, rule := key+".vars."+name, t.Vars[name]
		if _, ok := names[name]; !ok && !c.faulty[key+".text"] {
			c.addf(at, "the text has no variable of this name; its variables: %s", strings.Join(sortedKeys(names), ", "))
		}
		c.oneOf(at+".kind", rule.Kind, "any", "digits", "alnum", "number", "time", "phone", "name", "free")
		c.between(at+".max", rule.Max, 1, varFreeMax)
		c.between(at+".min", rule.Min, 1, max(1, rule.Max))
	}
}

// checkText checks a template's text and returns its variables. Whether a text can be matched without doubt is
// decided where it is compiled.
func (c *policyCheck) checkText(key, text string) map[string]bool {
	trimmed := strings.TrimSpace(text)
	switch n := utf8.RuneCountInString(text); {
	case trimmed == "":
		c.addf(key, "is missing; allowed: the approved content with its ${variables}")
	case n > 500:
		c.addf(key, "has %d characters; allowed: 500", n)
	case strings.HasPrefix(trimmed, "【") || strings.HasSuffix(trimmed, "】"):
		c.addf(key, "carries a signature 【…】; allowed: the content alone, signatures are listed apart")
	}
	names, err := variables(text)
	if err != nil {
		c.addf(key, "%v", err)
	}
	return names
}

// variables returns the names of the ${variables} in a template's text.
func variables(text string) (map[string]bool, error) {
	names := map[string]bool{}
	for {
		_, after, found := strings.Cut(text, "${")
		if !found {
			return names, nil
		}
		name, rest, closed := strings.Cut(after, "}")
		switch {
		case !closed || !varShape.MatchString(name):
			return names, fmt.Errorf("variable %d is not of the form ${name}; allowed in a name: letters, digits and \"_\"", len(names)+1)
		case names[name]:
			return names, fmt.Errorf("variable ${%s} appears twice; allowed: once", name)
		}
		names[name], text = true, rest
	}
}

// errHash says what a password hash must look like, and never what it was.
var errHash = errors.New("not an argon2id hash; allowed: what `smppctl hash-password` prints")

var hashShape = regexp.MustCompile(`^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$`)

// checkHash checks the form of an argon2id hash, and that verifying it cannot be made a burden: each bind
// that is not cached allocates its memory.
func checkHash(hash string) error {
	m := hashShape.FindStringSubmatch(hash)
	if m == nil {
		return errHash
	}
	for _, s := range m[4:] {
		if _, err := base64.RawStdEncoding.Strict().DecodeString(s); err != nil {
			return errHash
		}
	}
	memory, _ := strconv.Atoi(m[1]) // digits
	rounds, _ := strconv.Atoi(m[2])
	threads, _ := strconv.Atoi(m[3])
	if memory < 8*threads || memory > 256<<10 || rounds < 1 || rounds > 16 || threads < 1 || threads > 16 {
		return errors.New("an argon2id hash with parameters out of range; allowed: m up to 262144 (KiB), t and p 1 to 16")
	}
	return nil
}
