package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"smppbridge/bridge/template"
	"smppbridge/configs"
)

func newConfig() *cobra.Command {
	config := &cobra.Command{Use: "config", Short: "The configuration of one node"}
	config.AddCommand(&cobra.Command{
		Use:   "check FILE",
		Short: "Find every fault of a node's configuration, and whether its policy file fits it",
		Args:  cobra.ExactArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return checkConfig(cmd, args[0]) },
	})
	return config
}

// checkConfig does not resolve what only the service's own environment has, such as $CREDENTIALS_DIRECTORY.
func checkConfig(cmd *cobra.Command, path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	n, err := configs.ParseNode(path, b)
	if err != nil {
		return err
	}
	warnings := n.Warnings()
	if n.Policy.File != "" {
		policy := n.Policy.File
		if !filepath.IsAbs(policy) {
			policy = filepath.Join(filepath.Dir(path), policy)
		}
		switch p, err := loadPolicy(policy); {
		case errors.Is(err, fs.ErrNotExist):
			warnings = append(warnings, "policy.file: "+policy+" does not exist; an empty system needs it")
		case err != nil:
			return err
		default:
			if err := n.CheckPolicy(p); err != nil {
				return fmt.Errorf("%s does not fit %s: %w", policy, path, err)
			}
		}
	}
	for _, w := range warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "smppctl: warning:", w)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), path+": ok")
	return err
}

func newPolicy() *cobra.Command {
	policy := &cobra.Command{Use: "policy", Short: "The policy of the whole system"}
	policy.AddCommand(&cobra.Command{
		Use:   "check FILE",
		Short: "Find every fault of a policy",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := loadPolicy(args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: ok: %d accounts, %d signatures, %d templates, %d routes\n",
				args[0], len(p.Accounts), len(p.Signatures), len(p.Templates), len(p.Routes))
			return err
		},
	})
	return policy
}

// loadPolicy reads a policy and compiles its templates: some faults show only there.
func loadPolicy(path string) (*configs.Policy, error) {
	p, err := configs.LoadPolicy(path)
	if err != nil {
		return nil, err
	}
	if _, err := compile(p); err != nil {
		return nil, fmt.Errorf("%s: %s", path, strings.ReplaceAll(err.Error(), "\n", "\n"+path+": "))
	}
	return p, nil
}

// compile makes the policy's templates ready to match, as a node does.
func compile(p *configs.Policy) (*template.Set, error) {
	list := make([]template.Template, 0, len(p.Templates))
	for _, t := range p.Templates {
		rules := make(map[string]template.VarRule, len(t.Vars))
		for name, v := range t.Vars {
			kind, err := template.ParseKind(v.Kind)
			if err != nil {
				return nil, fmt.Errorf("template %s: variable %s: %w", t.Code, name, err)
			}
			rules[name] = template.VarRule{Kind: kind, Min: v.Min, Max: v.Max}
		}
		list = append(list, template.Template{Code: t.Code, Text: t.Text, Vars: rules})
	}
	var options []template.SetOption
	if p.RefuseTraditional {
		options = append(options, template.RefuseTraditional())
	}
	return template.New(list, p.Signatures, options...)
}
