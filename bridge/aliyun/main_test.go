package aliyun

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"smppbridge/bridge"
	"smppbridge/store"
)

// What must never be seen in an Answer, an error, a metric or a log.
const (
	testPhone  = "13800001111"
	testParams = `{"code":"482913"}`
	testSecret = "sEcReTsEcReTsEcReT"
	testKeyID  = "LTAI5tTestKeyId0001"
)

var secrets = []string{testPhone, "482913", testSecret, testKeyID, "速通银行"}

// trusted is a certificate for 127.0.0.1 that the system's roots, as TestMain sets them, vouch for.
var trusted tls.Certificate

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "aliyun-test")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	// The SDK has no way to name a root certificate, so the system's are replaced, before
	// anything looks at them.
	roots := filepath.Join(dir, "roots.pem")
	if err := makeCertificate(roots); err != nil {
		log.Fatal(err)
	}
	os.Setenv("SSL_CERT_FILE", roots)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "DEBUG"} {
		os.Unsetenv(name)
	}
	return m.Run()
}

func makeCertificate(roots string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	trusted = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
}

// serve starts a plain HTTP server that ends with the test.
func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// serveTLS is serve with a certificate.
func serveTLS(t testing.TB, cfg *tls.Config, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = cfg
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// respond answers every request alike.
func respond(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json;charset=utf-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// business is the body of an answer of Dysmsapi's, gateway one of the gateway's.
func business(code, message string) string {
	return fmt.Sprintf(`{"Message":%q,"RequestId":"C0A0BE93-B44F-4350-BCC8-B677F78C3802","Code":%q}`, message, code)
}

func gateway(code, message string) string {
	return fmt.Sprintf(`{"RequestId":"A57FBFD7-B44F-4350-BCC8-B677F78C3802","Message":%q,"HostId":"dysmsapi.aliyuncs.com",`+
		`"Code":%q,"Recommend":"https://api.aliyun.com/troubleshoot?q=%s&product=Dysmsapi"}`, message, code, code)
}

const okBody = `{"Message":"OK","RequestId":"A216483A-5E87-49A3-9142-276821F5E10E","BizId":"166810747624160111^0","Code":"OK"}`

func testKeys(t testing.TB) Credentials {
	t.Helper()
	c, err := Static(testKeyID, testSecret, "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// plainRoute is a route named "main" to a plain server at url.
func plainRoute(t testing.TB, url string) Route {
	t.Helper()
	return Route{
		Name: "main", Endpoint: strings.TrimPrefix(url, "http://"), Plain: true, Credentials: testKeys(t),
		Workers: 8, Timeout: 10 * time.Second,
	}
}

// tlsRoute is plainRoute for a TLS server.
func tlsRoute(t testing.TB, url string) Route {
	t.Helper()
	r := plainRoute(t, "")
	r.Endpoint, r.Plain = strings.TrimPrefix(url, "https://"), false
	return r
}

func newClient(t testing.TB, reg prometheus.Registerer, routes ...Route) *Client {
	t.Helper()
	c, err := New(Config{Routes: routes, Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// testCall is a one-time code over the route "main".
func testCall() bridge.Call {
	return bridge.Call{
		OutID: "sb-1-77", Route: "main", Template: "SMS_100000001",
		Recipients: []bridge.Recipient{{Phone: testPhone, SignName: "速通银行", Params: testParams}},
	}
}

// send makes the test call and checks what holds for every answer.
func send(t *testing.T, c *Client, call bridge.Call) bridge.Answer {
	t.Helper()
	a := c.Send(context.Background(), call)
	checkAnswer(t, a)
	return a
}

func checkAnswer(t *testing.T, a bridge.Answer) {
	t.Helper()
	if a.Kind == store.OutcomeAccepted {
		if a.Cause != nil || a.Code != "OK" {
			t.Errorf("accepted with cause %v, code %q", a.Cause, a.Code)
		}
		return
	}
	if a.Cause == nil {
		t.Errorf("no cause in %+v", a)
		return
	}
	if !isTableCode(a.Code) {
		t.Errorf("code %q is not from the table", a.Code)
	}
	if (a.Kind == store.OutcomeRejected || a.Kind == store.OutcomeRetry) && len(a.Err) != 3 {
		t.Errorf("err %q of %v is not 3 characters", a.Err, a.Kind)
	}
	if (a.Kind == store.OutcomeRejected) != (a.Ending != 0) {
		t.Errorf("ending %d with kind %d", a.Ending, a.Kind)
	}
	checkNoSecret(t, fmt.Sprintf("%v %+v %#v", a, a, a.Cause))
	if errors.Unwrap(a.Cause) != nil {
		t.Errorf("cause wraps %T: what the SDK returns must stay inside", errors.Unwrap(a.Cause))
	}
}

func checkNoSecret(t *testing.T, text string) {
	t.Helper()
	for _, s := range secrets {
		if strings.Contains(text, s) {
			t.Errorf("%q is in %q", s, text)
		}
	}
}

// isTableCode reports whether code belongs to the closed set of Answer.Code.
func isTableCode(code string) bool {
	if _, known := builtin.byCode[code]; known || code == codeOther {
		return true
	}
	for _, f := range families {
		if f.code == code {
			return true
		}
	}
	return false
}
