package upstream

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Credentials are files that are read at each bind: what changes in them needs no restart.
type Credentials struct{ file, ca string }

// login is what a bind carries. It has no String, so that it is not logged by mistake.
type login struct{ systemID, password string }

const maxFile = 256 << 10

var (
	errForm     = errors.New("want two lines, system_id and password, or the keys system_id and password")
	errOpenFile = errors.New("readable by group or others; chmod 0600")
	errNoCert   = errors.New("no certificate in it")
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
	text, err := readFile(c.file, true)
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
	text, err := readFile(c.ca, false)
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
			named[strings.TrimSpace(name)] = unquote(strings.TrimSpace(value))
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

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

// readFile reads a file; one with secrets must be private. The permissions are those of the file that was opened.
func readFile(path string, secret bool) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", withoutPath(err)
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return "", withoutPath(err)
	case !info.Mode().IsRegular():
		return "", errors.New("not a regular file")
	case secret && info.Mode().Perm()&0o077 != 0 && !inCredentialsDirectory(path):
		return "", errOpenFile
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return "", withoutPath(err)
	}
	return string(text), nil
}

// inCredentialsDirectory reports whether path lies below $CREDENTIALS_DIRECTORY, which is private as a whole.
func inCredentialsDirectory(path string) bool {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" || !filepath.IsAbs(dir) {
		return false
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	rel, err := filepath.Rel(dir, absolute)
	return err == nil && filepath.IsLocal(rel)
}

// withoutPath is err without the path, which the configuration names anyway.
func withoutPath(err error) error {
	if wrapped := new(fs.PathError); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
