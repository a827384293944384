package upstream

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"smppbridge/configs/credfile"
)

// Credentials are files that are read at each bind: what changes in them needs no restart.
type Credentials struct{ file, ca string }

// login is what a bind carries. It has no String, so that it is not logged by mistake.
type login struct{ systemID, password string }

const maxFile = 256 << 10

var (
	errForm   = errors.New("want two lines, system_id and password, or the keys system_id and password")
	errNoCert = errors.New("no certificate in it")
)

// FromFile reads a login from a file: two lines, system_id and password, or lines `system_id: …` and `password: …`. It must
// not be readable by group or others, unless it lies in the directory that systemd's LoadCredential made. caFile, if not
// empty, has the certificates (PEM) by which message centres are known, instead of the system's. Both must be readable now.
func FromFile(file, caFile string) (*Credentials, error) {
	c := &Credentials{file: file, ca: caFile}
	if _, err := c.login(); err != nil {
		return nil, err
	}
	if _, err := c.roots(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Credentials) login() (login, error) {
	text, err := credfile.ReadPrivate(c.file, maxFile)
	if err != nil {
		return login{}, fmt.Errorf("password file: %w", err)
	}
	l, err := parseLogin(text)
	if err != nil {
		return login{}, fmt.Errorf("password file: %w", err)
	}
	return l, nil
}

// roots are nil for the system's.
func (c *Credentials) roots() (*x509.CertPool, error) {
	if c.ca == "" {
		return nil, nil
	}
	text, err := credfile.Read(c.ca, maxFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(text)) {
		return nil, fmt.Errorf("ca_file: %w", errNoCert)
	}
	return pool, nil
}

// parseLogin understands both forms of the file. A password may have any character but an end of line; in the form with
// keys one pair of quotes is taken off it.
func parseLogin(text string) (login, error) {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n"); line != "" && line[0] != '#' && line != "---" {
			lines = append(lines, line)
		}
	}
	if len(lines) != 2 {
		return login{}, errForm
	}
	named := make(map[string]string, 2)
	for _, line := range lines {
		if name, value, ok := strings.Cut(line, ":"); ok {
			named[strings.TrimSpace(name)] = credfile.Unquote(strings.TrimSpace(value))
		}
	}
	l := login{lines[0], lines[1]}
	if id, ok := named["system_id"]; ok {
		l = login{id, named["password"]}
	}
	if l.systemID == "" || l.password == "" {
		return login{}, errForm
	}
	return l, nil
}
