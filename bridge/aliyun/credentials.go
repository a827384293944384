package aliyun

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	sdkcredentials "github.com/aliyun/credentials-go/credentials"
)

// Credentials give the AccessKey for the next call. Implementations are safe for concurrent use
// and return quickly; their errors say what is missing and never a part of a key.
type Credentials interface {
	Keys() (Keys, error)
}

// Keys are an AccessKey, perhaps a temporary one. Every way of printing them prints a
// placeholder, and they are kept inside a function, so that printing something that holds them in
// an unexported field does not show them either (package fmt follows pointers there).
type Keys struct{ reveal func() *accessKey }

type accessKey struct{ id, secret, token string }

// errKeys says that something which should be an AccessKey is none.
var errKeys = errors.New("AccessKey id and secret must be printable ASCII without spaces")

// newKeys checks the parts: they travel in HTTP headers, and a line break there would be an
// error in the middle of a call.
func newKeys(id, secret, token string) (Keys, error) {
	if !printable(id) || !printable(secret) || id == "" || secret == "" || !printable(token) {
		return Keys{}, errKeys
	}
	return keysOf(id, secret, token), nil
}

func keysOf(id, secret, token string) Keys {
	key := &accessKey{id, secret, token}
	return Keys{func() *accessKey { return key }}
}

func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

const hiddenKeys = "[AccessKey]"

// String hides the keys.
func (Keys) String() string { return hiddenKeys }

// Format hides the keys from every verb of package fmt.
func (Keys) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, hiddenKeys) }

// LogValue hides the keys from log/slog.
func (Keys) LogValue() slog.Value { return slog.StringValue(hiddenKeys) }

// MarshalText hides the keys from encoders.
func (Keys) MarshalText() ([]byte, error) { return []byte(hiddenKeys), nil }

// sdk wraps the keys for the SDK.
func (k Keys) sdk() sdkcredentials.Credential { return fixedCredential{k} }

// noCredential is what a client that is never called has.
func noCredential() sdkcredentials.Credential { return keysOf("", "", "").sdk() }

// fixedCredential implements the SDK's interface with keys that were fetched before the call. So
// an error while fetching them is known as such, and the SDK never refreshes keys in the middle
// of two calls at once, which it does without a lock.
type fixedCredential struct{ keys Keys }

func (f fixedCredential) GetAccessKeyId() (*string, error)     { return &f.keys.reveal().id, nil }
func (f fixedCredential) GetAccessKeySecret() (*string, error) { return &f.keys.reveal().secret, nil }
func (f fixedCredential) GetSecurityToken() (*string, error)   { return &f.keys.reveal().token, nil }
func (f fixedCredential) GetBearerToken() *string              { return new(string) }

// GetType names the kind of key to the SDK, which wants to know only whether it is a bearer token.
func (f fixedCredential) GetType() *string {
	kind := "access_key"
	if f.keys.reveal().token != "" {
		kind = "sts"
	}
	return &kind
}

// static always gives the same keys.
type static struct{ keys Keys }

// Static returns credentials that are always the same: for simulators, and for keys that were
// found elsewhere.
func Static(id, secret, token string) (Credentials, error) {
	keys, err := newKeys(id, secret, token)
	if err != nil {
		return nil, err
	}
	return static{keys}, nil
}

// Keys implements Credentials.
func (s static) Keys() (Keys, error) { return s.keys, nil }

// The variables of FromEnv. envKeyIDOld is how the credentials library at this version spells the
// first; its documentation and everybody else spell it like envKeyID.
const (
	envKeyID    = "ALIBABA_CLOUD_ACCESS_KEY_ID"
	envKeyIDOld = "ALIBABA_CLOUD_ACCESS_KEY_Id"
	envSecret   = "ALIBABA_CLOUD_ACCESS_KEY_SECRET"
	envToken    = "ALIBABA_CLOUD_SECURITY_TOKEN"
)

// FromEnv reads ALIBABA_CLOUD_ACCESS_KEY_ID, ALIBABA_CLOUD_ACCESS_KEY_SECRET and, if set,
// ALIBABA_CLOUD_SECURITY_TOKEN, once.
func FromEnv() (Credentials, error) {
	id := os.Getenv(envKeyID)
	if id == "" {
		id = os.Getenv(envKeyIDOld)
	}
	if id == "" || os.Getenv(envSecret) == "" {
		return nil, fmt.Errorf("environment: %s and %s must be set", envKeyID, envSecret)
	}
	c, err := Static(id, os.Getenv(envSecret), os.Getenv(envToken))
	if err != nil {
		return nil, fmt.Errorf("environment: %w", err)
	}
	return c, nil
}
