package aliyun

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"smppbridge/configs/credfile"
)

const (
	stsVersion = "2015-04-01"
	// DefaultSTS is the endpoint that every region reaches. Regions have their own
	// (sts.cn-hangzhou.aliyuncs.com), also within a VPC (sts-vpc.cn-hangzhou.aliyuncs.com).
	DefaultSTS = "sts.aliyuncs.com"
	// DefaultRoleSession is the name under which ActionTrail shows what a role's keys did.
	DefaultRoleSession = "smppbridge"

	defaultRoleFor = time.Hour

	envRoleARN     = "ALIBABA_CLOUD_ROLE_ARN"
	envRoleSession = "ALIBABA_CLOUD_ROLE_SESSION_NAME"
	envOIDC        = "ALIBABA_CLOUD_OIDC_PROVIDER_ARN"
	envOIDCToken   = "ALIBABA_CLOUD_OIDC_TOKEN_FILE"
)

// A Role is a RAM role that STS gives keys of.
type Role struct {
	ARN         string        // acs:ram::ACCOUNT:role/NAME
	SessionName string        // empty: DefaultRoleSession
	Duration    time.Duration // how long keys live, in seconds; 0: an hour. The role itself has a limit, too
	ExternalID  string        // AssumeRole only: where the role's trust policy asks for one
	Endpoint    string        // host[:port], or http://host:port on loopback, for tests; empty: DefaultSTS
}

// An OIDCRole is a Role whose trust policy takes the tokens of an identity provider: RRSA in ACK. ARN,
// Provider and TokenFile are by default those of the environment that ACK gives a container:
// ALIBABA_CLOUD_ROLE_ARN, ALIBABA_CLOUD_OIDC_PROVIDER_ARN, ALIBABA_CLOUD_OIDC_TOKEN_FILE.
type OIDCRole struct {
	Role
	Provider  string // the provider's ARN: acs:ram::ACCOUNT:oidc-provider/NAME
	TokenFile string // read before each fetch: tokens end, too
}

// AssumeRole exchanges keys that base gives for those of a role. base may be temporary itself. It asks
// nobody yet; see Temporary.Run, which base needs for itself.
func AssumeRole(base Credentials, role Role, log *slog.Logger) (*Temporary, error) {
	if base == nil {
		return nil, errors.New("assume role: no keys to begin with")
	}
	s, err := newSTS(role)
	if err != nil {
		return nil, fmt.Errorf("assume role: %w", err)
	}
	return newTemporary(&assumeRole{s, base}, log, s.client.CloseIdleConnections), nil
}

// AssumeRoleWithOIDC exchanges a token of an identity provider for the keys of a role: no key of any
// kind is needed to begin with. It asks nobody yet; see Temporary.Run.
func AssumeRoleWithOIDC(role OIDCRole, log *slog.Logger) (*Temporary, error) {
	role.ARN = cmp.Or(role.ARN, os.Getenv(envRoleARN))
	role.SessionName = cmp.Or(role.SessionName, os.Getenv(envRoleSession))
	role.Provider = cmp.Or(role.Provider, os.Getenv(envOIDC))
	role.TokenFile = cmp.Or(role.TokenFile, os.Getenv(envOIDCToken))
	s, err := newSTS(role.Role)
	switch {
	case err != nil:
		return nil, fmt.Errorf("oidc: %w", err)
	case !arnShape.MatchString(role.Provider):
		return nil, errors.New("oidc: the provider must be an ARN like acs:ram::1234567890123456:oidc-provider/name")
	case role.TokenFile == "":
		return nil, errors.New("oidc: no token file")
	}
	return newTemporary(&oidc{s, role.Provider, role.TokenFile}, log, s.client.CloseIdleConnections), nil
}

// oidcInEnv reports whether the environment has all that AssumeRoleWithOIDC needs.
func oidcInEnv() bool {
	return os.Getenv(envRoleARN) != "" && os.Getenv(envOIDC) != "" && os.Getenv(envOIDCToken) != ""
}

var (
	arnShape     = regexp.MustCompile(`^acs:ram::[0-9]{1,32}:[A-Za-z0-9._/@-]{1,256}$`)
	sessionShape = regexp.MustCompile(`^[A-Za-z0-9.@_-]{2,64}$`)
)

// sts is a role and how STS is reached.
type sts struct {
	role   Role
	url    *url.URL
	client *http.Client
	now    func() time.Time
}

// newSTS checks role and fills in defaults.
func newSTS(role Role) (*sts, error) {
	role.SessionName = cmp.Or(role.SessionName, DefaultRoleSession)
	role.Duration = cmp.Or(role.Duration, defaultRoleFor)
	target, err := stsURL(role.Endpoint)
	switch {
	case err != nil:
		return nil, err
	case !arnShape.MatchString(role.ARN):
		return nil, errors.New("the role must be an ARN like acs:ram::1234567890123456:role/name")
	case !sessionShape.MatchString(role.SessionName):
		return nil, errors.New("the session name must have 2 to 64 letters, digits and .@_-")
	case role.Duration < 15*time.Minute || role.Duration > 12*time.Hour:
		return nil, errors.New("the duration must be 15 minutes to 12 hours")
	case !printable(role.ExternalID):
		return nil, errors.New("the external id must be printable ASCII without spaces")
	}
	proxy, err := proxyFor(target)
	if err != nil {
		return nil, err
	}
	return &sts{role: role, url: target, client: newKeysClient(proxy), now: time.Now}, nil
}

// stsURL is where an endpoint is. Keys and tokens travel there: without TLS only within the machine.
func stsURL(endpoint string) (*url.URL, error) {
	endpoint = cmp.Or(endpoint, DefaultSTS)
	scheme := "https"
	if rest, plain := strings.CutPrefix(endpoint, "http://"); plain {
		scheme, endpoint = "http", rest
	}
	u, err := url.Parse(scheme + "://" + endpoint + "/")
	if err != nil || u.Host != endpoint || u.Hostname() == "" {
		return nil, errors.New("the endpoint of STS must be host or host:port")
	}
	if ip := net.ParseIP(u.Hostname()); scheme == "http" && (ip == nil || !ip.IsLoopback()) {
		return nil, errors.New("the endpoint of STS may be http:// on a loopback address only")
	}
	return u, nil
}

// parameters are what both actions are asked with.
func (s *sts) parameters() url.Values {
	return url.Values{
		"RoleArn":         {s.role.ARN},
		"RoleSessionName": {s.role.SessionName},
		"DurationSeconds": {strconv.Itoa(int(s.role.Duration / time.Second))},
	}
}

// do sends a request of STS's and reads keys from the answer.
func (s *sts) do(request *http.Request) (session, error) {
	request.Header.Set("Accept", "application/json")
	body, err := exchange(s.client, request)
	if err != nil {
		return session{}, err
	}
	var answer struct{ Credentials keysAnswer }
	if json.Unmarshal(body, &answer) != nil {
		return session{}, errNoSession
	}
	return answer.Credentials.session()
}

// assumeRole is the action AssumeRole.
type assumeRole struct {
	*sts
	base Credentials
}

// fetch implements fetcher.
func (a *assumeRole) fetch(ctx context.Context) (session, error) {
	keys, err := a.base.Keys()
	if err == nil && keys.reveal == nil {
		err = errKeys
	}
	if err != nil {
		return session{}, fmt.Errorf("AssumeRole: the keys to begin with: %w", err)
	}
	query := a.parameters()
	if a.role.ExternalID != "" {
		query.Set("ExternalId", a.role.ExternalID)
	}
	target := *a.url
	target.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), nil)
	if err != nil {
		return session{}, errors.New("AssumeRole: the endpoint is no URL")
	}
	signACS3(request, keys, apiAction{"AssumeRole", stsVersion}, a.now())
	got, err := a.do(request)
	if err == nil {
		return got, nil
	}
	if refused := new(refusal); errors.As(err, &refused) && refreshes(refused.code) {
		if source, ok := a.base.(interface{ Refresh() }); ok {
			source.Refresh()
		}
	}
	return session{}, fmt.Errorf("AssumeRole: %w", err)
}

// oidc is the action AssumeRoleWithOIDC, which is not signed.
type oidc struct {
	*sts
	provider  string
	tokenFile string
}

// fetch implements fetcher.
func (o *oidc) fetch(ctx context.Context) (session, error) {
	token, err := readToken(o.tokenFile)
	if err != nil {
		return session{}, fmt.Errorf("AssumeRoleWithOIDC: token file: %w", err)
	}
	target := *o.url
	target.RawQuery = url.Values{
		"Action": {"AssumeRoleWithOIDC"}, "Version": {stsVersion}, "Format": {"JSON"},
		"Timestamp": {o.now().UTC().Format(time.RFC3339)}, "SignatureNonce": {newNonce()},
	}.Encode()
	form := o.parameters() // the token is in the body: addresses are logged on the way
	form.Set("OIDCProviderArn", o.provider)
	form.Set("OIDCToken", token)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return session{}, errors.New("AssumeRoleWithOIDC: the endpoint is no URL")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	got, err := o.do(request)
	if err != nil {
		return session{}, fmt.Errorf("AssumeRoleWithOIDC: %w", err)
	}
	return got, nil
}

// readToken reads the token as it is now. Its file's mode and kind are not ours to judge: Kubernetes makes it.
func readToken(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", credfile.WithoutPath(err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile))
	if err != nil {
		return "", credfile.WithoutPath(err)
	}
	token := strings.TrimSpace(string(text))
	if len(token) < 4 || len(token) > 20000 || !printable(token) {
		return "", errors.New("not a token of 4 to 20,000 characters")
	}
	return token, nil
}
