package bridge

import (
	"slices"
	"time"
)

// lines are the submissions that wait for a group, each session's in a line of its own. Groups are
// filled from all lines in turn: behind a session that has a thousand waiting another one's single
// submission is in the next group, not in the third.
type lines struct {
	ring   []*line // those with somebody in them; the first is whose turn it is
	length int     // submissions in all of them
}

// line is a session's, the oldest submission first.
type line struct {
	list []*submission
	head int // those before it have been taken
}

// maxLine is how long the memory of a line may stay when nobody is in it.
const maxLine = 1024

func (l *lines) add(s *submission) {
	own := &s.session.line
	if own.empty() {
		l.ring = append(l.ring, own)
	}
	if own.head > len(own.list)/2 && len(own.list) == cap(own.list) { // a line need never be empty
		n := copy(own.list, own.list[own.head:])
		clear(own.list[n:])
		own.list, own.head = own.list[:n], 0
	}
	own.list = append(own.list, s)
	l.length++
}

func (n *line) empty() bool { return n.head == len(n.list) }

// pop takes the oldest out. The line must not list it any longer: it may be large, and was answered.
func (n *line) pop() *submission {
	s := n.list[n.head]
	n.list[n.head] = nil
	n.head++
	if n.empty() {
		n.reset()
	}
	return s
}

func (n *line) reset() {
	n.list, n.head = n.list[:0], 0
	if cap(n.list) > maxLine {
		n.list = nil
	}
}

// group takes as many out as one Accept may have, and apart from them those that came before a time. A
// submit_multi is never divided.
func (l *lines) group(before time.Time) (group, late []*submission) {
	turn := max(1, maxGroup/max(1, len(l.ring)))
	group = make([]*submission, 0, min(l.length, maxGroup))
	messages, size := 0, 0
	room := func() bool { return messages < maxGroup && size < maxGroupBytes }
	for len(l.ring) > 0 && room() {
		own := l.ring[0]
		for n := 0; n < turn && !own.empty() && room(); n++ {
			s := own.pop()
			l.length--
			if s.at.Before(before) {
				late = append(late, s)
				continue
			}
			messages += s.messages()
			size += s.encoded()
			group = append(group, s)
		}
		l.next()
	}
	return group, late
}

// next ends the turn of the first line.
func (l *lines) next() {
	own := l.ring[0]
	l.ring[0] = nil
	l.ring = l.ring[1:]
	if !own.empty() {
		l.ring = append(l.ring, own)
	}
	if len(l.ring) == 0 {
		l.ring = nil
	}
}

// overdue takes those out that came before a time.
func (l *lines) overdue(before time.Time) (late []*submission) {
	for _, own := range l.ring {
		own.list = slices.DeleteFunc(own.list[own.head:], func(s *submission) bool {
			if s.at.Before(before) {
				late = append(late, s)
				return true
			}
			return false
		})
		own.head = 0
	}
	l.ring = slices.DeleteFunc(l.ring, (*line).empty)
	l.length -= len(late)
	return late
}

// all takes everything out.
func (l *lines) all() (list []*submission) {
	for _, own := range l.ring {
		list = append(list, own.list[own.head:]...)
		*own = line{}
	}
	*l = lines{}
	return list
}
