package upstream

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestLoginFile(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       login
		err        string
	}{
		{"two lines", "esme\npa:ss word\n", login{"esme", "pa:ss word"}, ""},
		{"keys", "---\n# ours\nsystem_id: esme\npassword: \"pa: ss\"\n", login{"esme", "pa: ss"}, ""},
		{"keys, other order", "password: x\r\nsystem_id: esme\r\n", login{"esme", "x"}, ""},
		{"one line", "esme\n", login{}, "want two lines"},
		{"three lines", "a\nb\nc\n", login{}, "want two lines"},
		{"no password", "system_id: esme\nother: x\n", login{}, "want two lines"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "login")
			if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := FromFile(file, "")
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "esme") {
					t.Errorf("got %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := c.login(); err != nil || got != tt.want {
				t.Errorf("got %d and %d octets (%v), want %+v", len(got.systemID), len(got.password), err, tt.want)
			}
		})
	}
}

// TestLoginFilePrivate: a file that others can read is refused; it is read at each bind.
func TestLoginFilePrivate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "login")
	if err := os.WriteFile(file, []byte("a\nb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := FromFile(file, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("a\nc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := c.login(); err != nil || l.password != "c" {
		t.Errorf("after a change: %v", err)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := c.login(); err == nil || !strings.Contains(err.Error(), "chmod 0600") || strings.Contains(err.Error(), file) {
		t.Errorf("readable by the group: %v", err)
	}
	if _, err := FromFile(file+".not", ""); err == nil {
		t.Error("a file that is not there was taken")
	}
	if _, err := FromFile(file, file); err == nil {
		t.Error("a ca_file without certificates was taken")
	}
}

func TestMetrics(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		pass(time.Second)
		r.submit("o", testText)
		if got := testutil.ToFloat64(r.metrics.submits.WithLabelValues("up", codeOK)); got != 1 {
			t.Errorf("%v submits counted, want 1", got)
		}
		if problems, err := testutil.GatherAndLint(r.reg); err != nil || len(problems) > 0 {
			t.Errorf("%v %v", problems, err)
		}
		want := `
# HELP smppbridge_upstream_bound 1 while this node is bound to the route's message centre; only the leader is.
# TYPE smppbridge_upstream_bound gauge
smppbridge_upstream_bound{route="up"} 1
`
		if err := testutil.GatherAndCompare(r.reg, strings.NewReader(want), "smppbridge_upstream_bound"); err != nil {
			t.Error(err)
		}
	})
}
