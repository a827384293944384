package aliyun

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alibabacloud-go/tea/tea"
	sdkcredentials "github.com/aliyun/credentials-go/credentials"
)

const (
	// keysFreshFor is how long keys of a role are used without asking the library, which fetches
	// new ones when 95% of their life is over.
	keysFreshFor = 30 * time.Second
	// fetchTimeout limits each request for keys; the library's default is to wait for ever.
	fetchTimeout = 5 // seconds
	// refreshEvery is how often a complaint of the API may have the keys of a role fetched anew.
	refreshEvery = 10 * time.Second
	// retryFetch is how long a failed fetch answers for those who come after it: with none of
	// them would it be worth waiting for a time-out of their own.
	retryFetch = time.Second
)

// FromChain looks where Alibaba Cloud's tools look, in their order: the environment (see FromEnv);
// the profile "default" of the file that ALIBABA_CLOUD_CREDENTIALS_FILE names, or of
// ~/.alibabacloud/credentials; the instance role that ALIBABA_CLOUD_ECS_METADATA names. The order
// is kept here, and only the fetching left to the library, because its own chain at this version
// misspells a variable, loses the path of the default file and waits for the instance without a
// time-out. A profile may be of type access_key, sts, ecs_ram_role or ram_role_arn.
func FromChain() (Credentials, error) {
	if os.Getenv(envSecret) != "" {
		return FromEnv()
	}
	path, given := profilePath()
	_, err := os.Stat(path)
	switch {
	case path != "" && (given || err == nil):
		return fromProfile(path)
	case os.Getenv(sdkcredentials.ENVEcsMetadata) != "":
		return newRole(&sdkcredentials.Config{
			Type:     tea.String("ecs_ram_role"),
			RoleName: tea.String(os.Getenv(sdkcredentials.ENVEcsMetadata)),
		})
	}
	return nil, errors.New("credentials chain: neither environment, nor profile, nor instance role")
}

// profilePath is where the profile is, and whether the environment says so.
func profilePath() (path string, given bool) {
	if path := os.Getenv(sdkcredentials.ENVCredentialFile); path != "" {
		return path, true
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", false
	}
	return filepath.Join(home, ".alibabacloud", "credentials"), false
}

// fromProfile makes credentials from the profile "default" of an INI file.
func fromProfile(path string) (Credentials, error) {
	text, err := readPrivate(path)
	if err != nil {
		return nil, fmt.Errorf("credentials profile: %w", err)
	}
	p := profile(text, "default")
	var c Credentials
	switch p["type"] {
	case "access_key", "sts":
		c, err = Static(p["access_key_id"], p["access_key_secret"], p["security_token"])
	case "ecs_ram_role":
		c, err = newRole(&sdkcredentials.Config{Type: tea.String("ecs_ram_role"), RoleName: tea.String(p["role_name"])})
	case "ram_role_arn":
		c, err = newRole(&sdkcredentials.Config{
			Type:            tea.String("ram_role_arn"),
			AccessKeyId:     tea.String(p["access_key_id"]),
			AccessKeySecret: tea.String(p["access_key_secret"]),
			RoleArn:         tea.String(p["role_arn"]),
			RoleSessionName: tea.String(p["role_session_name"]),
		})
	default:
		err = errors.New(`[default] needs a type: access_key, sts, ecs_ram_role or ram_role_arn`)
	}
	if err != nil {
		return nil, fmt.Errorf("credentials profile: %w", err)
	}
	return c, nil
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
			values[strings.TrimSpace(name)] = unquote(strings.TrimSpace(value))
		}
	}
	return values
}

// A role gives temporary keys, which the library fetches.
type role struct {
	config *sdkcredentials.Config
	now    func() time.Time
	// fetch asks the library. It may take fetchTimeout.
	fetch   func(sdkcredentials.Credential) (Keys, error)
	current atomic.Pointer[roleKeys]

	mu        sync.Mutex // held while keys are fetched; guards what follows
	source    sdkcredentials.Credential
	refreshed time.Time
	failed    time.Time // when the last fetch failed
}

// roleKeys are keys and when the library gave them.
type roleKeys struct {
	keys Keys
	at   time.Time
}

// newRole prepares to fetch the keys of a role, and does not fetch them yet: the node must start
// while the metadata service is away.
func newRole(cfg *sdkcredentials.Config) (*role, error) {
	cfg.Timeout, cfg.ConnectTimeout = tea.Int(fetchTimeout), tea.Int(fetchTimeout)
	r := &role{config: cfg, now: time.Now, fetch: fetchKeys}
	return r, r.renew()
}

// renew makes the library forget the keys it has. Called with mu held, or by newRole.
func (r *role) renew() error {
	source, err := sdkcredentials.NewCredential(r.config)
	if err != nil {
		return errors.New("the profile is incomplete")
	}
	r.source = source
	return nil
}

// Keys implements Credentials. One caller at a time fetches; the others go on with the keys there
// are, and wait only while there are none.
func (r *role) Keys() (Keys, error) {
	current := r.current.Load()
	if current != nil && r.now().Sub(current.at) < keysFreshFor {
		return current.keys, nil
	}
	if !r.mu.TryLock() {
		if current != nil {
			return current.keys, nil
		}
		r.mu.Lock()
	}
	defer r.mu.Unlock()
	if newer := r.current.Load(); newer != current && newer != nil {
		return newer.keys, nil // fetched while this caller waited
	}
	if !r.failed.IsZero() && r.now().Sub(r.failed) < retryFetch {
		return Keys{}, errNoRoleKeys
	}
	keys, err := r.fetch(r.source)
	switch {
	case err == nil:
	case current != nil:
		// Old keys may still be good, and the API says so when they are not. They count as
		// fresh again, or each call would wait for another fetch.
		keys = current.keys
	default:
		r.failed = r.now()
		return Keys{}, err
	}
	r.current.Store(&roleKeys{keys, r.now()})
	return keys, nil
}

// Refresh drops the keys, because the API said they have expired.
func (r *role) Refresh() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := r.now(); now.Sub(r.refreshed) >= refreshEvery {
		r.refreshed = now
		if r.renew() == nil {
			r.current.Store(nil)
		}
	}
}

// errNoRoleKeys is all that is said when the library fails: its errors may quote keys.
var errNoRoleKeys = errors.New("the keys of the role cannot be fetched")

// fetchKeys asks the library for all parts of the keys.
func fetchKeys(source sdkcredentials.Credential) (Keys, error) {
	id, err := source.GetAccessKeyId()
	if err != nil {
		return Keys{}, errNoRoleKeys
	}
	secret, err := source.GetAccessKeySecret()
	if err != nil {
		return Keys{}, errNoRoleKeys
	}
	token, err := source.GetSecurityToken()
	if err != nil {
		return Keys{}, errNoRoleKeys
	}
	return newKeys(tea.StringValue(id), tea.StringValue(secret), tea.StringValue(token))
}
