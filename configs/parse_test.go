package configs

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"smppbridge/configs/credfile"
)

const testHash = "$argon2id$v=19$m=19456,t=2,p=1$TUmwdKYoly25RRHpGqe0wA$cXHxpbfW2HEob3kXQPqQs3XahwkVpoKcE9uC4GHkM3A"

const minimalPolicy = `
accounts:
  - {system_id: a, password_hash: "` + testHash + `"}
signatures: [甲]
templates:
  - {code: SMS_1, text: "x${v}", class: own, vars: {v: {}}}
classes: {own: }
routes:
  - name: r
`

// marker stands for whatever must never be repeated: the bad files have it inside secrets.
const marker = "SEKRET"

func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d bad files (%v), want at least 40", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			b := read(t, file)
			var got error
			if strings.HasPrefix(filepath.Base(file), "node-") {
				_, got = LoadNode(file)
			} else {
				_, got = LoadPolicy(file)
			}
			var faults Faults
			if !errors.As(got, &faults) {
				t.Fatalf("got %v, want faults", got)
			}
			wants := wanted(b)
			if len(wants) == 0 {
				t.Fatal("the file does not begin with # want:")
			}
			for _, want := range wants {
				if !strings.Contains(got.Error(), want) {
					t.Errorf("got  %v\nwant %s", got, want)
				}
			}
			if strings.Contains(got.Error(), marker) {
				t.Errorf("a secret is repeated: %v", got)
			}
			if !slices.IsSortedFunc(faults, func(a, b Fault) int { return a.Line - b.Line }) {
				t.Errorf("not in the order of lines:\n%v", got)
			}
			for _, f := range faults {
				if f.Line == 0 {
					t.Errorf("no line: %v", f)
				}
			}
		})
	}
}

// wanted returns what the # want: lines at the beginning of a bad file say.
func wanted(b []byte) []string {
	var wants []string
	for line := range bytes.Lines(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))) {
		want, ok := bytes.CutPrefix(line, []byte("# want: "))
		if !ok {
			break
		}
		wants = append(wants, string(bytes.TrimSpace(want)))
	}
	return wants
}

// TestFaultsAllAtOnce: an operator does not fix a file fault by fault.
func TestFaultsAllAtOnce(t *testing.T) {
	_, err := ParseNode("n.yaml", []byte("smpp:\n  listen: nowhere\n  max_sessions: x\nlog: {level: loud}\nretention: 5s\nfoo: 1\nfoo: 2\n"))
	want := []string{
		`n.yaml:2: smpp.listen: "nowhere" is not an address; allowed: host:port, port 0 to 65535`,
		`n.yaml:3: smpp.max_sessions: "x" is wrong; want a whole number`,
		`n.yaml:4: log.level: "loud" is not known; allowed: debug, info, warn, error`,
		`n.yaml:5: retention: 5s is out of range; allowed: 1h to 2160h`,
		`n.yaml:6: foo: unknown key; allowed: callback, cluster, credentials, data_dir, drain_time, http, log, node_id, policy, retention, smpp`,
		`n.yaml:7: foo: repeated; it is already in line 6`,
	}
	if err == nil || err.Error() != strings.Join(want, "\n") {
		t.Errorf("got  %v\nwant %s", err, strings.Join(want, "\n"))
	}
}

func TestParseNodeOverDefaults(t *testing.T) {
	n, err := ParseNode("n", []byte("smpp: {listen: '127.0.0.1:0'}\ncallback: {secret: abcdefghijklmnop}\nhttp:\ncredentials: {intl: {source: env}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultNode()
	want.SMPP.Listen = "127.0.0.1:0"
	want.Callback.Secret, want.Callback.SecretFile = "abcdefghijklmnop", ""
	want.Credentials["intl"] = Credential{Source: "env"}
	if !reflect.DeepEqual(*n, want) {
		t.Errorf("got %+v\nwant %+v", *n, want)
	}
}

func TestLoadNodeResolvesWhatDependsOnTheMachine(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "n.yaml")
	doc := "credentials:\n  a: {source: file, file: keys}\n  b: {source: file, file: /etc/keys}\n  c: {source: file, file: $CREDENTIALS_DIRECTORY/k}\n"
	if err := os.WriteFile(file, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x")
	n, err := LoadNode(file)
	if err != nil {
		t.Fatal(err)
	}
	host, _ := os.Hostname()
	for _, tt := range []struct{ what, got, want string }{
		{"node_id", n.NodeID, host},
		{"policy.file", n.Policy.File, filepath.Join(dir, "policy.yaml")},
		{"callback.secret_file", n.Callback.SecretFile, filepath.Join(dir, "callback_secret")},
		{"relative key file", n.Credentials["a"].File, filepath.Join(dir, "keys")},
		{"absolute key file", n.Credentials["b"].File, "/etc/keys"},
		{"systemd's key file", n.Credentials["c"].File, "/run/credentials/x/k"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.what, tt.got, tt.want)
		}
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if _, err := LoadNode(file); err == nil || !strings.Contains(err.Error(), ":4: credentials.c.file: $CREDENTIALS_DIRECTORY is not set") {
		t.Errorf("without credentials directory: got %v", err)
	}
	if _, err := LoadNode(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: got %v", err)
	}
}

func TestReadSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	write := func(s string) {
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("0123456789abcdef\n")
	cb := Callback{Listen: "127.0.0.1:9776", SecretFile: file}
	if got, err := cb.ReadSecret(); err != nil || got != "0123456789abcdef" {
		t.Errorf("from the file: got %q, %v", got, err)
	}
	write(marker)
	if _, err := cb.ReadSecret(); !errors.Is(err, errSecret) || strings.Contains(err.Error(), marker) || !strings.Contains(err.Error(), file) {
		t.Errorf("unfit secret: got %v", err)
	}
	write("0123456789abcdef\n")
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := cb.ReadSecret(); !errors.Is(err, credfile.ErrOpen) || !strings.Contains(err.Error(), file) {
		t.Errorf("a file that others can read: got %v", err)
	}
	cb.SecretFile += "x"
	if _, err := cb.ReadSecret(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
	cb.Secret = "0123456789abcdefg"
	if got, err := cb.ReadSecret(); err != nil || got != cb.Secret {
		t.Errorf("from the configuration: got %q, %v", got, err)
	}
	if got, err := (Callback{SecretFile: "none"}).ReadSecret(); err != nil || got != "" {
		t.Errorf("no listener: got %q, %v", got, err)
	}
}

func TestWarnings(t *testing.T) {
	n := DefaultNode()
	if w := n.Warnings(); len(w) != 0 {
		t.Errorf("defaults: got %q, want none", w)
	}
	n.HTTP.Listen, n.Callback.Listen = ":9775", "10.1.2.3:9776"
	if err := n.Validate(); err != nil {
		t.Errorf("allowed, but got %v", err)
	}
	if w := n.Warnings(); len(w) != 2 || !strings.HasPrefix(w[0], "http.listen") || !strings.HasPrefix(w[1], "callback.listen") {
		t.Errorf("got %q, want one for http.listen, one for callback.listen", w)
	}
	for _, harm := range []string{"every text and number", "remove members"} {
		if w := n.Warnings(); !strings.Contains(w[0], harm) {
			t.Errorf("http.listen: got %q, want that it says %q", w[0], harm)
		}
	}
}

func TestParsePolicyDefaults(t *testing.T) {
	p, err := ParsePolicy("p", []byte(minimalPolicy))
	if err != nil {
		t.Fatal(err)
	}
	want := Policy{
		Accounts: []Account{{SystemID: "a", PasswordHash: testHash, Binds: 10, Bind: AccountBind{TLS: "any"},
			Session: Session{Window: 1000, DeliverWindow: 100}, DefaultAlphabet: "gsm", CountryCode: "86",
			Ack: "stored", AckWithin: Duration(5 * time.Second), Priority: "prefer", MessageID: "hex10", ErrorBody: "usual",
			Receipt:  Receipt{Text: new(true), TLVs: new(true), Parts: "each"},
			Incoming: Incoming{Long: "parts", Keep: Duration(72 * time.Hour)},
			OptOut: OptOut{Enabled: new(true), Words: []string{"R", "TD", "T", "退订", "STOP"}, In: []string{"START"},
				Classes: []string{"promotion"}}}},
		Signatures: []string{"甲"},
		Templates: []Template{{Code: "SMS_1", Text: "x${v}", Class: "own", PhoneLimit: new(true),
			Vars: map[string]VarRule{"v": {Kind: "any", Min: 1, Max: 35}}}},
		Classes: BuiltinClasses(),
		Routes: []Route{{Name: "r", Kind: "dysmsapi", Endpoint: "dysmsapi.aliyuncs.com", Credentials: "default", QPS: 1000, Workers: 64, QueryQPS: 20,
			Timeout: Duration(5 * time.Second), Account: "default", Weight: 1,
			SMPP: RouteSMPP{EnquireLink: Duration(30 * time.Second), Alphabet: "gsm", Long: "parts", Signature: "as_is", ReceiptIDs: "same"}}},
		Sync: Sync{Every: Duration(10 * time.Minute)},
	}
	want.Classes["own"] = Class{Validity: Duration(24 * time.Hour), OnUncertain: "resend", ResendAfter: Duration(5 * time.Minute), PhoneLimitBy: "sign",
		Batch: 1, BatchWithin: Duration(50 * time.Millisecond), Numbers: "mainland", OnWithdrawn: "park"}
	if !reflect.DeepEqual(*p, want) {
		t.Errorf("got %+v\nwant %+v", *p, want)
	}
}

// TestSetDefaultsLikeParse: a policy built in Go behaves like the same policy read.
func TestSetDefaultsLikeParse(t *testing.T) {
	parsed, err := ParsePolicy("p", []byte(minimalPolicy))
	if err != nil {
		t.Fatal(err)
	}
	built := Policy{
		Accounts:   []Account{{SystemID: "a", PasswordHash: testHash}},
		Signatures: []string{"甲"},
		Templates:  []Template{{Code: "SMS_1", Text: "x${v}", Class: "own", PhoneLimit: new(true), Vars: map[string]VarRule{"v": {}}}},
		Classes:    map[string]Class{"own": {}},
		Routes:     []Route{{Name: "r"}},
	}
	built.SetDefaults()
	if !reflect.DeepEqual(*parsed, built) {
		t.Errorf("read  %+v\nbuilt %+v", *parsed, built)
	}
	if err := built.Validate(); err != nil {
		t.Error(err)
	}
}

func TestClassOverridesSingleFields(t *testing.T) {
	p, err := ParsePolicy("p", []byte("classes:\n  otp: {validity: 2m, phone_limits: [{per: day, limit: 3}]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := BuiltinClasses()[ClassOTP]
	want.Validity, want.PhoneLimits = Duration(2*time.Minute), []PhoneLimit{{Per: "day", Limit: 3}}
	if got := p.Classes[ClassOTP]; !reflect.DeepEqual(got, want) {
		t.Errorf("otp: got %+v, want %+v", got, want)
	}
	if got, want := p.Classes[ClassNotice], BuiltinClasses()[ClassNotice]; !reflect.DeepEqual(got, want) {
		t.Errorf("notice: got %+v, want %+v", got, want)
	}
}

func TestBurstDefaultsToOneSecond(t *testing.T) {
	for _, tt := range []struct {
		rate string
		want int
	}{{"0", 0}, {"0.5", 1}, {"5", 5}, {"7.2", 8}, {"1000000", 1_000_000}} {
		doc := strings.Replace(minimalPolicy, "system_id: a", "system_id: a, rate: "+tt.rate, 1)
		p, err := ParsePolicy("p", []byte(doc))
		if err != nil {
			t.Errorf("rate %s: %v", tt.rate, err)
		} else if got := p.Accounts[0].Burst; got != tt.want {
			t.Errorf("rate %s: got burst %d, want %d", tt.rate, got, tt.want)
		}
	}
}

// TestFreeVariableHoldsAWholeText: a class of its own limits, and a template that takes anything.
func TestFreeVariableHoldsAWholeText(t *testing.T) {
	doc := strings.Replace(minimalPolicy, "vars: {v: {}}", "vars: {v: {kind: free}}, phone_limit: false", 1)
	p, err := ParsePolicy("p", []byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Templates[0]; got.Vars["v"].Max != 1000 || *got.PhoneLimit {
		t.Errorf("got max %d, phone_limit %v, want 1000, false", got.Vars["v"].Max, *got.PhoneLimit)
	}
}

func TestWrittenPolicyReadsTheSame(t *testing.T) {
	first, err := LoadPolicy("policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	b, err := yaml.Marshal(first)
	if err != nil {
		t.Fatal(err)
	}
	second, err := ParsePolicy("written", b)
	if err != nil {
		t.Fatal(err)
	}
	if normal(t, first) != normal(t, second) {
		t.Errorf("got %+v\nwant %+v", second, first)
	}
}

func TestValidateStructs(t *testing.T) {
	n := DefaultNode()
	n.SMPP.MaxSessions = 0
	if err := n.Validate(); err == nil || !strings.HasPrefix(err.Error(), "smpp.max_sessions: 0 is out of range; allowed: 1 to 1000000") {
		t.Errorf("node: got %v", err)
	}
	p := Policy{Accounts: []Account{{SystemID: "a", PasswordHash: testHash, Rate: math.NaN()}}, Routes: []Route{{Name: "r"}}}
	p.SetDefaults()
	if err := p.Validate(); err == nil || err.Error() != "accounts[0].rate: NaN is out of range; allowed: 0 (unlimited), or 0.01 to 1000000" {
		t.Errorf("policy: got %v", err)
	}
}

func TestCheckPolicy(t *testing.T) {
	n := DefaultNode()
	p := Policy{Routes: []Route{{Name: "a", Credentials: "default"}, {Name: "b", Credentials: "intl"}}}
	want := `routes[1].credentials: "intl" is not among this node's credentials; there are: default`
	if err := n.CheckPolicy(&p); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	p.Routes[1].Credentials = "default"
	p.Queues = []Queue{{Name: "q", Credentials: "default"}, {Name: "r", Credentials: "intl"}}
	want = strings.Replace(want, "routes", "queues", 1)
	if err := n.CheckPolicy(&p); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	p.Queues = nil
	p.Routes[1] = Route{Name: "b", Kind: KindSMPP, Credentials: "default"}
	want = `routes[1].credentials: "default" has source: chain, which is not for a route of kind: smpp`
	if err := n.CheckPolicy(&p); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestHashParameters(t *testing.T) {
	for _, tt := range []struct {
		name, old, new string
		ok             bool
	}{
		{"as made", "", "", true},
		{"parallel", "p=1", "p=4", true},
		{"argon2i", "argon2id", "argon2i", false},
		{"old version", "v=19", "v=16", false},
		{"memory of a gigabyte", "m=19456", "m=1048576", false},
		{"less memory than lanes need", "m=19456,t=2,p=1", "m=31,t=2,p=4", false},
		{"no rounds", "t=2", "t=0", false},
		{"too many rounds", "t=2", "t=99", false},
		{"no threads", "p=1", "p=0", false},
		{"bcrypt", testHash, "$2y$05$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6/FuA2/mHZFpe", false},
		{"padded", "GHkM3A", "GHkM3A==", false},
		{"stray bits", "GHkM3A", "GHkM3B", false},
		{"a line break after it", "GHkM3A", "GHkM3A\n", false},
	} {
		err := checkHash(strings.Replace(testHash, tt.old, tt.new, 1))
		if (err == nil) != tt.ok {
			t.Errorf("%s: got %v, want ok = %v", tt.name, err, tt.ok)
		}
	}
}

func TestDurationText(t *testing.T) {
	for in, want := range map[string]string{"90s": "1m30s", "5m": "5m", "48h": "48h", "1h30m": "1h30m", "0s": "0s", "10m": "10m", "1500ms": "1.5s", "1h0m5s": "1h0m5s"} {
		var d Duration
		if err := yaml.Unmarshal([]byte(in), &d); err != nil {
			t.Errorf("%s: %v", in, err)
		} else if d.String() != want {
			t.Errorf("%s: got %s, want %s", in, d, want)
		}
		b, err := yaml.Marshal(d)
		if err != nil || strings.TrimSpace(string(b)) != want {
			t.Errorf("%s: written as %q (%v), want %s", in, b, err, want)
		}
	}
	for _, in := range []string{"5", "five", "5 m", "[5m]", "{}"} {
		var d Duration
		if err := yaml.Unmarshal([]byte(in), &d); err == nil {
			t.Errorf("%s: got %s, want an error", in, d)
		}
	}
}
