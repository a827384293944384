package aliyunsim

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"
)

// gatewayHost is what the gateway calls itself in its errors.
const gatewayHost = "dysmsapi.aliyuncs.com"

// An answer is what the client is going to get.
type answer struct {
	status int
	body   []byte
	code   string     // OK or the error code, for the counters
	rate   *rateState // of a throttled call
	// contentType goes before JSON's.
	contentType string
}

// An apiError is a refusal, of the gateway or of the SMS service behind it.
type apiError struct {
	status  int
	code    string
	message string
	gateway bool
	rate    *rateState
}

// A rateState is what the x-ratelimit headers tell.
type rateState struct {
	limit int
	left  time.Duration
	reset time.Time
}

func gatewayError(status int, code, message string) *apiError {
	return &apiError{status: status, code: code, message: message, gateway: true}
}

// businessError is a refusal of the SMS service: its HTTP status is 200.
func businessError(code, message string) *apiError {
	return &apiError{status: http.StatusOK, code: code, message: message}
}

// answer spells e. The gateway's errors have a HostId and a Recommend, the service's have not.
func (e *apiError) answer(requestID string) answer {
	b := make([]byte, 0, 256+len(e.message))
	if e.gateway {
		b = append(b, `{"RequestId":"`...)
		b = append(b, requestID...)
		b = append(b, `","Message":`...)
		b = appendJSON(b, e.message)
		b = append(b, `,"HostId":"`+gatewayHost+`","Code":`...)
		b = appendJSON(b, e.code)
		b = append(b, `,"Recommend":`...)
		b = appendJSON(b, "https://api.aliyun.com/troubleshoot?q="+e.code+"&product=Dysmsapi&requestId="+requestID)
	} else {
		b = append(b, `{"Message":`...)
		b = appendJSON(b, e.message)
		b = append(b, `,"RequestId":"`...)
		b = append(b, requestID...)
		b = append(b, `","Code":`...)
		b = appendJSON(b, e.code)
	}
	b = append(b, '}')
	return answer{status: e.status, body: b, code: e.code, rate: e.rate}
}

// accepted is the answer to an executed send.
func accepted(requestID string, biz int64) answer {
	b := make([]byte, 0, 128)
	b = append(b, `{"Message":"OK","RequestId":"`...)
	b = append(b, requestID...)
	b = append(b, `","BizId":"`...)
	b = strconv.AppendInt(b, biz, 10)
	b = append(b, `^0","Code":"OK"}`...)
	return answer{status: http.StatusOK, body: b, code: codeOK}
}

// setHeader fills in the headers that Dysmsapi's answers carry.
func (a *answer) setHeader(h http.Header, requestID string) {
	h["Content-Type"] = []string{"application/json;charset=utf-8"}
	h["Connection"] = []string{"keep-alive"}
	h["Access-Control-Allow-Origin"] = []string{"*"}
	h["X-Acs-Request-Id"] = []string{requestID}
	if a.contentType != "" {
		h["Content-Type"] = []string{a.contentType}
	}
	if a.rate != nil {
		state := fmt.Sprintf("Limit:%d,Remain:0,TimeLeft:%d,Reset:%d",
			a.rate.limit, a.rate.left.Milliseconds(), a.rate.reset.UnixMilli())
		h.Set("X-Ratelimit-User-Api", state)
		h.Set("X-Ratelimit-User", state)
	}
}

// appendJSON appends s as a JSON string.
func appendJSON(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			switch {
			case c == '"' || c == '\\':
				b = append(b, '\\', c)
			case c < ' ':
				b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
			default:
				b = append(b, c)
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		b = utf8.AppendRune(b, r) // bytes that are not UTF-8 become U+FFFD
		i += n
	}
	return append(b, '"')
}
