package aliyun

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	dysms "github.com/alibabacloud-go/dysmsapi-20170525/v3/client"
	"github.com/alibabacloud-go/tea/tea"

	"smppbridge/bridge"
)

// Names of the actions that send.
const (
	sendAction  = "SendSms"
	batchAction = "SendBatchSms"
)

// maxBatch is the most recipients of one SendBatchSms.
const maxBatch = 100

// Why a call is not one that the API takes. They name a mistake of the caller's.
var (
	errNobody  = errors.New("no recipient")
	errTooMany = errors.New("more recipients than SendBatchSms takes")
	errTwice   = errors.New("one phone twice: its reports could not be told apart")
	errParams  = errors.New("parameters that are not a JSON object")
)

// A request is a Call as the SDK takes it: one of the two.
type request struct {
	outID  string
	before time.Time // the Call's Before
	one    *dysms.SendSmsRequest
	batch  *dysms.SendBatchSmsRequest
}

// newRequest is the second half of the conversion of messages into a request of the API.
func newRequest(call bridge.Call) (request, error) {
	switch n := len(call.Recipients); {
	case n == 0:
		return request{}, errNobody
	case n > maxBatch:
		return request{}, errTooMany
	case n > 1:
		batch, err := newBatch(call)
		return request{outID: call.OutID, before: call.Before, batch: batch}, err
	}
	to := call.Recipients[0]
	return request{outID: call.OutID, before: call.Before, one: &dysms.SendSmsRequest{
		OutId:         tea.String(call.OutID),
		PhoneNumbers:  tea.String(to.Phone),
		SignName:      tea.String(to.SignName),
		TemplateCode:  tea.String(call.Template),
		TemplateParam: tea.String(to.Params),
	}}, nil
}

// newBatch spells the recipients as parallel JSON arrays. The parameters become elements of an array
// as they are, so each must be an object of its own: with "{}, {}" every text after it would go to
// somebody else.
func newBatch(call bridge.Call) (*dysms.SendBatchSmsRequest, error) {
	n := len(call.Recipients)
	phones, signs := make([]string, n), make([]string, n)
	params := make([]json.RawMessage, n)
	seen := make(map[string]bool, n)
	some := false
	for i, to := range call.Recipients {
		phones[i], signs[i], params[i] = to.Phone, to.SignName, json.RawMessage("{}")
		bare := bareNumber(to.Phone)
		switch {
		case seen[bare]:
			return nil, errTwice
		case to.Params == "":
		case !strings.HasPrefix(strings.TrimLeft(to.Params, " \t\r\n"), "{") || !json.Valid([]byte(to.Params)):
			return nil, errParams
		default:
			params[i], some = json.RawMessage(to.Params), true
		}
		seen[bare] = true
	}
	batch := &dysms.SendBatchSmsRequest{
		OutId:           tea.String(call.OutID),
		PhoneNumberJson: tea.String(array(phones)),
		SignNameJson:    tea.String(array(signs)),
		TemplateCode:    tea.String(call.Template),
	}
	if some { // a template without variables has no parameters
		batch.TemplateParamJson = tea.String(array(params))
	}
	return batch, nil
}

// array spells list as JSON, with <, > and & as they are.
func array[T any](list []T) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(list) // strings and valid JSON always encode
	return strings.TrimSuffix(b.String(), "\n")
}

// A reply is what both actions answer.
type reply struct {
	status               *int32
	code, bizID, message *string
}

// call makes one call with its own copy of the SDK's client and reduces what comes back.
func (r *route) call(sdk *dysms.Client, keys Keys, q request) (f failure, bizID string) {
	// The SDK reflects its way through whatever the server sends. If that panics the call may
	// have been executed, and the node has better things to do than to die of it.
	defer func() {
		if recover() != nil {
			f, bizID = failure{code: codePanic}, ""
		}
	}()
	sdk.Credential = keys.sdk()
	got, err := r.exchange(sdk, q)
	switch {
	case err != nil:
		return r.classify(err, q.outID), ""
	case tea.StringValue(got.code) == "" || tea.Int32Value(got.status) != http.StatusOK:
		return failure{code: codeBadAnswer, status: int(tea.Int32Value(got.status))}, ""
	}
	f = failure{code: foreignCode(tea.StringValue(got.code))}
	switch f.code {
	case codeOK:
		bizID = cleanID(tea.StringValue(got.bizID))
	case codePhoneLimit:
		f.code = phoneLimitCode(tea.StringValue(got.message))
	}
	return f, bizID
}

// exchange sends q and returns the answer's parts; nothing but the status when it has no body.
func (r *route) exchange(sdk *dysms.Client, q request) (reply, error) {
	if q.batch == nil {
		response, err := sdk.SendSmsWithOptions(q.one, r.options)
		switch {
		case err != nil || response == nil:
			return reply{}, err
		case response.Body == nil:
			return reply{status: response.StatusCode}, nil
		}
		b := response.Body
		return reply{response.StatusCode, b.Code, b.BizId, b.Message}, nil
	}
	response, err := sdk.SendBatchSmsWithOptions(q.batch, r.options)
	switch {
	case err != nil || response == nil:
		return reply{}, err
	case response.Body == nil:
		return reply{status: response.StatusCode}, nil
	}
	b := response.Body
	return reply{response.StatusCode, b.Code, b.BizId, b.Message}, nil
}
