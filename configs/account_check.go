package configs

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

func (c *policyCheck) checkAccount(key string, a *Account) {
	c.systemID(key+".system_id", a.SystemID)
	switch err := checkHash(a.PasswordHash); {
	case c.faulty[key+".password"]: // it is said there
	case a.PasswordHash == "":
		c.addf(key+".password_hash", "is missing; `smppctl hash-password` makes one")
	case err != nil:
		c.addf(key+".password_hash", "%v", err)
	}
	c.checkLimits(key, a)
	c.checkReferences(key, a)
	c.oneOf(key+".default_alphabet", a.DefaultAlphabet, "gsm", "ascii", "latin1", "utf8")
	if !countryShape.MatchString(a.CountryCode) {
		c.addf(key+".country_code", "%s is not a country code; allowed: 1 to 3 digits without + or leading 0", quote(a.CountryCode))
	}
	if a.Validity != 0 {
		c.lasting(key+".validity", a.Validity, Duration(10*time.Second), Duration(7*24*time.Hour))
	}
	if r := a.Receipt; r.Text != nil && r.TLVs != nil && !*r.Text && !*r.TLVs {
		c.addf(key+".receipt", "has neither text nor tlvs; without one no ESME can tell what a receipt is about")
	}
}

func (c *policyCheck) checkLimits(key string, a *Account) {
	c.between(key+".binds", a.Binds, 1, 10_000)
	if a.Rate != 0 && (math.IsNaN(a.Rate) || a.Rate < minRate || a.Rate > maxRate) {
		c.addf(key+".rate", "%v is out of range; allowed: 0 (unlimited), or %v to %d", a.Rate, minRate, int(maxRate))
	}
	switch {
	case a.Burst < 0 || a.Burst > maxRate || a.Rate > 0 && a.Burst == 0:
		c.addf(key+".burst", "%d is out of range; allowed: 0 (one second's worth), or 1 to %d", a.Burst, int(maxRate))
	case a.Burst > 0 && a.Rate == 0:
		c.addf(key+".burst", "has no meaning without a rate; set rate, or remove it")
	}
	c.between(key+".window", a.Window, 0, maxCount)
	c.between(key+".daily_quota", a.DailyQuota, 0, maxCount)
	c.between(key+".session.window", a.Session.Window, 1, 100_000)
}

// checkReferences checks what an account names elsewhere in the policy.
func (c *policyCheck) checkReferences(key string, a *Account) {
	c.list(key+".templates", a.Templates, "template", func(code string) bool { return c.templates[code] != nil })
	c.list(key+".signatures", a.Signatures, "signature", func(s string) bool { return c.signatures[s] })
	if a.Route != "" && !c.routes[a.Route] {
		c.addf(key+".route", "%s is not a route; there are: %s", quote(a.Route), strings.Join(sortedKeys(c.routes), ", "))
	}
	switch {
	case a.SignName == "":
	case !c.signatures[a.SignName]:
		c.addf(key+".sign_name", "%s is not in signatures", quote(a.SignName))
	case len(a.Signatures) > 0 && !slices.Contains(a.Signatures, a.SignName):
		c.addf(key+".sign_name", "%s is not among the account's own signatures", quote(a.SignName))
	}
	if a.FallbackTemplate == "" {
		return
	}
	t := c.templates[a.FallbackTemplate]
	if t == nil {
		c.addf(key+".fallback_template", "%s is not a template", quote(a.FallbackTemplate))
		return
	}
	if names, err := variables(t.Text); err == nil && len(names) != 1 {
		c.addf(key+".fallback_template", "%s has %d variables; allowed: a template with exactly one", quote(t.Code), len(names))
	}
}

// list faults the items of an account's list that are unknown or repeated.
func (c *policyCheck) list(key string, items []string, what string, known func(string) bool) {
	seen := map[string]bool{}
	for i, item := range items {
		at := fmt.Sprintf("%s[%d]", key, i)
		switch {
		case !known(item):
			c.addf(at, "%s is not a %s of this policy", quote(item), what)
		case seen[item]:
			c.addf(at, "%s is already in the list", quote(item))
		}
		seen[item] = true
	}
}
