package configs

import "regexp"

var (
	outcomeShape = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.]{1,63}$`)
	ownShape     = regexp.MustCompile(`^[a-z_]+$`) // how smppbridge spells what is no code of the API's
	errShape     = regexp.MustCompile(`^[0-9A-Za-z]{3}$`)
)

// checkOutcome checks one code's entry. What a call without an answer means is not for a policy to
// say: a lost answer that counted as "not sent" would make two messages of one.
func (c *policyCheck) checkOutcome(key, code string) {
	o := c.Outcomes[code]
	switch {
	case code == "OK" || code == "other":
		c.addf(key, "%s is not for a policy to explain", code)
		return
	case !outcomeShape.MatchString(code):
		c.addf(key, "%s is not a code of the API; allowed: 2 to 64 letters, digits, \".\" and \"_\"", quote(code))
		return
	case ownShape.MatchString(code) && o.Class != "":
		c.addf(key+".class", "%s is a word of ours for a call that the API did not answer; its class is fixed", quote(code))
	case o == Outcome{}:
		c.addf(key, "says nothing; allowed: class, status, stat and err")
	}
	c.optional(key+".class", o.Class, "retry", "throttle", "permanent", "account", "phone", "uncertain")
	c.optional(key+".status", o.Status, "ESME_RSUBMITFAIL", "ESME_RSYSERR", "ESME_RTHROTTLED", "ESME_RMSGQFUL",
		"ESME_RINVSRCADR", "ESME_RINVDSTADR", "ESME_RINVMSGLEN", "ESME_RINVNUMDESTS", "ESME_RINVDFTMSGID", "ESME_RINVSYSTYP",
		"ESME_RINVSERTYP", "ESME_RUNKNOWNERR")
	c.optional(key+".stat", o.Stat, "REJECTD", "UNDELIV", "EXPIRED", "UNKNOWN", "DELETED")
	if o.Err != "" && !errShape.MatchString(o.Err) {
		c.addf(key+".err", "%s is not a receipt's err; allowed: 3 letters or digits", quote(o.Err))
	}
}

// optional is oneOf for what may be left out.
func (c *policyCheck) optional(key, value string, allowed ...string) {
	if value != "" {
		c.oneOf(key, value, allowed...)
	}
}
