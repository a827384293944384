package cluster_test

import (
	"fmt"
	"math"

	"github.com/anishathalye/porcupine"

	"smppbridge/store"
)

// judge compares what the clients were told with what all nodes hold now, and with the models.
func (s *storm) judge() {
	s.t.Helper()
	s.cluster.LeaderOf(0, 1, 2)
	s.cluster.Agree()
	st := s.cluster.Store(0)
	found := s.found(st)
	for _, b := range s.budgets {
		var history []porcupine.Operation
		granted, refused, given := 0, 0, 0
		for _, r := range s.requests {
			if r.budget != b || !s.settle(r, st, found) {
				continue
			}
			for _, u := range r.answer.units {
				if u.number != 0 {
					granted++
				} else {
					refused++
				}
			}
			if r.outcome == doubt {
				given++
			}
			history = append(history, r.operation())
		}
		s.t.Logf("%s: %d requests, %d units granted, %d refused; %d requests given up had happened", b.name, len(history), granted, refused, given)
		if granted < 10 || refused < 5 {
			s.t.Errorf("limits of %q: %d units granted, %d refused: nothing was shown", b.name, granted, refused)
		}
		b.check(s.t, history)
	}
	s.t.Logf("%d outcomes were unknown at first", s.doubts.Load())
	for text, ns := range found {
		s.t.Errorf("%q was accepted as %v, and nobody knows", text, ns)
	}
}

// found returns the numbers of all messages by their texts, which must differ.
func (s *storm) found(st *store.Store) map[string][]store.Number {
	s.t.Helper()
	found := make(map[string][]store.Number)
	for n := store.Number(1); n <= st.LastNumber(); n++ {
		m, _, err := st.Lookup(n)
		if err != nil {
			s.t.Fatal(err)
		}
		found[m.Text] = append(found[m.Text], n)
	}
	return found
}

// settle completes what is known of a request by what the state holds, and says whether it had any effect or answer.
func (s *storm) settle(r *request, st *store.Store, found map[string][]store.Number) bool {
	s.t.Helper()
	switch {
	case r.end:
		_, status, err := st.Lookup(r.subject)
		return err == nil && status.State == store.StateFinal
	case r.begin:
		return s.settleBegin(r, st)
	}
	return s.settleAccept(r, st, found)
}

func (s *storm) settleAccept(r *request, st *store.Store, found map[string][]store.Number) bool {
	s.t.Helper()
	some := r.outcome == told
	for i := range r.of {
		text := fmt.Sprint(r.text, " ", i)
		var u unit
		if r.outcome == told {
			u = r.answer.units[i]
		} else {
			u.limit = unknownLimit
			if ns := found[text]; len(ns) > 0 {
				u.number, some = uint64(ns[0]), true
			}
			r.answer.units = append(r.answer.units, u)
		}
		if u.number == 0 {
			continue
		}
		if r.outcome == never {
			s.t.Errorf("%q was surely not proposed, and is in the state", text)
		}
		ns := found[text]
		if len(ns) != 1 || ns[0] != store.Number(u.number) {
			s.t.Errorf("%q was accepted as %d, the state has it as %v", text, u.number, ns)
		}
		_, status, err := st.Lookup(store.Number(u.number))
		if err != nil {
			s.t.Fatal(err)
		}
		r.answer.units[i].number, r.answer.units[i].at = u.number, status.AcceptedAt
		delete(found, text)
	}
	return some
}

func (s *storm) settleBegin(r *request, st *store.Store) bool {
	s.t.Helper()
	_, status, err := st.Lookup(r.subject)
	if err != nil {
		s.t.Fatal(err)
	}
	if status.Attempt == 0 {
		return r.outcome == told
	}
	a, err := st.Attempt(status.Attempt)
	if err != nil {
		s.t.Fatal(err)
	}
	if r.outcome == told && r.answer.units[0].number != uint64(a.ID) || r.outcome == never {
		s.t.Errorf("message %v: attempt %d, told %+v", r.subject, a.ID, r.answer.units)
	}
	r.answer.units = []unit{{number: uint64(a.ID), at: a.Begun}}
	return true
}

// operation is a request as porcupine reads it. One that was given up may have happened at any later time.
func (r *request) operation() porcupine.Operation {
	op := porcupine.Operation{ClientId: r.lane, Input: r.wish, Output: r.answer, Call: int64(r.call), Return: int64(r.back)}
	if r.outcome != told {
		w := r.wish
		w.until = math.MaxInt64
		op.Input, op.Return = w, math.MaxInt64
	}
	return op
}
