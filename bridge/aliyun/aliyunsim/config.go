package aliyunsim

import (
	"log/slog"
	"net/http"
	"time"
)

// A Config says what a Server plays. The zero value of each field but Accounts is usable.
type Config struct {
	// Accounts are the customers of the simulated API with their keys, signatures and templates.
	Accounts []Account
	// ReportURL is where delivery reports are pushed; empty means that none are. SetReportURL changes it.
	ReportURL string
	// Reports says when and how reports are pushed.
	Reports ReportConfig
	// Queues says how the accounts' message queues behave.
	Queues QueueConfig
	// IncomingURL is where incoming messages are pushed; empty means that none are. SetIncomingURL changes it.
	IncomingURL string
	// Incoming says how they are pushed.
	Incoming IncomingConfig
	// Outcomes scripts what becomes of a message by the last digits of its phone number;
	// the longest matching suffix wins. Without one a message is DELIVERED.
	Outcomes map[string]Outcome
	// Limits are the frequency limits per phone number.
	Limits Limits
	// QPS is the number of calls a second that an account may make, by action. An action that
	// is absent has Alibaba's published quota; a negative number means no limit. "*" stands for
	// every action that is not named.
	QPS map[string]int
	// Partial makes a call of which one number is refused execute the others before it answers with
	// the error. Which of the two Dysmsapi does is unknown; by default nothing of such a call is executed.
	Partial bool
	// DetailLag is how long an executed message stays invisible to QuerySendDetails.
	DetailLag time.Duration
	// LedgerLimit is how many executed messages are remembered; 0 means all of them.
	LedgerLimit int
	// NonceLimit is how many nonces of one five-minute generation are remembered; beyond it the
	// generations turn over early. 0 means 1,048,576.
	NonceLimit int
	// IdleTimeout is after how long an idle connection is closed; 0 means never.
	IdleTimeout time.Duration
	// TLS makes Run serve HTTPS with a certificate of its own; see Server.Certificate.
	TLS bool
	// Seed drives the choices of the faults, so that a run can be repeated.
	Seed uint64
	// Faults are the faults at the start; SetFaults changes them.
	Faults Faults
	// Now is the clock of timestamps, windows and the ledger; nil means time.Now. Delays are
	// always real time.
	Now func() time.Time
	// AnyTime takes requests of any time: of clients whose clock is not Now.
	AnyTime bool
	// Transport posts the reports; nil means a transport of the Server's own.
	Transport http.RoundTripper
	// Log receives what goes wrong; nil means nowhere. Texts and phone numbers are never in it.
	Log *slog.Logger
}

// An Account is a customer of Alibaba Cloud.
type Account struct {
	Name      string     `json:"name"`
	Keys      []Key      `json:"keys"`
	Signs     []Sign     `json:"signs"`
	Templates []Template `json:"templates"`
	// ReportQueue is the message queue that has the account's reports; then they are not pushed. UpQueue has its incoming
	// messages. Empty: it has none.
	ReportQueue string `json:"report_queue,omitempty"`
	UpQueue     string `json:"up_queue,omitempty"`
	// QPS goes before Config.QPS for this account.
	QPS map[string]int `json:"qps,omitempty"`
}

// A Key is an AccessKey of an account, or temporary credentials where it has a SecurityToken.
type Key struct {
	ID            string    `json:"id"`
	Secret        string    `json:"secret"`
	SecurityToken string    `json:"security_token,omitempty"`
	Expires       time.Time `json:"expires,omitzero"` // of the SecurityToken; zero means never
	Inactive      bool      `json:"inactive,omitempty"`
}

// A Status is the audit state of a signature or template, spelled as the list APIs spell it.
type Status string

// The audit states. The empty Status counts as StatusPass.
const (
	StatusInit    Status = "AUDIT_STATE_INIT"
	StatusPass    Status = "AUDIT_STATE_PASS"
	StatusNotPass Status = "AUDIT_STATE_NOT_PASS"
	StatusCancel  Status = "AUDIT_STATE_CANCEL"
)

func (s Status) approved() bool { return s == "" || s == StatusPass }

// A Sign is a signature.
type Sign struct {
	Name     string `json:"name"`
	Status   Status `json:"status,omitempty"`
	CodeOnly bool   `json:"code_only,omitempty"` // refused with templates other than TypeCode
}

// A TemplateType is the kind of a template, numbered as OuterTemplateType is.
type TemplateType int

// The kinds of templates.
const (
	TypeCode          TemplateType = 0
	TypeNotice        TemplateType = 1
	TypePromotion     TemplateType = 2
	TypeInternational TemplateType = 3
)

// A Template is a text with variables that was submitted for audit.
type Template struct {
	Code    string       `json:"code"`
	Name    string       `json:"name,omitempty"`
	Content string       `json:"content"` // with ${variables}
	Type    TemplateType `json:"type"`
	Status  Status       `json:"status,omitempty"`
	// Variables holds the rules of the variables; one without a rule takes 1 to 35 characters.
	Variables map[string]Variable `json:"variables,omitempty"`
	// Unlimited switches off the frequency limits per phone number. Alibaba has no such templates; it
	// spares a developer's or a benchmark's numbers.
	Unlimited bool `json:"unlimited,omitempty"`
	// MaxContent is the length of signature and text that is accepted; 0 means 500 characters.
	MaxContent int `json:"max_content,omitempty"`
}

// A Variable is the rule for the values of a template's variable.
type Variable struct {
	// Attribute is the kind chosen when the template was submitted; AttributeAny and the
	// empty one check no more than the length.
	Attribute string `json:"attribute,omitempty"`
	Min       int    `json:"min,omitempty"` // characters; 0 means 1
	Max       int    `json:"max,omitempty"` // characters; 0 means 35
}

// Attributes of variables that are checked beyond their length.
const (
	AttributeNumberCaptcha = "numberCaptcha"        // 4 to 6 digits
	AttributeCharacters    = "characterWithNumber2" // 4 to 6 letters or digits
	AttributePhone         = "phone_number2"        // digits and hyphens
	AttributeMoney         = "money"                // digits and one point
	AttributeAny           = "any"                  // our own: everything is taken, also emoji and URLs, which the real API refuses
)

// An Outcome is what becomes of a message.
type Outcome struct {
	// Code, if set, is the business error of the call; nothing is executed.
	Code string `json:"code,omitempty"`
	// ErrCode is the err_code of the report; empty means DELIVERED.
	ErrCode string `json:"err_code,omitempty"`
	// NoReport leaves the message without any result for ever.
	NoReport bool `json:"no_report,omitempty"`
}

// Limits are the numbers of messages that a phone number may be sent. Zero means Alibaba's
// published limit, a negative number none. Minutes and hours are windows of the clock at UTC+8, days the
// 24 hours before the call. Only numbers of mainland China are limited.
type Limits struct {
	Off        bool // no limits at all
	CodeMinute int  // one-time codes of one signature: 1
	CodeHour   int  // likewise: 5
	CodeDay    int  // likewise: 10
	CodeAll    int  // one-time codes of all signatures and accounts in a day: 40
	OtherDay   int  // notices or promotions of one signature and template in a day: 50
}

// ReportConfig says when and how delivery reports are pushed.
type ReportConfig struct {
	Delay   time.Duration // from the call to the report; 0 means at once
	Jitter  time.Duration // a random part on top of Delay
	Batch   int           // reports to one POST at most; 0 means 100
	Window  time.Duration // how long a batch waits for more; 0 means 50 ms
	Timeout time.Duration // of one POST; 0 means 5 s
	Workers int           // POSTs at a time; 0 means 4
	// Retries are the pauses before a refused batch is pushed again; nil means 1, 5 and 10 minutes. After
	// the last one the batch is dropped.
	Retries []time.Duration
}

// withDefaults fills what the zero values of c stand for.
func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.NonceLimit == 0 {
		c.NonceLimit = 1 << 20
	}
	c.Limits = c.Limits.withDefaults()
	c.Reports = c.Reports.withDefaults()
	c.Incoming = c.Incoming.withDefaults()
	c.Queues = c.Queues.withDefaults()
	return c
}

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		field *int
		value int
	}{{&l.CodeMinute, 1}, {&l.CodeHour, 5}, {&l.CodeDay, 10}, {&l.CodeAll, 40}, {&l.OtherDay, 50}} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	return l
}

func (r ReportConfig) withDefaults() ReportConfig {
	if r.Batch == 0 {
		r.Batch = 100
	}
	if r.Window == 0 {
		r.Window = 50 * time.Millisecond
	}
	if r.Timeout == 0 {
		r.Timeout = 5 * time.Second
	}
	if r.Workers == 0 {
		r.Workers = 4
	}
	if r.Retries == nil {
		r.Retries = []time.Duration{time.Minute, 5 * time.Minute, 10 * time.Minute}
	}
	return r
}

// DevConfig returns what `smppbridged dev`, the demo and aliyunsim without a registry file play. Its calls are
// not limited per second and its ledger is bounded, so that a load generator can be pointed at it.
func DevConfig() Config {
	return Config{
		Accounts: []Account{{
			Name:  "dev",
			Keys:  []Key{{ID: "sim-key", Secret: "sim-secret"}},
			Signs: []Sign{{Name: "阿里云测试"}, {Name: "速通银行"}},
			Templates: []Template{
				{Code: "SMS_100000001", Name: "登录验证码", Type: TypeCode,
					Content:   "您的验证码是${code}，5分钟内有效，请勿泄露。",
					Variables: map[string]Variable{"code": {Attribute: AttributeNumberCaptcha}}},
				{Code: "SMS_100000002", Name: "发货通知", Type: TypeNotice,
					Content: "尊敬的${name}，您的订单${order}已发货，请注意查收。"},
				{Code: "SMS_100000003", Name: "任意内容", Type: TypeNotice, Content: "${content}",
					Variables: map[string]Variable{"content": {Attribute: AttributeAny, Max: 1000}},
					Unlimited: true, MaxContent: 1100},
				{Code: "SMS_100000004", Name: "动账通知", Type: TypeNotice,
					Content: "您的账户于${time}支出${amount}元，余额${balance}元。"},
			},
		}},
		QPS:         map[string]int{"*": -1},
		LedgerLimit: 1 << 20,
		Reports:     ReportConfig{Delay: 300 * time.Millisecond, Window: 50 * time.Millisecond},
	}
}
