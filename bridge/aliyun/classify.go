package aliyun

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"syscall"

	"github.com/alibabacloud-go/tea/tea"

	"smppbridge/bridge"
)

// A failure is what is kept of an SDK's error or of an answer: enough to decide and to log, and
// nothing that came from the request.
type failure struct {
	code   string // as the API said it, or one of ours; not yet checked against the table
	status int    // HTTP status; 0 = none known, or 200
	detail string // fixed text of ours, or an operating system's error text
}

// foreignCode is a code that came over the wire. Our own codes have no meaning there: a server
// that says "unreachable" has been reached.
func foreignCode(code string) string {
	switch code {
	case codeUnreachable, codeTLS, codeNoRoute, codeNoCredentials, codeTooLate, codeCanceled, codeUnsupported,
		codeTimeout, codeConnectionLost, codeRedirected, codeBadAnswer, codeServerError, codePanic:
		return codeOther
	}
	return code
}

// classify reduces an error of the SDK. outID is the call's, to recognise its own URL.
func (r *route) classify(err error, outID string) failure {
	if api := new(tea.SDKError); errors.As(err, &api) {
		code := tea.StringValue(api.Code)
		if code == "" || code == "<nil>" {
			// Not an answer of the gateway's, which always names a code.
			return failure{code: codeBadAnswer, status: tea.IntValue(api.StatusCode)}
		}
		return failure{code: foreignCode(code), status: tea.IntValue(api.StatusCode)}
	}
	if transport := new(url.Error); errors.As(err, &transport) {
		if !r.isOwnURL(transport.URL, outID) {
			// The first request was answered with a redirect, so it was written; what this
			// error is about is the request after it.
			return failure{code: codeRedirected}
		}
		return classifyTransport(transport)
	}
	var syntax *json.SyntaxError
	var network net.Error
	switch {
	case errors.As(err, &syntax):
		return failure{code: codeBadAnswer, detail: "not JSON"}
	case errors.As(err, &network) && network.Timeout():
		return failure{code: codeTimeout, detail: "while the answer was read"}
	}
	// Among others "… is not a map": the text would be the answer itself.
	return failure{code: codeBadAnswer}
}

// isOwnURL reports whether raw is the URL that the call was sent to, as opposed to one it was
// redirected to. A server that redirects to the very same URL is not noticed.
func (r *route) isOwnURL(raw, outID string) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	return u.Scheme == r.scheme() && u.Host == r.Endpoint && u.Path == "/" && u.Query().Get("OutId") == outID
}

// classifyTransport decides whether the request can have been written. Only errors whose type
// says that no request was written count as such; all others are time-outs or lost connections.
func classifyTransport(err *url.Error) failure {
	var (
		operation *net.OpError
		record    tls.RecordHeaderError
		untrusted *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &untrusted):
		return failure{code: codeTLS, detail: "certificate not verified"}
	case errors.Is(err, http.ErrSchemeMismatch):
		return failure{code: codeTLS, detail: "the endpoint does not speak TLS"}
	case errors.As(err, &record) && record.Conn != nil: // set for the first record only
		return failure{code: codeTLS, detail: "the endpoint does not speak TLS"}
	case errors.As(err, &operation):
		return classifyOperation(operation)
	case err.Timeout():
		return failure{code: codeTimeout}
	}
	return failure{code: codeConnectionLost, detail: errnoText(err)}
}

// classifyOperation is classifyTransport for errors that name the network operation.
func classifyOperation(op *net.OpError) failure {
	var lookup *net.DNSError
	switch {
	case op.Op == "dial" && errors.As(op, &lookup):
		return failure{code: codeUnreachable, detail: "name not resolved"}
	case op.Op == "dial" && op.Timeout():
		return failure{code: codeUnreachable, detail: "no connection in time"}
	case op.Op == "dial":
		return failure{code: codeUnreachable, detail: errnoText(op)}
	case op.Op == "proxyconnect" || strings.HasPrefix(op.Op, "socks"):
		return failure{code: codeUnreachable, detail: "proxy: " + errnoText(op)}
	case op.Op == "remote error" && isHandshakeAlert(op.Err):
		return failure{code: codeTLS, detail: "refused by the endpoint"}
	case op.Timeout():
		return failure{code: codeTimeout}
	}
	return failure{code: codeConnectionLost, detail: errnoText(op)}
}

// isHandshakeAlert reports whether err is a TLS alert that a server sends only before it has
// accepted a handshake, hence before it reads a request: handshake_failure, protocol_version,
// insufficient_security, inappropriate_fallback, unrecognized_name, no_application_protocol
// (RFC 8446, 6.2). crypto/tls does not export the type, but it is the alert's number.
func isHandshakeAlert(err error) bool {
	v := reflect.ValueOf(err)
	if v.Kind() != reflect.Uint8 {
		return false
	}
	switch v.Uint() {
	case 40, 70, 71, 86, 112, 120:
		return true
	}
	return false
}

// errnoText is the operating system's text for err, which names no address; "" without one.
func errnoText(err error) string {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number.Error()
	}
	return ""
}

// describeUnknown lets an operator learn a code that the table does not know. It is spelled out
// only if it has the form of Dysmsapi's business codes and shares no word with the parameters.
func (t *Table) describeUnknown(code string, to []bridge.Recipient) string {
	if code = t.unknownCode(code, to); code == "" {
		return ""
	}
	return "unknown code " + code
}

// unknownCode is a code that the table does not know, if it can be spelled out, else "".
func (t *Table) unknownCode(code string, to []bridge.Recipient) string {
	name, found := strings.CutPrefix(code, "isv.")
	if !found {
		name, found = strings.CutPrefix(code, "isp.")
	}
	if _, known := t.byCode[code]; known || !found || name == "" || len(name) > 48 {
		return ""
	}
	for _, c := range name {
		if c != '_' && (c < 'A' || c > 'Z') {
			return ""
		}
	}
	for i := range to {
		if sharesWord(name, to[i].Params) {
			return ""
		}
	}
	return code
}

// sharesWord reports whether a value of params is in name, or name in it, or nobody can tell.
func sharesWord(name, params string) bool {
	var values map[string]string
	if err := json.Unmarshal([]byte(params), &values); err != nil {
		return true
	}
	for _, value := range values {
		value = strings.ToUpper(value)
		if value != "" && (strings.Contains(name, value) || strings.Contains(value, name)) {
			return true
		}
	}
	return false
}

// cleanID returns an id that the API gave, or "" when it cannot be one: ids are stored, compared
// and logged.
func cleanID(id string) string {
	if len(id) > 64 {
		return ""
	}
	for _, c := range id {
		if c <= ' ' || c > '~' {
			return ""
		}
	}
	return id
}
