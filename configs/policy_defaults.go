package configs

import (
	"cmp"
	"math"
	"time"
)

// Lengths of a variable's value, in characters. Alibaba Cloud's general limit is 35; a free value may be a whole text.
const (
	varMax     = 35
	varFreeMax = 1000
)

// SetDefaults fills in the defaults of a policy that was built in Go. [ParsePolicy] has done so.
func (p *Policy) SetDefaults() {
	for i := range p.Accounts {
		p.Accounts[i].setDefaults()
	}
	for i := range p.Templates {
		for name, rule := range p.Templates[i].Vars {
			rule.setDefaults()
			p.Templates[i].Vars[name] = rule
		}
	}
	for name, class := range p.Classes {
		if name == ClassInternational {
			class.Numbers = cmp.Or(class.Numbers, NumbersInternational)
		}
		class.setDefaults()
		p.Classes[name] = class
	}
	for i := range p.Routes {
		p.Routes[i].setDefaults()
	}
	for i := range p.Queues {
		p.Queues[i].setDefaults()
	}
	p.setDefaults()
	p.complete()
}

func (p *Policy) setDefaults() {
	p.Sync.setDefaults()
	if p.Classes == nil {
		p.Classes = map[string]Class{}
	}
	for name, class := range BuiltinClasses() {
		if _, ok := p.Classes[name]; !ok {
			p.Classes[name] = class
		}
	}
}

// Names of the built-in classes.
const (
	ClassOTP           = "otp"           // one-time codes: worthless when late, harmful when doubled
	ClassNotice        = "notice"        // notices
	ClassPromotion     = "promotion"     // advertising
	ClassInternational = "international" // to numbers outside the Chinese mainland
)

// MaxBatch is how many messages one call may be for at most.
const MaxBatch = 100

const defaultBatchWithin = 50 * time.Millisecond

// What templates are sent to.
const (
	NumbersMainland      = "mainland"      // mobile numbers of the Chinese mainland
	NumbersInternational = "international" // all others, Hong Kong, Macau and Taiwan among them
	NumbersAny           = "any"
)

// What becomes of messages whose template or signature no Alibaba Cloud account has.
const (
	WithdrawnPark   = "park"   // they are accepted, and wait while they are valid
	WithdrawnRefuse = "refuse" // they are not accepted; those that were wait
)

// BuiltinClasses returns the classes that every policy has. The frequency limits are those that Alibaba Cloud
// applies to a phone by default: one-time codes 1 a minute, 5 an hour, 10 a day per signature; others 50 a day per
// signature and template; none abroad.
func BuiltinClasses() map[string]Class {
	const fiveMinutes, gather = Duration(5 * time.Minute), Duration(defaultBatchWithin)
	fifty := func() []PhoneLimit { return []PhoneLimit{{Per: "day", Limit: 50}} }
	return map[string]Class{
		ClassOTP: {
			Validity: fiveMinutes, OnUncertain: "report", ResendAfter: fiveMinutes, Urgent: true,
			PhoneLimits:  []PhoneLimit{{Per: "minute", Limit: 1}, {Per: "hour", Limit: 5}, {Per: "day", Limit: 10}},
			PhoneLimitBy: "sign", Batch: 1, BatchWithin: gather, Numbers: NumbersMainland, OnWithdrawn: WithdrawnPark,
		},
		ClassNotice: {
			Validity: Duration(24 * time.Hour), OnUncertain: "resend", ResendAfter: fiveMinutes,
			PhoneLimits: fifty(), PhoneLimitBy: "template", Batch: MaxBatch, BatchWithin: gather, Numbers: NumbersMainland,
			OnWithdrawn: WithdrawnPark,
		},
		ClassPromotion: {
			Validity: Duration(12 * time.Hour), OnUncertain: "resend", ResendAfter: fiveMinutes,
			PhoneLimits: fifty(), PhoneLimitBy: "template", Batch: MaxBatch, BatchWithin: gather, Numbers: NumbersMainland,
			OnWithdrawn: WithdrawnPark,
		},
		ClassInternational: {
			Validity: Duration(24 * time.Hour), OnUncertain: "resend", ResendAfter: fiveMinutes,
			PhoneLimitBy: "sign", Batch: 1, BatchWithin: gather, Numbers: NumbersInternational, OnWithdrawn: WithdrawnPark,
		},
	}
}

func (a *Account) setDefaults() {
	a.Binds = cmp.Or(a.Binds, 10)
	a.Bind.TLS = cmp.Or(a.Bind.TLS, "any")
	a.Session.Window = cmp.Or(a.Session.Window, 1000)
	a.Session.DeliverWindow = cmp.Or(a.Session.DeliverWindow, 100)
	a.Ack = cmp.Or(a.Ack, "stored")
	a.AckWithin = cmp.Or(a.AckWithin, Duration(5*time.Second))
	a.Priority = cmp.Or(a.Priority, "prefer")
	a.MessageID = cmp.Or(a.MessageID, "hex10")
	a.ErrorBody = cmp.Or(a.ErrorBody, "usual")
	a.DefaultAlphabet = cmp.Or(a.DefaultAlphabet, "gsm")
	a.CountryCode = cmp.Or(a.CountryCode, "86")
	a.Receipt.setDefaults()
	a.Incoming.setDefaults()
	a.OptOut.setDefaults()
}

func (r *Receipt) setDefaults() {
	r.Text = cmp.Or(r.Text, new(true))
	r.TLVs = cmp.Or(r.TLVs, new(true))
	r.Parts = cmp.Or(r.Parts, "each")
}

func (s *Sync) setDefaults() { s.Every = cmp.Or(s.Every, Duration(10*time.Minute)) }

func (t *Template) setDefaults() { t.PhoneLimit = cmp.Or(t.PhoneLimit, new(true)) }

func (v *VarRule) setDefaults() {
	v.Kind = cmp.Or(v.Kind, "any")
	v.Min = cmp.Or(v.Min, 1)
}

func (c *Class) setDefaults() {
	c.Validity = cmp.Or(c.Validity, Duration(24*time.Hour))
	c.OnUncertain = cmp.Or(c.OnUncertain, "resend")
	c.ResendAfter = cmp.Or(c.ResendAfter, Duration(5*time.Minute))
	c.PhoneLimitBy = cmp.Or(c.PhoneLimitBy, "sign")
	c.Batch = cmp.Or(c.Batch, 1)
	c.BatchWithin = cmp.Or(c.BatchWithin, Duration(defaultBatchWithin))
	c.Numbers = cmp.Or(c.Numbers, NumbersMainland)
	c.OnWithdrawn = cmp.Or(c.OnWithdrawn, WithdrawnPark)
}

func (r *Route) setDefaults() {
	r.Kind = cmp.Or(r.Kind, KindDysmsapi)
	r.Credentials = cmp.Or(r.Credentials, DefaultCredential)
	r.QPS = cmp.Or(r.QPS, 1000)
	r.Workers = cmp.Or(r.Workers, 64)
	r.QueryQPS = cmp.Or(r.QueryQPS, 20)
	r.Timeout = cmp.Or(r.Timeout, Duration(5*time.Second))
	r.Weight = cmp.Or(r.Weight, 1)
	r.SMPP.setDefaults()
}

// complete fills in defaults that depend on other values.
func (p *Policy) complete() {
	for i := range p.Accounts {
		a := &p.Accounts[i]
		if a.Burst == 0 && a.Rate > 0 && a.Rate <= maxRate {
			a.Burst = int(math.Ceil(a.Rate))
		}
	}
	for i := range p.Routes {
		r := &p.Routes[i]
		r.Account = cmp.Or(r.Account, r.Credentials)
		if r.Kind == KindDysmsapi {
			r.Endpoint = cmp.Or(r.Endpoint, "dysmsapi.aliyuncs.com")
		}
	}
	for i := range p.Templates {
		for name, rule := range p.Templates[i].Vars {
			if rule.Max == 0 {
				rule.Max = varMax
				if rule.Kind == "free" {
					rule.Max = varFreeMax
				}
				p.Templates[i].Vars[name] = rule
			}
		}
	}
}

func (a *Account) hint(key string) string {
	if key == "password" {
		return "passwords are not written in a policy; use password_hash with what `smppctl hash-password` prints"
	}
	return ""
}

func (r *Route) hint(key string) string {
	switch key {
	case "access_key_id", "access_key_secret", "access_key", "secret", "system_id", "password":
		return "keys are not written in a policy; name an entry of the node configuration's credentials in credentials"
	}
	return ""
}
