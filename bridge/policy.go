package bridge

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"smppbridge/bridge/template"
	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

// policy is one version of the policy, compiled. It does not change.
type policy struct {
	version   uint64
	accounts  map[string]*account
	templates map[string]*approved
	classes   map[string]configs.Class
	routes    map[string]*route
	inboxes   inboxes
	set       *template.Set
	longest   int // octets of a text that set can take
	caps      []ceiling
	doc       *configs.Policy   // what it was compiled from
	lacking   map[string]*lacks // what accounts of Alibaba Cloud cannot send, by account
	reconcile time.Duration     // time of day; negative: never
}

// account is one system_id with what accepting needs at hand.
type account struct {
	configs.Account
	version   uint64 // of the policy it belongs to
	alphabet  smpp.Alphabet
	shape     store.Shape // of its message_ids
	match     template.Options
	charges   []store.Charge // of one message, but for caps; order: see addCharges
	statuses  []smpp.Status  // by index of charges: what the ESME is told when it does not fit
	caps      ceilings       // what else may refuse them
	routes    []*route       // where its messages may go, those of the lowest priority first
	lacking   bool           // what one of them cannot send
	quirks    receiptForm    // how its receipts look
	incoming  incomingForm   // and its incoming messages
	optOut    optOut         // who wants none of its messages
	access    access         // who may bind
	fallback  *approved      // nil = none
	templates map[string]*approved
	classes   map[string]configs.Class
	set       *template.Set
	longest   int // octets of a text that any template of the policy can take

	defaultMsgs map[uint8]string // TemplateCode by sm_default_msg_id
}

// Values of an account's keys that decide something here.
const (
	ackSubmitted   = "submitted"
	priorityIgnore = "ignore"
	receiptLast    = "last"
	errorBodyNone  = "none"
	longPayload    = "payload"
)

// shapes are the spellings of a message_id, by the policy's names.
var shapes = map[string]store.Shape{
	"hex10": store.ShapeHex10,
	"hex8":  store.ShapeHex8,
	"dec10": store.ShapeDec10,
}

// approved is a template with its class.
type approved struct {
	configs.Template
	class   configs.Class
	numbers numbers // what it is sent to
	hours   configs.Hours
	limits  []store.Rule // per phone; empty = none
}

// cst is the offset of Alibaba Cloud's clock windows (UTC+8) in ms.
const cst = int64(8 * time.Hour / time.Millisecond)

// alphabets are what data_coding 0 may mean, by the policy's names.
var alphabets = map[string]smpp.Alphabet{
	"gsm":    smpp.AlphabetGSM7,
	"ascii":  smpp.AlphabetASCII,
	"latin1": smpp.AlphabetLatin1,
	"utf8":   smpp.AlphabetUTF8,
	"gbk":    smpp.AlphabetGBK,
}

// edgeGuard is how far around the edge of a phone window a call counts on both sides: Alibaba
// Cloud counts when the API is called, by its own clock.
const edgeGuard = int64(time.Second / time.Millisecond)

// CheckPolicy reports why a bridge could not use a policy whose document is valid: what only shows
// when its templates are compiled. It is to be asked before a policy is committed.
func CheckPolicy(doc *configs.Policy) error {
	_, err := compile(0, doc)
	return err
}

// compile makes the runtime form of a validated policy document.
func compile(version uint64, doc *configs.Policy) (*policy, error) {
	p := &policy{
		version:   version,
		doc:       doc,
		accounts:  make(map[string]*account, len(doc.Accounts)),
		templates: make(map[string]*approved, len(doc.Templates)),
		classes:   doc.Classes,
		routes:    make(map[string]*route, len(doc.Routes)),
		caps:      newCeilings(doc),
	}
	var err error
	if p.reconcile, err = configs.ParseTimeOfDay(doc.Reconcile); err != nil {
		return nil, fmt.Errorf("reconcile: %w", err)
	}
	if err := p.addTemplates(doc); err != nil {
		return nil, err
	}
	for i := range doc.Routes {
		p.routes[doc.Routes[i].Name] = newRoute(&doc.Routes[i])
	}
	if slices.ContainsFunc(doc.Accounts, func(a configs.Account) bool { return a.DryRun }) {
		p.routes[configs.RouteDryRun] = newDryRoute()
	}
	for i := range doc.Accounts {
		a, err := p.newAccount(&doc.Accounts[i], doc)
		if err != nil {
			return nil, fmt.Errorf("account %s: %w", doc.Accounts[i].SystemID, err)
		}
		p.accounts[a.SystemID] = a
	}
	p.inboxes = newInboxes(p, doc)
	return p, nil
}

func (p *policy) addTemplates(doc *configs.Policy) error {
	list := make([]template.Template, 0, len(doc.Templates))
	for _, t := range doc.Templates {
		rules := make(map[string]template.VarRule, len(t.Vars))
		for name, v := range t.Vars {
			kind, err := template.ParseKind(v.Kind)
			if err != nil {
				return fmt.Errorf("template %s: variable %s: %w", t.Code, name, err)
			}
			rules[name] = template.VarRule{Kind: kind, Min: v.Min, Max: v.Max}
		}
		list = append(list, template.Template{Code: t.Code, Text: t.Text, Vars: rules})
		class := doc.Classes[t.Class]
		hours, err := configs.ParseHours(class.Hours)
		if err != nil {
			return fmt.Errorf("class %s: %w", t.Class, err)
		}
		a := &approved{Template: t, class: class, numbers: numbersOf(&t, &class), hours: hours}
		if t.PhoneLimit == nil || *t.PhoneLimit {
			a.limits = phoneRules(class)
		}
		p.templates[t.Code] = a
	}
	var options []template.SetOption
	if doc.RefuseTraditional {
		options = append(options, template.RefuseTraditional())
	}
	set, err := template.New(list, doc.Signatures, options...)
	if err != nil {
		return fmt.Errorf("compile templates: %w", err)
	}
	p.set, p.longest = set, set.LongestText()
	return nil
}

// phoneRules are a class's frequency limits as Alibaba Cloud counts them (aliyun-facts, 4):
// minutes and hours are clock windows of UTC+8, a day is the last 24 hours.
func phoneRules(c configs.Class) []store.Rule {
	rules := make([]store.Rule, 0, len(c.PhoneLimits))
	for _, l := range c.PhoneLimits {
		r := store.Rule{Kind: store.RuleWindow, Limit: uint32(l.Limit), Offset: cst, Guard: edgeGuard}
		switch l.Per {
		case "minute":
			r.Period = time.Minute.Milliseconds()
		case "hour":
			r.Period = time.Hour.Milliseconds()
		case "day":
			r.Kind, r.Offset, r.Period = store.RuleRolling, 0, (24 * time.Hour).Milliseconds()
		}
		rules = append(rules, r)
	}
	return rules
}

func (p *policy) newAccount(c *configs.Account, doc *configs.Policy) (a *account, err error) {
	alphabet, ok := alphabets[c.DefaultAlphabet]
	if !ok {
		return nil, fmt.Errorf("default_alphabet %q is not known", c.DefaultAlphabet)
	}
	shape, ok := shapes[c.MessageID]
	if !ok {
		return nil, fmt.Errorf("message_id %q is not known", c.MessageID)
	}
	a = &account{
		Account:   *c,
		version:   p.version,
		alphabet:  alphabet,
		shape:     shape,
		match:     template.Options{Sign: c.SignName},
		quirks:    newReceiptForm(c.Receipt),
		incoming:  incomingForm{alphabet: alphabet, payload: c.Incoming.Long == longPayload},
		optOut:    newOptOut(&c.OptOut),
		templates: p.templates,
		classes:   p.classes,
		set:       p.set,
		longest:   p.longest,
		caps:      ceilings{all: p.caps}.of(c.SystemID),
	}
	if a.access, err = newAccess(&c.Bind); err != nil {
		return nil, err
	}
	if len(c.Templates) > 0 || len(c.Signatures) > 0 {
		// For a subset an empty list means none; in a policy it means all.
		if a.match.Allowed, err = p.set.Subset(listed(c.Templates), listed(c.Signatures)); err != nil {
			return nil, err
		}
	}
	if c.FallbackTemplate != "" {
		a.fallback = p.templates[c.FallbackTemplate]
	}
	a.routes = p.routesOf(c, doc)
	a.addCharges()
	return a, a.nameDefaults()
}

// nameDefaults makes the table of sm_default_msg_id.
func (a *account) nameDefaults() error {
	a.defaultMsgs = make(map[uint8]string, len(a.DefaultMsgIDs))
	for key, code := range a.DefaultMsgIDs {
		id, err := strconv.ParseUint(key, 10, 8)
		if err != nil || id == 0 || a.templates[code] == nil {
			return fmt.Errorf("default_msg_ids %q: %q is not an id with a template", key, code)
		}
		a.defaultMsgs[uint8(id)] = code
	}
	return nil
}

func listed(names []string) []string {
	if len(names) == 0 {
		return nil
	}
	return names
}

// addCharges sets what accepting one message costs. A refused charge tells the ESME to slow down
// (rate, quota) or that the queue is full (open window); clients treat the two differently.
func (a *account) addCharges() {
	if a.Rate > 0 {
		burst := a.Burst
		if burst == 0 {
			burst = int(math.Ceil(a.Rate))
		}
		a.charge(smpp.StatusThrottled, "rate/"+a.SystemID, store.Rule{
			Kind: store.RuleBucket, Limit: uint32(math.Round(a.Rate * 1000)), Period: 1_000_000, Burst: uint32(burst)})
	}
	if a.Window > 0 {
		a.charge(smpp.StatusMsgQFul, store.OpenKey(a.SystemID), store.Rule{Kind: store.RuleLevel, Limit: uint32(a.Window)})
	}
	if a.DailyQuota > 0 {
		a.charge(smpp.StatusThrottled, "quota/"+a.SystemID, store.Rule{
			Kind: store.RuleWindow, Limit: uint32(a.DailyQuota), Period: (24 * time.Hour).Milliseconds(), Offset: cst})
	}
}

func (a *account) charge(st smpp.Status, key string, r store.Rule) {
	a.charges = append(a.charges, store.Charge{Key: key, Amount: 1, Rules: []store.Rule{r}})
	a.statuses = append(a.statuses, st)
}

// phoneKey is the meter of one phone for t: what the class counts together.
func (t *approved) phoneKey(sign, phone string) string {
	if t.class.PhoneLimitBy == "template" {
		return store.PhoneKeyPrefix + phone + "/" + sign + "/" + t.Code
	}
	return store.PhoneKeyPrefix + phone + "/" + sign
}
