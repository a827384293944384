package bridge

import (
	"strings"
	"testing"
	"time"

	"smppbridge/smpp"
)

// TestDefaultMsgID: sm_default_msg_id names a template of the account's table; short_message is its
// text, its only value, or nothing.
func TestDefaultMsgID(t *testing.T) {
	tests := []struct {
		name   string
		id     uint8
		text   string
		status smpp.Status
		want   string // code and parameters
	}{
		{"no variable", 1, "", smpp.StatusOK, "SMS_3 {}"},
		{"no variable, its text", 1, "系统维护中。", smpp.StatusOK, "SMS_3 {}"},
		{"no variable, another text", 1, "hello", smpp.StatusInvDftMsgID, ""},
		{"one variable", 2, "4711", smpp.StatusOK, `SMS_1 {"code":"4711"}`},
		{"one variable, its text", 2, "您的验证码是4711。", smpp.StatusOK, `SMS_1 {"code":"4711"}`},
		{"one variable, a wrong value", 2, "hello", smpp.StatusInvDftMsgID, ""},
		{"one variable, nothing", 2, "", smpp.StatusInvDftMsgID, ""},
		{"several variables", 3, "张三，余额5元。", smpp.StatusOK, `SMS_4 {"name":"张三","amount":"5"}`},
		{"several variables, another text", 3, "您的验证码是4711。", smpp.StatusInvDftMsgID, ""},
		{"without it, not found", 0, "hello", smpp.StatusInvDftMsgID, ""},
		{"not in the table", 4, "4711", smpp.StatusInvDftMsgID, ""},
		{"reserved", 255, "4711", smpp.StatusInvDftMsgID, ""},
	}
	acct := compile1(t, fieldPolicy, "named")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := submitSM(tt.text)
			m.SMDefaultMsgID = tt.id
			got, err := acct.decide(m, fieldNow)
			if st := smpp.StatusOf(err, smpp.StatusUnknownErr); st != tt.status {
				t.Fatalf("got %v, want %v", err, tt.status)
			}
			if s := got.TemplateCode + " " + got.Params; err == nil && (s != tt.want || got.SignName != "测试" || got.Class == "") {
				t.Errorf("got %s of class %q signed %s, want %s", s, got.Class, got.SignName, tt.want)
			}
		})
	}
}

// none is a parameter that is not there.
const none = "\x01"

// vendorTests are what an ESME may name by parameters of its own.
var vendorTests = []struct {
	name, code, params, sign, text string
	status                         smpp.Status
	want                           string
}{
	{"all three", "SMS_4", `{"name":"张三","amount":5.50}`, "别的", "", smpp.StatusOK, `别的 SMS_4 {"name":"张三","amount":"5.50"}`},
	{"with NULs", "SMS_1\x00", "{\"code\":\"4711\"}\x00", "别的\x00", "", smpp.StatusOK, `别的 SMS_1 {"code":"4711"}`},
	{"the account's signature", "SMS_1", `{"code":4711}`, none, "", smpp.StatusOK, `测试 SMS_1 {"code":"4711"}`},
	{"a text beside parameters", "SMS_1", `{"code":"4711"}`, none, "whatever", smpp.StatusOK, `测试 SMS_1 {"code":"4711"}`},
	{"parameters from the text", "SMS_1", none, none, "您的验证码是4711。", smpp.StatusOK, `测试 SMS_1 {"code":"4711"}`},
	{"the value as the text", "SMS_1", none, none, "4711", smpp.StatusOK, `测试 SMS_1 {"code":"4711"}`},
	{"a text that does not fit", "SMS_1", none, none, "hello", smpp.StatusInvDftMsgID, ""},
	{"only a signature", none, none, "别的", "您的验证码是4711。", smpp.StatusOK, `别的 SMS_1 {"code":"4711"}`},
	{"the same signature in the text", none, none, "别的", "【别的】您的验证码是4711。", smpp.StatusOK, `别的 SMS_1 {"code":"4711"}`},
	{"another signature in the text", none, none, "别的", "【测试】您的验证码是4711。", smpp.StatusInvOptParamVal, ""},
	{"a template that is not the account's", "SMS_2", `{"content":"x"}`, none, "", smpp.StatusInvOptParamVal, ""},
	{"an unknown template", "SMS_9", none, none, "hello", smpp.StatusInvOptParamVal, ""},
	{"an empty template", "", none, none, "hello", smpp.StatusInvOptParamVal, ""},
	{"a signature that is not the account's", none, none, "第三", "您的验证码是4711。", smpp.StatusInvOptParamVal, ""},
	{"an unknown signature", none, none, "没有", "您的验证码是4711。", smpp.StatusInvOptParamVal, ""},
	{"parameters without a template", none, `{"code":"4711"}`, none, "", smpp.StatusMissingOptParam, ""},
	{"a variable too few", "SMS_4", `{"name":"张三"}`, none, "", smpp.StatusInvOptParamVal, ""},
	{"a variable too many", "SMS_1", `{"code":"4711","x":"y"}`, none, "", smpp.StatusInvOptParamVal, ""},
	{"a wrong value", "SMS_1", `{"code":"abcd"}`, none, "", smpp.StatusInvOptParamVal, ""},
	{"not JSON", "SMS_1", `code=4711`, none, "", smpp.StatusInvOptParamVal, ""},
}

// TestVendorParameters: template, parameters and signature as an ESME names them, where its account
// switches that on, and within what the account may use.
func TestVendorParameters(t *testing.T) {
	acct := compile1(t, fieldPolicy, "named")
	for _, tt := range vendorTests {
		t.Run(tt.name, func(t *testing.T) {
			m := submitSM(tt.text)
			for tag, v := range map[smpp.Tag]string{tagTemplateCode: tt.code, tagTemplateParam: tt.params, tagSignName: tt.sign} {
				if v != none {
					m.TLVs = m.TLVs.With(tag, v)
				}
			}
			got, err := acct.decide(m, fieldNow)
			if st := smpp.StatusOf(err, smpp.StatusUnknownErr); st != tt.status {
				t.Fatalf("got %v, want %v", err, tt.status)
			}
			if s := got.SignName + " " + got.TemplateCode + " " + got.Params; err == nil && s != tt.want {
				t.Errorf("got %s, want %s", s, tt.want)
			}
		})
	}
}

// TestNamesTogether: what cannot be meant together.
func TestNamesTogether(t *testing.T) {
	code := smpp.TLVs("").With(tagTemplateCode, "SMS_1")
	params := smpp.TLVs("").With(tagTemplateParam, `{"code":"4711"}`)
	tests := []struct {
		name, account string
		change        func(*smpp.SubmitSM)
		want          smpp.Status
	}{
		{"two names", "named", func(m *smpp.SubmitSM) { m.SMDefaultMsgID, m.TLVs = 2, code }, smpp.StatusOptParNotAllwd},
		{"an id and parameters", "named", func(m *smpp.SubmitSM) { m.SMDefaultMsgID, m.TLVs = 2, params }, smpp.StatusOK},
		{"parameters in a part", "named", func(m *smpp.SubmitSM) {
			m.ESMClass, m.ShortMessage, m.TLVs = smpp.ESMClassUDHI, "\x05\x00\x03\x01\x02\x01"+m.ShortMessage, code+params
		}, smpp.StatusOptParNotAllwd},
		{"no signature at all", "unsigned", func(m *smpp.SubmitSM) { m.TLVs = code + params }, smpp.StatusMissingOptParam},
		{"a signature of its own", "unsigned", func(m *smpp.SubmitSM) { m.TLVs = (code + params).With(tagSignName, "第三") }, smpp.StatusOK},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := submitSM("4711")
			tt.change(m)
			_, err := compile1(t, fieldPolicy, tt.account).decide(m, fieldNow)
			if got := smpp.StatusOf(err, smpp.StatusUnknownErr); got != tt.want {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestParseParams(t *testing.T) {
	good := map[string]string{
		`{}`:                          "",
		` {"a":"b"} `:                 "a=b",
		`{"a":12,"b":-1.50e3}`:        "a=12 b=-1.50e3",
		`{"a":"","b":"\u4e2d😀\n"}`:    "a= b=中😀\n",
		`{"a":"\ud83d\ude00"}`:        "a=😀",
		`{"a":123456789012345678901}`: "a=123456789012345678901",
	}
	for s, want := range good {
		got, err := parseParams(s)
		var list []string
		for _, k := range []string{"a", "b"} {
			if v, ok := got[k]; ok {
				list = append(list, k+"="+v)
			}
		}
		if joined := strings.Join(list, " "); err != nil || joined != want {
			t.Errorf("%s: got %q %v, want %q", s, joined, err, want)
		}
	}
	for _, s := range []string{
		``, `null`, `"a"`, `[]`, `[{"a":"b"}]`, `{"a":null}`, `{"a":true}`, `{"a":["b"]}`, `{"a":{"b":"c"}}`,
		`{"a":"b"`, `{"a":"b"}x`, `{"a":"b"}{}`, `{"a":"b",}`, `{"a":"b","a":"c"}`, `{a:"b"}`, `{"a":01}`, `{"a" "b"}`, `{"a","b"}`, `{"a"}`,
		`{"a":"\ud83d"}`, "{\"a\":\"\xff\"}", "{\"a\":\"b\nc\"}", `{"a":"` + strings.Repeat("x", maxParams) + `"}`,
	} {
		if got, err := parseParams(s); err == nil || smpp.StatusOf(err, 0) != smpp.StatusInvOptParamVal {
			t.Errorf("%.40s: got %v %v, want ESME_RINVOPTPARAMVAL", s, got, err)
		}
	}
}

// TestNamedLongMessage: the parts of a long message may name its template and signature.
func TestNamedLongMessage(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.putPolicy(fieldPolicy)
		pass(time.Second)
		e := r.bind("named", smpp.Transceiver)
		name := func(m *smpp.SubmitSM) { m.SMDefaultMsgID, m.TLVs = 3, m.TLVs.With(tagSignName, "别的") }
		first := e.accepted("张三，余", name, udh8(7, 2, 1))
		if m, _, err := r.store.Lookup(first); err != nil || m.Params != "" || m.Class != "" {
			t.Errorf("the part has class %q or parameters (%v)", m.Class, err)
		}
		e.accepted("额5元。", name, udh8(7, 2, 2))
		pass(time.Second)
		calls := r.api.called()
		if len(calls) != 1 {
			t.Fatalf("%d SMS, want 1", len(calls))
		}
		to := calls[0].Recipients[0]
		if got := to.SignName + " " + calls[0].Template + " " + to.Params; got != `别的 SMS_4 {"name":"张三","amount":"5"}` {
			t.Errorf("sent: %s", got)
		}
	})
}
