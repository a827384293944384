package template

import "errors"

// Options are what the caller knows about a text besides the text.
type Options struct {
	Sign    string  // the signature of a text that carries none
	Allowed *Subset // what the account may use; nil: everything in the set
}

// A Match is what the API takes instead of a text.
type Match struct {
	SignName string
	Code     string // TemplateCode
	// Params is TemplateParam: a JSON object whose keys stand in the order of the
	// template's text, without spaces; "{}" for a template without variables.
	// Nothing is escaped that JSON does not require.
	Params string
	Index  int // of the template in the slice New was given
}

// ErrForeignSubset is returned by Match when Options.Allowed was compiled from
// another set, as when a policy was replaced halfway.
var ErrForeignSubset = errors.New("template: subset of another set")

// Match finds the signature and the most specific template for text. When there
// is none the error is a *NoMatch; it holds nothing of the text.
func (s *Set) Match(text string, opts Options) (Match, error) {
	if !opts.Allowed.of(s) {
		return Match{}, ErrForeignSubset
	}
	sign, body, miss := s.sign(text, opts)
	if miss != nil {
		return Match{}, miss
	}
	m := search{set: s, text: body, allowed: opts.Allowed, best: int32(len(s.byRank)), refused: int32(len(s.byRank))}
	m.visit(&s.index)
	m.release()
	if m.best == int32(len(s.byRank)) {
		return Match{}, m.miss()
	}
	i := s.byRank[m.best]
	t := &s.templates[i]
	return Match{SignName: sign, Code: t.Code, Params: t.params(body, &m.bestEnds), Index: int(i)}, nil
}

// A search is one text on its way through the index.
type search struct {
	set     *Set
	text    string // without its signature
	allowed *Subset

	best     int32  // rank of the best template so far; the number of templates when there is none
	bestEnds splits // where its values end
	ends     splits // of the candidate being tried

	refused  int32 // rank of the most specific template that came close, like best
	reason   Reason
	variable int // of that template

	scratch *scratch // nil until it is needed
}

// splits are the offsets in the text at which a template's values end.
type splits [maxVariables]int32

// try compares the text with one candidate.
func (m *search) try(p *pattern) {
	rank := m.allowed.first(p.ranks, m.best)
	if rank < 0 {
		return
	}
	switch reason, variable := m.set.split(p, m.text, &m.ends); variable {
	case fitsNothing:
	case fitsAll:
		m.best, m.bestEnds = rank, m.ends
	default:
		m.refuse(rank, reason, variable)
	}
}

// refuse remembers why the most specific of the near misses was one.
func (m *search) refuse(rank int32, reason Reason, variable int) {
	if rank < m.refused {
		m.refused, m.reason, m.variable = rank, reason, variable
	}
}

// miss is the error of a search that found nothing.
func (m *search) miss() *NoMatch {
	if m.refused == int32(len(m.set.byRank)) {
		return &NoMatch{Reason: NoTemplate}
	}
	t := &m.set.templates[m.set.byRank[m.refused]]
	return &NoMatch{Reason: m.reason, Code: t.Code, Variable: t.names[m.variable]}
}

// A scratch is memory that a search needs only for backtracking and for sets that
// are told apart by their middle.
type scratch struct {
	seen    []uint64 // bit sets of trie nodes, one upon another
	offsets []int32  // of the characters between prefix and suffix
	next    []int32  // by variable and position: the first end of a value from there on
	starts  []bool   // by position: whether a value of the variable can begin there
	found   []bool   // by position: whether a literal begins there
	borders []int32  // by octet of a literal
}

// work returns the search's scratch memory.
func (m *search) work() *scratch {
	if m.scratch == nil {
		m.scratch = m.set.scratch.Get().(*scratch)
	}
	return m.scratch
}

// release gives the scratch memory back.
func (m *search) release() {
	if m.scratch != nil {
		m.set.scratch.Put(m.scratch)
		m.scratch = nil
	}
}
