package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"smppbridge/bridge/template"
	"smppbridge/configs"
)

// explainFlags are the flags of template explain.
type explainFlags struct {
	policy, sign, account string
	candidates            int
}

func newExplain() *cobra.Command {
	var f explainFlags
	explain := &cobra.Command{
		Use:   "explain --policy FILE TEXT",
		Short: "Say what becomes of a text: its signature, template and parameters, or why there is none",
		Args:  cobra.ExactArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return runExplain(cmd, f, args[0]) },
	}
	explain.Flags().StringVar(&f.sign, "sign", "", "SignName of a text that carries none")
	explain.Flags().StringVar(&f.account, "account", "", "system_id whose templates, signatures and sign_name count")
	explain.Flags().IntVar(&f.candidates, "candidates", 3, "how many of the nearest templates to show")
	policyFlag(explain, &f.policy)
	return explain
}

// must is for mistakes in this file: a flag that is marked but not defined.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

var errNoMatch = errors.New("no template takes the text")

// runExplain returns errNoMatch if an ESME would be refused.
func runExplain(cmd *cobra.Command, f explainFlags, text string) error {
	p, err := configs.LoadPolicy(f.policy)
	if err != nil {
		return err
	}
	set, err := compile(p)
	if err != nil {
		return err
	}
	opts, fallback, err := f.options(p, set)
	if err != nil {
		return err
	}
	e := set.Explain(text, opts, f.candidates)
	fmt.Fprint(cmd.OutOrStdout(), e)
	if e.Match != nil {
		return nil
	}
	if fallback == "" {
		return errNoMatch
	}
	match, err := set.Fill(fallback, text, opts)
	if err != nil {
		return fmt.Errorf("%w, nor does the account's fallback template: %w", errNoMatch, err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "fallback: template %s, signature %s, parameters %s\n", match.Code, match.SignName, match.Params)
	return err
}

// options returns what a message of the account, if one is named, is matched with, and its fallback template.
func (f explainFlags) options(p *configs.Policy, set *template.Set) (template.Options, string, error) {
	opts := template.Options{Sign: f.sign}
	if f.account == "" {
		return opts, "", nil
	}
	i := slices.IndexFunc(p.Accounts, func(a configs.Account) bool { return a.SystemID == f.account })
	if i < 0 {
		return opts, "", fmt.Errorf("%s has no account %q", f.policy, f.account)
	}
	a := p.Accounts[i]
	if opts.Sign == "" {
		opts.Sign = a.SignName
	}
	var err error
	if opts.Allowed, err = set.Subset(a.Templates, a.Signatures); err != nil {
		return opts, "", fmt.Errorf("account %s: %w", f.account, err)
	}
	return opts, a.FallbackTemplate, nil
}
