package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"smppbridge/bridge/template"
	"smppbridge/configs"
)

// catalogAnswer is what a node knows of the Alibaba Cloud accounts.
type catalogAnswer struct {
	Accounts []catalog `json:"accounts"`
}

// A catalog is the templates and signatures of an account.
type catalog struct {
	Account    string             `json:"account"`
	Seen       time.Time          `json:"seen"`
	Heeds      bool               `json:"heeds"`
	Templates  []catalogTemplate  `json:"templates"`
	Signatures []catalogSignature `json:"signatures"`
	Differs    []string           `json:"differs"`
	Lacking    struct {
		Templates  map[string]string `json:"templates"`
		Signatures map[string]string `json:"signatures"`
	} `json:"lacking"`
}

type catalogTemplate struct {
	Code   string `json:"code"`
	Name   string `json:"name"`
	Type   string `json:"type"`
	Text   string `json:"text"`
	State  string `json:"state"`
	Reason string `json:"reason"`
}

type catalogSignature struct {
	Name   string `json:"name"`
	State  string `json:"state"`
	Reason string `json:"reason"`
}

// statePassed is the audit state of what can be sent.
const statePassed = "passed"

// template returns a template; its state is "absent" if the account does not have it.
func (c *catalog) template(code string) (t catalogTemplate, ok bool) {
	i := slices.IndexFunc(c.Templates, func(t catalogTemplate) bool { return t.Code == code })
	if i < 0 {
		return catalogTemplate{State: "absent"}, false
	}
	return c.Templates[i], true
}

// signature returns the best state of a signature, "absent" if the account does not have it.
func (c *catalog) signature(name string) string {
	state := "absent"
	for _, s := range c.Signatures {
		if s.Name == name && state != statePassed {
			state = s.State
		}
	}
	return state
}

func newTemplateList() *cobra.Command {
	var addr string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Print the templates and signatures that the Alibaba Cloud accounts have",
		Long: `Print the templates and signatures that the Alibaba Cloud accounts of the policy in force have, as any node knows them. STATE is
passed, pending, rejected, withdrawn, or absent: named by the policy, and not there. POLICY is ok, differs: the policy has another
text, or "-": the policy does not name it. Only what has passed is sent. See the policy's sync.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				return printAnswer(cmd, addr, "/v1/catalog")
			}
			a, err := askCatalog(cmd, addr)
			if err != nil {
				return err
			}
			return a.print(cmd.OutOrStdout())
		},
	}
	httpFlag(cmd, &addr)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the node's answer as it is")
	return cmd
}

func askCatalog(cmd *cobra.Command, addr string) (catalogAnswer, error) {
	var a catalogAnswer
	err := listener(addr).ask(cmd.Context(), http.MethodGet, "/v1/catalog", nil, &a)
	return a, err
}

// print writes the catalogs for people.
func (a *catalogAnswer) print(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i := range a.Accounts {
		c := &a.Accounts[i]
		note := ""
		if !c.Heeds {
			note = ", not heeded: sync is off, or this is too old"
		}
		fmt.Fprintf(table, "account %s, asked at %s%s\n", c.Account, c.Seen.UTC().Format(time.DateTime), note)
		fmt.Fprintln(table, "TEMPLATE\tTYPE\tSTATE\tNAME\tREASON")
		for _, t := range c.Templates {
			state := t.State
			if slices.Contains(c.Differs, t.Code) {
				state += ", differs from the policy"
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", t.Code, t.Type, state, or(oneLine(t.Name), "-"), or(oneLine(t.Reason), "-"))
		}
		for _, code := range lackingOnes(c.Lacking.Templates) {
			fmt.Fprintf(table, "%s\t-\tabsent\t-\t-\n", code)
		}
		fmt.Fprintln(table, "SIGNATURE\t\tSTATE\t\tREASON")
		for _, s := range c.Signatures {
			fmt.Fprintf(table, "%s\t\t%s\t\t%s\n", s.Name, s.State, or(oneLine(s.Reason), "-"))
		}
		for _, name := range lackingOnes(c.Lacking.Signatures) {
			fmt.Fprintf(table, "%s\t\tabsent\t\t-\n", name)
		}
	}
	return table.Flush()
}

// lackingOnes are the names that are not there at all, sorted.
func lackingOnes(states map[string]string) (names []string) {
	for name, state := range states {
		if state == "absent" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// pullFlags are the flags of template pull.
type pullFlags struct{ addr, policy, account string }

func newPull() *cobra.Command {
	var f pullFlags
	cmd := &cobra.Command{
		Use:   "pull --policy FILE",
		Short: "Print, as YAML, approved templates and signatures of the accounts that a policy lacks",
		Long: `Print the templates and signatures that have passed in the Alibaba Cloud accounts and that a policy file lacks, as YAML to be put
into it. The API does not say what kind of values a variable takes: vars are yours to write. What a policy cannot have as it
is, such as variables that nothing tells apart, is printed with the reason as a comment.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runPull(cmd, f) },
	}
	policyFlag(cmd, &f.policy)
	httpFlag(cmd, &f.addr)
	cmd.Flags().StringVar(&f.account, "account", "", "only this Alibaba Cloud account")
	return cmd
}

func runPull(cmd *cobra.Command, f pullFlags) error {
	p, err := loadPolicy(f.policy)
	if err != nil {
		return err
	}
	a, err := askCatalog(cmd, f.addr)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, t := range p.Templates {
		known[t.Code] = true
	}
	for _, s := range p.Signatures {
		known[s] = true
	}
	var b bytes.Buffer
	found := false
	for i := range a.Accounts {
		c := &a.Accounts[i]
		if f.account != "" && c.Account != f.account {
			continue
		}
		found = true
		c.pull(&b, known)
	}
	if !found {
		return fmt.Errorf("the node knows no account %s", cmp.Or(quoted(f.account), "at all; see sync in the policy"))
	}
	if b.Len() == 0 {
		_, err = fmt.Fprintln(cmd.OutOrStdout(), "# the policy has all of them")
		return err
	}
	_, err = b.WriteTo(cmd.OutOrStdout())
	return err
}

func quoted(s string) string {
	if s == "" {
		return ""
	}
	return fmt.Sprintf("%q", s)
}

// pull writes what is not known yet, and adds it to it.
func (c *catalog) pull(b *bytes.Buffer, known map[string]bool) {
	var signs, templates []string
	for _, s := range c.Signatures {
		if s.State == statePassed && !known[s.Name] {
			signs = append(signs, "  - "+scalar(s.Name)+"\n")
			known[s.Name] = true
		}
	}
	for _, t := range c.Templates {
		if t.State == statePassed && !known[t.Code] {
			templates = append(templates, t.yaml())
			known[t.Code] = true
		}
	}
	if len(signs) > 0 {
		fmt.Fprintf(b, "# of account %s\nsignatures:\n%s", c.Account, strings.Join(signs, ""))
	}
	if len(templates) > 0 {
		fmt.Fprintf(b, "# of account %s\ntemplates:\n%s", c.Account, strings.Join(templates, ""))
	}
}

// yaml spells a template as a policy has it.
func (t *catalogTemplate) yaml() string {
	var b strings.Builder
	if t.Name != "" {
		fmt.Fprintf(&b, "  # %s\n", oneLine(t.Name))
	}
	class, comment := t.Type, ""
	if _, ok := configs.BuiltinClasses()[class]; !ok {
		class, comment = configs.ClassNotice, " # the account has it as "+cmp.Or(t.Type, "nothing")
	}
	prefix := "  "
	if fault := t.fault(); fault != "" {
		fmt.Fprintf(&b, "  # not as it is: %s\n", strings.ReplaceAll(fault, "\n", "; "))
		prefix = "  # "
	}
	fmt.Fprintf(&b, "%s- code: %s\n%s  text: %s\n%s  class: %s%s\n", prefix, t.Code, prefix, scalar(t.Text), prefix, class, comment)
	return b.String()
}

// fault says why a policy cannot have the template as it is.
func (t *catalogTemplate) fault() string {
	if t.Text == "" {
		return "its text was left out, because the account has very many"
	}
	if _, err := template.New([]template.Template{{Code: t.Code, Text: t.Text}}, nil); err != nil {
		return err.Error()
	}
	return ""
}

// scalar spells a text as a YAML scalar of one line: JSON's strings are YAML's, too.
func scalar(text string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // strings always encode
	return strings.TrimSuffix(b.String(), "\n")
}

// loadCatalogs reads what `template list --json` has printed.
func loadCatalogs(path string) ([]catalog, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var a catalogAnswer
	if err := json.Unmarshal(b, &a); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(a.Accounts) == 0 {
		return nil, fmt.Errorf("%s: %w", path, errNoCatalogs)
	}
	return a.Accounts, nil
}

var errNoCatalogs = errors.New("no accounts in it; make it with `smppctl template list --json`")
