package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"smppbridge/bridge/template"
)

// coverageFlags are the flags of template coverage.
type coverageFlags struct {
	explainFlags
	show, null bool
	least      float64
	shapes     int
}

func newCoverage() *cobra.Command {
	var f coverageFlags
	cmd := &cobra.Command{
		Use:   "coverage --policy FILE TEXTS",
		Short: "Say how many of a file of real texts the templates take, and what the others look like",
		Long: `Match a file of texts, one a line ("-" is standard input), and count which templates take them. Texts that none takes are counted
by what they look like, without what they say: digits are 9, letters a, Chinese characters 字, each run of them one. --show prints
a text for each, as it is: for your own eyes.

It exits with 1 if fewer than --least percent are taken.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runCoverage(cmd, f, args[0]) },
	}
	policyFlag(cmd, &f.policy)
	cmd.Flags().StringVar(&f.sign, "sign", "", "SignName of a text that carries none")
	cmd.Flags().StringVar(&f.account, "account", "", "system_id whose templates, signatures and sign_name count")
	cmd.Flags().BoolVar(&f.show, "show", false, "print a text of each shape")
	cmd.Flags().BoolVar(&f.null, "null", false, "texts end with NUL, and may have lines")
	cmd.Flags().Float64Var(&f.least, "least", 0, "percentage that must be taken")
	cmd.Flags().IntVar(&f.shapes, "shapes", 50, "how many shapes to print, the most frequent first")
	return cmd
}

var errCoverage = errors.New("fewer texts are taken than --least")

func runCoverage(cmd *cobra.Command, f coverageFlags, path string) error {
	p, err := loadPolicy(f.policy)
	if err != nil {
		return err
	}
	set, err := compile(p)
	if err != nil {
		return err
	}
	c := &coverage{set: set, taken: map[string]int{}, missed: map[missKey]*miss{}}
	if c.opts, c.fallback, err = f.options(p, set); err != nil {
		return err
	}
	in := cmd.InOrStdin()
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	if err := c.read(in, f.null); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := c.print(cmd.OutOrStdout(), f); err != nil {
		return err
	}
	if c.total > 0 && 100*float64(c.total-c.misses) < f.least*float64(c.total) {
		return errCoverage
	}
	return nil
}

// coverage counts what becomes of texts.
type coverage struct {
	set      *template.Set
	opts     template.Options
	fallback string // TemplateCode; empty: none

	total, misses int
	taken         map[string]int // by template
	missed        map[missKey]*miss
}

// missKey is what texts have in common that no template takes: what they look like, and why.
type missKey struct{ shape, why string }

type miss struct {
	missKey
	count   int
	example string
}

// maxText bounds one text of the file.
const maxText = 1 << 20

func (c *coverage) read(in io.Reader, null bool) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxText)
	if null {
		lines.Split(scanNull)
	}
	for lines.Scan() {
		if text := strings.TrimSuffix(lines.Text(), "\r"); strings.TrimSpace(text) != "" {
			c.count(text)
		}
	}
	return lines.Err()
}

// scanNull is a bufio.SplitFunc for texts that end with NUL.
func scanNull(data []byte, end bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return i + 1, data[:i], nil
	}
	if end && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

func (c *coverage) count(text string) {
	c.total++
	m, err := c.set.Match(text, c.opts)
	if err == nil {
		c.taken[m.Code]++
		return
	}
	if c.fallback != "" {
		if m, other := c.set.Fill(c.fallback, text, c.opts); other == nil {
			c.taken[m.Code+" (fallback)"]++
			return
		}
	}
	c.misses++
	key := missKey{template.Shape(text), err.Error()} // which holds nothing of the text
	if c.missed[key] == nil {
		c.missed[key] = &miss{missKey: key, example: text}
	}
	c.missed[key].count++
}

func (c *coverage) print(out io.Writer, f coverageFlags) error {
	share := func(n int) string { return fmt.Sprintf("%.1f%%", 100*float64(n)/float64(max(c.total, 1))) }
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "%d texts: %d taken (%s), %d not\n", c.total, c.total-c.misses, share(c.total-c.misses), c.misses)
	if len(c.taken) > 0 {
		fmt.Fprintln(table, "TEMPLATE\tTEXTS\tSHARE")
	}
	codes := sortedNames(c.taken)
	slices.SortStableFunc(codes, func(a, b string) int { return cmp.Compare(c.taken[b], c.taken[a]) })
	for _, code := range codes {
		fmt.Fprintf(table, "%s\t%d\t%s\n", code, c.taken[code], share(c.taken[code]))
	}
	list := make([]*miss, 0, len(c.missed))
	for _, m := range c.missed {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b *miss) int {
		return cmp.Or(cmp.Compare(b.count, a.count), strings.Compare(a.shape, b.shape), strings.Compare(a.why, b.why))
	})
	if len(list) > 0 {
		fmt.Fprintln(table, "NOT TAKEN\tSHARE\tWHY\tSHAPE")
	}
	for _, m := range list[:min(len(list), max(f.shapes, 0))] {
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\n", m.count, share(m.count), m.why, m.shape)
		if f.show {
			fmt.Fprintf(table, "\t\t\t%q\n", m.example)
		}
	}
	if more := len(list) - f.shapes; more > 0 {
		fmt.Fprintf(table, "and %d shapes more\n", more)
	}
	return table.Flush()
}
