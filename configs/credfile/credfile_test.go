package credfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	credentialsDirectory = "CREDENTIALS_DIRECTORY"
	testText             = "i\ns\n"
	testLimit            = 1 << 10
)

// writeFile writes a file with the given mode, and returns its path.
func writeFile(t *testing.T, dir, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, "key")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	return path
}

// A file that others can read is refused, but for those of systemd.
func TestPrivate(t *testing.T) {
	t.Setenv(credentialsDirectory, "")
	for mode, want := range map[os.FileMode]error{
		0o600: nil, 0o400: nil, 0o640: ErrOpen, 0o604: ErrOpen, 0o660: ErrOpen, 0o444: ErrOpen,
	} {
		path := writeFile(t, t.TempDir(), testText, mode)
		if text, err := ReadPrivate(path, testLimit); !errors.Is(err, want) || err == nil && text != testText {
			t.Errorf("mode %o: %q, %v; want %v", mode, text, err, want)
		}
		if text, err := Read(path, testLimit); err != nil || text != testText {
			t.Errorf("mode %o, not private: %q, %v", mode, text, err)
		}
	}
}

func TestCredentialsDirectory(t *testing.T) {
	dir := t.TempDir()
	path := writeFile(t, dir, testText, 0o440)
	for _, tt := range []struct {
		name, dir string
		want      error
	}{
		{"none", "", ErrOpen},
		{"that of the file", dir, nil},
		{"above that of the file", filepath.Dir(dir), nil},
		{"another one", filepath.Join(dir, "key-of-another-service"), ErrOpen},
		{"one whose name begins alike", dir[:len(dir)-1], ErrOpen},
		{"relative", ".", ErrOpen},
	} {
		t.Setenv(credentialsDirectory, tt.dir)
		if _, err := ReadPrivate(path, testLimit); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// What cannot be read is said without its path, and can still be told apart.
func TestNoPathInErrors(t *testing.T) {
	t.Setenv(credentialsDirectory, "")
	dir := t.TempDir()
	for _, tt := range []struct {
		name, path string
		want       error
	}{
		{"missing", filepath.Join(dir, "missing"), os.ErrNotExist},
		{"a directory", dir, errNotRegular},
		{"others can read it", writeFile(t, dir, testText, 0o644), ErrOpen},
	} {
		if _, err := ReadPrivate(tt.path, testLimit); !errors.Is(err, tt.want) || strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestLimit(t *testing.T) {
	t.Setenv(credentialsDirectory, "")
	path := writeFile(t, t.TempDir(), "12345", 0o600)
	if text, err := ReadPrivate(path, 4); err != nil || text != "1234" {
		t.Errorf("got %q, %v; want 1234", text, err)
	}
}

func TestUnquote(t *testing.T) {
	for s, want := range map[string]string{
		`"a"`: "a", `'a'`: "a", `""a""`: `"a"`, `""`: "", `"`: `"`, `"a'`: `"a'`, `"a`: `"a`, `a"`: `a"`, "a": "a", "": "",
	} {
		if got := Unquote(s); got != want {
			t.Errorf("%s: got %s, want %s", s, got, want)
		}
	}
}
