package aliyun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"
)

const (
	metadataEndpoint = "http://100.100.100.200"
	metadataRoles    = "/latest/meta-data/ram/security-credentials/"
	// metadataTokenLife is in seconds: a token is used for one fetch only.
	metadataTokenLife = "60"
	// metadataTokenWithin limits the request for a token. From within a container its answer may be
	// lost on the way (the service sends it with a hop limit), and the keys can be had all the same.
	metadataTokenWithin = time.Second

	envMetadataOff  = "ALIBABA_CLOUD_ECS_METADATA_DISABLED"
	envMetadataV1No = "ALIBABA_CLOUD_IMDSV1_DISABLED"
	envInstanceRole = "ALIBABA_CLOUD_ECS_METADATA"
)

// An InstanceRole is the RAM role that an ECS instance has.
type InstanceRole struct {
	Name     string // empty: what the metadata service says
	Endpoint string // of the metadata service; empty: the one that every instance has. For tests
}

// roleShape is a RAM role's name.
var roleShape = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// FromInstance takes the keys of the instance's role from its metadata service: in security hardening
// mode (with a token) and, unless ALIBABA_CLOUD_IMDSV1_DISABLED is "true", without a token where none
// is to be had. It asks nobody yet; see Temporary.Run.
func FromInstance(role InstanceRole, log *slog.Logger) (*Temporary, error) {
	if role.Name != "" && !roleShape.MatchString(role.Name) {
		return nil, errors.New("instance: not the name of a RAM role")
	}
	if isTrue(os.Getenv(envMetadataOff)) {
		return nil, fmt.Errorf("instance: environment %s forbids to ask the metadata service", envMetadataOff)
	}
	if role.Endpoint == "" {
		role.Endpoint = metadataEndpoint
	}
	// The service is a part of the host: never through a proxy.
	i := &instance{
		role: role, tokenOnly: isTrue(os.Getenv(envMetadataV1No)), tokenWithin: metadataTokenWithin, client: newKeysClient(nil),
	}
	return newTemporary(i, log, i.client.CloseIdleConnections), nil
}

func isTrue(s string) bool { return strings.EqualFold(s, "true") }

// instance fetches the keys of an instance's role.
type instance struct {
	role        InstanceRole
	tokenOnly   bool
	tokenWithin time.Duration
	client      *http.Client
}

// fetch implements fetcher.
func (i *instance) fetch(ctx context.Context) (session, error) {
	token, tokenErr := i.token(ctx)
	if tokenErr != nil && i.tokenOnly {
		return session{}, fmt.Errorf("metadata token: %w", tokenErr)
	}
	got, err := i.keys(ctx, token)
	switch {
	case err != nil && tokenErr != nil:
		return session{}, fmt.Errorf("instance role: %w (and no token: %w)", err, tokenErr)
	case err != nil:
		return session{}, fmt.Errorf("instance role: %w", err)
	}
	return got, nil
}

// token opens a session with the service.
func (i *instance) token(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, i.tokenWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, i.role.Endpoint+"/latest/api/token", nil)
	if err != nil {
		return "", errors.New("the endpoint is no URL")
	}
	request.Header.Set("X-aliyun-ecs-metadata-token-ttl-seconds", metadataTokenLife)
	body, err := exchange(i.client, request)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(body))
	if token == "" || !printable(token) {
		return "", errors.New("the answer is no token")
	}
	return token, nil
}

// keys asks for the role's name, if it is not given, and for its keys. token may be empty.
func (i *instance) keys(ctx context.Context, token string) (session, error) {
	name := i.role.Name
	if name == "" {
		body, err := i.get(ctx, "", token)
		if err != nil {
			return session{}, err
		}
		name, _, _ = strings.Cut(strings.TrimSpace(string(body)), "\n")
		if !roleShape.MatchString(name) {
			return session{}, errors.New("the instance has no role")
		}
	}
	body, err := i.get(ctx, name, token)
	if err != nil {
		return session{}, err
	}
	var answer struct {
		keysAnswer
		Code string
	}
	if json.Unmarshal(body, &answer) != nil || answer.Code != "Success" {
		return session{}, errNoSession
	}
	return answer.session()
}

// get reads one item below the roles. HTTP 404 means that the instance does not have the role.
func (i *instance) get(ctx context.Context, name, token string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, i.role.Endpoint+metadataRoles+url.PathEscape(name), nil)
	if err != nil {
		return nil, errors.New("the endpoint is no URL")
	}
	if token != "" {
		request.Header.Set("X-aliyun-ecs-metadata-token", token)
	}
	body, err := exchange(i.client, request)
	if refused := new(refusal); errors.As(err, &refused) && refused.status == http.StatusNotFound {
		return nil, errors.New("the instance has no such role")
	}
	return body, err
}
