package template

import "unicode/utf8"

// A chain is a pattern as a chain of steps, each of which takes one character. It is how two patterns are compared with each
// other; texts are matched without it.
type chain struct {
	plain    bool // values hold no punctuation that ends sentences
	steps    []step
	literals map[rune]places // by character: the steps that take no other
	kinds    [kinds]places   // by kind: the steps whose variable is of it
	some     [kinds]places   // by kind: the steps that take a character of it
	words    [kinds]places   // by kind: likewise, but for those that take nothing but such punctuation
	optional []places        // by variable: the steps that may be left out
	ends     []int32         // by variable: the step behind it
}

// A step takes the character c, or any of kind where c is -1.
type step struct {
	c     rune
	plain bool
	kind  Kind
	kinds uint16 // of c: those that hold it
	skip  int32  // the step behind the variable, where this one and those after it may be left out; 0 = it may not
}

func newChain(p *pattern, plain bool) *chain {
	m := &chain{plain: plain}
	for i, literal := range p.literals {
		for _, c := range literal {
			m.steps = append(m.steps, step{c: c, kinds: kindsOf(c)})
		}
		if i == len(p.rules) {
			break
		}
		r := p.rules[i]
		end := int32(len(m.steps) + r.Max)
		for n := range r.Max {
			s := step{c: -1, plain: plain, kind: r.Kind}
			if n >= r.Min {
				s.skip = end
			}
			m.steps = append(m.steps, s)
		}
		m.ends = append(m.ends, end)
	}
	m.sort()
	return m
}

// sort sorts the steps by what they take.
func (m *chain) sort() {
	m.literals = make(map[rune]places)
	for k := range m.kinds {
		m.kinds[k], m.some[k], m.words[k] = newPlaces(m), newPlaces(m), newPlaces(m)
	}
	for range m.ends {
		m.optional = append(m.optional, newPlaces(m))
	}
	at := 0 // the variable
	for i := range m.len() {
		s := &m.steps[i]
		for k := range kinds {
			if s.c >= 0 && s.kinds&(1<<k) != 0 || s.c < 0 && !k.disjoint(s.kind) {
				m.some[k].set(i)
				if s.c < 0 || !sentence(s.c) {
					m.words[k].set(i)
				}
			}
		}
		if s.c >= 0 {
			if m.literals[s.c] == nil {
				m.literals[s.c] = newPlaces(m)
			}
			m.literals[s.c].set(i)
			continue
		}
		m.kinds[s.kind].set(i)
		for m.ends[at] <= i {
			at++
		}
		if s.skip != 0 {
			m.optional[at].set(i)
		}
	}
}

// meets reports whether some text may be one of both chains. It is what most pairs are told apart by: all places of b are
// carried through the steps of a at once.
func (m *chain) meets(b *chain) bool {
	now, takes, behind := newPlaces(b), newPlaces(b), newPlaces(b) // behind a variable of a that is left early: where b is then
	now.set(0)
	ends := m.ends
	for i := range m.len() {
		if len(ends) > 0 && ends[0] == i {
			now.join(behind)
			clear(behind)
			ends = ends[1:]
		}
		b.close(now)
		s := &m.steps[i]
		if s.skip != 0 {
			behind.join(now)
		}
		b.through(takes, s)
		takes.meet(now)
		takes.shift()
		now, takes = takes, now
		if now.empty() && behind.empty() {
			return false
		}
	}
	now.join(behind)
	b.close(now)
	return now.has(b.len())
}

// close adds the places that are reached without a character.
func (m *chain) close(p places) {
	for v, end := range m.ends {
		if p.meets(m.optional[v]) {
			p.set(end)
		}
	}
}

// through sets takes to the steps that take what s takes.
func (m *chain) through(takes places, s *step) {
	switch {
	case s.c < 0 && s.plain:
		copy(takes, m.words[s.kind])
		return
	case s.c < 0:
		copy(takes, m.some[s.kind])
		return
	}
	clear(takes)
	for k := range kinds {
		if s.kinds&(1<<k) != 0 && !(m.plain && sentence(s.c)) {
			takes.join(m.kinds[k])
		}
	}
	if same := m.literals[s.c]; same != nil {
		takes.join(same)
	}
}

// len is the number of steps, which is also the place behind the last.
func (m *chain) len() int32 { return int32(len(m.steps)) }

// has reports whether a step takes c.
func (s *step) has(c rune) bool {
	if s.c >= 0 {
		return s.c == c
	}
	return s.kind.has(c, utf8.RuneLen(c)) && !(s.plain && sentence(c))
}

// sentence reports whether c ends a sentence or a part of one: few values hold that.
func sentence(c rune) bool {
	switch c {
	case '，', '。', '；', '：', '！', '？', '、', '!', '?', ';', '\n':
		return true
	}
	return false
}

// A sampler knows a character of every kind and of all that two kinds have in common.
type sampler struct{ characters []rune }

// newSampler returns a sampler for two chains. Of the characters that no literal has, one stands for all that the same kinds
// hold; literals are told apart.
func newSampler(a, b *chain) *sampler {
	s := &sampler{}
	literal := map[rune]bool{}
	for _, m := range []*chain{a, b} {
		for i := range m.steps {
			if c := m.steps[i].c; c >= 0 && !literal[c] {
				literal[c] = true
				s.characters = append(s.characters, c)
			}
		}
	}
	seen := map[uint16]bool{}
	var typical []rune // those first that make no URL with their neighbours
	for _, c := range "7xX中年é°-+,~():'/T🙂、·•— .\t!Z1一甲乙丙０8y日月 \u00a0" {
		sign := kindsOf(c)
		if !literal[c] && !seen[sign] {
			seen[sign] = true
			typical = append(typical, c)
		}
	}
	s.characters = append(typical, s.characters...)
	return s
}

// kindsOf is the set of kinds that hold c.
func kindsOf(c rune) (set uint16) {
	for k := range kinds {
		if k.has(c, utf8.RuneLen(c)) {
			set |= 1 << k
		}
	}
	return set
}

// common returns a character that both steps take.
func (s *sampler) common(a, b *step) (rune, bool) {
	switch {
	case a.c >= 0:
		return a.c, b.has(a.c)
	case b.c >= 0:
		return b.c, a.has(b.c)
	}
	for _, c := range s.characters {
		if a.has(c) && b.has(c) {
			return c, true
		}
	}
	return 0, false
}

// A places is a set of places in a chain.
type places []uint64

func newPlaces(m *chain) places { return make(places, (m.len()+64)/64) }

func (p places) has(i int32) bool { return p[i/64]&(1<<(i%64)) != 0 }

func (p places) set(i int32) { p[i/64] |= 1 << (i % 64) }

func (p places) join(other places) {
	for i := range p {
		p[i] |= other[i]
	}
}

func (p places) meets(other places) bool {
	for i := range p {
		if p[i]&other[i] != 0 {
			return true
		}
	}
	return false
}

func (p places) meet(other places) {
	for i := range p {
		p[i] &= other[i]
	}
}

// shift moves all places on by one.
func (p places) shift() {
	carry := uint64(0)
	for i, w := range p {
		p[i], carry = w<<1|carry, w>>63
	}
}

func (p places) empty() bool {
	for _, w := range p {
		if w != 0 {
			return false
		}
	}
	return true
}

// add adds a place, and those that are reached from it without a character.
func (p places) add(m *chain, i int32) {
	for !p.has(i) {
		p.set(i)
		if i == m.len() || m.steps[i].skip == 0 {
			return
		}
		i = m.steps[i].skip
	}
}

// after returns the places that c leads to.
func (p places) after(m *chain, c rune) places {
	next := newPlaces(m)
	for i := range m.len() {
		if p.has(i) && m.steps[i].has(c) {
			next.add(m, i+1)
		}
	}
	return next
}

// key is equal for equal sets.
func (p places) key() string {
	b := make([]byte, 0, 8*len(p))
	for _, w := range p {
		for range 8 {
			b = append(b, byte(w))
			w >>= 8
		}
	}
	return string(b)
}
