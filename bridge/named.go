package bridge

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"smppbridge/smpp"
	"smppbridge/store"
)

// Optional parameters of our own, for accounts that have vendor_tlvs: elsewhere other vendors give
// these tags other meanings (SMPP 3.4, 5.3.2). A NUL behind the value is taken off.
const (
	tagTemplateCode  smpp.Tag = 0x1400 // TemplateCode
	tagTemplateParam smpp.Tag = 0x1401 // its parameters, a JSON object of strings and numbers
	tagSignName      smpp.Tag = 0x1402 // SignName in UTF-8, without 【】
)

// Why what an ESME names is refused. None of them carries what it named.
var (
	errDefaultMsgID = errors.New("sm_default_msg_id is not in the account's table")
	errTwoNames     = errors.New("template named by sm_default_msg_id and by a parameter")
	errTemplateCode = errors.New("parameter names no template of the account")
	errSignName     = errors.New("parameter names no signature of the account")
	errOtherSign    = errors.New("parameter and text name different signatures")
	errParamsAlone  = errors.New("parameters without a template")
	errParamsPart   = errors.New("parameters in a part of a long message")
	errParams       = errors.New("parameters are not a JSON object of strings and numbers")
)

// naming is what an ESME says of its message besides the text: template, signature, parameters. The
// zero value says nothing.
type naming struct {
	code   string  // TemplateCode; empty: it is found from the text
	sign   string  // SignName; empty: the text's or the account's
	params *string // of code, as they came; nil: they are found from the text
}

// naming reads what m names: a template by sm_default_msg_id (SMPP 3.4, 5.2.20) and the account's table, or
// by parameter, then one that the account may use.
func (a *account) naming(m *smpp.SubmitSM) (n naming, err error) {
	if m.SMDefaultMsgID != 0 {
		if n.code = a.defaultMsgs[m.SMDefaultMsgID]; n.code == "" {
			return naming{}, &smpp.StatusError{Status: smpp.StatusInvDftMsgID, Err: errDefaultMsgID}
		}
	}
	if !a.VendorTLVs || m.TLVs == "" {
		return n, nil
	}
	if code, ok := m.TLVs.Get(tagTemplateCode); ok {
		if n.code != "" {
			return naming{}, &smpp.StatusError{Status: smpp.StatusOptParNotAllwd, Err: errTwoNames}
		}
		n.code = strings.TrimSuffix(code, "\x00")
		if a.templates[n.code] == nil || a.match.Allowed != nil && !a.match.Allowed.HasTemplate(n.code) {
			return naming{}, &smpp.StatusError{Status: smpp.StatusInvOptParamVal, Err: errTemplateCode}
		}
	}
	if params, ok := m.TLVs.Get(tagTemplateParam); ok {
		if n.code == "" {
			return naming{}, &smpp.StatusError{Status: smpp.StatusMissingOptParam, Err: errParamsAlone}
		}
		params = strings.TrimSuffix(params, "\x00")
		n.params = &params
	}
	if sign, ok := m.TLVs.Get(tagSignName); ok {
		n.sign = strings.TrimSuffix(sign, "\x00")
		if !a.maySign(n.sign) {
			return naming{}, &smpp.StatusError{Status: smpp.StatusInvOptParamVal, Err: errSignName}
		}
	}
	return n, nil
}

// maySign reports whether the account may use a signature.
func (a *account) maySign(name string) bool {
	if a.match.Allowed != nil {
		return a.match.Allowed.HasSignature(name)
	}
	return a.set.HasSignature(name)
}

// fillParams sets what the API needs from a template and parameters that the ESME named. It needs no
// text then, and one that is there is not sent and not kept: many clients fill it in for themselves.
func (a *account) fillParams(msg *store.Message, n naming) (*approved, error) {
	values, err := parseParams(*n.params)
	if err != nil {
		return nil, err
	}
	params, err := a.set.Params(n.code, values)
	if err != nil {
		return nil, &smpp.StatusError{Status: smpp.StatusInvOptParamVal, Err: err}
	}
	sign := n.sign
	if sign == "" {
		sign = a.SignName
	}
	if sign == "" {
		return nil, &smpp.StatusError{Status: smpp.StatusMissingOptParam, Err: errSignName}
	}
	t := a.templates[n.code]
	msg.SignName, msg.TemplateCode, msg.Params = sign, t.Code, params
	msg.Class, msg.Urgent = t.Class, t.class.Urgent
	return t, nil
}

// maxParams bounds what is parsed: no template takes more.
const maxParams = 16 << 10

// parseParams reads a JSON object of strings and numbers, and nothing else: no name twice, nothing
// behind it, no text that is not Unicode. A number's value is what was written.
func parseParams(s string) (map[string]string, error) {
	bad := &smpp.StatusError{Status: smpp.StatusInvOptParamVal, Err: errParams}
	if len(s) > maxParams || !utf8.ValidString(s) {
		return nil, bad
	}
	d := json.NewDecoder(bytes.NewReader([]byte(s)))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, bad
	}
	values := make(map[string]string)
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, bad
		}
		value, err := d.Token()
		if err != nil {
			return nil, bad
		}
		var text string
		switch v := value.(type) {
		case string:
			text = v
		case json.Number:
			text = v.String()
		default:
			return nil, bad
		}
		key := name.(string) // a decoder lets nothing else stand there
		if _, twice := values[key]; twice || strings.ContainsRune(text, utf8.RuneError) {
			return nil, bad
		}
		values[key] = text
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return nil, bad
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, bad
	}
	return values, nil
}
