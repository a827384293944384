package configs

import (
	"fmt"
	"math"
	"slices"
	"strconv"
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
	c.checkBind(key+".bind", &a.Bind)
	c.checkSession(key+".session", &a.Session)
	c.checkReferences(key, a)
	c.checkDefaultMsgIDs(key+".default_msg_ids", a)
	c.checkQuirks(key, a)
	c.checkIncoming(key+".incoming", &a.Incoming)
	c.checkOptOut(key+".opt_out", &a.OptOut)
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
}

// checkBind checks who may bind as an account.
func (c *policyCheck) checkBind(key string, b *AccountBind) {
	seen := map[string]bool{}
	for i, t := range b.Types {
		at := fmt.Sprintf("%s.types[%d]", key, i)
		c.oneOf(at, t, "transmitter", "receiver", "transceiver")
		c.once(at, t, seen)
	}
	c.networks(key+".from", b.From)
	c.oneOf(key+".tls", b.TLS, "any", "required", "certificate")
	if len(b.Certificates) > 0 && b.TLS != "certificate" {
		c.addf(key+".certificates", "has no meaning with tls: %s; set tls: certificate, or remove it", b.TLS)
	}
	names := map[string]bool{}
	for i, name := range b.Certificates {
		at := fmt.Sprintf("%s.certificates[%d]", key, i)
		c.certName(at, name)
		c.once(at, name, names)
	}
}

// checkSession checks windows and timers, within the bounds that a node's have.
func (c *policyCheck) checkSession(key string, s *Session) {
	c.between(key+".window", s.Window, 1, 100_000)
	c.between(key+".deliver_window", s.DeliverWindow, 1, 10_000)
	const hour, least = Duration(time.Hour), Duration(100 * time.Millisecond)
	c.lastingOr(key+".enquire_link", "the node's", s.EnquireLink, least, hour)
	c.lastingOr(key+".response_timeout", "the node's", s.ResponseTimeout, least, hour)
}

// lastingOr faults key unless value is 0, which means zero, or lo <= value <= hi.
func (c *checker) lastingOr(key, zero string, value, lo, hi Duration) {
	if value != 0 && (value < lo || value > hi) {
		c.addf(key, "%s is out of range; allowed: 0s (%s), or %s to %s", value, zero, lo, hi)
	}
}

// checkQuirks checks what belongs to this account's clients: alphabet, answers, ids, receipts.
func (c *policyCheck) checkQuirks(key string, a *Account) {
	c.oneOf(key+".default_alphabet", a.DefaultAlphabet, "gsm", "ascii", "latin1", "utf8", "gbk")
	c.oneOf(key+".ack", a.Ack, "stored", "submitted")
	c.lasting(key+".ack_within", a.AckWithin, Duration(time.Second), Duration(time.Minute))
	c.lastingOr(key+".dedupe", "off", a.Dedupe, Duration(time.Second), Duration(24*time.Hour))
	c.oneOf(key+".priority_flag", a.Priority, "prefer", "ignore")
	c.oneOf(key+".message_id", a.MessageID, "hex10", "hex8", "dec10")
	c.oneOf(key+".error_body", a.ErrorBody, "usual", "none", "empty")
	c.oneOf(key+".receipt.parts", a.Receipt.Parts, "each", "last")
}

// checkDefaultMsgIDs checks which templates an account names by sm_default_msg_id. 0 and 255 are not
// for a message centre to give (SMPP 3.4, 5.2.20).
func (c *policyCheck) checkDefaultMsgIDs(key string, a *Account) {
	for _, id := range sortedKeys(a.DefaultMsgIDs) {
		at, code := key+"."+id, a.DefaultMsgIDs[id]
		n, err := strconv.Atoi(id)
		switch {
		case err != nil || strconv.Itoa(n) != id || n < 1 || n > 254:
			c.addf(at, "%s is not an sm_default_msg_id; allowed: 1 to 254", quote(id))
		case c.templates[code] == nil:
			c.addf(at, "%s is not a template of this policy", quote(code))
		case len(a.Templates) > 0 && !slices.Contains(a.Templates, code):
			c.addf(at, "%s is not among the account's own templates", quote(code))
		}
	}
}

// checkReferences checks what an account names elsewhere in the policy.
func (c *policyCheck) checkReferences(key string, a *Account) {
	c.list(key+".templates", a.Templates, "template", func(code string) bool { return c.templates[code] != nil })
	c.list(key+".signatures", a.Signatures, "signature", func(s string) bool { return c.signatures[s] })
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
		default:
			c.once(at, item, seen)
		}
	}
}

// once faults an item of a list that was there before.
func (c *checker) once(key, item string, seen map[string]bool) {
	if seen[item] {
		c.addf(key, "%s is already in the list", quote(item))
	}
	seen[item] = true
}
