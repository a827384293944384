package aliyun

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alibabacloud-go/tea/tea"
	sdkcredentials "github.com/aliyun/credentials-go/credentials"
)

func TestFromChainProfile(t *testing.T) {
	clearEnv(t)
	dir := t.TempDir()
	if _, err := FromChain(); err == nil || !strings.Contains(err.Error(), "neither") {
		t.Errorf("nothing anywhere: %v", err)
	}
	use := func(text string) (Credentials, error) {
		t.Setenv(sdkcredentials.ENVCredentialFile, writeKeyFile(t, dir, text, 0o600))
		return FromChain()
	}
	c, err := use("[other]\ntype = sts\n[default]\n; ours\ntype = access_key\naccess_key_id = i\naccess_key_secret = \"s=1\"\n[x]\naccess_key_id = no\n")
	if err != nil {
		t.Fatal(err)
	}
	wantKeys(t, c, "i", "s=1", "")
	if c, err = use("[default]\ntype=sts\naccess_key_id=i\naccess_key_secret=s\nsecurity_token=t\n"); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, c, "i", "s", "t")
	for text, want := range map[string]string{
		"[default]\ntype=ecs_ram_role\nrole_name=r\n":                                                           "ecs_ram_role",
		"[default]\ntype=ram_role_arn\naccess_key_id=i\naccess_key_secret=s\nrole_arn=a\nrole_session_name=n\n": "ram_role_arn",
	} {
		c, err := use(text)
		r, ok := c.(*role)
		if err != nil || !ok || *r.source.GetType() != want {
			t.Errorf("%s: %T, %v", want, c, err)
		}
	}
	for _, bad := range []string{
		"", "[default]\n", "[default]\ntype=bearer\n", "[default]\ntype=access_key\naccess_key_id=" + testKeyID + "\n",
		"[default]\ntype=ram_role_arn\naccess_key_secret=" + testSecret + "\n",
	} {
		_, err := use(bad)
		if err == nil {
			t.Errorf("%q was taken for a profile", bad)
		}
		checkNoSecret(t, fmt.Sprint(err))
	}
	t.Setenv(sdkcredentials.ENVCredentialFile, filepath.Join(dir, "missing"))
	if _, err := FromChain(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a profile that is named but missing: %v", err)
	}
}

// The default file, which the library itself does not find, and the instance role.
func TestFromChainDefaults(t *testing.T) {
	clearEnv(t)
	t.Setenv(sdkcredentials.ENVEcsMetadata, "my-role")
	c, err := FromChain()
	if err != nil {
		t.Fatal(err)
	}
	if r, ok := c.(*role); !ok || *r.source.GetType() != "ecs_ram_role" {
		t.Errorf("with ALIBABA_CLOUD_ECS_METADATA: %T", c)
	}
	dir := filepath.Join(os.Getenv("HOME"), ".alibabacloud")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	text := "[default]\ntype=access_key\naccess_key_id=i\naccess_key_secret=s\n"
	if err := os.WriteFile(filepath.Join(dir, "credentials"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err = FromChain(); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, c, "i", "s", "")
}

// Keys of a role are fetched once for many callers, kept while new ones cannot be had, and
// dropped when the API says they have expired.
func TestRoleKeys(t *testing.T) {
	now := time.Unix(1e9, 0)
	var fetches atomic.Int32
	var failure error
	r, err := newRole(&sdkcredentials.Config{Type: tea.String("ecs_ram_role"), RoleName: tea.String("r")})
	if err != nil {
		t.Fatal(err)
	}
	r.now = func() time.Time { return now }
	r.fetch = func(sdkcredentials.Credential) (Keys, error) {
		n := fetches.Add(1)
		if failure != nil {
			return Keys{}, failure
		}
		return newKeys(fmt.Sprintf("i%d", n), "s", "t")
	}
	failure = errNoRoleKeys
	for range 3 {
		if _, err := r.Keys(); err == nil {
			t.Error("keys although none could be fetched")
		}
	}
	if n := fetches.Load(); n != 1 {
		t.Errorf("%d fetches within a second of a failure, want 1", n)
	}
	failure = nil
	now = now.Add(retryFetch)
	var group sync.WaitGroup
	for range 32 {
		group.Go(func() { wantKeys(t, r, "i2", "s", "t") })
	}
	group.Wait()
	now = now.Add(keysFreshFor)
	wantKeys(t, r, "i3", "s", "t")
	failure = errNoRoleKeys
	now = now.Add(keysFreshFor)
	wantKeys(t, r, "i3", "s", "t") // the metadata service is away: the keys may still be good
	r.Refresh()                    // they are not
	if _, err := r.Keys(); err == nil {
		t.Error("expired keys were given again")
	}
	failure = nil
	now = now.Add(retryFetch)
	wantKeys(t, r, "i6", "s", "t")
	r.Refresh() // too soon after the last to be believed
	wantKeys(t, r, "i6", "s", "t")
}

// A fetch that hangs does not hold up those who have keys.
func TestRoleFetchHangs(t *testing.T) {
	now := time.Unix(1e9, 0)
	var clock sync.Mutex
	r := &role{now: func() time.Time { clock.Lock(); defer clock.Unlock(); return now }}
	arrived, release := make(chan struct{}), make(chan struct{})
	r.fetch = func(sdkcredentials.Credential) (Keys, error) {
		close(arrived)
		<-release
		return newKeys("new", "s", "")
	}
	old, err := newKeys("old", "s", "")
	if err != nil {
		t.Fatal(err)
	}
	r.current.Store(&roleKeys{old, now.Add(-keysFreshFor)})
	done := make(chan struct{})
	go func() {
		defer close(done)
		wantKeys(t, r, "new", "s", "")
	}()
	<-arrived
	wantKeys(t, r, "old", "s", "")
	close(release)
	<-done
	wantKeys(t, r, "new", "s", "")
}

// What the library says when it fails may quote keys, and is not repeated.
func TestFetchKeys(t *testing.T) {
	for _, failing := range []string{"id", "secret", "token"} {
		_, err := fetchKeys(talkative{failing})
		if !errors.Is(err, errNoRoleKeys) {
			t.Errorf("%s: %v", failing, err)
		}
		checkNoSecret(t, fmt.Sprint(err))
	}
	keys, err := fetchKeys(talkative{})
	if err != nil || *keys.reveal() != (accessKey{"i", "s", "t"}) {
		t.Errorf("keys or error wrong: %v", err)
	}
}

// talkative is a credential of the library's whose errors quote keys.
type talkative struct{ failing string }

func (c talkative) part(name, value string) (*string, error) {
	if c.failing == name {
		return nil, errors.New("AccessKeyId: " + testKeyID + ", AccessKeySecret: " + testSecret)
	}
	return &value, nil
}

func (c talkative) GetAccessKeyId() (*string, error)     { return c.part("id", "i") }
func (c talkative) GetAccessKeySecret() (*string, error) { return c.part("secret", "s") }
func (c talkative) GetSecurityToken() (*string, error)   { return c.part("token", "t") }
func (c talkative) GetBearerToken() *string              { return nil }
func (c talkative) GetType() *string                     { return tea.String("sts") }

// The API's word that temporary keys have expired reaches their source.
func TestExpiredTokenRefreshes(t *testing.T) {
	for _, code := range []string{"InvalidSecurityToken.Expired", "MissingSecurityToken"} {
		source := &refreshing{Credentials: testKeys(t)}
		route := plainRoute(t, serve(t, respond(400, gateway(code, "x"))).URL)
		route.Credentials = source
		send(t, newClient(t, nil, route), testCall())
		if source.refreshed != 1 {
			t.Errorf("%s: refreshed %d times, want once", code, source.refreshed)
		}
	}
}

type refreshing struct {
	Credentials
	refreshed int
}

func (r *refreshing) Refresh() { r.refreshed++ }
