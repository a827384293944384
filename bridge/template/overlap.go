package template

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// An Overlap is two templates of which some texts fit both. The winner is sent; where it may not be used, the other one is.
type Overlap struct {
	Winner, Loser string // TemplateCodes
	Text          string // a text of both, made up of the templates
	ByCode        bool   // both are equally specific: the lower code wins
	Hidden        bool   // every text of Loser fits Winner: whoever may use both never sends Loser
}

// What comparing two templates may cost, in pairs of places looked at.
const (
	productMost = 16 << 20
	subsetMost  = 20_000
)

// Overlaps finds the pairs of templates with texts in common, the most specific winner first. both says whether somebody may
// use both templates of a pair; nil: somebody may. It compares every two templates and is not fast. undecided counts the
// pairs that are too large to be compared.
//
// A pair counts only if, in one of the two at least, no value holds punctuation that ends sentences: that a name may be
// half of another template's text is true of nearly all templates.
func (s *Set) Overlaps(both func(a, b string) bool) (list []Overlap, undecided int) {
	chains := make(map[*pattern][2]*chain, len(s.templates))
	for i := range s.templates {
		if p := s.templates[i].pattern; chains[p][0] == nil {
			chains[p] = [2]*chain{newChain(p, false), newChain(p, true)}
		}
	}
	for rank, i := range s.byRank {
		for _, j := range s.byRank[rank+1:] {
			a, b := &s.templates[i], &s.templates[j]
			if !touch(a.pattern, b.pattern) || both != nil && !both(a.Code, b.Code) {
				continue
			}
			o, found, ok := s.overlap(a, b, chains)
			if !ok {
				undecided++
			}
			if found {
				list = append(list, o)
			}
		}
	}
	return list, undecided
}

// touch reports whether two patterns may have texts in common, by how these begin and end.
func touch(a, b *pattern) bool {
	n := min(len(a.prefix()), len(b.prefix()))
	if a.prefix()[:n] != b.prefix()[:n] {
		return false
	}
	switch {
	case len(a.rules) == 0 && len(b.rules) == 0:
		return a.prefix() == b.prefix()
	case len(a.rules) == 0:
		return strings.HasPrefix(a.prefix(), b.prefix()) && strings.HasSuffix(a.prefix(), b.suffix())
	case len(b.rules) == 0:
		return touch(b, a)
	}
	n = min(len(a.suffix()), len(b.suffix()))
	return a.suffix()[len(a.suffix())-n:] == b.suffix()[len(b.suffix())-n:]
}

// overlap compares two templates, a being the more specific. ok is false when they are too large.
func (s *Set) overlap(a, b *compiled, chains map[*pattern][2]*chain) (o Overlap, found, ok bool) {
	as, bs := chains[a.pattern], chains[b.pattern]
	if int(as[0].len()+1)*int(bs[0].len()+1) > productMost {
		return o, false, false
	}
	for _, pair := range [][2]*chain{{as[1], bs[0]}, {as[0], bs[1]}} {
		if !pair[0].meets(pair[1]) {
			continue
		}
		sample := newSampler(pair[0], pair[1])
		text, found := shared(pair[0], pair[1], sample)
		if !found || !s.takes(a.pattern, text) || !s.takes(b.pattern, text) { // a URL is in no kind's way, but in both templates'
			continue
		}
		o = Overlap{Winner: a.Code, Loser: b.Code, Text: text,
			ByCode: a.pattern.chars == b.pattern.chars && len(a.names) == len(b.names)}
		o.Hidden = a.pattern == b.pattern || !s.spares(a.pattern, b.pattern) && within(bs[0], as[0], sample)
		return o, true, true
	}
	return o, false, true
}

// takes reports whether a pattern takes a text.
func (s *Set) takes(p *pattern, text string) bool {
	var ends splits
	_, variable := s.split(p, text, &ends)
	return variable == fitsAll
}

// spares reports whether a refuses texts of b that kinds and lengths would let it take: those with URLs.
func (s *Set) spares(a, b *pattern) bool {
	free := func(r VarRule) bool { return r.Kind == Free }
	return !s.anyCharacter && slices.ContainsFunc(b.rules, free) && !slices.ContainsFunc(a.rules, free)
}

// shared finds a text of both chains.
func shared(a, b *chain, sample *sampler) (string, bool) {
	width := b.len() + 1
	from := make([]int32, int(a.len()+1)*int(width)) // by pair of places: the pair before it, plus one; 0 = not reached
	taken := make(map[int32]rune)                    // by pair: the character that led there, if one did
	todo := []int32{0}
	from[0] = -1
	for len(todo) > 0 {
		at := todo[0]
		todo = todo[1:]
		i, j := at/width, at%width
		if i == a.len() && j == b.len() {
			return walk(from, taken, at), true
		}
		reach := func(i, j int32, c rune) {
			to := i*width + j
			if from[to] != 0 || to == 0 {
				return
			}
			from[to] = at + 1
			if c >= 0 {
				taken[to] = c
			}
			todo = append(todo, to)
		}
		if i < a.len() && a.steps[i].skip != 0 {
			reach(a.steps[i].skip, j, -1)
		}
		if j < b.len() && b.steps[j].skip != 0 {
			reach(i, b.steps[j].skip, -1)
		}
		if i < a.len() && j < b.len() {
			if c, ok := sample.common(&a.steps[i], &b.steps[j]); ok {
				reach(i+1, j+1, c)
			}
		}
	}
	return "", false
}

// walk collects the characters on the way to a pair.
func walk(from []int32, taken map[int32]rune, at int32) string {
	var way []rune
	for at > 0 {
		if c, ok := taken[at]; ok {
			way = append(way, c)
		}
		at = from[at] - 1
	}
	slices.Reverse(way)
	return string(way)
}

// within reports whether every text of b is one of a. Where that takes too long to find out it says no.
func within(b, a *chain, sample *sampler) bool {
	type pair struct {
		at  int32 // in b
		set places
	}
	start := newPlaces(a)
	start.add(a, 0)
	todo := []pair{{0, start}}
	type seenKey struct {
		at  int32
		set string
	}
	seen := map[seenKey]bool{}
	for len(todo) > 0 {
		p := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		key := seenKey{p.at, p.set.key()}
		if seen[key] {
			continue
		}
		if seen[key] = true; len(seen) > subsetMost {
			return false
		}
		if p.at == b.len() {
			if !p.set.has(a.len()) {
				return false
			}
			continue
		}
		s := &b.steps[p.at]
		if s.skip != 0 {
			todo = append(todo, pair{s.skip, p.set})
		}
		for _, c := range sample.characters {
			if !s.has(c) {
				continue
			}
			next := p.set.after(a, c)
			if next.empty() { // whatever b goes on with
				return false
			}
			todo = append(todo, pair{p.at + 1, next})
		}
	}
	return true
}

// A Neighbours is two variables with nothing but their kinds and lengths to tell where one ends and the next begins.
type Neighbours struct{ Code, First, Second string }

// Neighbours lists variables that stand side by side.
func (s *Set) Neighbours() (list []Neighbours) {
	for i := range s.templates {
		t := &s.templates[i]
		for n := 1; n < len(t.names); n++ {
			if t.pattern.literals[n] == "" {
				list = append(list, Neighbours{t.Code, t.names[n-1], t.names[n]})
			}
		}
	}
	return list
}

// Lengths are the fewest and the most characters of a template's texts, without signature. It is false when the code is not in
// the set.
func (s *Set) Lengths(code string) (least, most int, ok bool) {
	i, ok := s.byCode[code]
	if !ok {
		return 0, 0, false
	}
	p := s.templates[i].pattern
	least, most = p.chars, p.chars
	for _, r := range p.rules {
		least, most = least+r.Min, most+r.Max
	}
	return least, most, true
}

// Signature returns what a signature adds to a text, in characters.
func Signature(name string) int {
	return utf8.RuneCountInString(openBracket) + utf8.RuneCountInString(name) + utf8.RuneCountInString(closeBracket)
}
