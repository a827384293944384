package aliyun

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"smppbridge/store"
)

// A server that answers with what it was asked, in every place the SDK looks at. Whatever it does,
// nothing of the request is in the answer, in a metric or in a log, and nothing is taken for
// surely not sent that was answered in a way we cannot read.
func TestHostileAnswers(t *testing.T) {
	echo := func(format string, status int, contentType string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			dump, _ := httputil.DumpRequest(r, true)
			all := fmt.Sprintf("%s %s %s %s %s", testPhone, "482913", testKeyID, r.URL.Query().Get("SignName"), dump)
			w.Header().Set("Content-Type", contentType)
			w.Header().Set("X-Acs-Request-Id", testPhone)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, strings.ReplaceAll(format, "$", quoteJSON(all)))
		}
	}
	const jsonType, xmlType = "application/json;charset=utf-8", "text/xml;charset=utf-8"
	tests := []struct {
		name   string
		handle http.HandlerFunc
		kind   store.OutcomeKind
	}{
		{"echo as code", echo(`{"Code":"$","Message":"$"}`, 200, jsonType), rejected},
		{"echo as business code", echo(`{"Code":"isv.$","Message":"$"}`, 200, jsonType), rejected},
		{"echo as platform code", echo(`{"Code":"isp.$","Message":"$"}`, 200, jsonType), uncertain},
		{"echo as limit message", echo(`{"Code":"isv.BUSINESS_LIMIT_CONTROL","Message":"$"}`, 200, jsonType), rejected},
		{"echo as gateway code", echo(`{"Code":"$","Message":"$","Recommend":"$","AccessDeniedDetail":{"$":"$"}}`, 400, jsonType), retry},
		{"string to sign", echo(`{"Code":"SignatureDoesNotMatch","Message":"$","HostId":"$"}`, 400, jsonType), retry},
		{"echo in a 500", echo(`{"Code":"$","Message":"$"}`, 500, jsonType), uncertain},
		{"4xx without a code", echo(`{"error":"$"}`, 404, jsonType), uncertain},
		{"4xx null code", echo(`{"Code":null,"Message":"$"}`, 400, jsonType), uncertain},
		{"4xx code of another type", echo(`{"Code":{"a":"$"},"Message":["$"]}`, 400, jsonType), retry},
		{"XML error", echo(`<Error><Code>$</Code><Message>$</Message></Error>`, 403, xmlType), uncertain},
		{"XML that is no error", echo(`<a>$</a>`, 403, xmlType), uncertain},
		{"broken XML", echo(`<a`, 403, xmlType), uncertain},
		{"JSON string", echo(`"$"`, 200, jsonType), uncertain},
		{"JSON array", echo(`["$"]`, 200, jsonType), uncertain},
		{"JSON number", echo(`13800001111`, 200, jsonType), uncertain},
		{"JSON null", echo(`null`, 200, jsonType), uncertain},
		{"empty object", echo(`{}`, 200, jsonType), uncertain},
		{"code missing", echo(`{"Message":"$"}`, 200, jsonType), uncertain},
		{"code null", echo(`{"Code":null}`, 200, jsonType), uncertain},
		{"code an object", echo(`{"Code":{"$":1}}`, 200, jsonType), uncertain},
		{"code a number", echo(`{"Code":13800001111}`, 200, jsonType), rejected},
		{"empty", echo(``, 200, jsonType), uncertain},
		{"garbage", echo(`$ { ] `, 200, jsonType), uncertain},
		{"truncated", echo(`{"Code":"OK","BizId":"1`, 200, jsonType), uncertain},
		{"204", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, uncertain},
		{"202 OK", echo(`{"Code":"OK","BizId":"1^0"}`, 202, jsonType), uncertain},
		{"304 OK", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) }, uncertain},
		{"HTML 502", echo(`<html>$</html>`, 502, "text/html"), uncertain},
		{"HTML 403", echo(`<html>$</html>`, 403, "text/html"), uncertain},
		{"empty 503", echo(``, 503, ""), uncertain},
		{"empty 400", echo(``, 400, ""), uncertain},
		{"deep", echo(strings.Repeat(`[`, 20000), 200, jsonType), uncertain},
		{"redirect with the request", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/"+testPhone+"?"+r.URL.RawQuery, http.StatusFound)
		}, uncertain},
	}
	for _, old := range []bool{false, true} {
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%s, RPC v1 %v", tt.name, old), func(t *testing.T) {
				var logged bytes.Buffer
				reg := prometheus.NewRegistry()
				route := plainRoute(t, serve(t, tt.handle).URL)
				route.RPCV1 = old
				c, err := New(Config{Routes: []Route{route}, Registerer: reg, Log: slog.New(slog.NewJSONHandler(&logged, nil))})
				if err != nil {
					t.Fatal(err)
				}
				a := send(t, c, testCall())
				// RPC v1 reads no XML: what it cannot read is uncertain all the same.
				if a.Kind != tt.kind {
					t.Errorf("got %+v, want kind %d", a, tt.kind)
				}
				checkNoSecret(t, logged.String())
				checkNoSecret(t, exposition(t, reg))
			})
		}
	}
}

// quoteJSON is s as the inside of a JSON string.
func quoteJSON(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", `\r`, "\n", `\n`).Replace(s)
}

// exposition is everything that reg shows.
func exposition(t *testing.T, reg *prometheus.Registry) string {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("metrics: HTTP %d", w.Code)
	}
	return w.Body.String()
}

// An id that cannot be one is not kept; the message is accepted all the same.
func TestOddBizID(t *testing.T) {
	for id, want := range map[string]string{
		"1^0": "1^0", strings.Repeat("9", 65): "", "a b": "", "a\nb": "", "号": "",
	} {
		srv := serve(t, respond(200, fmt.Sprintf(`{"Code":"OK","BizId":"%s"}`, quoteJSON(id))))
		if a := send(t, newClient(t, nil, plainRoute(t, srv.URL)), testCall()); a.Kind != accepted || a.BizID != want {
			t.Errorf("BizId %q: got %+v, want %q", id, a, want)
		}
	}
}
