package aliyun

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"smppbridge/configs/credfile"
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
		f.seen, f.keys, f.err = nil, Keys{}, fmt.Errorf("key file: %w", credfile.WithoutPath(err))
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
	text, err := credfile.ReadPrivate(f.path, maxKeyFile)
	if err != nil {
		return Keys{}, fmt.Errorf("key file: %w", err)
	}
	keys, err := f.parse(text)
	if err != nil {
		return Keys{}, fmt.Errorf("key file: %w", err)
	}
	return keys, nil
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
		named[strings.TrimSpace(name)] = credfile.Unquote(strings.TrimSpace(value))
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
