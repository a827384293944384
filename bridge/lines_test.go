package bridge

import (
	"testing"
	"time"
)

// TestGroupsTakeTurns: behind sessions with long lines a single submission is in the next group, each
// session's submissions stay in their order, and none is lost or taken twice.
func TestGroupsTakeTurns(t *testing.T) {
	var l lines
	floods := []*session{new(session), new(session), new(session)}
	const each = 1000
	order := make(map[*submission]int)
	for i := range each {
		for _, s := range floods {
			sub := &submission{session: s}
			order[sub] = i
			l.add(sub)
		}
	}
	first, _ := l.group(time.Time{})
	single := &submission{session: new(session)}
	l.add(single)
	second, _ := l.group(time.Time{})
	found := false
	for _, sub := range second {
		found = found || sub == single
	}
	if !found {
		t.Error("a single submission behind 2,600 of three sessions is not in the next group")
	}
	taken := append(first, second...)
	for l.length > 0 {
		group, _ := l.group(time.Time{})
		if len(group) == 0 {
			t.Fatalf("an empty group with %d waiting", l.length)
		}
		taken = append(taken, group...)
	}
	next := make(map[*session]int)
	for _, sub := range taken {
		if sub == single {
			continue
		}
		if order[sub] != next[sub.session] {
			t.Fatalf("submission %d of a session came where %d should", order[sub], next[sub.session])
		}
		next[sub.session]++
	}
	if len(taken) != 3*each+1 || l.ring != nil {
		t.Errorf("%d submissions taken of %d", len(taken), 3*each+1)
	}
}

// TestLinesForgetWhatIsTaken: a line lists nobody who was taken, in a group, as overdue or at the end.
func TestLinesForgetWhatIsTaken(t *testing.T) {
	at := time.Unix(100, 0)
	s := new(session)
	take := map[string]func(*lines) int{
		"group":   func(l *lines) int { g, late := l.group(at); return len(g) + len(late) },
		"overdue": func(l *lines) int { return len(l.overdue(at)) + len(l.overdue(at.Add(time.Hour))) },
		"all":     func(l *lines) int { return len(l.all()) },
	}
	for name, f := range take {
		var l lines
		for i := range 10 {
			l.add(&submission{session: s, at: at.Add(time.Duration(i-5) * time.Second)})
		}
		if got := f(&l); got != 10 || l.length != 0 || len(l.ring) != 0 || !s.line.empty() {
			t.Errorf("%s: %d taken, %d left", name, got, l.length)
		}
		for _, sub := range s.line.list[:cap(s.line.list)] {
			if sub != nil {
				t.Errorf("%s: a submission that was taken is still listed", name)
			}
		}
		l.add(&submission{session: s})
		if g, _ := l.group(time.Time{}); len(g) != 1 {
			t.Errorf("%s: a line that was emptied takes nobody in", name)
		}
	}
}

// TestLateAreNotGrouped: what came too long ago is taken out apart from the group.
func TestLateAreNotGrouped(t *testing.T) {
	var l lines
	now := time.Unix(100, 0)
	s := new(session)
	for _, at := range []time.Time{now.Add(-time.Minute), now.Add(-time.Second), now} {
		l.add(&submission{session: s, at: at})
	}
	group, late := l.group(now.Add(-time.Second))
	if len(group) != 2 || len(late) != 1 || late[0].at != now.Add(-time.Minute) {
		t.Errorf("%d in the group, %d late; want 2 and the oldest", len(group), len(late))
	}
}

// TestLineThatIsNeverEmptyDoesNotGrow: a session may have something waiting for as long as it is bound.
func TestLineThatIsNeverEmptyDoesNotGrow(t *testing.T) {
	var l lines
	s := new(session)
	for range 10 {
		l.add(&submission{session: s})
	}
	for range 2_000 {
		for range maxGroup {
			l.add(&submission{session: s})
		}
		if group, _ := l.group(time.Time{}); len(group) != maxGroup {
			t.Fatalf("a group of %d", len(group))
		}
	}
	if l.length != 10 || cap(s.line.list) > 16*maxGroup {
		t.Errorf("%d wait, in a list with room for %d", l.length, cap(s.line.list))
	}
}
