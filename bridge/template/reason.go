package template

import "fmt"

// A Reason says why a text or a set of values was refused. The reasons are a
// closed set: String is fit for a metric's label.
type Reason uint8

// The reasons.
const (
	// NoTemplate: no template's literals are those of the text.
	NoTemplate Reason = iota
	// VariableRefused: a template's literals fit, but a value is not of its variable's kind or length.
	VariableRefused
	// BadCharacter: a template fits, but a value holds something that the API refuses
	// in variables: brackets of a signature, emoji, a URL or an IP address.
	BadCharacter
	// NoSignature: the text carries no signature and the caller named no default.
	NoSignature
	// UnknownSignature: the signature of the text, or the caller's default, is not in the set.
	UnknownSignature
	// SignatureNotAllowed: the signature is in the set, but not the account's to use.
	SignatureNotAllowed
	// UnknownTemplate: a template was named by a code that is not in the set.
	UnknownTemplate
	// MissingVariable: a template was named without a value for one of its variables.
	MissingVariable
	// UnknownVariable: a template was named with a value for a variable that it does not have.
	UnknownVariable

	reasons // how many there are
)

var reasonNames = [reasons]string{
	"no_template", "variable_refused", "bad_character", "no_signature", "unknown_signature",
	"signature_not_allowed", "unknown_template", "missing_variable", "unknown_variable",
}

// String returns the reason in the form of a metric's label.
func (r Reason) String() string {
	if r < reasons {
		return reasonNames[r]
	}
	return "other"
}

// Reasons returns every reason, for metrics that start at 0.
func Reasons() []Reason {
	all := make([]Reason, reasons)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}

// A NoMatch is the error of a text that no template takes, or of values that a
// template does not take. It holds nothing of the text, so it may be logged.
type NoMatch struct {
	Reason Reason
	// Code is the most specific template that came close, when one did
	// (VariableRefused, BadCharacter), or the one named (MissingVariable, UnknownVariable).
	Code string
	// Variable is the variable of Code whose value was refused or is missing. It is
	// empty for UnknownVariable: a name the client made up may be anything.
	Variable string
}

// Error names the reason and what of the configuration it concerns.
func (e *NoMatch) Error() string {
	switch {
	case e.Variable != "":
		return fmt.Sprintf("%s: template %s, variable %s", e.Reason, e.Code, e.Variable)
	case e.Code != "":
		return fmt.Sprintf("%s: template %s", e.Reason, e.Code)
	}
	return e.Reason.String()
}
