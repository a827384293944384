package aliyun

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	testRoleARN  = "acs:ram::1234567890123456:role/sms"
	testProvider = "acs:ram::1234567890123456:oidc-provider/ack"
	testToken    = "sTsTokensTsToken+/="
)

// givenKeys is STS's answer with keys that end at expires.
func givenKeys(id string, expires time.Time) string {
	b, _ := json.Marshal(map[string]any{
		"RequestId": "964E0EC5-575B-4FF5-8FD0-D4BD8025602A",
		"Credentials": map[string]string{
			"AccessKeyId": id, "AccessKeySecret": testSecret, "SecurityToken": testToken,
			"Expiration": expires.UTC().Format("2006-01-02T15:04:05Z"),
		},
	})
	return string(b)
}

// inAnHour is an end that is written in whole seconds.
func inAnHour() time.Time { return time.Now().Add(time.Hour).Truncate(time.Second) }

// patience is what tests give a machine that is busy with others.
const patience = 20 * time.Second

// fetchOnce fetches as Run does, and checks that an error says nothing it should not.
func fetchOnce(t *testing.T, c *Temporary) (session, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got, err := c.from.fetch(ctx)
	if err != nil {
		checkNoSecret(t, fmt.Sprintf("%v %+v", err, err))
		if strings.Contains(fmt.Sprint(err), testToken) {
			t.Errorf("the error quotes a token: %v", err)
		}
	}
	return got, err
}

func wantSession(t *testing.T, got session, id string, expires time.Time) {
	t.Helper()
	if got.keys.reveal == nil || *got.keys.reveal() != (accessKey{id, testSecret, testToken}) {
		t.Error("got other keys than wanted")
	}
	if !got.expires.Equal(expires) {
		t.Errorf("they end at %v, want %v", got.expires, expires)
	}
}

// The example in Alibaba Cloud's description of the signature, version 3.
func TestSignatureOfTheDocumentation(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost,
		"https://ecs.cn-shanghai.aliyuncs.com/?ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai", nil)
	for name, value := range map[string]string{
		"x-acs-action": "RunInstances", "x-acs-version": "2014-05-26", "x-acs-date": "2023-10-26T10:22:32Z",
		"x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d", "x-acs-content-sha256": hashed(""),
		"Accept": "application/json",
	} {
		r.Header.Set(name, value)
	}
	names, signature := signatureACS3(r, "YourAccessKeySecret")
	if want := "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version"; names != want {
		t.Errorf("signed headers %s, want %s", names, want)
	}
	if want := "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"; signature != want {
		t.Errorf("signature %s, want %s", signature, want)
	}
}

// checkSignature computes a request's signature anew, from what arrived and by the description alone.
func checkSignature(t *testing.T, r *http.Request, secret string) {
	t.Helper()
	algorithm, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	parts := map[string]string{}
	for _, part := range strings.Split(rest, ",") {
		name, value, _ := strings.Cut(part, "=")
		parts[name] = value
	}
	var headers strings.Builder
	for _, name := range strings.Split(parts["SignedHeaders"], ";") {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		headers.WriteString(name + ":" + value + "\n")
	}
	// On this wire the query is sorted and escaped as it is signed.
	canonical := r.Method + "\n/\n" + r.URL.RawQuery + "\n" + headers.String() + "\n" + parts["SignedHeaders"] + "\n" + r.Header.Get("X-Acs-Content-Sha256")
	sum := sha256.Sum256([]byte(canonical))
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = io.WriteString(mac, "ACS3-HMAC-SHA256\n"+hex.EncodeToString(sum[:]))
	if want := hex.EncodeToString(mac.Sum(nil)); algorithm != "ACS3-HMAC-SHA256" || parts["Signature"] != want {
		t.Errorf("%s signature %s, want %s of\n%s", algorithm, parts["Signature"], want, canonical)
	}
	if parts["Credential"] != testKeyID {
		t.Error("signed with another key")
	}
}

// What AssumeRole sends and takes, with a permanent key to begin with and with a temporary one.
func TestAssumeRole(t *testing.T) {
	expires := inAnHour()
	for _, token := range []string{"", "base-token"} {
		var asked *http.Request
		srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
			asked = r.Clone(context.Background())
			respond(200, givenKeys("STS.i", expires))(w, r)
		})
		base, err := Static(testKeyID, testSecret, token)
		if err != nil {
			t.Fatal(err)
		}
		c, err := AssumeRole(base, Role{ARN: testRoleARN, SessionName: "n1", Duration: 15 * time.Minute, ExternalID: "x=1", Endpoint: srv.URL}, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := fetchOnce(t, c)
		if err != nil {
			t.Fatal(err)
		}
		wantSession(t, got, "STS.i", expires)
		checkSignature(t, asked, testSecret)
		want := url.Values{"RoleArn": {testRoleARN}, "RoleSessionName": {"n1"}, "DurationSeconds": {"900"}, "ExternalId": {"x=1"}}
		if asked.Method != http.MethodPost || asked.URL.Query().Encode() != want.Encode() {
			t.Errorf("%s %s, want %s", asked.Method, asked.URL.Query().Encode(), want.Encode())
		}
		h := asked.Header
		if h.Get("X-Acs-Action") != "AssumeRole" || h.Get("X-Acs-Version") != "2015-04-01" || h.Get("X-Acs-Security-Token") != token {
			t.Error("headers do not name the action, its version or the token")
		}
		sent, err := time.Parse(time.RFC3339, h.Get("X-Acs-Date"))
		if err != nil || time.Since(sent) > time.Minute || len(h.Get("X-Acs-Signature-Nonce")) != 32 {
			t.Errorf("date %v (%v), nonce %q", sent, err, h.Get("X-Acs-Signature-Nonce"))
		}
		signed := strings.Contains(h.Get("Authorization"), "x-acs-security-token")
		if signed != (token != "") {
			t.Errorf("security token signed: %v", signed)
		}
	}
}

// What AssumeRoleWithOIDC sends and takes. The token is read anew for each fetch, and is in no address.
func TestAssumeRoleWithOIDC(t *testing.T) {
	clearEnv(t)
	expires := inAnHour()
	var asked *http.Request
	var form url.Values
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.Clone(context.Background())
		body, _ := io.ReadAll(r.Body)
		form, _ = url.ParseQuery(string(body))
		respond(200, givenKeys("STS.o", expires))(w, r)
	})
	file := filepath.Join(t.TempDir(), "token")
	t.Setenv(envRoleARN, testRoleARN)
	t.Setenv(envOIDC, testProvider)
	t.Setenv(envOIDCToken, file)
	c, err := AssumeRoleWithOIDC(OIDCRole{Role: Role{Endpoint: srv.URL}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fetchOnce(t, c); err == nil || !strings.Contains(err.Error(), "token file: no such file") || asked != nil {
		t.Errorf("without a token: %v", err)
	}
	for _, token := range []string{"eyJ.first.token", "eyJ.second+/=token"} {
		if err := os.WriteFile(file, []byte(token+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := fetchOnce(t, c)
		if err != nil {
			t.Fatal(err)
		}
		wantSession(t, got, "STS.o", expires)
		want := url.Values{"RoleArn": {testRoleARN}, "OIDCProviderArn": {testProvider}, "OIDCToken": {token},
			"RoleSessionName": {DefaultRoleSession}, "DurationSeconds": {"3600"}}
		if form.Encode() != want.Encode() {
			t.Errorf("form %s, want %s", form.Encode(), want.Encode())
		}
		q := asked.URL.Query()
		if q.Get("Action") != "AssumeRoleWithOIDC" || q.Get("Version") != "2015-04-01" || q.Get("Format") != "JSON" || q.Get("Timestamp") == "" {
			t.Errorf("query %s", asked.URL.RawQuery)
		}
		if strings.Contains(asked.URL.RawQuery, "eyJ") || asked.Header.Get("Authorization") != "" {
			t.Error("the token is in the address, or the request is signed")
		}
	}
	for _, bad := range []string{"", "abc", "two words", strings.Repeat("x", 20001)} {
		asked = nil
		if err := os.WriteFile(file, []byte(bad), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := fetchOnce(t, c); err == nil || asked != nil {
			t.Errorf("%d characters were sent as a token: %v", len(bad), err)
		}
	}
}

// Every way in which STS gives no keys, and that nothing it says gets into the error but a code.
func TestSTSFails(t *testing.T) {
	quoting := testKeyID + " " + testSecret + " " + testToken
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"refused", respond(403, `{"Code":"NoPermission","Message":"`+quoting+`","HostId":"sts.aliyuncs.com"}`), "refused with HTTP 403 NoPermission"},
		{"a code that is none", respond(400, `{"Code":"`+quoting+`"}`), "refused with HTTP 400"},
		{"broken", respond(502, "<html>"+quoting+"</html>"), "refused with HTTP 502"},
		{"redirected", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}, "refused with HTTP 302"},
		{"not JSON", respond(200, quoting), errNoSession.Error()},
		{"no keys", respond(200, `{}`), errNoSession.Error()},
		{"keys without a token", respond(200, strings.ReplaceAll(givenKeys("i", inAnHour()), "SecurityToken", "X")), errNoSession.Error()},
		{"keys without an end", respond(200, strings.ReplaceAll(givenKeys("i", inAnHour()), "Expiration", "X")), errNoSession.Error()},
		{"keys with a line break", respond(200, givenKeys("i\nX: y", inAnHour())), errNoSession.Error()},
		{"too much", respond(200, `{"X":"`+strings.Repeat("x", maxKeysAnswer)+`"}`), "too long"},
		{"no answer", hang, "no answer in time"},
		{"cut", func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := serve(t, tt.answer)
			c, err := AssumeRole(testKeys(t), Role{ARN: testRoleARN, Endpoint: srv.URL}, nil)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			if tt.name == "no answer" {
				ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
			}
			defer cancel()
			_, err = c.from.fetch(ctx)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "AssumeRole: ") {
				t.Errorf("got %v, want AssumeRole: … %s", err, tt.want)
			}
			checkNoSecret(t, fmt.Sprint(err))
		})
	}
	away := serve(t, respond(200, ""))
	away.Close()
	c, err := AssumeRole(testKeys(t), Role{ARN: testRoleARN, Endpoint: away.URL}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fetchOnce(t, c); err == nil || !strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "RoleArn") {
		t.Errorf("nobody there: %v", err)
	}
}

// Keys travel by TLS, and only to somebody who can prove the name.
func TestSTSOverTLS(t *testing.T) {
	expires := inAnHour()
	srv := serveTLS(t, trustedTLS(), respond(200, givenKeys("STS.t", expires)))
	c, err := AssumeRole(testKeys(t), Role{ARN: testRoleARN, Endpoint: strings.TrimPrefix(srv.URL, "https://")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := fetchOnce(t, c)
	if err != nil {
		t.Fatal(err)
	}
	wantSession(t, got, "STS.t", expires)
	stranger := serveTLS(t, nil, respond(200, givenKeys("STS.t", expires))) // httptest's own certificate
	if c, err = AssumeRole(testKeys(t), Role{ARN: testRoleARN, Endpoint: strings.TrimPrefix(stranger.URL, "https://")}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := fetchOnce(t, c); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a stranger was asked for keys: %v", err)
	}
}

func TestRolesThatAreRefused(t *testing.T) {
	clearEnv(t)
	good := Role{ARN: testRoleARN}
	for name, change := range map[string]func(*Role){
		"must be an ARN":                         func(r *Role) { r.ARN = "role/sms" },
		"session name":                           func(r *Role) { r.SessionName = "a b" },
		"duration":                               func(r *Role) { r.Duration = time.Minute },
		"external id":                            func(r *Role) { r.ExternalID = "a\r\nb" },
		"must be host":                           func(r *Role) { r.Endpoint = "https://sts.aliyuncs.com" },
		"on a loopback address only":             func(r *Role) { r.Endpoint = "http://sts.aliyuncs.com" },
		"endpoint of STS must be host":           func(r *Role) { r.Endpoint = "http://u:p@127.0.0.1" },
		"endpoint of STS must be host or host:p": func(r *Role) { r.Endpoint = "sts.aliyuncs.com/x?y" },
	} {
		bad := good
		change(&bad)
		if c, err := AssumeRole(testKeys(t), bad, nil); err == nil || c != nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%+v: %v, want %s", bad, err, name)
		}
	}
	if _, err := AssumeRole(nil, good, nil); err == nil {
		t.Error("a role is assumed with no keys")
	}
	for want, bad := range map[string]OIDCRole{
		"provider": {Role: good, TokenFile: "/x"}, "no token file": {Role: good, Provider: testProvider}, "must be an ARN": {Provider: testProvider},
	} {
		if c, err := AssumeRoleWithOIDC(bad, nil); err == nil || c != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", bad, err, want)
		}
	}
}
