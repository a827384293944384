// Package template turns the free text of a legacy client into what Dysmsapi
// takes: a SignName, a TemplateCode and a TemplateParam, or says why it cannot.
//
// A [Set] is compiled once from the approved templates and signatures by [New]
// and is then read by any number of goroutines. [Set.Match] works in three steps:
//
//  1. The signature: 【…】 at the beginning or the end of the text is taken off
//     (signature.go); without one, the caller's default is used.
//  2. Candidates: tries over the templates' first literals, last literals and
//     literals in between lead from the text to the few templates whose literals
//     all occur in it (index.go, trie.go).
//  3. The match: a candidate's literals are found leftmost first and each value
//     is checked against its variable's rule (pattern.go). Where a rule refuses
//     the leftmost split, every split is tried at once (backtrack.go). A URL does not
//     rule a split out; it refuses the template (chars.go).
//
// The most specific template wins: the one with more literal characters, then
// with fewer variables, then with the lower code. Among the splits of one
// template the one with the shortest first value wins, then with the shortest
// second, and so on, as with non-greedy regular expressions.
//
// # Cost
//
// For one template with k variables and a text of n bytes, matching costs
// O(k·n) in the worst case, whatever the text repeats. Over a set it costs one
// descent per trie, plus that bound for each candidate. A candidate is a
// template all of whose literals occur in the text; sharing a prefix, a suffix
// or both with thousands of others does not make a template one. What is left to
// an adversary is thousands of templates made of the very same literals in
// different orders: then each of them is tried.
//
// # What is not folded
//
// Literals match exactly, byte for byte, after outer white space is trimmed from
// text and template. Full-width and half-width forms differ: an approved
// template is sent as approved, so folding would change what the recipient reads.
package template
