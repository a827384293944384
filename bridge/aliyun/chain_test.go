package aliyun

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smppbridge/configs/credfile"
)

// clearEnv leaves nothing in the environment that a source of keys looks at.
func clearEnv(t *testing.T) {
	for _, name := range []string{
		envKeyID, envKeyIDOld, envSecret, envToken, envProfileFile, envProfile, envInstanceRole, envMetadataOff, envMetadataV1No,
		envRoleARN, envRoleSession, envOIDC, envOIDCToken, "CREDENTIALS_DIRECTORY",
	} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", t.TempDir())
}

// noMachine is the file of a machine that is not an ECS instance.
const noMachine = "/nonexistent"

// The order of the chain: each source is there in addition to those before it, and is taken.
func TestChainOrder(t *testing.T) {
	clearEnv(t)
	dir := t.TempDir()
	ecs, other := filepath.Join(dir, "ecs"), filepath.Join(dir, "other")
	for file, text := range map[string]string{ecs: "Alibaba Cloud ECS\n", other: "Some Other Machine\n"} {
		if err := os.WriteFile(file, []byte(text), 0o444); err != nil {
			t.Fatal(err)
		}
	}
	what := func(machine string) string {
		t.Helper()
		c, err := chain(machine, nil)
		switch c := c.(type) {
		case nil:
			if !errors.Is(err, errNothing) {
				t.Errorf("nothing, but: %v", err)
			}
			return "nothing"
		case *Temporary:
			return fmt.Sprintf("%T", c.from)
		default:
			return fmt.Sprintf("%T", c)
		}
	}
	steps := []struct {
		name    string
		machine string
		change  func()
		want    string
	}{
		{"nothing", noMachine, func() {}, "nothing"},
		{"another machine", other, func() {}, "nothing"},
		{"an ECS instance", ecs, func() {}, "*aliyun.instance"},
		{"one that must not be asked", ecs, func() { t.Setenv(envMetadataOff, "TRUE") }, "nothing"},
		{"a role in the environment, but", ecs, func() { t.Setenv(envInstanceRole, "r") }, "nothing"},
		{"a role in the environment", noMachine, func() { t.Setenv(envMetadataOff, "") }, "*aliyun.instance"},
		{"a profile", ecs, func() { homeProfile(t, "[default]\ntype=access_key\naccess_key_id=i\naccess_key_secret=s\n") }, "*aliyun.keyFile"},
		{"a part of what OIDC needs", ecs, func() {
			t.Setenv(envRoleARN, "acs:ram::1:role/r")
			t.Setenv(envOIDC, "acs:ram::1:oidc-provider/p")
		}, "*aliyun.keyFile"},
		{"OIDC", ecs, func() { t.Setenv(envOIDCToken, filepath.Join(dir, "token")) }, "*aliyun.oidc"},
		{"the environment", ecs, func() { t.Setenv(envSecret, "s"); t.Setenv(envKeyID, "i") }, "aliyun.static"},
	}
	for _, step := range steps {
		step.change()
		if got := what(step.machine); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
	}
}

// homeProfile writes the default file of profiles.
func homeProfile(t *testing.T, text string) {
	t.Helper()
	dir := filepath.Join(os.Getenv("HOME"), ".alibabacloud")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "credentials"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The chain as it is used finds the default file, or says that there is nothing.
func TestFromChain(t *testing.T) {
	clearEnv(t)
	t.Setenv(envMetadataOff, "true") // wherever this test runs
	if _, err := FromChain(nil); !errors.Is(err, errNothing) {
		t.Errorf("nothing anywhere: %v", err)
	}
	homeProfile(t, "[default]\ntype=access_key\naccess_key_id=i\naccess_key_secret=s\n")
	c, err := FromChain(nil)
	if err != nil {
		t.Fatal(err)
	}
	wantKeys(t, c, "i", "s", "")
	t.Setenv(envProfileFile, filepath.Join(t.TempDir(), "missing"))
	if _, err := FromChain(nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a profile that is named but missing: %v", err)
	}
	t.Setenv(envInstanceRole, "r")
	t.Setenv(envMetadataOff, "")
	t.Setenv(envProfileFile, "")
	t.Setenv("HOME", "")
	if c, err = FromChain(nil); err != nil || c == nil {
		t.Errorf("without a home: %v", err)
	}
}

func TestFromProfile(t *testing.T) {
	clearEnv(t)
	dir := t.TempDir()
	use := func(text, name string) (Credentials, error) {
		return FromProfile(writeKeyFile(t, dir, text, 0o600), name, nil)
	}
	c, err := use("[other]\ntype = sts\n[default]\n; ours\ntype = access_key\naccess_key_id = i\naccess_key_secret = \"s=1\"\n[x]\naccess_key_id = no\n", "")
	if err != nil {
		t.Fatal(err)
	}
	wantKeys(t, c, "i", "s=1", "")
	two := "[default]\ntype=access_key\naccess_key_id=i\naccess_key_secret=s\n[sms]\ntype=sts\naccess_key_id=i2\naccess_key_secret=s2\nsecurity_token=t2\n"
	if c, err = use(two, "sms"); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, c, "i2", "s2", "t2")
	t.Setenv(envProfile, "sms")
	if c, err = use(two, ""); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, c, "i2", "s2", "t2")
	t.Setenv(envProfile, "")

	const role = "role_arn=acs:ram::1:role/r\n"
	for text, want := range map[string]string{
		"[default]\ntype=ecs_ram_role\nrole_name=r\n": "*aliyun.instance",
		"[default]\ntype=ecs_ram_role\n":              "*aliyun.instance",
		"[default]\ntype=ram_role_arn\naccess_key_id=i\naccess_key_secret=s\nrole_session_name=nn\nduration_seconds=900\n" + role:             "*aliyun.assumeRole",
		"[default]\ntype=oidc_role_arn\noidc_provider_arn=acs:ram::1:oidc-provider/p\noidc_token_file_path=/x\nrole_session_name=nn\n" + role: "*aliyun.oidc",
	} {
		c, err := use(text, "")
		temporary, ok := c.(*Temporary)
		if err != nil || !ok || fmt.Sprintf("%T", temporary.from) != want {
			t.Errorf("%s: %T, %v", want, c, err)
		}
	}
	for _, bad := range []string{
		"", "[default]\n", "[default]\ntype=bearer\n", "[default]\ntype=access_key\naccess_key_id=" + testKeyID + "\n",
		"[default]\ntype=ram_role_arn\n" + role + "access_key_secret=" + testSecret + "\n",
		"[default]\ntype=ram_role_arn\naccess_key_id=i\naccess_key_secret=" + testSecret + "\n",
		"[default]\ntype=ram_role_arn\naccess_key_id=i\naccess_key_secret=s\nduration_seconds=1h\n" + role,
		"[default]\ntype=oidc_role_arn\n" + role,
	} {
		if c, err := use(bad, ""); err == nil || c != nil {
			t.Errorf("%q was taken for a profile: %T", bad, c)
		} else {
			checkNoSecret(t, err.Error())
		}
	}
	if _, err := FromProfile(writeKeyFile(t, dir, two, 0o644), "", nil); !errors.Is(err, credfile.ErrOpen) {
		t.Errorf("a profile that others can read: %v", err)
	}
}

// A profile's AccessKey that is exchanged for another is used without a restart.
func TestProfileChanges(t *testing.T) {
	clearEnv(t)
	dir := t.TempDir()
	text := "[default]\ntype=access_key\naccess_key_id=i\naccess_key_secret=s\n"
	c, err := FromProfile(writeKeyFile(t, dir, text, 0o600), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	file, ok := c.(*keyFile)
	if !ok {
		t.Fatalf("%T", c)
	}
	now := file.checked
	file.now = func() time.Time { return now }
	writeKeyFile(t, dir, strings.ReplaceAll(text, "=i\n", "=renewed\n"), 0o600)
	now = now.Add(recheckKeyFile)
	wantKeys(t, c, "renewed", "s", "")
}
