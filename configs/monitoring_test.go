package configs

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// alertFile is what Prometheus reads.
type alertFile struct {
	Groups []struct {
		Name  string `yaml:"name"`
		Rules []struct {
			Alert       string            `yaml:"alert"`
			Expr        string            `yaml:"expr"`
			For         string            `yaml:"for"`
			Labels      map[string]string `yaml:"labels"`
			Annotations map[string]string `yaml:"annotations"`
		} `yaml:"rules"`
	} `yaml:"groups"`
}

func TestAlerts(t *testing.T) {
	dec := yaml.NewDecoder(strings.NewReader(string(read(t, "alerts.yml"))))
	dec.KnownFields(true)
	var file alertFile
	if err := dec.Decode(&file); err != nil {
		t.Fatal(err)
	}
	headings := runbooks(t)
	seen := map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if seen[r.Alert] || !strings.HasPrefix(r.Alert, "Smppbridge") {
				t.Errorf("%s: its name is not new or does not begin with Smppbridge", r.Alert)
			}
			seen[r.Alert] = true
			if s := r.Labels["severity"]; s != "page" && s != "warn" {
				t.Errorf("%s: severity %q, want page or warn", r.Alert, s)
			}
			if r.Annotations["summary"] == "" {
				t.Errorf("%s has no summary", r.Alert)
			}
			anchor, ok := strings.CutPrefix(r.Annotations["runbook"], "README.md#")
			if !ok {
				t.Errorf("%s: runbook %q, want README.md#heading", r.Alert, r.Annotations["runbook"])
			}
			if headings != nil && !slices.Contains(headings, anchor) {
				t.Errorf("%s: README.md has no heading for #%s", r.Alert, anchor)
			}
			checkExpr(t, r.Alert, r.Expr)
		}
	}
	if len(seen) == 0 {
		t.Error("no rules")
	}
}

// runbooks returns the anchors of the headings in README.md's runbook, or nil while it has none.
func runbooks(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile("../README.md")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var anchors []string
	inside := false
	for line := range strings.Lines(string(b)) {
		hashes, title, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || strings.Trim(hashes, "#") != "" {
			continue
		}
		if len(hashes) <= 2 {
			inside = title == "Runbook"
		} else if inside {
			anchors = append(anchors, strings.ReplaceAll(strings.ToLower(title), " ", "-"))
		}
	}
	return anchors
}

func TestDashboard(t *testing.T) {
	var d struct {
		Title  string
		Panels []struct {
			ID      int
			Type    string
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ RefID, Expr string }
		}
	}
	if err := json.Unmarshal(read(t, "dashboard.json"), &d); err != nil {
		t.Fatal(err)
	}
	ids, graphs := map[int]bool{}, 0
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %d %q: its id is not new, it has no title, or it does not fit", p.ID, p.Title)
		}
		ids[p.ID] = true
		if p.Type == "row" {
			continue
		}
		graphs++
		if len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			checkExpr(t, p.Title, target.Expr)
		}
	}
	if graphs == 0 {
		t.Error("no panels")
	}
}

var (
	quoted     = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	metricName = regexp.MustCompile(`\bsmppbridge_\w+`)
	histogram  = regexp.MustCompile(`_(bucket|sum|count)$`)
)

// metricLists are the metrics that every node has, and those that it has under a policy with queues, caps and the like.
var metricLists = [...]string{"testdata/metrics.txt", "testdata/metrics_of_policies.txt"}

// checkExpr reports metrics that are in neither of metricLists and brackets that do not close.
func checkExpr(t *testing.T, where, expr string) {
	t.Helper()
	var known []string
	for _, list := range metricLists {
		known = append(known, strings.Fields(string(read(t, list)))...)
	}
	expr = quoted.ReplaceAllString(expr, `""`)
	names := metricName.FindAllString(expr, -1)
	if len(names) == 0 && !strings.HasPrefix(expr, "up{") {
		t.Errorf("%s uses no metric of ours: %s", where, expr)
	}
	for _, name := range names {
		if !slices.Contains(known, name) && !slices.Contains(known, histogram.ReplaceAllString(name, "")) {
			t.Errorf("%s uses %s, which is not in %v", where, name, metricLists)
		}
	}
	var open []rune
	for _, r := range expr {
		switch i := strings.IndexRune(")]}", r); {
		case strings.ContainsRune("([{", r):
			open = append(open, r)
		case i >= 0 && (len(open) == 0 || open[len(open)-1] != rune("([{"[i])):
			t.Fatalf("%s: %c closes nothing: %s", where, r, expr)
		case i >= 0:
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("%s: brackets stay open: %s", where, expr)
	}
}

func TestMetricsListIsSorted(t *testing.T) {
	for _, list := range metricLists {
		names := strings.Fields(string(read(t, list)))
		if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
			t.Errorf("%s is not sorted or repeats a name", list)
		}
	}
}
