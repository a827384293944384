package configs

import (
	"fmt"
	"regexp"
)

// MaxCaps is how many caps a policy may have.
const MaxCaps = 64

// RouteDryRun is the name of the way by which the messages of accounts with dry_run go. No route may have it.
const RouteDryRun = "dry-run"

// A number has 15 digits at most (E.164); a prefix of all of them would be one number, and names of caps are in metrics.
var prefixShape = regexp.MustCompile(`^\+?[1-9][0-9]{0,10}$`)

func (c *policyCheck) checkCaps() {
	if len(c.Caps) > MaxCaps {
		c.addf("caps", "there are %d; allowed: %d", len(c.Caps), MaxCaps)
	}
	names, accounts := map[string]bool{}, map[string]bool{}
	for i := range c.Accounts {
		accounts[c.Accounts[i].SystemID] = true
	}
	for i := range c.Caps {
		key, p := fmt.Sprintf("caps[%d]", i), &c.Caps[i]
		switch {
		case !nameShape.MatchString(p.Name):
			c.addf(key+".name", "%s is not a name; allowed: 1 to 32 letters, digits, \".\", \"_\" and \"-\"", quote(p.Name))
		case names[p.Name]:
			c.addf(key+".name", "%s is already a cap", quote(p.Name))
		}
		names[p.Name] = true
		if p.Prefix != "" && !prefixShape.MatchString(p.Prefix) {
			c.addf(key+".prefix", "%s is not a prefix; allowed: country code and digits behind it, 11 at most, such as +86139", quote(p.Prefix))
		}
		if p.Template != "" && c.templates[p.Template] == nil {
			c.addf(key+".template", "%s is not a template of this policy", quote(p.Template))
		}
		if p.Account != "" && !accounts[p.Account] {
			c.addf(key+".account", "%s is not an account of this policy", quote(p.Account))
		}
		c.oneOf(key+".per", p.Per, "minute", "hour", "day")
		c.between(key+".limit", p.Limit, 1, maxCount)
	}
}
