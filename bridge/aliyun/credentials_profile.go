package aliyun

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"smppbridge/configs/credfile"
)

const (
	envProfileFile = "ALIBABA_CLOUD_CREDENTIALS_FILE"
	envProfile     = "ALIBABA_CLOUD_PROFILE"
	defaultProfile = "default"
)

// profilePath is where the profiles are, and whether the environment says so.
func profilePath() (path string, given bool) {
	if path := os.Getenv(envProfileFile); path != "" {
		return path, true
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", false
	}
	return filepath.Join(home, ".alibabacloud", "credentials"), false
}

// FromProfile takes what a profile says, a section of an INI file that Alibaba Cloud's SDKs read, too.
// path is by default that of ALIBABA_CLOUD_CREDENTIALS_FILE or ~/.alibabacloud/credentials, name that
// of ALIBABA_CLOUD_PROFILE or "default". A profile may be of type access_key, sts, ecs_ram_role,
// ram_role_arn or oidc_role_arn. An AccessKey in it is read again when the file changes; what else
// it says is read once. The file must be as private as that of FromFile.
func FromProfile(path, name string, log *slog.Logger) (Credentials, error) {
	if path == "" {
		path, _ = profilePath()
	}
	name = cmp.Or(name, os.Getenv(envProfile), defaultProfile)
	text, err := credfile.ReadPrivate(path, maxKeyFile)
	if err != nil {
		return nil, fmt.Errorf("credentials profile: %w", err)
	}
	c, err := openProfile(path, name, profile(text, name), log)
	if err != nil {
		return nil, fmt.Errorf("credentials profile [%s]: %w", name, err)
	}
	return c, nil
}

// openProfile makes credentials of the profile p, which is called name in the file at path.
func openProfile(path, name string, p map[string]string, log *slog.Logger) (Credentials, error) {
	role := Role{ARN: p["role_arn"], SessionName: p["role_session_name"], ExternalID: p["external_id"], Endpoint: p["sts_endpoint"]}
	if seconds := p["duration_seconds"]; seconds != "" {
		n, err := strconv.ParseUint(seconds, 10, 20)
		if err != nil {
			return nil, errors.New("duration_seconds is not a number of seconds")
		}
		role.Duration = time.Duration(n) * time.Second
	}
	switch p["type"] {
	case "access_key", "sts":
		return newKeyFile(path, profileKeys(name))
	case "ecs_ram_role":
		return temporary(FromInstance(InstanceRole{Name: p["role_name"]}, log))
	case "ram_role_arn":
		base, err := newKeyFile(path, profileKeys(name))
		if err != nil {
			return nil, err
		}
		return temporary(AssumeRole(base, role, log))
	case "oidc_role_arn":
		return temporary(AssumeRoleWithOIDC(OIDCRole{role, p["oidc_provider_arn"], p["oidc_token_file_path"]}, log))
	}
	return nil, errors.New("type must be access_key, sts, ecs_ram_role, ram_role_arn or oidc_role_arn")
}

// profileKeys reads the AccessKey of a profile.
func profileKeys(name string) func(string) (Keys, error) {
	return func(text string) (Keys, error) {
		p := profile(text, name)
		return newKeys(p["access_key_id"], p["access_key_secret"], p["security_token"])
	}
}

// profile returns the keys and values of one section of an INI file.
func profile(text, section string) map[string]string {
	values := map[string]string{}
	inside := false
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[':
			inside = strings.TrimSpace(strings.Trim(line, "[]")) == section
		case inside:
			name, value, _ := strings.Cut(line, "=")
			values[strings.TrimSpace(name)] = credfile.Unquote(strings.TrimSpace(value))
		}
	}
	return values
}
