package main

import (
	"fmt"

	"smppbridge/bridge/aliyun"
	"smppbridge/configs"
)

// credentials opens the sources of AccessKeys that the configuration names.
func credentials(cfg map[string]configs.Credential) (map[string]aliyun.Credentials, error) {
	m := make(map[string]aliyun.Credentials, len(cfg))
	for name, c := range cfg {
		cred, err := openCredential(c)
		if err != nil {
			return nil, fmt.Errorf("credentials.%s: %w", name, err)
		}
		m[name] = cred
	}
	return m, nil
}

func openCredential(c configs.Credential) (aliyun.Credentials, error) {
	switch c.Source {
	case "env":
		return aliyun.FromEnv()
	case "file":
		creds, err := aliyun.FromFile(c.File)
		if err != nil {
			return nil, fmt.Errorf("file %s: %w", c.File, err)
		}
		return creds, nil
	}
	return aliyun.FromChain()
}
