// Package configs holds what an operator writes: the configuration of one node (smppbridged.yaml), the
// policy of the whole system (policy.yaml), and beside them the alert rules and the dashboard that are
// shipped with the program.
//
// The two documents are read in the same way. A document is decoded field by field over the defaults
// (decode.go), so that an unknown key, a repeated key or a value of the wrong type is a fault with its line and
// not the end of reading; then the values are checked against each other (node_check.go, policy_check.go). All
// faults of a document come back together as [Faults], in the order of their lines:
//
//	policy.yaml:12: accounts[0].rate: -1 is too small; allowed: 0 (unlimited), or 0.01 to 1000000
//
// A document is one UTF-8 YAML document without byte order mark, aliases or tags. The defaults that an example
// file shows are compared with [DefaultNode] and the built-in classes by tests.
//
// The node's file is local and read at start; environment-dependent values (host name, relative paths, systemd's
// credentials directory) are filled in by [LoadNode] only. The policy is replicated: [ParsePolicy] is a function
// of the document alone, so that all nodes read it alike.
//
// No message of this package repeats a password hash or a secret.
package configs
