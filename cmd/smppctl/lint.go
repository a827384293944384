package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"smppbridge/bridge/template"
	"smppbridge/configs"
)

// lintFlags are the flags of template lint.
type lintFlags struct {
	policy, catalog, addr string
	ask                   bool
}

func newLint() *cobra.Command {
	var f lintFlags
	cmd := &cobra.Command{
		Use:   "lint --policy FILE",
		Short: "Find templates that are in each other's way, or that the API would not take",
		Long: `Find what is doubtful in the templates of a policy. A warning is of what somebody should look at: two templates that only their
codes tell apart, one whose texts another one takes, variables that nothing stands between, advertising without the words by which
people opt out of it, texts that are too long. A note is of what may well be meant. Overlaps count between templates that one
account may use both.

With --catalog or --ask the templates are compared with those that the Alibaba Cloud accounts have, too: from a file with what
` + "`smppctl template list --json`" + ` printed, or from the node at --http.

It exits with 1 if there is a warning.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runLint(cmd, f) },
	}
	policyFlag(cmd, &f.policy)
	cmd.Flags().StringVar(&f.catalog, "catalog", "", "a file with what the accounts have, as `smppctl template list --json` prints it")
	cmd.Flags().BoolVar(&f.ask, "ask", false, "ask the node at --http what the accounts have")
	httpFlag(cmd, &f.addr)
	return cmd
}

var errLint = errors.New("there are warnings")

func runLint(cmd *cobra.Command, f lintFlags) error {
	p, err := loadPolicy(f.policy)
	if err != nil {
		return err
	}
	set, err := compile(p)
	if err != nil {
		return err
	}
	l := &linter{policy: p, set: set}
	l.lint()
	catalogs, err := f.catalogs(cmd)
	if err != nil {
		return err
	}
	for i := range catalogs {
		l.compare(&catalogs[i])
	}
	return l.print(cmd.OutOrStdout(), f.policy)
}

// catalogs are what the accounts have, if that was asked for.
func (f lintFlags) catalogs(cmd *cobra.Command) ([]catalog, error) {
	switch {
	case f.catalog != "":
		return loadCatalogs(f.catalog)
	case f.ask:
		a, err := askCatalog(cmd, f.addr)
		return a.Accounts, err
	}
	return nil, nil
}

// A finding is one thing that lint says.
type finding struct {
	name    string // of a template or signature
	warning bool
	text    string
}

// A linter looks for what is doubtful in a policy's templates.
type linter struct {
	policy   *configs.Policy
	set      *template.Set
	findings []finding
}

func (l *linter) warn(name, format string, args ...any) {
	l.findings = append(l.findings, finding{name, true, fmt.Sprintf(format, args...)})
}

func (l *linter) note(name, format string, args ...any) {
	l.findings = append(l.findings, finding{name, false, fmt.Sprintf(format, args...)})
}

// print writes the findings in the order of the policy's templates, signatures last.
func (l *linter) print(out io.Writer, path string) error {
	order := make(map[string]int, len(l.policy.Templates))
	for i := range l.policy.Templates {
		order[l.policy.Templates[i].Code] = i + 1
	}
	slices.SortStableFunc(l.findings, func(a, b finding) int {
		return cmp.Compare(cmp.Or(order[a.name], len(order)+1), cmp.Or(order[b.name], len(order)+1))
	})
	warnings := 0
	for _, f := range l.findings {
		level := "note"
		if f.warning {
			level = "warning"
			warnings++
		}
		if _, err := fmt.Fprintf(out, "%s: %s: %s: %s\n", path, f.name, level, f.text); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(out, "%s: %d templates, %d warnings, %d notes\n", path, len(l.policy.Templates), warnings, len(l.findings)-warnings); err != nil {
		return err
	}
	if warnings > 0 {
		return errLint
	}
	return nil
}

func (l *linter) lint() {
	for _, n := range l.set.Neighbours() {
		l.warn(n.Code, "nothing stands between ${%s} and ${%s}: only kinds and lengths tell them apart", n.First, n.Second)
	}
	l.overlaps()
	for i := range l.policy.Templates {
		t := &l.policy.Templates[i]
		l.lengths(t)
		l.wording(t)
		l.users(t)
	}
}

// both are the system_ids that may use both templates.
func (l *linter) both(a, b string) (users []string) {
	for i := range l.policy.Accounts {
		acct := &l.policy.Accounts[i]
		if len(acct.Templates) == 0 || slices.Contains(acct.Templates, a) && slices.Contains(acct.Templates, b) {
			users = append(users, acct.SystemID)
		}
	}
	return users
}

// overlaps finds templates that are in each other's way.
func (l *linter) overlaps() {
	shared := func(a, b string) bool { return len(l.policy.Accounts) == 0 || len(l.both(a, b)) > 0 }
	list, undecided := l.set.Overlaps(shared)
	for _, o := range list {
		switch who := strings.Join(l.both(o.Winner, o.Loser), ", "); {
		case o.Hidden:
			l.warn(o.Loser, "never sent for %s: %s takes all its texts, such as %q", cmp.Or(who, "anybody"), o.Winner, o.Text)
		case o.ByCode:
			l.warn(o.Loser, "overlaps %s, for %s: %q fits both, and %s is sent because its code is the lower one", o.Winner, cmp.Or(who, "all"), o.Text, o.Winner)
		default:
			l.note(o.Loser, "overlaps %s, for %s: %q fits both, and %s is sent because it says more", o.Winner, cmp.Or(who, "all"), o.Text, o.Winner)
		}
	}
	if undecided > 0 {
		l.findings = append(l.findings, finding{"templates", false, fmt.Sprintf("%d pairs are too long to be compared", undecided)})
	}
}

// Lengths that the API takes, and at which a text is billed as more than one SMS at home.
const (
	contentMost = 500
	valueMost   = 35
	oneSMS      = 70
)

// lengths looks at how long a template's texts may be.
func (l *linter) lengths(t *configs.Template) {
	sign := 0
	for _, s := range l.policy.Signatures {
		sign = max(sign, template.Signature(s))
	}
	least, most, _ := l.set.Lengths(t.Code)
	switch {
	case least+sign > contentMost:
		l.warn(t.Code, "has %d characters with the longest signature: the API takes %d", least+sign, contentMost)
	case least+sign > oneSMS:
		l.note(t.Code, "is always billed as several SMS: %d characters at least with the longest signature", least+sign)
	case most+sign > contentMost:
		l.note(t.Code, "may have %d characters with its variables: the API takes %d", most+sign, contentMost)
	}
	for _, name := range sortedNames(t.Vars) {
		if r := t.Vars[name]; r.Max > valueMost {
			l.note(t.Code, "${%s} may have %d characters: the API takes %d by its documentation", name, r.Max, valueMost)
		}
	}
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// optOut is how advertising ends.
const optOut = "拒收请回复R"

// wording looks at what a template says.
func (l *linter) wording(t *configs.Template) {
	names, _ := l.set.Variables(t.Code)
	switch t.Class {
	case configs.ClassPromotion:
		if !strings.HasSuffix(strings.TrimSpace(t.Text), optOut) {
			l.warn(t.Code, "is a promotion and does not end with %s", optOut)
		}
	case configs.ClassOTP:
		if len(names) != 1 {
			l.note(t.Code, "is a one-time code with %d variables: the API's have one", len(names))
		}
		for _, name := range names {
			if r := t.Vars[name]; len(names) == 1 && (r.Min < 4 || r.Max == 0 || r.Max > 6) {
				l.note(t.Code, "${%s} may have other lengths than 4 to 6: the API takes no others for codes", name)
			}
		}
	}
}

// users looks whether somebody can use a template.
func (l *linter) users(t *configs.Template) {
	if len(l.policy.Accounts) == 0 {
		return
	}
	if len(l.both(t.Code, t.Code)) == 0 {
		l.warn(t.Code, "no account may use it")
		return
	}
	if !slices.ContainsFunc(l.policy.Routes, func(r configs.Route) bool {
		return len(r.Templates) == 0 || slices.Contains(r.Templates, t.Code)
	}) {
		l.warn(t.Code, "no route has it")
	}
}

// compare compares a policy with what an account has. What no route of the account has need not be there.
func (l *linter) compare(c *catalog) {
	routes := slices.DeleteFunc(slices.Clone(l.policy.Routes), func(r configs.Route) bool {
		return r.Account != c.Account || r.Kind != configs.KindDysmsapi
	})
	meant := func(list func(*configs.Route) []string, name string) bool {
		return slices.ContainsFunc(routes, func(r configs.Route) bool { return len(list(&r)) == 0 || slices.Contains(list(&r), name) })
	}
	for i := range l.policy.Templates {
		p := &l.policy.Templates[i]
		if !meant(func(r *configs.Route) []string { return r.Templates }, p.Code) {
			continue
		}
		t, ok := c.template(p.Code)
		switch _, builtin := configs.BuiltinClasses()[p.Class]; {
		case t.State != statePassed:
			l.warn(p.Code, "is %s in account %s", t.State, c.Account)
		case t.Text != "" && strings.TrimSpace(t.Text) != strings.TrimSpace(p.Text):
			l.warn(p.Code, "has another text in account %s: %q", c.Account, t.Text)
		case ok && builtin && t.Type != p.Class && t.Type != "other":
			l.warn(p.Code, "is of class %s, and account %s has it as %s", p.Class, c.Account, t.Type)
		}
	}
	for _, name := range l.policy.Signatures {
		if !meant(func(r *configs.Route) []string { return r.Signatures }, name) {
			continue
		}
		if state := c.signature(name); state != statePassed {
			l.warn(name, "is %s in account %s", state, c.Account)
		}
	}
}
