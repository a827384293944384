package aliyun

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	maxKeyFile     = 64 << 10
	recheckKeyFile = time.Second // how often a key file is looked at, at most
)

// keyFile gives the keys that are in a file now.
type keyFile struct {
	path  string
	parse func(text string) (Keys, error)
	now   func() time.Time

	mu      sync.Mutex // guards what follows
	checked time.Time
	seen    fs.FileInfo // the file that keys and err are from; nil = none
	keys    Keys
	err     error
}

// FromFile reads an AccessKey from a file: two lines, id and secret (a third may hold a security
// token), or lines `access_key_id: …`, `access_key_secret: …` and `security_token: …`. The file
// is read again when it has changed, at most once a second; while it cannot be read or understood
// there are no keys. It must not be readable by group or others, unless it lies in the directory
// that systemd's LoadCredential made ($CREDENTIALS_DIRECTORY), which is private as a whole.
func FromFile(path string) (Credentials, error) {
	return newKeyFile(path, parseKeys)
}

// newKeyFile reads a file for the first time. parse finds the keys in its text.
func newKeyFile(path string, parse func(string) (Keys, error)) (Credentials, error) {
	f := &keyFile{path: path, parse: parse, now: time.Now}
	if _, err := f.Keys(); err != nil {
		return nil, err
	}
	return f, nil
}

// Keys implements Credentials.
func (f *keyFile) Keys() (Keys, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if !f.checked.IsZero() && now.Sub(f.checked) < recheckKeyFile {
		return f.keys, f.err
	}
	f.checked = now
	info, err := os.Stat(f.path)
	if err != nil {
		f.seen, f.keys, f.err = nil, Keys{}, fmt.Errorf("key file: %w", withoutPath(err))
		return f.keys, f.err
	}
	if f.seen != nil && os.SameFile(info, f.seen) && info.ModTime().Equal(f.seen.ModTime()) &&
		info.Size() == f.seen.Size() && info.Mode() == f.seen.Mode() {
		return f.keys, f.err
	}
	f.seen = info
	f.keys, f.err = f.read()
	return f.keys, f.err
}

// read reads and checks the file once.
func (f *keyFile) read() (Keys, error) {
	text, err := readPrivate(f.path)
	if err != nil {
		return Keys{}, fmt.Errorf("key file: %w", err)
	}
	keys, err := f.parse(text)
	if err != nil {
		return Keys{}, fmt.Errorf("key file: %w", err)
	}
	return keys, nil
}

// errOpenFile says that others can read a secret.
var errOpenFile = errors.New("readable by group or others; chmod 0600")

// readPrivate reads a file that holds secrets. The permissions are those of the file that was
// opened, not of what the name may point to a moment later.
func readPrivate(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", withoutPath(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("not a regular file")
	}
	if info.Mode().Perm()&0o077 != 0 && !inCredentialsDirectory(path) {
		return "", errOpenFile
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile))
	if err != nil {
		return "", withoutPath(err)
	}
	return string(text), nil
}

// inCredentialsDirectory reports whether path lies below $CREDENTIALS_DIRECTORY.
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

// parseKeys understands both forms of a key file.
func parseKeys(text string) (Keys, error) {
	var bare []string
	named := map[string]string{}
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line == "---" {
			continue
		}
		name, value, found := strings.Cut(line, ":")
		if !found {
			bare = append(bare, line)
			continue
		}
		named[strings.TrimSpace(name)] = unquote(strings.TrimSpace(value))
	}
	switch {
	case len(named) == 0 && (len(bare) == 2 || len(bare) == 3):
		bare = append(bare, "")
		return newKeys(bare[0], bare[1], bare[2])
	case len(bare) == 0 && named["access_key_id"] != "" && named["access_key_secret"] != "":
		return newKeys(named["access_key_id"], named["access_key_secret"], named["security_token"])
	}
	return Keys{}, errors.New("want two lines, id and secret, or the keys access_key_id and access_key_secret")
}

// unquote removes one pair of quotes.
func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

// withoutPath is err without the path, which the configuration names anyway.
func withoutPath(err error) error {
	if wrapped := new(fs.PathError); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
