package aliyunsim

import (
	"net/http"
	"strings"
	"time"
)

// version is the API version that is played.
const version = "2017-05-25"

// clockSkew is how far a request's time may be from ours.
const clockSkew = 15 * time.Minute

// An action is an API that the gateway knows.
type action struct {
	name     string
	required []string // parameters that are mandatory
	qps      int      // Alibaba's published quota per account
	sends    bool
	run      func(*Server, *call) (answer, *apiError)
}

// actions are the APIs by name.
func actions() map[string]*action {
	all := map[string]*action{
		"SendSms": {required: []string{"PhoneNumbers", "SignName", "TemplateCode"},
			qps: 5000, sends: true, run: (*Server).sendSms},
		"SendBatchSms": {required: []string{"PhoneNumberJson", "SignNameJson", "TemplateCode"},
			qps: 5000, sends: true, run: (*Server).sendBatchSms},
		"QuerySendDetails": {required: []string{"PhoneNumber", "SendDate", "PageSize", "CurrentPage"},
			qps: 5000, run: (*Server).querySendDetails},
		"QuerySmsTemplateList": {qps: 10, run: (*Server).querySmsTemplateList},
		"QuerySmsSignList":     {qps: 10, run: (*Server).querySmsSignList},
		"QuerySendStatistics": {required: []string{"StartDate", "EndDate", "IsGlobe", "PageIndex", "PageSize"},
			qps: 20, run: (*Server).querySendStatistics},
		"QueryTokenForMnsQueue": {required: []string{"MessageType", "QueueName"},
			qps: 100, run: (*Server).queryTokenForMnsQueue},
	}
	for name, a := range all {
		a.name = name
	}
	return all
}

// admit makes the gateway's checks in the order in which Alibaba's seems to make them: what is called,
// whether all of it is there, who calls, when, whether again, whether truly, and how often.
func (s *Server) admit(c *call) (*action, *apiError) {
	a, bad := s.route(c)
	if bad != nil {
		return nil, bad
	}
	cred, bad := c.credentials()
	if bad != nil {
		return nil, bad
	}
	for _, name := range a.required {
		if c.get(name) == "" {
			return nil, missing(name)
		}
	}
	known, bad := s.findKey(c, cred)
	if bad != nil {
		return nil, bad
	}
	if bad := s.checkTime(cred.date, cred.nonce); bad != nil {
		return nil, bad
	}
	var toSign string
	var ok bool
	if c.v1 {
		toSign, ok = verifyV1(c, known.key)
	} else {
		toSign, ok = verifyACS3(c, cred.authorization, known)
	}
	if !ok {
		// The real gateway returns all that was signed, phone number and parameters included; a client
		// that logs the message must find that out here.
		return nil, &apiError{status: http.StatusBadRequest, code: "SignatureDoesNotMatch", gateway: true,
			message: "Specified signature is not matched with our calculation. server string to sign is:" + toSign}
	}
	return a, s.throttle(c, a)
}

// route finds the action that c names.
func (s *Server) route(c *call) (*action, *apiError) {
	notFound := gatewayError(http.StatusNotFound, "InvalidAction.NotFound",
		"Specified api is not found, please check your url and method")
	if c.r.Method != http.MethodGet && c.r.Method != http.MethodPost || c.r.URL.Path != "/" {
		return nil, notFound
	}
	if c.action == "" {
		return nil, missing("Action")
	}
	v := c.r.Header.Get("X-Acs-Version")
	if c.v1 || v == "" {
		v = c.get("Version")
	}
	if v == "" {
		return nil, missing("Version")
	}
	if v != version {
		return nil, invalid("Version")
	}
	a := s.actions[c.action]
	if a == nil {
		return nil, notFound
	}
	return a, nil
}

// credentials are what a request says about who signed it and when.
type credentials struct {
	authorization
	date  string
	nonce string
	token string
}

func (c *call) credentials() (cred credentials, bad *apiError) {
	if c.v1 {
		cred = credentials{authorization{keyID: c.get("AccessKeyId")},
			c.get("Timestamp"), c.get("SignatureNonce"), c.get("SecurityToken")}
		if m := c.get("SignatureMethod"); m != "" && m != "HMAC-SHA1" {
			return cred, invalid("SignatureMethod")
		}
		if v := c.get("SignatureVersion"); v != "" && v != "1.0" {
			return cred, invalid("SignatureVersion")
		}
	} else {
		h := c.r.Header
		header := h.Get("Authorization")
		if header == "" {
			return cred, missing("AccessKeyId")
		}
		a, ok := parseAuthorization(header)
		if !ok {
			return cred, gatewayError(http.StatusBadRequest, "InvalidAuthorization",
				"Specified Authorization header is not valid.")
		}
		cred = credentials{a, h.Get("X-Acs-Date"), h.Get("X-Acs-Signature-Nonce"), h.Get("X-Acs-Security-Token")}
	}
	switch {
	case cred.keyID == "":
		return cred, missing("AccessKeyId")
	case cred.date == "":
		return cred, missing("Timestamp")
	case cred.nonce == "":
		return cred, missing("SignatureNonce")
	}
	return cred, nil
}

// findKey looks up the AccessKey and, for temporary credentials, compares the token. The codes of
// the latter are unverified.
func (s *Server) findKey(c *call, cred credentials) (*credential, *apiError) {
	known, ok := s.keys[cred.keyID]
	if !ok {
		return nil, gatewayError(http.StatusNotFound, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
	}
	key := known.key
	switch {
	case key.Inactive:
		return nil, gatewayError(http.StatusForbidden, "InvalidAccessKeyId.Inactive", "Specified access key is disabled.")
	case key.SecurityToken == "" && cred.token == "":
	case key.SecurityToken != "" && cred.token == "":
		return nil, missing("SecurityToken")
	case key.SecurityToken != cred.token:
		return nil, gatewayError(http.StatusBadRequest, "InvalidSecurityToken.MismatchWithAccessKey",
			"Specified SecurityToken mismatch with the AccessKey.")
	case !key.Expires.IsZero() && s.now().After(key.Expires):
		return nil, gatewayError(http.StatusBadRequest, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")
	}
	c.account = known.account
	return known, nil
}

func (s *Server) checkTime(date, nonce string) *apiError {
	at, err := time.Parse("2006-01-02T15:04:05Z", date)
	if err != nil {
		return gatewayError(http.StatusBadRequest, "InvalidTimeStamp.Format",
			"Specified time stamp or date value is not well formatted.")
	}
	now := s.now()
	if d := now.Sub(at); (d > clockSkew || d < -clockSkew) && !s.cfg.AnyTime {
		return gatewayError(http.StatusBadRequest, "InvalidTimeStamp.Expired",
			"Specified time stamp or date value is expired.")
	}
	if !s.nonces.use(nonce, now) {
		return gatewayError(http.StatusBadRequest, "SignatureNonceUsed", "Specified signature nonce was used already.")
	}
	return nil
}

// throttle counts c against the quota of its account.
func (s *Server) throttle(c *call, a *action) *apiError {
	limit := a.qps
	for _, qps := range []map[string]int{s.cfg.QPS, c.account.QPS} {
		if n, ok := qps[c.action]; ok {
			limit = n
		} else if n, ok := qps["*"]; ok {
			limit = n
		}
	}
	if limit < 0 {
		return nil
	}
	left, ok := c.account.rates.take(c.action, limit, s.now())
	if ok {
		return nil
	}
	bad := throttled("Throttling.User", "")
	bad.rate = &rateState{limit: limit, left: left, reset: s.now().Add(left)}
	return bad
}

// throttled is the gateway's refusal of a call beyond a quota.
func throttled(code, message string) *apiError {
	if message == "" {
		message = "Request was denied due to user flow control."
		if !strings.HasSuffix(code, ".User") {
			message = "Request was denied due to request throttling."
		}
	}
	return gatewayError(http.StatusBadRequest, code, message)
}

func missing(name string) *apiError {
	return gatewayError(http.StatusBadRequest, "Missing"+name, name+" is mandatory for this action.")
}

func invalid(name string) *apiError {
	return gatewayError(http.StatusBadRequest, "Invalid"+name, "Specified parameter "+name+" is not valid.")
}
