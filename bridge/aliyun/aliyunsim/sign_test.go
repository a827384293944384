package aliyunsim

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestACS3Vector compares with a signature of which every string is written out.
func TestACS3Vector(t *testing.T) {
	const wire = "/?OutId=a%2Fb&PhoneNumbers=13900000001&SignName=%E9%80%9F%E9%80%9A%E9%93%B6%E8%A1%8C&" +
		"TemplateCode=SMS_100000002&TemplateParam=%7B%22name%22%3A%22a+b%2A~%22%2C%22order%22%3A%221%22%7D"
	const emptySum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	canonical := "POST\n/\n" +
		"OutId=a%2Fb&PhoneNumbers=13900000001&SignName=%E9%80%9F%E9%80%9A%E9%93%B6%E8%A1%8C&" +
		"TemplateCode=SMS_100000002&TemplateParam=%7B%22name%22%3A%22a%20b%2A~%22%2C%22order%22%3A%221%22%7D\n" +
		"host:dysmsapi.aliyuncs.com\n" +
		"x-acs-action:SendSms\n" +
		"x-acs-content-sha256:" + emptySum + "\n" +
		"x-acs-date:2025-11-21T02:00:30Z\n" +
		"x-acs-signature-nonce:0123456789abcdef\n" +
		"x-acs-version:2017-05-25\n" +
		"\nhost;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version\n" + emptySum
	sum := sha256.Sum256([]byte(canonical))
	mac := hmac.New(sha256.New, []byte("sim-secret"))
	fmt.Fprintf(mac, "ACS3-HMAC-SHA256\n%x", sum)

	r, err := http.NewRequest(http.MethodPost, "http://dysmsapi.aliyuncs.com"+wire, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"X-Acs-Action": "SendSms", "X-Acs-Content-Sha256": emptySum, "X-Acs-Date": "2025-11-21T02:00:30Z",
		"X-Acs-Signature-Nonce": "0123456789abcdef", "X-Acs-Version": "2017-05-25",
		"Authorization": fmt.Sprintf("ACS3-HMAC-SHA256 Credential=sim-key,SignedHeaders=host;x-acs-action;x-acs-content-sha256;"+
			"x-acs-date;x-acs-signature-nonce;x-acs-version,Signature=%x", mac.Sum(nil)),
	} {
		r.Header.Set(name, value)
	}
	s := newServer(t, func(c *Config) { c.Now = newClock().now })
	if a := do(t, s, r); a.Code != "OK" {
		t.Fatalf("got %s, want OK", a.body)
	}
	if got, want := s.Ledger()[0].Params, `{"name":"a b*~","order":"1"}`; got != want {
		t.Errorf("params %s, want %s", got, want)
	}
}

// TestRPCv1Vector does the same for the older signature, with parameters in query and form.
func TestRPCv1Vector(t *testing.T) {
	const toSign = "POST&%2F&AccessKeyId%3Dsim-key%26Action%3DSendSms%26Format%3DJSON%26" +
		"PhoneNumbers%3D13900000001%26SignName%3D%25E9%2580%259F%25E9%2580%259A%25E9%2593%25B6%25E8%25A1%258C%26" +
		"SignatureMethod%3DHMAC-SHA1%26SignatureNonce%3Dn%252A1%26SignatureVersion%3D1.0%26" +
		"TemplateCode%3DSMS_100000001%26TemplateParam%3D%257B%2522code%2522%253A%2520%25221234%2522%257D%26" +
		"Timestamp%3D2025-11-21T02%253A00%253A30Z%26Version%3D2017-05-25"
	mac := hmac.New(sha1.New, []byte("sim-secret&"))
	mac.Write([]byte(toSign))
	signature := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	query := "/?AccessKeyId=sim-key&Action=SendSms&Format=JSON&SignatureMethod=HMAC-SHA1&SignatureNonce=n*1&" +
		"SignatureVersion=1.0&Timestamp=2025-11-21T02:00:30Z&Version=2017-05-25&Signature=" +
		strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(signature)
	form := "PhoneNumbers=13900000001&SignName=%E9%80%9F%E9%80%9A%E9%93%B6%E8%A1%8C&TemplateCode=SMS_100000001&" +
		"TemplateParam=%7B%22code%22%3A+%221234%22%7D"
	r, err := http.NewRequest(http.MethodPost, "http://dysmsapi.aliyuncs.com"+query, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	s := newServer(t, func(c *Config) { c.Now = newClock().now })
	if a := do(t, s, r); a.Code != "OK" {
		t.Fatalf("got %s, want OK", a.body)
	}
}

// TestSignatureCovers checks that nothing which has to be signed can be changed or left unsigned.
func TestSignatureCovers(t *testing.T) {
	tests := []struct {
		name    string
		request func() *http.Request
		want    string
	}{
		{"V3", func() *http.Request { return sendSms(otp("13900000001")).v3() }, "OK"},
		{"V3 by GET", func() *http.Request {
			q := sendSms(otp("13900000002"))
			q.method = http.MethodGet
			return q.v3()
		}, "OK"},
		{"V3 with the parameters in the form", func() *http.Request {
			return testRequest{action: "SendSms", form: otp("13900000003")}.v3()
		}, "OK"},
		{"RPC v1", func() *http.Request { return sendSms(otp("13900000004")).v1() }, "OK"},
		{"RPC v1 by GET", func() *http.Request {
			q := sendSms(otp("13900000005"))
			q.method = http.MethodGet
			return q.v1()
		}, "OK"},
		{"V3, other query", changed(func(r *http.Request) { r.URL.RawQuery += "&SmsUpExtendCode=1" }, testRequest.v3), "SignatureDoesNotMatch"},
		{"V3, other action header", changed(func(r *http.Request) { r.Header.Set("x-acs-action", "SendBatchSms") }, testRequest.v3), "MissingPhoneNumberJson"},
		{"V3, other host", changed(func(r *http.Request) { r.Host = "other.test" }, testRequest.v3), "SignatureDoesNotMatch"},
		{"V3, other method", changed(func(r *http.Request) { r.Method = http.MethodGet }, testRequest.v3), "SignatureDoesNotMatch"},
		{"V3, unsigned x-acs header", changed(func(r *http.Request) { r.Header.Set("x-acs-more", "1") }, testRequest.v3), "SignatureDoesNotMatch"},
		{"V3, unsigned content type", changed(func(r *http.Request) { r.Header.Set("content-type", "text/plain") }, testRequest.v3), "SignatureDoesNotMatch"},
		{"V3, other sum of the body", changed(func(r *http.Request) {
			r.Header.Set("x-acs-content-sha256", strings.Repeat("0", 64))
		}, testRequest.v3), "SignatureDoesNotMatch"},
		{"V3, other nonce", changed(func(r *http.Request) { r.Header.Set("x-acs-signature-nonce", "zzz") }, testRequest.v3), "SignatureDoesNotMatch"},
		{"V3, header signed twice", changed(func(r *http.Request) {
			h := r.Header.Get("Authorization")
			r.Header.Set("Authorization", strings.Replace(h, "host;", "host;host;", 1))
		}, testRequest.v3), "SignatureDoesNotMatch"},
		{"RPC v1, other query", changed(func(r *http.Request) { r.URL.RawQuery += "&SmsUpExtendCode=1" }, testRequest.v1), "SignatureDoesNotMatch"},
		{"RPC v1, other method", changed(func(r *http.Request) { r.Method = http.MethodGet }, testRequest.v1), "SignatureDoesNotMatch"},
	}
	s := newServer(t, nil)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := len(s.Ledger())
			a := do(t, s, test.request())
			if a.Code != test.want {
				t.Fatalf("got %s, want %s", a.Code, test.want)
			}
			if executed := len(s.Ledger()) - before; (executed == 1) != (test.want == "OK") {
				t.Errorf("%d messages executed with code %s", executed, a.Code)
			}
		})
	}
}

// changed returns a request that was changed after it was signed.
func changed(change func(*http.Request), sign func(testRequest) *http.Request) func() *http.Request {
	return func() *http.Request {
		q := sendSms(otp("13900000009"))
		q.unsigned = change
		return sign(q)
	}
}

// TestMismatchEchoesWhatWasSigned keeps the hazard that a client must not log the message.
func TestMismatchEchoesWhatWasSigned(t *testing.T) {
	s := newServer(t, nil)
	q := sendSms(otp("13900000001"))
	q.keyID, q.secret = "sim-key", "wrong"
	for name, r := range map[string]*http.Request{"V3": q.v3(), "RPC v1": q.v1()} {
		a := do(t, s, r)
		if a.Code != "SignatureDoesNotMatch" || a.status != http.StatusBadRequest {
			t.Errorf("%s: got %d %s", name, a.status, a.Code)
		}
		if !strings.Contains(a.Message, "13900000001") || !strings.Contains(a.Message, "server string to sign is:") {
			t.Errorf("%s: the message does not echo what was signed", name)
		}
	}
}

func TestParseAuthorization(t *testing.T) {
	tests := []struct {
		header string
		ok     bool
	}{
		{"ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host,Signature=00", true},
		{"ACS3-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=00", true},
		{"ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host", false},
		{"ACS3-HMAC-SM3 Credential=a,SignedHeaders=host,Signature=00", false},
		{"ACS3-HMAC-SHA256", false},
		{"", false},
	}
	for _, test := range tests {
		if a, ok := parseAuthorization(test.header); ok != test.ok {
			t.Errorf("%q: got %+v, %v, want %v", test.header, a, ok, test.ok)
		}
	}
}

func TestTimestamps(t *testing.T) {
	tests := []struct {
		name string
		off  time.Duration
		want string
	}{
		{"now", 0, "OK"},
		{"15 minutes old", -15 * time.Minute, "OK"},
		{"a second older", -15*time.Minute - time.Second, "InvalidTimeStamp.Expired"},
		{"15 minutes ahead", 15 * time.Minute, "OK"},
		{"a second further", 15*time.Minute + time.Second, "InvalidTimeStamp.Expired"},
		{"as at UTC+8", 8 * time.Hour, "InvalidTimeStamp.Expired"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t, func(c *Config) { c.Now = newClock().now })
			q := sendSms(free("13900000001", "a"))
			q.now = start.Add(test.off)
			for name, r := range map[string]*http.Request{"V3": q.v3(), "RPC v1": q.v1()} {
				if a := do(t, s, r); a.Code != test.want {
					t.Errorf("%s: got %s, want %s", name, a.Code, test.want)
				}
			}
		})
	}
}
