package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"smppbridge/bridge/aliyun/aliyunsim"
	"smppbridge/configs"
	"smppbridge/smpp"
)

// stsSession is what the simulator takes and only STS gives: a temporary key.
var stsSession = aliyunsim.Key{ID: "STS.sms-role", Secret: simSecret, SecurityToken: "a-security-token"}

// assumedRole is a node's credentials, as its file has them: a role that is assumed with the key of a file.
const assumedRole = `
callback: {listen: ""}
credentials:
  default: {source: assume_role, base: first, role_arn: "acs:ram::1234567890123456:role/sms", sts_endpoint: "STS"}
  first: {source: file, file: key}
`

// A fakeSTS gives stsSession, once it is there.
type fakeSTS struct {
	there atomic.Bool
	asked atomic.Int32
}

func (s *fakeSTS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked.Add(1)
	if !s.there.Load() || r.Header.Get("X-Acs-Action") != "AssumeRole" || !strings.Contains(r.Header.Get("Authorization"), "Credential=first-key,") {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintf(w, `{"Credentials":{"AccessKeyId":%q,"AccessKeySecret":%q,"SecurityToken":%q,"Expiration":%q}}`,
		stsSession.ID, stsSession.Secret, stsSession.SecurityToken, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
}

// loadCredentials writes a node's configuration and a key beside it, and reads its credentials.
func loadCredentials(t *testing.T, config string) map[string]configs.Credential {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "key"), "first-key\n"+simSecret+"\n")
	write(t, filepath.Join(dir, "node.yaml"), config)
	cfg, err := configs.LoadNode(filepath.Join(dir, "node.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Credentials
}

// TestStartsWithoutSTS: a node whose keys nobody gives starts and accepts messages all the same, and
// sends them when there are keys. No key is in its log, which the end of the test looks at.
func TestStartsWithoutSTS(t *testing.T) {
	cfg := aliyunsim.DevConfig()
	cfg.Accounts[0].Keys = []aliyunsim.Key{stsSession}
	cfg.Reports = aliyunsim.ReportConfig{Delay: 20 * time.Millisecond, Window: 5 * time.Millisecond, Retries: retryEvery(50*time.Millisecond, 1000)}
	sim, err := aliyunsim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	sts := new(fakeSTS)
	srv := httptest.NewServer(sts)
	t.Cleanup(srv.Close)
	s := newSystem(t, sim, serveSimulator(t, sim), func(o *options) {
		o.Credentials, err = credentials(loadCredentials(t, strings.ReplaceAll(assumedRole, "STS", srv.URL)), o.Log)
		if err != nil {
			t.Fatal(err)
		}
	})
	s.start()
	s.endWithTest()

	c := s.bind("test", smpp.Transceiver)
	id := c.mustSubmit(phone, "without keys")
	s.eventually("keys are asked for again", func() bool { return sts.asked.Load() >= 2 })
	if n := s.executed(phone); n != 0 {
		t.Errorf("sent %d times without a key", n)
	}
	sts.there.Store(true)
	s.eventually("it is sent", func() bool { return s.executed(phone) > 0 }) // the route rests meanwhile, for longer each time
	if r := c.receipt(id); r.State != smpp.StateDelivered {
		t.Errorf("receipt %v, want delivered", r.State)
	}
	if n := s.executed(phone); n != 1 {
		t.Errorf("sent %d times, want once", n)
	}
	for _, secret := range []string{stsSession.SecurityToken, stsSession.ID, "first-key"} {
		if strings.Contains(s.logs.String(), secret) {
			t.Errorf("a part of a key is in the log: %s", secret)
		}
	}
}

// Every source that a configuration can name opens, and says which key it lacks if it cannot.
func TestCredentialSources(t *testing.T) {
	for _, name := range []string{
		"ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN",
		"ALIBABA_CLOUD_OIDC_TOKEN_FILE", "ALIBABA_CLOUD_ECS_METADATA_DISABLED", "ALIBABA_CLOUD_CREDENTIALS_FILE", "ALIBABA_CLOUD_PROFILE",
	} {
		t.Setenv(name, "")
		_ = os.Unsetenv(name)
	}
	const role = `role_arn: "acs:ram::1:role/r"`
	for config, want := range map[string]string{
		"{source: file, file: key}":        "",
		"{source: file, file: none}":       "credentials.default: file ",
		"{source: env}":                    "credentials.default: environment",
		"{source: instance, role_name: r}": "",
		"{source: profile, file: none}":    "credentials.default: credentials profile",
		"{source: oidc, " + role + ", oidc_provider_arn: \"acs:ram::1:oidc-provider/p\", file: token, role_duration: 15m}": "",
		"{source: oidc, file: token}":                                        "credentials.default: oidc: the role must be an ARN",
		"{source: assume_role, base: other, session_name: n1, " + role + "}": "",
	} {
		cfg := loadCredentials(t, "callback: {listen: \"\"}\ncredentials:\n  default: "+config+"\n  other: {source: file, file: key}\n")
		m, err := credentials(cfg, slog.New(slog.DiscardHandler))
		switch {
		case want == "" && (err != nil || m["default"] == nil || m["other"] == nil):
			t.Errorf("%s: %v", config, err)
		case want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)):
			t.Errorf("%s: %v, want %s", config, err, want)
		}
	}
}
