package main

import "github.com/spf13/cobra"

func newTemplate() *cobra.Command {
	command := &cobra.Command{Use: "template", Short: "Free text and templates, and what the Alibaba Cloud accounts have of them"}
	command.AddCommand(newExplain(), newLint(), newCoverage(), newTemplateList(), newPull())
	return command
}

// policyFlag adds the flag of commands that read a policy file.
func policyFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVar(path, "policy", "", "the policy file")
	must(cmd.MarkFlagRequired("policy"))
}
