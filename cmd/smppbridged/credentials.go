package main

import (
	"context"
	"fmt"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"smppbridge/bridge/aliyun"
	"smppbridge/configs"
)

// credentials opens the sources of AccessKeys that the configuration names, those that others build
// on first. It is valid: no base is missing, and none leads in a circle.
func credentials(cfg map[string]configs.Credential, log *slog.Logger) (map[string]aliyun.Credentials, error) {
	m := make(map[string]aliyun.Credentials, len(cfg))
	var open func(name string) error
	open = func(name string) error {
		c := cfg[name]
		if m[name] != nil {
			return nil
		}
		if c.Base != "" {
			if err := open(c.Base); err != nil {
				return err
			}
		}
		cred, err := openCredential(c, m[c.Base], log.With("credentials", name))
		if err != nil {
			return fmt.Errorf("credentials.%s: %w", name, err)
		}
		m[name] = cred
		return nil
	}
	for name, c := range cfg {
		if c.Source == configs.SourceSMPP { // see logins
			continue
		}
		if err := open(name); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// openCredential opens one source. base is what c.Base names.
func openCredential(c configs.Credential, base aliyun.Credentials, log *slog.Logger) (aliyun.Credentials, error) {
	role := aliyun.Role{
		ARN: c.RoleARN, SessionName: c.SessionName, Duration: c.RoleDuration.Std(), ExternalID: c.ExternalID, Endpoint: c.STSEndpoint,
	}
	switch c.Source {
	case "env":
		return aliyun.FromEnv()
	case "file":
		creds, err := aliyun.FromFile(c.File)
		if err != nil {
			return nil, fmt.Errorf("file %s: %w", c.File, err)
		}
		return creds, nil
	case "profile":
		return aliyun.FromProfile(c.File, c.Profile, log)
	case "instance":
		return orNil(aliyun.FromInstance(aliyun.InstanceRole{Name: c.RoleName}, log))
	case "assume_role":
		return orNil(aliyun.AssumeRole(base, role, log))
	case "oidc":
		return orNil(aliyun.AssumeRoleWithOIDC(aliyun.OIDCRole{Role: role, Provider: c.ProviderARN, TokenFile: c.File}, log))
	}
	return aliyun.FromChain(log)
}

// orNil keeps a nil pointer from becoming credentials.
func orNil(t *aliyun.Temporary, err error) (aliyun.Credentials, error) {
	if err != nil {
		return nil, err
	}
	return t, nil
}

// startCredentials keeps temporary keys fresh. It does not wait for the first: messages are accepted
// while nobody gives any.
func (n *node) startCredentials(context.Context) error {
	ctx, cancel := context.WithCancel(context.Background())
	var group errgroup.Group
	for _, c := range n.opts.Credentials {
		if temporary, ok := c.(interface{ Run(context.Context) error }); ok {
			group.Go(func() error { return temporary.Run(ctx) })
		}
	}
	done := make(chan struct{})
	go func() { // ends with ctx, as every Run does
		defer close(done)
		if err := group.Wait(); err != nil {
			n.fail("credentials", err)
		}
	}()
	n.undo.add("credentials", closeWithin, func(stop context.Context) error {
		cancel()
		return waitFor(stop, done)
	})
	return nil
}
