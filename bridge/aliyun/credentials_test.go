package aliyun

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smppbridge/configs/credfile"
)

// wantKeys checks what c gives.
func wantKeys(t *testing.T, c Credentials, id, secret, token string) {
	t.Helper()
	keys, err := c.Keys()
	if err != nil {
		t.Errorf("keys: %v", err)
		return
	}
	if got := *keys.reveal(); got != (accessKey{id, secret, token}) {
		t.Error("got other keys than wanted")
	}
}

// No way of printing something that holds keys shows them.
func TestKeysAreHidden(t *testing.T) {
	keys, err := newKeys(testKeyID, testSecret, "tok-482913")
	if err != nil {
		t.Fatal(err)
	}
	type holder struct {
		Keys   Keys
		inner  Keys
		Source Credentials
	}
	file := &keyFile{path: "x", keys: keys}
	base, err := Static(testKeyID, testSecret, "")
	if err != nil {
		t.Fatal(err)
	}
	r, err := AssumeRole(base, Role{ARN: "acs:ram::1:role/r"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.current.keys = keys
	for _, v := range []any{keys, &keys, holder{keys, keys, static{keys}}, &holder{keys, keys, file}, file, r, keys.sdk(), testRoute(t)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			checkNoSecret(t, fmt.Sprintf(verb, v))
		}
		var logged bytes.Buffer
		slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "v", v)
		if encoded, err := json.Marshal(v); err == nil {
			logged.Write(encoded)
		}
		checkNoSecret(t, logged.String())
	}
	if got := keys.String(); got != "[AccessKey]" {
		t.Errorf("String() = %q", got)
	}
}

func testRoute(t *testing.T) Route { return plainRoute(t, "http://127.0.0.1:1") }

func TestStatic(t *testing.T) {
	for _, bad := range [][3]string{
		{"", "s", ""}, {"i", "", ""}, {"i\n", "s", ""}, {"i", "s s", ""}, {"i", "s", "t\r"}, {"é", "s", ""},
	} {
		if _, err := Static(bad[0], bad[1], bad[2]); err == nil {
			t.Errorf("%q was taken for a key", bad)
		}
	}
	c, err := Static("i", "s", "t")
	if err != nil {
		t.Fatal(err)
	}
	wantKeys(t, c, "i", "s", "t")
}

func TestFromEnv(t *testing.T) {
	clearEnv(t)
	if _, err := FromEnv(); err == nil || !strings.Contains(err.Error(), "ALIBABA_CLOUD_ACCESS_KEY_ID") {
		t.Errorf("empty environment: %v", err)
	}
	t.Setenv(envSecret, "s")
	t.Setenv(envKeyIDOld, "old")
	c, err := FromEnv()
	if err != nil {
		t.Fatal(err)
	}
	wantKeys(t, c, "old", "s", "")
	t.Setenv(envKeyID, "new")
	t.Setenv(envToken, "t")
	if c, err = FromChain(nil); err != nil { // the environment is the first of the chain
		t.Fatal(err)
	}
	wantKeys(t, c, "new", "s", "t")
	t.Setenv(envKeyID, "a b")
	if _, err := FromEnv(); !errors.Is(err, errKeys) {
		t.Errorf("a key with a space: %v", err)
	}
}

// writeKeyFile writes a file with the given mode, and returns its path.
func writeKeyFile(t *testing.T, dir, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, "key")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	return path
}

func TestFromFileForms(t *testing.T) {
	clearEnv(t)
	tests := []struct {
		text              string
		id, secret, token string // id empty: refused
	}{
		{"LTAI1\nsecret1\n", "LTAI1", "secret1", ""},
		{"LTAI1\r\nsecret1", "LTAI1", "secret1", ""},
		{"LTAI1\nsecret1\ntoken1\n", "LTAI1", "secret1", "token1"},
		{"access_key_id: LTAI1\naccess_key_secret: secret1\n", "LTAI1", "secret1", ""},
		{"---\n# ours\naccess_key_secret: \"secret1\"\naccess_key_id: 'LTAI1'\nsecurity_token: t\n", "LTAI1", "secret1", "t"},
		{"", "", "", ""},
		{"LTAI1\n", "", "", ""},
		{"1\n2\n3\n4\n", "", "", ""},
		{"access_key_id: LTAI1\n", "", "", ""},
		{"access_key_id: LTAI1\nsecret1\n", "", "", ""},
		{"LTAI1 secret1\nx\n", "", "", ""},
	}
	for _, tt := range tests {
		c, err := FromFile(writeKeyFile(t, t.TempDir(), tt.text, 0o600))
		if tt.id == "" {
			if err == nil {
				t.Errorf("%q was taken for keys", tt.text)
			} else if strings.Contains(err.Error(), "LTAI1") || strings.Contains(err.Error(), "secret1") {
				t.Errorf("%q: the error quotes it: %v", tt.text, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		wantKeys(t, c, tt.id, tt.secret, tt.token)
	}
}

// A file that others can read is refused, but for those of systemd. Which ones that are is tested in credfile.
func TestFromFilePermissions(t *testing.T) {
	clearEnv(t)
	dir := t.TempDir()
	path := writeKeyFile(t, dir, "i\ns\n", 0o440)
	if _, err := FromFile(path); !errors.Is(err, credfile.ErrOpen) {
		t.Errorf("mode 440: %v", err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	if _, err := FromFile(path); err != nil {
		t.Errorf("in $CREDENTIALS_DIRECTORY: %v", err)
	}
	if _, err := FromFile(dir); err == nil {
		t.Error("a directory was taken for a file")
	}
	if _, err := FromFile(filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

// A file that changes is read again, after a second at the latest; a bad one gives no keys.
func TestFromFileChanges(t *testing.T) {
	clearEnv(t)
	dir := t.TempDir()
	now := time.Unix(1e9, 0)
	f := &keyFile{path: writeKeyFile(t, dir, "i1\ns1\n", 0o600), parse: parseKeys, now: func() time.Time { return now }}
	wantKeys(t, f, "i1", "s1", "")
	writeKeyFile(t, dir, "i2-longer\ns2\n", 0o600)
	wantKeys(t, f, "i1", "s1", "")
	now = now.Add(recheckKeyFile)
	wantKeys(t, f, "i2-longer", "s2", "")
	later := time.Now().Add(time.Minute) // a new key has as many characters as the old one: only the time tells
	if err := os.Chtimes(writeKeyFile(t, dir, "i3-longer\ns3\n", 0o600), later, later); err != nil {
		t.Fatal(err)
	}
	now = now.Add(recheckKeyFile)
	wantKeys(t, f, "i3-longer", "s3", "")
	steps := []struct {
		name string
		do   func() error
		good bool
	}{
		{"removed", func() error { return os.Remove(f.path) }, false},
		{"back", func() error { writeKeyFile(t, dir, "i2-longer\ns2\n", 0o600); return nil }, true},
		{"bad", func() error { writeKeyFile(t, dir, "x", 0o600); return nil }, false},
		{"good again", func() error { writeKeyFile(t, dir, "i2-longer\ns2\n", 0o600); return nil }, true},
		{"opened to others", func() error { return os.Chmod(f.path, 0o644) }, false},
		{"closed again", func() error { return os.Chmod(f.path, 0o600) }, true},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		now = now.Add(recheckKeyFile)
		if _, err := f.Keys(); (err == nil) != step.good {
			t.Errorf("%s: %v", step.name, err)
		}
	}
}
