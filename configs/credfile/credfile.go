// Package credfile reads files with secrets, and what belongs to them: AccessKeys, logins, the certificates by which a
// login's receiver is known. Those with secrets are private, or lie in the directory that systemd's LoadCredential made
// ($CREDENTIALS_DIRECTORY).
//
// What the lines of a file mean is its reader's. No error of this package has a path, which the configuration names
// anyway, or anything that is in a file.
package credfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrOpen is returned by ReadPrivate for a file that others can read.
var ErrOpen = errors.New("readable by group or others; chmod 0600")

var errNotRegular = errors.New("not a regular file")

// ReadPrivate reads at most limit octets of a file that holds secrets. It must not be readable by group or others,
// unless it lies in systemd's directory, which is private as a whole.
func ReadPrivate(path string, limit int64) (string, error) {
	return read(path, limit, true)
}

// Read reads at most limit octets of a file that anybody may read.
func Read(path string, limit int64) (string, error) {
	return read(path, limit, false)
}

// read looks at the permissions of the file that was opened, not of what the name may point to a moment later.
func read(path string, limit int64, private bool) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", WithoutPath(err)
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return "", WithoutPath(err)
	case !info.Mode().IsRegular():
		return "", errNotRegular
	case private && info.Mode().Perm()&0o077 != 0 && !inCredentialsDirectory(path):
		return "", ErrOpen
	}
	text, err := io.ReadAll(io.LimitReader(file, limit))
	if err != nil {
		return "", WithoutPath(err)
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

// WithoutPath is the error of a file's Open, Stat or Read without the path. errors.Is knows it as before.
func WithoutPath(err error) error {
	if wrapped := new(fs.PathError); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// Unquote takes one pair of quotes off a value, for people write such files as if they were YAML.
func Unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}
