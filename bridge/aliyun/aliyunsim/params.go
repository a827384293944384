package aliyunsim

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// parseParams decodes a JSON object of which every value is a string, which is all that a TemplateParam may be.
// encoding/json would take five times as long for it.
func parseParams(s string) ([]param, bool) {
	if !utf8.ValidString(s) {
		return nil, false
	}
	d := paramDecoder{rest: s}
	if !d.skip('{') {
		return nil, false
	}
	params := make([]param, 0, 4)
	if d.skip('}') {
		return params, d.end()
	}
	for {
		name, ok := d.text()
		if !ok || !d.skip(':') {
			return nil, false
		}
		value, ok := d.text()
		if !ok {
			return nil, false
		}
		params = append(params, param{name, value})
		if d.skip(',') {
			continue
		}
		return params, d.skip('}') && d.end()
	}
}

// A paramDecoder eats a JSON text from its front.
type paramDecoder struct{ rest string }

func (d *paramDecoder) space() { d.rest = strings.TrimLeft(d.rest, " \t\r\n") }

// skip eats b, with white space around it, if it comes next.
func (d *paramDecoder) skip(b byte) bool {
	d.space()
	if d.rest == "" || d.rest[0] != b {
		return false
	}
	d.rest = d.rest[1:]
	d.space()
	return true
}

func (d *paramDecoder) end() bool { return d.rest == "" }

// text eats a string. One with escapes is left to encoding/json.
func (d *paramDecoder) text() (string, bool) {
	if d.rest == "" || d.rest[0] != '"' {
		return "", false
	}
	escaped := false
	for i := 1; i < len(d.rest); i++ {
		switch b := d.rest[i]; {
		case b == '"':
			quoted := d.rest[:i+1]
			d.rest = d.rest[i+1:]
			if !escaped {
				return quoted[1:i], true
			}
			var s string
			err := json.Unmarshal([]byte(quoted), &s)
			return s, err == nil
		case b == '\\':
			escaped = true
			i++
		case b < ' ':
			return "", false
		}
	}
	return "", false
}

// checkParams compares params with what t asks for and returns the length of the whole text.
func (t *template) checkParams(sign string, params []param) (length int, bad *apiError) {
	length = t.length + utf8.RuneCountInString(sign) + len([]rune("【】"))
	for i := range t.variables {
		v := &t.variables[i]
		value, ok := find(params, v.name)
		if !ok {
			return 0, businessError("isv.TEMPLATE_MISSING_PARAMETERS", "模板变量缺少对应参数值")
		}
		n := utf8.RuneCountInString(value)
		if bad := v.check(value, n); bad != nil {
			return 0, bad
		}
		length += n
	}
	if length > t.maxContent() {
		return 0, businessError("isv.PARAM_LENGTH_LIMIT", "短信内容超出长度限制")
	}
	return length, nil
}

// check compares a value of n characters with the variable's rule.
func (v *variable) check(value string, n int) *apiError {
	r := v.rule
	if r.Attribute == AttributeNumberCaptcha || r.Attribute == AttributeCharacters {
		if n < r.Min || n > r.Max || !inAttribute(r.Attribute, value) {
			return mismatch()
		}
		return nil
	}
	if n < r.Min || n > r.Max {
		return businessError("isv.PARAM_LENGTH_LIMIT", "参数超出长度限制")
	}
	if r.Attribute == AttributeAny {
		return nil
	}
	switch {
	case hasURL(value):
		return businessError("isv.PARAM_NOT_SUPPORT_URL", "变量不支持传入URL")
	case strings.ContainsFunc(value, unsupportedRune):
		return unsupported()
	case !inAttribute(r.Attribute, value):
		return mismatch()
	}
	return nil
}

func mismatch() *apiError {
	return businessError("isv.TEMPLATE_PARAMS_ILLEGAL", "传入的变量内容和实际申请模板时变量所选择的属性类型不配")
}

func unsupported() *apiError {
	return businessError("isv.UNSUPPORTED_CONTENT", "短信内容中含有不支持发送的字符")
}

// inAttribute reports whether value is made of what the attribute allows.
func inAttribute(attribute, value string) bool {
	allowed := ""
	switch attribute {
	case AttributeNumberCaptcha:
		allowed = "0123456789"
	case AttributeCharacters:
		allowed = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	case AttributePhone:
		allowed = "0123456789-"
	case AttributeMoney:
		if strings.Count(value, ".") > 1 {
			return false
		}
		allowed = "0123456789."
	default:
		return true
	}
	return strings.Trim(value, allowed) == ""
}

// hasURL recognises addresses by what links in spam begin with. Alibaba's rule is not published.
func hasURL(value string) bool {
	for _, mark := range []string{"://", "www.", "WWW."} {
		if strings.Contains(value, mark) {
			return true
		}
	}
	return false
}

// emoji recognises the pictographs, their joiners and variation selectors.
func emoji(r rune) bool {
	return r >= 0x1F000 && r <= 0x1FAFF || r >= 0x2600 && r <= 0x27BF ||
		r == 0xFE0F || r == 0x200D || r == 0x20E3 || r == 0x2B50 || r == 0x2B55
}

// unsupportedRune recognises what Alibaba names as not to be sent: brackets of signatures, ornaments,
// emoji, traditional Chinese. Of the last only the most frequent are known here.
func unsupportedRune(r rune) bool {
	if r < 0x80 {
		return false
	}
	switch r {
	case '【', '】', '〖', '〗', '『', '』', '★', '※':
		return true
	case '們', '個', '這', '來', '時', '會', '說', '對', '過', '後', '從', '還', '進', '樣', '經', '現', '學', '發', '長', '開',
		'點', '無', '國', '當', '應', '關', '員', '電', '話', '請', '號', '碼', '驗', '證', '訂', '單', '貨', '銀', '賬', '額',
		'萬', '與', '業', '東', '車', '書', '門', '問', '間', '聽', '體', '機', '處', '務', '動', '實', '種', '義', '讓':
		return true
	}
	return emoji(r)
}
