package configs

// A Policy says who may send what, through which route, how fast. It is one YAML document,
// versioned in the replicated state, so that all nodes decide alike. example: policy.yaml.
type Policy struct {
	Accounts   []Account        `yaml:"accounts"`   // who may bind
	Signatures []string         `yaml:"signatures"` // SignNames without 【】
	Templates  []Template       `yaml:"templates"`  // approved templates
	Classes    map[string]Class `yaml:"classes"`    // by name; the built-in four are there unless overridden
	Routes     []Route          `yaml:"routes"`     // ways out
	Queues     []Queue          `yaml:"queues"`     // message queues that reports and incoming messages are read from; empty = they are pushed

	Caps []Cap `yaml:"caps"` // most messages accepted to a prefix, of a template or of an account; empty = none

	Sync              Sync `yaml:"sync"`               // templates and signatures as the Alibaba Cloud accounts have them
	RefuseTraditional bool `yaml:"refuse_traditional"` // refuse traditional Chinese characters in variables; it is not known which of them the API refuses

	Reconcile string `yaml:"reconcile"` // from when on each day (UTC+8) the day before is compared with the Alibaba Cloud accounts' own counts; empty = never

	Outcomes map[string]Outcome `yaml:"outcomes"` // what codes of the API mean, by code (isp. with its point: all that begin so); empty = what `smppctl outcomes` prints
}

// An Account is one system_id.
type Account struct {
	SystemID     string `yaml:"system_id"`     // unique; 1 to 15 octets
	PasswordHash string `yaml:"password_hash"` // argon2id, as `smppctl hash-password` prints it

	Binds      int     `yaml:"binds"`       // bound sessions at a time, over all nodes; default 10
	Rate       float64 `yaml:"rate"`        // messages per second; 0 = unlimited
	Burst      int     `yaml:"burst"`       // messages accepted at once above the rate; 0 = one second's worth
	Window     int     `yaml:"window"`      // messages accepted and not final; 0 = unlimited
	DailyQuota int     `yaml:"daily_quota"` // messages per day of UTC+8; 0 = unlimited

	Bind    AccountBind `yaml:"bind"`    // who may bind as this account, and how
	Session Session     `yaml:"session"` // windows and timers of its sessions

	SignName         string   `yaml:"sign_name"`         // when the text carries none
	Templates        []string `yaml:"templates"`         // TemplateCodes it may use; empty = all
	Signatures       []string `yaml:"signatures"`        // SignNames it may use; empty = all
	FallbackTemplate string   `yaml:"fallback_template"` // TemplateCode with one variable that takes a text no template matches; empty = refuse
	Route            string   `yaml:"route"`             // the one route it goes by; empty = see routes
	Routes           []string `yaml:"routes"`            // routes it goes by; empty = all but those with only_named

	DryRun bool `yaml:"dry_run"` // everything but the call of the API: nobody gets an SMS, and receipts say that it was delivered

	DefaultMsgIDs map[string]string `yaml:"default_msg_ids"` // sm_default_msg_id (1 to 254) to TemplateCode; empty = none
	VendorTLVs    bool              `yaml:"vendor_tlvs"`     // optional parameters 0x1400 TemplateCode, 0x1401 its parameters (JSON), 0x1402 SignName

	DefaultAlphabet string   `yaml:"default_alphabet"` // what data_coding 0 means: gsm (default), ascii, latin1, utf8, gbk
	CountryCode     string   `yaml:"country_code"`     // of numbers without one; default "86"
	Validity        Duration `yaml:"validity"`         // longest validity; 0 = the class's
	KeepTexts       bool     `yaml:"keep_texts"`       // do not erase texts when a message is final

	Ack       string   `yaml:"ack"`           // when submit_sm_resp is written: stored (default), or submitted: after the API's answer
	AckWithin Duration `yaml:"ack_within"`    // with ack submitted: how long submit_sm_resp waits for that answer; default 5s
	Dedupe    Duration `yaml:"dedupe"`        // the same message again within this time gets the first one's message_id; 0 = off
	Priority  string   `yaml:"priority_flag"` // what priority_flag 1 to 3 means: prefer (default): sent before messages that are not urgent; or ignore
	MessageID string   `yaml:"message_id"`    // spelling: hex10 (default), hex8, dec10
	ErrorBody string   `yaml:"error_body"`    // behind the header of a response with an error: usual (default), none, empty
	Receipt   Receipt  `yaml:"receipt"`

	Incoming Incoming `yaml:"incoming"` // incoming messages (MO), which become deliver_sm
	OptOut   OptOut   `yaml:"opt_out"`  // who gets no more of what, by what they write
}

// AccountBind says who may bind as an account.
type AccountBind struct {
	Types        []string `yaml:"types"`        // transmitter, receiver, transceiver; empty = all
	From         []string `yaml:"from"`         // addresses and networks (CIDR) it may bind from; empty = any
	TLS          string   `yaml:"tls"`          // any (default), required, or certificate: with a client certificate that the node trusts
	Certificates []string `yaml:"certificates"` // with tls certificate: names (DNS or CN) of which its certificate must have one; empty = any
}

// Session are the windows and timers of an account's sessions; 0 = the node's.
type Session struct {
	Window          int      `yaml:"window"`           // unanswered requests before a session is not read any more; default 1000
	DeliverWindow   int      `yaml:"deliver_window"`   // unanswered deliver_sm; default 100
	EnquireLink     Duration `yaml:"enquire_link"`     // silence after which we ask; 0 = the node's
	ResponseTimeout Duration `yaml:"response_timeout"` // for deliver_sm and enquire_link; 0 = the node's
}

// Receipt says what this account's delivery receipts look like.
type Receipt struct {
	Text *bool `yaml:"text"` // Appendix B text in short_message; default true
	TLVs *bool `yaml:"tlvs"` // all optional parameters, receipted_message_id and message_state among them; default true
	// of a long message in parts: each (default), a receipt for each part that asked for one; or last, one with the last part's id
	Parts string `yaml:"parts"`
}

// A Template is an approved template.
type Template struct {
	Code       string             `yaml:"code"`        // TemplateCode
	Text       string             `yaml:"text"`        // content with ${name}, without signature
	Class      string             `yaml:"class"`       // name of a class
	Vars       map[string]VarRule `yaml:"vars"`        // by the variable's name; a variable without a rule has the defaults
	PhoneLimit *bool              `yaml:"phone_limit"` // count it in the class's per-phone windows; default true
	Numbers    string             `yaml:"numbers"`     // what it is sent to: mainland, international or any; empty = what its class is sent to
}

// A VarRule limits the value of a template variable.
type VarRule struct {
	Kind string `yaml:"kind"` // any (default), digits, alnum, number, time, phone, name, free
	Min  int    `yaml:"min"`  // characters; default 1
	Max  int    `yaml:"max"`  // characters; default 35, and 1000 for free
}

// A Sync says whether templates and signatures are compared with those that the Alibaba Cloud accounts have.
type Sync struct {
	Every Duration `yaml:"every"` // how often they are asked for; 0 = never; default 10m
}

// A Class is a kind of traffic and its defaults.
type Class struct {
	Validity     Duration     `yaml:"validity"`       // how long an unsent message is worth sending; default 24h
	OnUncertain  string       `yaml:"on_uncertain"`   // report or resend (default): what to do with an attempt that stays uncertain
	ResendAfter  Duration     `yaml:"resend_after"`   // how long it stays uncertain first; default 5m
	PhoneLimits  []PhoneLimit `yaml:"phone_limits"`   // per phone; empty = none
	Urgent       bool         `yaml:"urgent"`         // sent before messages of classes that are not urgent
	PhoneLimitBy string       `yaml:"phone_limit_by"` // what is counted together: sign (default), or template (signature and template)
	Batch        int          `yaml:"batch"`          // most messages of one call, 1 to 100; default 1
	BatchWithin  Duration     `yaml:"batch_within"`   // how long a message waits for others while such a call is under way; default 50ms
	Hours        string       `yaml:"hours"`          // when it may be sent, such as "08:00-21:00" (UTC+8); empty = always
	Numbers      string       `yaml:"numbers"`        // what it is sent to: mainland (default; of the class international: international), international, or any
	OnWithdrawn  string       `yaml:"on_withdrawn"`   // when no Alibaba Cloud account has template and signature: park (default): accepted, and waits; or refuse
	Cost         float64      `yaml:"cost"`           // of one segment, in any currency; 0 = not counted
}

// A PhoneLimit is one frequency rule per phone, as Alibaba Cloud counts it: minutes and hours are
// clock windows of UTC+8, a day is the last 24 hours.
type PhoneLimit struct {
	Per   string `yaml:"per"`   // minute, hour or day
	Limit int    `yaml:"limit"` // messages
}

// A Route is a way out.
type Route struct {
	Name        string   `yaml:"name"`        // unique; what accounts, metrics and logs call it
	Kind        string   `yaml:"kind"`        // dysmsapi (default), or smpp: another message centre, to which it binds
	Endpoint    string   `yaml:"endpoint"`    // host[:port]; default dysmsapi.aliyuncs.com
	Plain       bool     `yaml:"plain"`       // HTTP instead of HTTPS: simulators only
	Credentials string   `yaml:"credentials"` // name of an entry of the node config's credentials; default "default"
	QPS         int      `yaml:"qps"`         // calls per second, over the cluster; default 1000
	Workers     int      `yaml:"workers"`     // calls at a time; default 64
	QueryQPS    int      `yaml:"query_qps"`   // queries per second after messages without a report; default 20
	Timeout     Duration `yaml:"timeout"`     // of one call; default 5s

	Account    string   `yaml:"account"`    // the Alibaba Cloud account it belongs to, by any name; empty = the name of its credentials
	Priority   int      `yaml:"priority"`   // routes with the lowest one that are well are used; default 0
	Weight     int      `yaml:"weight"`     // share of the calls among routes of one priority; default 1
	Templates  []string `yaml:"templates"`  // TemplateCodes that its account has; empty = all
	Signatures []string `yaml:"signatures"` // SignNames that its account has; empty = all
	OnlyNamed  bool     `yaml:"only_named"` // used only by accounts that name it

	SMPP RouteSMPP `yaml:"smpp"` // for kind smpp: how it speaks
}

// A Queue is where an Alibaba Cloud account has its reports and incoming messages, if it does not have them pushed.
type Queue struct {
	Name          string `yaml:"name"`           // unique; what metrics and logs call it
	Credentials   string `yaml:"credentials"`    // name of an entry of the node config's credentials; default "default"
	Reports       string `yaml:"reports"`        // name of the queue of delivery reports (SmsReport), as the console shows it; empty = none
	Incoming      string `yaml:"incoming"`       // name of the queue of incoming messages (SmsUp); empty = none
	Endpoint      string `yaml:"endpoint"`       // host[:port] of the message service; default 1943695596114318.mns.cn-hangzhou.aliyuncs.com
	TokenEndpoint string `yaml:"token_endpoint"` // host[:port] that gives keys for the queues; default dybaseapi.aliyuncs.com
	Plain         bool   `yaml:"plain"`          // HTTP instead of HTTPS: simulators only
	Receivers     int    `yaml:"receivers"`      // requests that wait at each queue; default 8
}

// RouteSMPP is what a route of kind smpp has beside the others.
type RouteSMPP struct {
	TLS         bool     `yaml:"tls"`          // default false; its certificate must be of the endpoint's name
	SystemType  string   `yaml:"system_type"`  // in its bind, up to 12 characters
	EnquireLink Duration `yaml:"enquire_link"` // how often it asks whether the other side is there; default 30s
	Alphabet    string   `yaml:"alphabet"`     // what data_coding 0 means there: gsm (default), ascii, latin1, utf8, gbk
	Long        string   `yaml:"long"`         // a text too long for one submit_sm: parts (default), or payload: in message_payload
	SourceAddr  string   `yaml:"source_addr"`  // of all its messages; empty = as submitted
	Signature   string   `yaml:"signature"`    // as_is (default), or front: a text without one gets its message's in front, in 【】
	// how receipts spell the message_id of a submit_sm_resp: same (default), decimal: one that was hexadecimal in decimal, or hex: the other way round
	ReceiptIDs string `yaml:"receipt_ids"`
}

// A Cap is the most messages that are accepted in a minute, an hour or a day of UTC+8, over all that it is about: against SMS
// pumping, where somebody has texts sent to numbers that earn him money.
type Cap struct {
	Name     string `yaml:"name"`     // unique; what metrics and logs call it
	Prefix   string `yaml:"prefix"`   // first digits of the numbers, country code included, such as "+86139"; empty = all numbers
	Template string `yaml:"template"` // TemplateCode; empty = all
	Account  string `yaml:"account"`  // system_id; empty = all together
	Per      string `yaml:"per"`      // minute, hour or day
	Limit    int    `yaml:"limit"`    // messages; parts of long messages count one each
}

// An Outcome says what one code of the API means. What it leaves out stays as it is built in.
type Outcome struct {
	Class  string `yaml:"class"`  // retry, throttle, permanent, account, phone or uncertain; empty = as built in
	Status string `yaml:"status"` // of a submit_sm_resp that waits for the API's answer, such as ESME_RSUBMITFAIL; empty = as built in
	Stat   string `yaml:"stat"`   // of the receipt: REJECTD, UNDELIV, EXPIRED, UNKNOWN or DELETED; empty = as built in
	Err    string `yaml:"err"`    // of the receipt, 3 letters or digits; empty = as built in
}
