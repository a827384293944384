package bridge

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"
)

// jobs wait for a worker, each account's in a line of its own, and the accounts take turns: whoever asks for
// more than is carried out waits behind himself.
type jobs struct {
	catchUp func(context.Context) error // see syncRound
	wake    chan struct{}               // capacity 1: one waits

	mu    sync.Mutex
	lines map[string]*jobLine // guarded by mu, and so are they; by account
	ring  []*jobLine          // guarded by mu; those that have a job to be taken; the first is whose turn it is
	last  uint64              // guarded by mu; the number of the job that came last
	over  *syncRound          // guarded by mu; the last that has ended
	now   *syncRound          // guarded by mu; nil = none is under way
}

// A job is what one request of an ESME asks for.
type job struct {
	account string
	changes string // the message_id that is changed; changes of one message are made one after the other, as they came
	large   bool   // takes more memory than usual
	// run does it and answers, in time for ctx. behind is why this node's store has not caught up.
	run func(ctx context.Context, behind error)

	number uint64 // in the order in which jobs came
}

// jobLine is one account's.
type jobLine struct {
	places chan struct{} // a job holds one of them until it is done
	larges chan struct{} // and one of these if it is large

	waiting  []*job
	cleared  []*job            // before those: the change of the same message that they waited for has been made
	changing map[string][]*job // by message_id: a change is under way, and what waits for its end
	underWay int
	listed   bool // is in the ring
}

// A syncRound is one wait for this node's store to catch up, for all jobs that came before it began: they ask for
// no more than what was committed then. A disk that takes its time so delays jobs, and does not say how many are done.
type syncRound struct {
	upTo uint64        // the last of those jobs
	done chan struct{} // closed when err is set
	err  error
}

// newJobs makes jobs; catchUp waits until this node's store holds all that was committed when it was called.
func newJobs(catchUp func(context.Context) error) *jobs {
	return &jobs{
		catchUp: catchUp,
		wake:    make(chan struct{}, 1),
		lines:   make(map[string]*jobLine),
		over:    new(syncRound),
	}
}

// add has f done. While the account has operationsQueued that are not it blocks, until ended is closed: then it
// reports false.
func (j *jobs) add(f *job, ended <-chan struct{}) bool {
	l := j.lineOf(f.account)
	for _, places := range l.needs(f) {
		select {
		case places <- struct{}{}:
		case <-ended:
			return false
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	f.number = j.last
	l.waiting = append(l.waiting, f)
	j.list(l)
	signal(j.wake)
	return true
}

func (j *jobs) lineOf(account string) *jobLine {
	j.mu.Lock()
	defer j.mu.Unlock()
	l := j.lines[account]
	if l == nil {
		l = &jobLine{
			places:   make(chan struct{}, operationsQueued),
			larges:   make(chan struct{}, operationsLarge),
			changing: make(map[string][]*job),
		}
		j.lines[account] = l
	}
	return l
}

// needs are the places that f holds, in the order in which they are taken.
func (l *jobLine) needs(f *job) []chan struct{} {
	if f.large {
		return []chan struct{}{l.larges, l.places}
	}
	return []chan struct{}{l.places}
}

// work has so many workers do jobs until ctx ends.
func (j *jobs) work(ctx context.Context, workers int) error {
	var g errgroup.Group
	for range workers {
		g.Go(func() error {
			for ctx.Err() == nil {
				if f := j.next(); f != nil {
					j.carryOut(ctx, f)
					continue
				}
				select {
				case <-j.wake:
				case <-ctx.Done():
				}
			}
			return ctx.Err()
		})
	}
	return g.Wait()
}

func (j *jobs) carryOut(ctx context.Context, f *job) {
	ctx, cancel := context.WithTimeout(ctx, acceptPatience)
	defer cancel()
	defer j.finish(f)
	f.run(ctx, j.caughtUp(ctx, f))
}

// next takes out the job whose turn it is; nil if there is none to be taken.
func (j *jobs) next() *job {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.ring) > 0 {
		l := j.ring[0]
		j.ring[0] = nil
		j.ring = j.ring[1:]
		l.listed = false
		f := l.pop()
		if f != nil {
			l.underWay++
		}
		j.list(l)
		if f != nil {
			if len(j.ring) > 0 {
				signal(j.wake) // for another worker
			}
			return f
		}
	}
	return nil
}

// list gives a line its turn, behind the others, if it has a job to be taken. j.mu is held.
func (j *jobs) list(l *jobLine) {
	if !l.listed && l.underWay < operationsUnderWay && len(l.cleared)+len(l.waiting) > 0 {
		l.listed = true
		j.ring = append(j.ring, l)
	}
}

// pop takes out the first job that need not wait for another one.
func (l *jobLine) pop() *job {
	if len(l.cleared) > 0 {
		return shift(&l.cleared)
	}
	for len(l.waiting) > 0 {
		f := shift(&l.waiting)
		if f.changes == "" {
			return f
		}
		behind, under := l.changing[f.changes]
		if !under {
			l.changing[f.changes] = nil
			return f
		}
		l.changing[f.changes] = append(behind, f)
	}
	return nil
}

// shift takes the first out of a list, which must not keep it: it may be large.
func shift(list *[]*job) *job {
	f := (*list)[0]
	(*list)[0] = nil
	*list = (*list)[1:]
	return f
}

// finish gives back what f held.
func (j *jobs) finish(f *job) {
	j.mu.Lock()
	defer j.mu.Unlock()
	l := j.lines[f.account]
	l.underWay--
	if f.changes != "" {
		if behind := l.changing[f.changes]; len(behind) > 0 {
			l.cleared = append(l.cleared, shift(&behind))
			l.changing[f.changes] = behind
		} else {
			delete(l.changing, f.changes)
		}
	}
	j.list(l)
	if len(j.ring) > 0 {
		signal(j.wake)
	}
	for _, places := range l.needs(f) {
		<-places
	}
}

// caughtUp waits for the end of a round that began after f had come.
func (j *jobs) caughtUp(ctx context.Context, f *job) error {
	for {
		r, begins := j.roundFor(f)
		if begins {
			r.err = j.catchUp(ctx)
			j.end(r)
		}
		select {
		case <-r.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if f.number <= r.upTo {
			return r.err
		}
	}
}

// roundFor returns a round for f, or the one that must end before that can begin. begins says that it is the caller
// who carries it out.
func (j *jobs) roundFor(f *job) (r *syncRound, begins bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case f.number <= j.over.upTo:
		return j.over, false
	case j.now == nil:
		j.now = &syncRound{upTo: j.last, done: make(chan struct{})}
		return j.now, true
	}
	return j.now, false
}

func (j *jobs) end(r *syncRound) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.over, j.now = r, nil
	close(r.done)
}
