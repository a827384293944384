package template

import "unicode/utf8"

// backtrack finds the split with the shortest values, the first value's length
// counting most, among all those whose values are of their kinds and lengths. It
// sets ends and returns true, or leaves them and returns false. The text is known
// to fit the pattern's literals.
//
// It does not search: going through the variables from the last to the first, it
// computes for every position in the text whether a value can begin there and the
// rest still be matched. Since a kind is a set of characters and a length a range,
// the ends a value may have are an interval, whose first usable end a running
// minimum gives. So a variable costs one pass over the text, whatever repeats in it.
func (p *pattern) backtrack(text string, ends *splits, s *scratch) bool {
	base, limit := len(p.prefix()), len(text)-len(p.suffix())
	s.measure(text[base:limit])
	size := len(s.offsets) // positions 0 to size-1; the last is the end
	s.next = resize(s.next, len(p.rules)*size)
	s.starts = resize(s.starts, size)

	for i := len(p.rules) - 1; i >= 0; i-- {
		next := s.next[i*size : (i+1)*size]
		if i == len(p.rules)-1 {
			for at := range next {
				next[at] = int32(size - 1)
			}
		} else {
			s.markEnds(text[base:limit], p.literals[i+1], next)
		}
		s.markStarts(text[base:limit], p.rules[i], next)
	}
	if !s.starts[0] {
		return false
	}
	at := int32(0)
	for i := range p.rules {
		end := s.next[i*size:][at+int32(p.rules[i].Min)]
		ends[i] = int32(base) + s.offsets[end]
		at = end + int32(utf8.RuneCountInString(p.literals[i+1]))
	}
	return true
}

// measure sets offsets to where the characters of text begin, and to its end. An
// octet that is not UTF-8 counts as a character.
func (s *scratch) measure(text string) {
	s.offsets = s.offsets[:0]
	for i := range text {
		s.offsets = append(s.offsets, int32(i))
	}
	s.offsets = append(s.offsets, int32(len(text)))
}

// find sets found[at] where the literal begins in text. It is the algorithm of Knuth,
// Morris and Pratt, because the plain one compares the literal anew at each
// repetition. A literal is UTF-8, so it begins and ends between characters.
func (s *scratch) find(text, literal string) {
	s.found = resize(s.found, len(s.offsets))
	if literal == "" { // between variables side by side
		for at := range s.found {
			s.found[at] = true
		}
		return
	}
	clear(s.found)
	// borders[i] is the length of the longest proper prefix of literal[:i+1] that also ends it.
	s.borders = resize(s.borders, len(literal))
	s.borders[0] = 0
	matched := 0
	for i := 1; i < len(literal); i++ {
		matched = s.extend(literal, matched, literal[i])
		s.borders[i] = int32(matched)
	}
	matched, at := 0, 0
	for i := range len(text) {
		if matched == len(literal) {
			matched = int(s.borders[matched-1])
		}
		if matched = s.extend(literal, matched, text[i]); matched == len(literal) {
			begin := int32(i + 1 - len(literal))
			for s.offsets[at] < begin {
				at++
			}
			s.found[at] = true
		}
	}
}

// extend returns how much of the literal is matched once c follows a text that ended
// with its first matched octets.
func (s *scratch) extend(literal string, matched int, c byte) int {
	for matched > 0 && literal[matched] != c {
		matched = int(s.borders[matched-1])
	}
	if literal[matched] == c {
		matched++
	}
	return matched
}

// markEnds sets next[at] to the first position from at on at which the literal
// stands and is followed by a start of the next variable, or to -1.
func (s *scratch) markEnds(text, literal string, next []int32) {
	s.find(text, literal)
	chars := utf8.RuneCountInString(literal)
	following := int32(-1)
	for at := len(next) - 1; at >= 0; at-- {
		if s.found[at] && s.starts[at+chars] {
			following = int32(at)
		}
		next[at] = following
	}
}

// markStarts sets starts[at] where a value of the rule can begin and end at a
// position in next.
func (s *scratch) markStarts(text string, rule VarRule, next []int32) {
	run := len(next) - 1 // where the characters of the rule's kind end, going on from at
	for at := len(next) - 1; at >= 0; at-- {
		if at < len(next)-1 {
			if c, size := utf8.DecodeRuneInString(text[s.offsets[at]:]); !rule.Kind.has(c, size) {
				run = at
			}
		}
		s.starts[at] = false
		if shortest := at + rule.Min; shortest < len(next) {
			end := int(next[shortest])
			s.starts[at] = end >= 0 && end <= min(at+rule.Max, run)
		}
	}
}

// resize returns a slice of length n, reusing s where it is large enough.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
