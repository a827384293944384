package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"smppbridge/smpp"
)

// conformanceSection is README's heading; what hurts in practice is its last part.
const (
	conformanceSection = "\n## SMPP conformance\n"
	practiceSection    = "\n### What hurts in practice\n"
)

// mandatoryFields are submit_sm's (SMPP 3.4, 4.4.1).
var mandatoryFields = []string{
	"service_type", "source_addr_ton", "source_addr_npi", "source_addr", "dest_addr_ton", "dest_addr_npi",
	"destination_addr", "esm_class", "protocol_id", "priority_flag", "schedule_delivery_time", "validity_period",
	"registered_delivery", "replace_if_present_flag", "data_coding", "sm_default_msg_id", "sm_length", "short_message",
}

var (
	codeSpan   = regexp.MustCompile("`([^`]+)`")
	statusName = regexp.MustCompile(`ESME_\w+`)
	testFunc   = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
)

// A tableRow is one of a README table: what it is about, what is done, what shows it.
type tableRow struct {
	what, done string
	shown      []string // in backquotes in the last cell
	last       string
}

// readTables returns the rows of README's two parts, headings left out.
func readTables(t *testing.T) (conformance, practice []tableRow) {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), conformanceSection)
	if !ok {
		t.Fatal("README has no section about conformance")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	first, second, ok := strings.Cut(section, practiceSection)
	if !ok {
		t.Fatal("README has no section about what hurts in practice")
	}
	return tableRows(t, first), tableRows(t, second)
}

func tableRows(t *testing.T, text string) (rows []tableRow) {
	t.Helper()
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if !strings.HasPrefix(line, "| ") || i+1 < len(lines) && strings.HasPrefix(lines[i+1], "| ---") || strings.HasPrefix(line, "| ---") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if len(cells) < 2 {
			t.Fatalf("no table row: %s", line)
		}
		r := tableRow{what: cells[0], done: strings.Join(cells[1:len(cells)-1], " "), last: cells[len(cells)-1]}
		for _, span := range codeSpan.FindAllStringSubmatch(r.last, -1) {
			r.shown = append(r.shown, span[1])
		}
		rows = append(rows, r)
	}
	return rows
}

// readDialogues returns the texts of the dialogues of a folder by name, without comments.
func readDialogues(t *testing.T, folder string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d dialogues, %v", folder, len(files), err)
	}
	texts := make(map[string]string)
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		if folder == nodeDialogues && !strings.HasPrefix(string(b), "# ") {
			t.Errorf("%s does not begin with what it shows", name)
		}
		var lines []string
		for line := range strings.Lines(string(b)) {
			if !strings.HasPrefix(line, "#") {
				lines = append(lines, line)
			}
		}
		texts[name] = strings.Join(lines, "")
	}
	return texts
}

// spans are the words in backquotes of a cell.
func spans(cell string) (words []string) {
	for _, span := range codeSpan.FindAllStringSubmatch(cell, -1) {
		words = append(words, span[1])
	}
	return words
}

// TestConformanceTable: each row of README's tables names dialogues that TestConformance plays, or
// TestDialogues of package smpp, and that have in them what the row speaks of: its parameters, and every
// status that it names. One of each row is a whole node's, and each of those is in a row.
func TestConformanceTable(t *testing.T) {
	rows, _ := readTables(t)
	ofNode := readDialogues(t, nodeDialogues)
	texts := readDialogues(t, filepath.Dir(nodeDialogues))
	maps.Copy(texts, ofNode)
	named := make(map[string]bool)
	for _, r := range rows {
		var text strings.Builder
		for _, name := range r.shown {
			if texts[name] == "" {
				t.Errorf("%s: there is no dialogue %s", r.what, name)
			}
			named[name] = true
			text.WriteString(texts[name])
		}
		if !slices.ContainsFunc(r.shown, func(name string) bool { return ofNode[name] != "" }) {
			t.Errorf("%s: no dialogue of a node shows it", r.what)
		}
		for _, status := range statusName.FindAllString(r.done, -1) {
			if !slices.Contains(statusName.FindAllString(text.String(), -1), status) {
				t.Errorf("%s: no dialogue shows %s", r.what, status)
			}
		}
		for _, name := range spans(r.what) {
			if _, ok := smpp.ParseTag(name); ok && !strings.Contains(text.String(), "tlv:"+name) {
				t.Errorf("%s: no dialogue has %s", r.what, name)
			}
		}
	}
	for name := range ofNode {
		if !named[name] {
			t.Errorf("no row names dialogue %s", name)
		}
	}
}

// TestConformanceIsComplete: the tables have every operation of the standard, every mandatory field of
// submit_sm and every optional parameter.
func TestConformanceIsComplete(t *testing.T) {
	rows, _ := readTables(t)
	var have []string
	for _, r := range rows {
		have = append(have, spans(r.what)...)
	}
	needs := slices.Clone(mandatoryFields)
	for tag := range 1 << 16 {
		if name := smpp.Tag(tag).String(); !strings.HasPrefix(name, "0x") {
			needs = append(needs, name)
		}
	}
	tags := len(needs) - len(mandatoryFields)
	for id := range 1 << 12 {
		if name := smpp.CommandID(id).String(); !strings.HasPrefix(name, "command_") {
			needs = append(needs, name)
		}
	}
	needs = append(needs, "generic_nack")
	if commands := len(needs) - len(mandatoryFields) - tags; tags < 44 || commands < 15 {
		t.Fatalf("%d parameters and %d operations: names are missing", tags, commands)
	}
	for _, name := range needs {
		if !slices.Contains(have, name) {
			t.Errorf("no row is about %s", name)
		}
	}
}

// TestPracticeTable: each row about what hurts names tests or dialogues that there are, or says why
// something is not done. Tests that the other tables name are there too.
func TestPracticeTable(t *testing.T) {
	conformance, rows := readTables(t)
	known := testNames(t)
	for _, folder := range []string{nodeDialogues, filepath.Dir(nodeDialogues)} {
		for name := range readDialogues(t, folder) {
			known[name] = true
		}
	}
	if len(rows) < 40 {
		t.Errorf("%d rows", len(rows))
	}
	for _, r := range rows {
		if len(r.shown) == 0 && !strings.HasPrefix(r.last, "not done: ") {
			t.Errorf("%s: neither shown nor said why not", r.what)
		}
		for _, name := range r.shown {
			if !known[name] {
				t.Errorf("%s: there is no test %s", r.what, name)
			}
		}
	}
	for _, r := range conformance {
		for _, name := range spans(r.done) {
			if strings.HasPrefix(name, "Test") && !known[name] {
				t.Errorf("%s: there is no test %s", r.what, name)
			}
		}
	}
}

// testNames are the names of all tests of this module.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range testFunc.FindAllStringSubmatch(string(text), -1) {
			names[m[1]] = true
		}
		return err
	})
	if err != nil || len(names) < 100 {
		t.Fatalf("%d tests, %v", len(names), err)
	}
	return names
}
