// Package systemd_test checks the unit file that is shipped.
package systemd_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const unitFile = "smppbridged.service"

// maxExposure is systemd's own measure of how much of the system a service can reach, times ten:
// 100 is everything. Below 20 it calls a unit OK.
const maxExposure = 15

// parseUnit returns the settings of the unit, by key. A key may be set several times.
func parseUnit(t *testing.T) map[string][]string {
	t.Helper()
	f, err := os.Open(unitFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	settings := make(map[string][]string)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "[") {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			t.Fatalf("%s: line %q is no setting", unitFile, line)
		}
		settings[key] = append(settings[key], value)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return settings
}

func one(t *testing.T, settings map[string][]string, key string) string {
	t.Helper()
	if len(settings[key]) != 1 {
		t.Fatalf("%s is set %d times, want once", key, len(settings[key]))
	}
	return settings[key][0]
}

func seconds(t *testing.T, settings map[string][]string, key string) time.Duration {
	t.Helper()
	v := strings.NewReplacer("min", "m").Replace(one(t, settings, key))
	d, err := time.ParseDuration(v)
	if err != nil {
		t.Fatalf("%s=%s: %v", key, v, err)
	}
	return d
}

// TestUnitStartsWhatIsDocumented holds the command line and the paths that the README, the example
// configuration and the daemon share.
func TestUnitStartsWhatIsDocumented(t *testing.T) {
	s := parseUnit(t)
	want := map[string]string{
		"ExecStart":              "/usr/local/bin/smppbridged run --config /etc/smppbridge/smppbridged.yaml",
		"Type":                   "notify",
		"Restart":                "on-failure",
		"StateDirectory":         "smppbridge",
		"ConfigurationDirectory": "smppbridge",
		"UMask":                  "0077",
		"LimitCORE":              "0",
	}
	for key, value := range want {
		if got := one(t, s, key); got != value {
			t.Errorf("%s=%s, want %s", key, got, value)
		}
	}
	for _, name := range []string{"access_key", "callback_secret"} {
		if !slices.Contains(s["LoadCredential"], name+":/etc/smppbridge/"+name) {
			t.Errorf("credential %s is not loaded: %q", name, s["LoadCredential"])
		}
	}
}

// TestUnitLeavesTimeToDrain compares the times with the example configuration's drain_time.
func TestUnitLeavesTimeToDrain(t *testing.T) {
	s := parseUnit(t)
	example, err := os.ReadFile(filepath.Join("..", "configs", "smppbridged.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^drain_time: *(\S+)`).FindSubmatch(example)
	if m == nil {
		t.Fatal("the example configuration has no drain_time")
	}
	drain, err := time.ParseDuration(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	const rest = 45 * time.Second // of all steps but the drain: stopBudget in cmd/smppbridged
	if stop := seconds(t, s, "TimeoutStopSec"); stop < drain+rest {
		t.Errorf("TimeoutStopSec is %v, want at least drain_time %v and %v", stop, drain, rest)
	}
	if codes := strings.Fields(one(t, s, "RestartPreventExitStatus")); !slices.Equal(codes, []string{"78", "65"}) {
		t.Errorf("RestartPreventExitStatus=%q, want exitUsage and exitData of cmd/smppbridged", codes)
	}
	if dog := seconds(t, s, "WatchdogSec"); dog < 10*time.Second {
		t.Errorf("WatchdogSec is %v: a slow disk would have the node killed", dog)
	}
}

func analyze(t *testing.T) string {
	t.Helper()
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not here (Debian package systemd)")
	}
	return tool
}

// installed writes the unit as it would be installed, but with a program that is here, because
// verify wants to find it.
func installed(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(unitFile)
	if err != nil {
		t.Fatal(err)
	}
	unit := strings.Replace(string(b), "/usr/local/bin/smppbridged", "/bin/true", 1)
	path := filepath.Join(t.TempDir(), unitFile)
	if err := os.WriteFile(path, []byte(unit), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestUnitVerifies has systemd read the unit: it must not complain.
func TestUnitVerifies(t *testing.T) {
	cmd := exec.Command(analyze(t), "verify", "--man=no", "--recursive-errors=no", installed(t))
	out, err := cmd.CombinedOutput()
	var complaints []string
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		if strings.Contains(line, "smppbridged") {
			complaints = append(complaints, line)
		}
	}
	if err != nil || len(complaints) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// TestUnitIsHardened has systemd rate the unit.
func TestUnitIsHardened(t *testing.T) {
	cmd := exec.Command(analyze(t), "security", "--offline=true", "--no-pager",
		"--threshold="+strconv.Itoa(maxExposure), installed(t))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze security over %d: %v\n%s", maxExposure, err, out)
	}
	m := regexp.MustCompile(`Overall exposure level[^:]*: *([0-9.]+)`).FindSubmatch(out)
	if m == nil {
		t.Fatalf("systemd-analyze security gave no exposure level:\n%s", out)
	}
	t.Logf("exposure level %s of 10", m[1])
}
