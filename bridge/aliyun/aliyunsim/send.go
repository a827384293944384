package aliyunsim

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// The most recipients of one call, and the length of an OutId.
const (
	maxPhones = 1000
	maxBatch  = 100
	maxOutID  = 256
)

// codeOK is the Code of an accepted call.
const codeOK = "OK"

// A message is one recipient's part of a call, as the client wrote it.
type message struct {
	phone    string
	sign     string
	params   string // a JSON object, or nothing
	template string
	extend   string
}

// A checked message is one that may be executed.
type checked struct {
	phone    phone
	sign     string
	params   string
	template *template
	outcome  Outcome
	length   int // characters of signature and text
}

// sendSms sends one text to up to 1,000 numbers.
func (s *Server) sendSms(c *call) (answer, *apiError) {
	numbers := strings.Split(c.get("PhoneNumbers"), ",")
	if len(numbers) > maxPhones {
		return answer{}, businessError("isv.MOBILE_COUNT_OVER_LIMIT", "手机号码数量超过限制,最多支持1000条")
	}
	m := message{sign: c.get("SignName"), params: c.get("TemplateParam"), template: c.get("TemplateCode"),
		extend: c.get("SmsUpExtendCode")}
	list := make([]message, len(numbers))
	for i, number := range numbers {
		list[i] = m
		list[i].phone = number
	}
	return s.send(c, list)
}

// sendBatchSms sends up to 100 texts of one template, each with its own number, signature and parameters.
func (s *Server) sendBatchSms(c *call) (answer, *apiError) {
	var numbers, signs, extends []string
	var params []json.RawMessage
	for _, array := range []struct {
		name string
		into any
	}{
		{"PhoneNumberJson", &numbers}, {"SignNameJson", &signs},
		{"TemplateParamJson", &params}, {"SmsUpExtendCodeJson", &extends},
	} {
		text := c.get(array.name)
		if text == "" {
			continue
		}
		if err := json.Unmarshal([]byte(text), array.into); err != nil {
			return answer{}, businessError("isv.INVALID_JSON_PARAM", "参数格式错误，请修改为字符串值")
		}
	}
	n := len(numbers)
	if n > maxBatch {
		return answer{}, businessError("isv.MOBILE_COUNT_OVER_LIMIT", "手机号码数量超过限制,最多支持100条")
	}
	if n == 0 || len(signs) != n || c.get("TemplateParamJson") != "" && len(params) != n ||
		c.get("SmsUpExtendCodeJson") != "" && len(extends) != n {
		return answer{}, businessError("isv.INVALID_PARAMETERS", "手机号码、签名、模板变量的个数不一致")
	}
	list := make([]message, n)
	for i := range list {
		list[i] = message{phone: numbers[i], sign: signs[i], template: c.get("TemplateCode")}
		if params != nil {
			list[i].params = string(params[i])
		}
		if extends != nil {
			list[i].extend = extends[i]
		}
	}
	return s.send(c, list)
}

// send checks the messages of a call and executes them. One that is refused refuses the call; see
// Config.Partial for the others.
func (s *Server) send(c *call, list []message) (answer, *apiError) {
	if utf8.RuneCountInString(c.get("OutId")) > maxOutID {
		return answer{}, invalidParameters()
	}
	now := s.now()
	good := make([]checked, 0, len(list))
	charges := make([]charge, 0, len(list))
	var refused *apiError
	for _, m := range list {
		ok, bad := s.check(c.account, m)
		if bad == nil && s.cfg.Partial {
			bad = s.frequency.take([]charge{{ok.phone, c.account, ok.sign, ok.template}}, now)
		}
		if bad != nil {
			if !s.cfg.Partial {
				return answer{}, bad
			}
			if refused == nil {
				refused = bad
			}
			continue
		}
		good = append(good, ok)
		charges = append(charges, charge{ok.phone, c.account, ok.sign, ok.template})
	}
	if !s.cfg.Partial {
		if bad := s.frequency.take(charges, now); bad != nil {
			return answer{}, bad
		}
	}
	biz := s.ids.biz(now)
	if len(good) > 0 {
		s.execute(c, good, biz, now)
	}
	if refused != nil {
		return answer{}, refused
	}
	return accepted(c.id, biz), nil
}

// check makes the service's checks of one message. Their order is unverified.
func (s *Server) check(a *account, m message) (checked, *apiError) {
	p, ok := parsePhone(m.phone)
	if !ok {
		return checked{}, businessError("isv.MOBILE_NUMBER_ILLEGAL", "非法手机号")
	}
	out := checked{phone: p, sign: m.sign, params: m.params, outcome: s.outcomes.of(p)}
	if out.outcome.Code != "" {
		return out, businessError(out.outcome.Code, messageOf(out.outcome.Code))
	}
	sign := a.signs[m.sign]
	if sign == nil || !s.signStatus(a, sign).approved() {
		return out, businessError("isv.SMS_SIGNATURE_ILLEGAL", "签名不合法(不存在或被拉黑)")
	}
	out.sign = sign.Name
	t := a.templates[m.template]
	if t == nil || !s.templateStatus(a, t.Template).approved() {
		return out, businessError("isv.SMS_TEMPLATE_ILLEGAL", "模板不合法(不存在或被拉黑)")
	}
	out.template = t
	switch {
	case sign.CodeOnly && t.Type != TypeCode:
		return out, businessError("isv.SMS_SIGNATURE_SCENE_ILLEGAL", "签名的适用场景与短信类型不匹配")
	case p.mainland() && t.Type == TypeInternational:
		return out, businessError("isv.DOMESTIC_NUMBER_NOT_SUPPORTED", "国际/港澳台消息模板不支持发送境内号码")
	case !p.mainland() && t.Type != TypeInternational: // unverified which code this has
		return out, businessError("isv.MOBILE_NUMBER_ILLEGAL", "非法手机号")
	case !extendCode(m.extend):
		return out, businessError("isv.EXTEND_CODE_ERROR", "扩展码使用错误，相同的扩展码不可用于多个签名")
	}
	var params []param
	if m.params != "" {
		if params, ok = parseParams(m.params); !ok {
			return out, businessError("isv.INVALID_JSON_PARAM", "参数格式错误，请修改为字符串值")
		}
	}
	var bad *apiError
	out.length, bad = t.checkParams(sign.Name, params)
	return out, bad
}

// extendCode reports whether s may be appended to a sender's number.
func extendCode(s string) bool {
	if len(s) > 15 {
		return false
	}
	_, ok := digits(s)
	return ok
}

// messageOf is the Message that goes with a scripted business error.
func messageOf(code string) string {
	switch code {
	case "isv.BUSINESS_LIMIT_CONTROL":
		return "触发天级流控Permits:10"
	case "isv.AMOUNT_NOT_ENOUGH":
		return "账户余额不足"
	case "isv.OUT_OF_SERVICE":
		return "业务停机"
	case "isv.MOBILE_NUMBER_ILLEGAL":
		return "非法手机号"
	case "isp.RAM_PERMISSION_DENY":
		return "没有访问权限"
	}
	return code
}

// invalidParameters refuses values that no more exact code is known for.
func invalidParameters() *apiError { return businessError("isv.INVALID_PARAMETERS", "参数异常") }
