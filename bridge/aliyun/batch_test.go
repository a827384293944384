package aliyun

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"smppbridge/bridge"
	"smppbridge/store"
)

// batchOf is a call for n recipients, each with parameters and a phone of its own.
func batchOf(n int) bridge.Call {
	call := testCall()
	call.Recipients = nil
	for i := range n {
		call.Recipients = append(call.Recipients, bridge.Recipient{
			Phone: fmt.Sprintf("1380000%04d", i), SignName: "速通银行", Params: fmt.Sprintf(`{"code":"%06d"}`, i)})
	}
	return call
}

// keep answers OK and keeps the form and the query of the last request.
func keep(form, query *url.Values) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*form, _ = url.ParseQuery(string(body))
		*query = r.URL.Query()
		query.Set("action", r.Header.Get("X-Acs-Action"))
		query.Set("type", r.Header.Get("Content-Type"))
		respond(200, okBody)(w, r)
	}
}

// Several recipients go out as one SendBatchSms: arrays of one length and order in the form, the
// TemplateCode and our OutId in the query; texts are neither changed nor mixed up.
func TestBatchOnTheWire(t *testing.T) {
	var form, query url.Values
	c := newClient(t, nil, plainRoute(t, serve(t, keep(&form, &query)).URL))
	call := batchOf(100)
	call.Recipients[7].Params = `{"code":"<a&b>, 【\"}] 张"}`
	call.Recipients[8].Params = " {\n\"code\": \"1\"}"
	call.Recipients[9].SignName = "阿里云测试"
	a := send(t, c, call)
	if a.Kind != store.OutcomeAccepted || a.BizID != "166810747624160111^0" || !a.Whole {
		t.Errorf("got %+v", a)
	}
	for name, want := range map[string]string{"action": "SendBatchSms", "OutId": call.OutID, "TemplateCode": call.Template,
		"type": "application/x-www-form-urlencoded", "PhoneNumberJson": ""} {
		if got := query.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	var phones, signs []string
	var params []map[string]string
	for name, into := range map[string]any{"PhoneNumberJson": &phones, "SignNameJson": &signs, "TemplateParamJson": &params} {
		if err := json.Unmarshal([]byte(form.Get(name)), into); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if len(phones) != 100 || len(signs) != 100 || len(params) != 100 || len(form) != 3 {
		t.Fatalf("%d phones, %d signatures, %d parameters, %d fields", len(phones), len(signs), len(params), len(form))
	}
	for i, to := range call.Recipients {
		var want map[string]string
		if err := json.Unmarshal([]byte(to.Params), &want); err != nil {
			t.Fatal(err)
		}
		if phones[i] != to.Phone || signs[i] != to.SignName || params[i]["code"] != want["code"] {
			t.Errorf("recipient %d came as something else", i)
		}
	}
	if strings.Contains(form.Get("TemplateParamJson"), `\u003c`) {
		t.Error("texts are escaped without need")
	}
}

// A template without variables has no parameters; where some have none they are empty objects, and the
// arrays stay of one length.
func TestBatchWithoutParameters(t *testing.T) {
	var form, query url.Values
	c := newClient(t, nil, plainRoute(t, serve(t, keep(&form, &query)).URL))
	call := batchOf(3)
	call.Recipients[0].Params, call.Recipients[2].Params = "", ""
	send(t, c, call)
	if got, want := form.Get("TemplateParamJson"), `[{},{"code":"000001"},{}]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	call.Recipients[1].Params = ""
	send(t, c, call)
	if _, there := form["TemplateParamJson"]; there {
		t.Errorf("got %s, want none", form.Get("TemplateParamJson"))
	}
}

// What would be a batch of something else is not called at all, and no reason to end all of it: one
// by one its messages can be sent.
func TestBatchNotCalled(t *testing.T) {
	c := newClient(t, nil, plainRoute(t, serve(t, func(http.ResponseWriter, *http.Request) { t.Error("called") }).URL))
	for name, change := range map[string]func(*bridge.Call){
		"too many": func(c *bridge.Call) { *c = batchOf(101) },
		"a phone twice": func(c *bridge.Call) {
			c.Recipients[1].Phone = "+86" + c.Recipients[0].Phone
		},
		"two objects for one":   func(c *bridge.Call) { c.Recipients[1].Params = `{"code":"1"},{"code":"2"}` },
		"an array":              func(c *bridge.Call) { c.Recipients[1].Params = `[]` },
		"half an object":        func(c *bridge.Call) { c.Recipients[1].Params = `{"code":` },
		"no object":             func(c *bridge.Call) { c.Recipients[1].Params = `null` },
		"nobody (and so whole)": func(c *bridge.Call) { c.Recipients = nil },
	} {
		call := batchOf(3)
		change(&call)
		a := send(t, c, call)
		if a.Code != codeUnsupported || a.Whole != (len(call.Recipients) == 0) {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

// The scope of an answer to a call for several: what one recipient alone may have caused says nothing
// of each, all else holds for all.
func TestBatchScope(t *testing.T) {
	type scope struct {
		status int
		code   string
		whole  bool
	}
	scopes := []scope{
		{200, "OK", true}, {200, "isp.SYSTEM_ERROR", true}, {200, "isv.AMOUNT_NOT_ENOUGH", true},
		{200, "isv.DAY_LIMIT_CONTROL", true}, {200, "isv.MOBILE_COUNT_OVER_LIMIT", true},
		{200, "isv.MOBILE_NUMBER_ILLEGAL", false}, {200, "isv.BLACK_KEY_CONTROL_LIMIT", false},
		{200, "isv.SMS_SIGNATURE_ILLEGAL", false}, {200, "isv.SMS_TEMPLATE_ILLEGAL", false},
		{200, "isv.PARAM_LENGTH_LIMIT", false}, {200, "isv.INVALID_PARAMETERS", false}, {200, "SIGNATURE_BLACKLIST", false},
		{200, "isv.SOMETHING_NEW", false}, {200, "SOMETHING_NEW", false},
		{400, "MissingSignName", true}, {400, "Throttling.User", true}, {403, "Forbidden.RAM", true},
		{400, "SomethingNew", true}, {400, "isv.MOBILE_NUMBER_ILLEGAL", false}, {500, "isv.MOBILE_NUMBER_ILLEGAL", true},
		{503, "ServiceUnavailable", true},
	}
	for _, tt := range scopes {
		body := gateway(tt.code, "")
		if tt.status == 200 {
			body = business(tt.code, "message about "+testPhone)
		}
		c := newClient(t, nil, plainRoute(t, serve(t, respond(tt.status, body)).URL))
		if a := send(t, c, batchOf(2)); a.Whole != tt.whole {
			t.Errorf("HTTP %d %s to several: %+v, want whole %v", tt.status, tt.code, a, tt.whole)
		}
		if a := send(t, c, testCall()); !a.Whole {
			t.Errorf("HTTP %d %s to one: %+v", tt.status, tt.code, a)
		}
	}
	for _, message := range []string{"触发分钟级流控Permits:1", "触发天级流控Permits:10"} {
		c := newClient(t, nil, plainRoute(t, serve(t, respond(200, business(codePhoneLimit, message))).URL))
		if a := send(t, c, batchOf(2)); a.Whole {
			t.Errorf("a limit of one phone: %+v", a)
		}
	}
}

// What a route is to be slowed down or left for is said beside the outcome.
func TestAnswerOfTheRoute(t *testing.T) {
	for _, tt := range []struct {
		status            int
		code              string
		throttled, outage bool
	}{
		{200, "OK", false, false}, {200, "isp.SYSTEM_ERROR", false, false}, {200, "isv.AMOUNT_NOT_ENOUGH", false, false},
		{400, "Throttling", true, false}, {400, "Throttling.New", true, false}, {429, "TooMany", true, false},
		{503, "Throttling.User", true, false}, {500, "InternalError", false, true}, {503, "Unknown", false, true},
		{500, "isv.MOBILE_NUMBER_ILLEGAL", false, true}, {408, "RequestTimeout", false, true},
		{404, "InvalidAccessKeyId.NotFound", false, false},
	} {
		body := gateway(tt.code, "")
		if tt.status == 200 {
			body = business(tt.code, "")
		}
		c := newClient(t, nil, plainRoute(t, serve(t, respond(tt.status, body)).URL))
		if a := send(t, c, testCall()); a.Throttled != tt.throttled || a.Outage != tt.outage {
			t.Errorf("HTTP %d %s: %+v, want throttled %v, outage %v", tt.status, tt.code, a, tt.throttled, tt.outage)
		}
	}
	for _, h := range []http.HandlerFunc{respond(502, "<html></html>"), respond(503, ""), respond(200, "x")} {
		c := newClient(t, nil, plainRoute(t, serve(t, h).URL))
		if a := send(t, c, testCall()); !a.Outage || a.Kind != store.OutcomeUncertain {
			t.Errorf("an answer that cannot be read: %+v", a)
		}
	}
	if a := send(t, newClient(t, nil, plainRoute(t, "http://"+refused(t))), testCall()); !a.Outage || a.Kind != store.OutcomeRetry {
		t.Errorf("no connection: %+v", a)
	}
}
