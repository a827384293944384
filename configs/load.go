package configs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"smppbridge/configs/credfile"
)

// ParseNode reads a node's configuration from the document b over the defaults and validates it. Faults call the
// document name. It looks at nothing but b: see [LoadNode] for what depends on the machine.
func ParseNode(name string, b []byte) (*Node, error) {
	n, c := parseNode(name, b)
	if err := c.err(); err != nil {
		return nil, err
	}
	return n, nil
}

func parseNode(name string, b []byte) (*Node, *checker) {
	n, c := DefaultNode(), newChecker(name)
	n.Callback.SecretFile = "" // a default only where no secret is given
	c.decode(b, &n)
	if !c.faulty[""] {
		n.complete()
		n.check(c)
	}
	return &n, c
}

// LoadNode reads the node's configuration in the file path, and fills in what depends on the machine: the host
// name as node_id, the file's folder before relative paths, and systemd's credentials directory. The error is
// [Faults] unless the file cannot be read.
func LoadNode(path string) (*Node, error) { return loadNode(path, true) }

// LoadStoppedNode reads the file for work on the data of a node that does not run. The files that it names are
// left as they are written: systemd's credentials directory is there for the service only.
func LoadStoppedNode(path string) (*Node, error) { return loadNode(path, false) }

func loadNode(path string, files bool) (*Node, error) {
	b, err := readDocument(path)
	if err != nil {
		return nil, err
	}
	n, c := parseNode(path, b)
	if !c.faulty[""] {
		n.resolveID(c)
		if files {
			n.resolveFiles(c, filepath.Dir(path))
		}
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	return n, nil
}

// ParsePolicy reads a policy from the document b over the defaults and validates it. Faults call the document
// name. It is a function of b alone: every node reads a replicated policy alike.
func ParsePolicy(name string, b []byte) (*Policy, error) {
	p, c := &Policy{}, newChecker(name)
	p.setDefaults()
	c.decode(b, p)
	if !c.faulty[""] {
		p.complete()
		p.check(c)
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	return p, nil
}

// LoadPolicy reads the policy in the file path. The error is [Faults] unless the file cannot be read.
func LoadPolicy(path string) (*Policy, error) {
	b, err := readDocument(path)
	if err != nil {
		return nil, err
	}
	return ParsePolicy(path, b)
}

// readDocument reads a file, no further than needed to see that it is too large.
func readDocument(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open configuration: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return b, nil
}

// credentialsDir is how a configuration names the folder of systemd's LoadCredential.
const credentialsDir = "$CREDENTIALS_DIRECTORY"

// resolveID has the host's name take the place of a missing node_id.
func (n *Node) resolveID(c *checker) {
	if n.NodeID == "" {
		host, err := os.Hostname()
		if err != nil || !IsNodeID(host) {
			c.addf("node_id", "is missing and the host name cannot take its place; allowed: 1 to 63 letters, digits, \".\", \"_\" and \"-\"")
		}
		n.NodeID = host
	}
}

// resolveFiles says where the files are. dir is the configuration file's folder.
func (n *Node) resolveFiles(c *checker, dir string) {
	tls := &n.SMPP.TLS
	tls.CertFile = c.path("smpp.tls.cert_file", tls.CertFile, dir)
	tls.KeyFile = c.path("smpp.tls.key_file", tls.KeyFile, dir)
	tls.ClientCA = c.path("smpp.tls.client_ca", tls.ClientCA, dir)
	ctls := &n.Cluster.TLS
	ctls.CertFile = c.path("cluster.tls.cert_file", ctls.CertFile, dir)
	ctls.KeyFile = c.path("cluster.tls.key_file", ctls.KeyFile, dir)
	ctls.CAFile = c.path("cluster.tls.ca_file", ctls.CAFile, dir)
	n.Policy.File = c.path("policy.file", n.Policy.File, dir)
	n.Callback.SecretFile = c.path("callback.secret_file", n.Callback.SecretFile, dir)
	for _, name := range sortedKeys(n.Credentials) {
		cred := n.Credentials[name]
		cred.File = c.path("credentials."+name+".file", cred.File, dir)
		cred.CAFile = c.path("credentials."+name+".ca_file", cred.CAFile, dir)
		n.Credentials[name] = cred
	}
}

// path returns file as seen from the configuration file's folder dir.
func (c *checker) path(key, file, dir string) string {
	if rest, ok := strings.CutPrefix(file, credentialsDir+"/"); ok {
		base := os.Getenv(credentialsDir[1:])
		if base == "" {
			c.addf(key, "%s is not set; it is while systemd starts the service with LoadCredential", credentialsDir)
		}
		return filepath.Join(base, rest)
	}
	if file == "" || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(dir, file)
}

// errSecret is returned for a secret file with an unfit secret in it.
var errSecret = errors.New("the secret in it " + secretRule)

// maxSecretFile is how many octets of the file with the callback's secret are read.
const maxSecretFile = 1 << 10

// ReadSecret returns the callback's secret, from its file if it is not in the configuration. It is empty if there
// is no listener. The file must be private. The error names the file, never the secret.
func (cb Callback) ReadSecret() (string, error) {
	if cb.Listen == "" || cb.Secret != "" {
		return cb.Secret, nil
	}
	text, err := credfile.ReadPrivate(cb.SecretFile, maxSecretFile)
	if err != nil {
		return "", fmt.Errorf("read callback secret: %s: %w", cb.SecretFile, err)
	}
	secret := strings.TrimSpace(text)
	if !secretShape.MatchString(secret) {
		return "", fmt.Errorf("read callback secret: %s: %w", cb.SecretFile, errSecret)
	}
	return secret, nil
}
