package aliyun

import (
	"errors"
	"log/slog"
	"os"
	"strings"
)

// machineFile says what machine this is, as its firmware tells the kernel.
const machineFile = "/sys/class/dmi/id/product_name"

// errNothing says that the chain has ended.
var errNothing = errors.New("credentials chain: neither environment, nor OIDC token, nor profile, nor ECS instance; name the source")

// FromChain looks where Alibaba Cloud's tools look, in their order: an AccessKey in the environment
// (see FromEnv); an OIDC token (ALIBABA_CLOUD_ROLE_ARN, ALIBABA_CLOUD_OIDC_PROVIDER_ARN,
// ALIBABA_CLOUD_OIDC_TOKEN_FILE: what ACK gives a container); a profile (see FromProfile); the role of
// the instance, where ALIBABA_CLOUD_ECS_METADATA names one or this machine is an ECS instance by its
// own words. The first that is there is taken, whether or not it gives keys now: another source would
// mean another account.
func FromChain(log *slog.Logger) (Credentials, error) { return chain(machineFile, log) }

func chain(machine string, log *slog.Logger) (Credentials, error) {
	if os.Getenv(envSecret) != "" {
		return FromEnv()
	}
	if oidcInEnv() {
		return temporary(AssumeRoleWithOIDC(OIDCRole{}, log))
	}
	path, given := profilePath()
	_, err := os.Stat(path)
	switch {
	case path != "" && (given || err == nil):
		return FromProfile(path, "", log)
	case isTrue(os.Getenv(envMetadataOff)):
		return nil, errNothing
	case os.Getenv(envInstanceRole) != "" || isECS(machine):
		return temporary(FromInstance(InstanceRole{Name: os.Getenv(envInstanceRole)}, log))
	}
	return nil, errNothing
}

// temporary keeps a nil pointer from becoming credentials.
func temporary(t *Temporary, err error) (Credentials, error) {
	if err != nil {
		return nil, err
	}
	return t, nil
}

// isECS reports whether the machine that file describes is an ECS instance. It asks nobody, unlike a
// try at the metadata service, which elsewhere would have to be waited for.
func isECS(file string) bool {
	text, err := os.ReadFile(file)
	return err == nil && strings.TrimSpace(string(text)) == "Alibaba Cloud ECS"
}
