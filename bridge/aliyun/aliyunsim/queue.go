package aliyunsim

import "time"

// A queue hands out things in the order of their times, and of their coming where times are equal.
type queue[T any] struct {
	items []queued[T]
	seq   uint64
}

type queued[T any] struct {
	at  time.Time
	seq uint64
	it  T
}

func (q *queue[T]) less(i, j int) bool {
	a, b := &q.items[i], &q.items[j]
	if !a.at.Equal(b.at) {
		return a.at.Before(b.at)
	}
	return a.seq < b.seq
}

// push adds it and reports whether it is now the first.
func (q *queue[T]) push(at time.Time, it T) (first bool) {
	q.seq++
	q.items = append(q.items, queued[T]{at, q.seq, it})
	i := len(q.items) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !q.less(i, parent) {
			break
		}
		q.items[i], q.items[parent] = q.items[parent], q.items[i]
		i = parent
	}
	return i == 0
}

// due removes and returns the first thing if its time has come. Otherwise next is its time; zero if
// there is nothing.
func (q *queue[T]) due(now time.Time) (it T, next time.Time, ok bool) {
	if len(q.items) == 0 {
		return it, next, false
	}
	if q.items[0].at.After(now) {
		return it, q.items[0].at, false
	}
	it = q.items[0].it
	last := len(q.items) - 1
	q.items[0] = q.items[last]
	q.items[last] = queued[T]{}
	q.items = q.items[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && q.less(child+1, child) {
			child++
		}
		if !q.less(child, i) {
			break
		}
		q.items[i], q.items[child] = q.items[child], q.items[i]
		i = child
	}
	return it, next, true
}
