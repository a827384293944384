package bridge

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// outside adds a submission of n octets in a goroutine, which waits if there is no room.
func outside(q *queue, n int64, patience time.Duration) <-chan error {
	result := make(chan error, 1)
	go func() { result <- q.add(&submission{session: new(session), octets: n}, patience) }()
	synctest.Wait()
	return result
}

// got is what came from c: nil, an error, or errPending.
func got(c <-chan error) error {
	synctest.Wait()
	select {
	case err := <-c:
		return err
	default:
		return errPending
	}
}

var errPending = errors.New("still waiting")

// TestRoomComesInTurn: who waits for room gets it in the order of coming; a large one is not passed by
// small ones for ever, and one that could never fit has the queue to itself.
func TestRoomComesInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1000)
		for range 2 {
			if err := q.add(&submission{session: new(session), octets: 500}, time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		small, large, last := outside(q, 100, time.Hour), outside(q, 5000, time.Hour), outside(q, 1, time.Hour)
		q.release(500)
		if got(small) != nil || got(large) != errPending || got(last) != errPending {
			t.Fatal("with 500 octets free the first of those waiting, and only it, must get in")
		}
		if got(outside(q, 1, time.Second)) != errPending {
			t.Error("a newcomer passed those who wait")
		}
		q.release(500)
		q.release(100)
		if got(large) != nil || got(last) != errPending {
			t.Error("with an empty queue the large one must get in alone")
		}
		time.Sleep(2 * time.Second)
		q.release(5000)
		if got(last) != nil || q.octets.Load() != 1 || q.waiting.length != 5 {
			t.Errorf("at last %d octets are held of %d submissions, want 1 of 5", q.octets.Load(), q.waiting.length)
		}
	})
}

// TestRoomIsWaitedForInPatience: no reader waits for longer than it may, and one that has given up does
// not hold up those behind it.
func TestRoomIsWaitedForInPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1000)
		if err := q.add(&submission{session: new(session), octets: 600}, time.Minute); err != nil {
			t.Fatal(err)
		}
		large, small := outside(q, 700, 8*time.Second), outside(q, 300, time.Hour)
		time.Sleep(7 * time.Second)
		if got(large) != errPending || got(small) != errPending {
			t.Fatal("somebody did not wait")
		}
		time.Sleep(time.Second)
		if err := got(large); err != errNoRoom {
			t.Errorf("after its patience: %v, want %v", err, errNoRoom)
		}
		if err := got(small); err != nil || q.octets.Load() != 900 {
			t.Errorf("behind it: %v, %d octets held, want nil and 900", err, q.octets.Load())
		}
	})
}

// TestQueueCloses: who waits outside is let go, who comes later is too, and what was in is returned.
func TestQueueCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1000)
		if err := q.add(&submission{session: new(session), octets: 1000}, time.Minute); err != nil {
			t.Fatal(err)
		}
		waits := outside(q, 1, time.Hour)
		if left := q.close(); len(left) != 1 {
			t.Errorf("%d submissions were in, want 1", len(left))
		}
		if err := got(waits); err != errStopping {
			t.Errorf("who waited: %v, want %v", err, errStopping)
		}
		if err := q.add(&submission{session: new(session)}, time.Hour); err != errStopping {
			t.Errorf("who came later: %v, want %v", err, errStopping)
		}
	})
}

// TestGroupsAreBounded: by messages and by octets; a submit_multi stays in one piece.
func TestGroupsAreBounded(t *testing.T) {
	plain := func(text int) *submission {
		return &submission{session: new(session), message: store.Message{Text: strings.Repeat("x", text)}}
	}
	many := func(n int) *submission {
		return &submission{session: new(session), multi: &multi{pdu: &smpp.SubmitMulti{}, messages: make([]store.Message, n)}}
	}
	tests := []struct {
		name string
		in   []*submission
		want []int // submissions of each group
	}{
		{"few", []*submission{plain(1), plain(1)}, []int{2}},
		{"messages", slicesRepeat(plain(1), 1000), []int{400, 400, 200}},
		{"octets", slicesRepeat(plain(64<<10), 5), []int{2, 2, 1}},
		{"submit_multi", []*submission{plain(1), many(254), many(254), many(254)}, []int{3, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := newQueue(0)
			for _, s := range tt.in {
				if err := q.add(s, time.Hour); err != nil {
					t.Fatal(err)
				}
			}
			for i, want := range tt.want {
				group, _, more := q.cut(time.Time{})
				if len(group) != want || more != (i < len(tt.want)-1) {
					t.Errorf("group %d has %d submissions, more %v; want %d", i, len(group), more, want)
				}
			}
			if q.waiting.ring != nil || q.length.Load() != 0 {
				t.Errorf("an empty queue still lists %d", q.length.Load())
			}
		})
	}
}

func slicesRepeat(s *submission, n int) (list []*submission) {
	for range n {
		list = append(list, s)
	}
	return list
}

// flood has sessions submit n texts of 500 characters each, as fast as they are read, and counts the
// answers.
type flood struct {
	mu       sync.Mutex
	statuses map[smpp.Status]int // guarded by mu
	done     sync.WaitGroup
}

func (r *rig) flood(sessions, n int) *flood {
	f := &flood{statuses: make(map[smpp.Status]int)}
	for i := range sessions {
		e := r.bind("any", smpp.Transmitter)
		f.done.Go(func() {
			for k := range n {
				m := submitSM("")
				m.TLVs = m.TLVs.With(smpp.TagMessagePayload, submitSM(fmt.Sprintf("%0500d", i*n+k)).ShortMessage)
				e.Send(m)
			}
		})
		f.done.Go(func() {
			for left := n; left > 0; {
				h, _ := e.Next()
				if h.ID == smpp.SubmitSMRespID {
					f.mu.Lock()
					f.statuses[h.Status]++
					f.mu.Unlock()
					left--
				}
			}
		})
	}
	return f
}

func (f *flood) answered() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range f.statuses {
		n += k
	}
	return n
}

// TestFloodIsBounded: while nothing can be committed a flood takes no more memory than the queue may
// have, and no answer is lost by it: what was not read yet is read when there is room (promise 6).
func TestFloodIsBounded(t *testing.T) {
	const sessions, n, limit = 20, 100, 256 << 10
	inRig(t, func(t *testing.T, r *rig) {
		r.putPolicy(strings.Replace(promisePolicy, "{system_id: any,", "{system_id: any, binds: 100,", 1))
		pass(time.Second)
		committed, commit := r.gate()
		r.node.decide(func(cmd store.Command) fate {
			if _, ok := cmd.(*store.Accept); ok {
				<-committed
			}
			return applied
		})
		before := heap()
		f := r.flood(sessions, n)
		pass(3 * time.Second)
		if held := r.batcher.queue.octets.Load(); held > limit || held < limit/2 {
			t.Errorf("%d octets are held, want nearly %d", held, limit)
		}
		if grown := heap() - before; grown > 4<<20 { // all of it would be more than 10 MiB
			t.Errorf("the heap has grown by %d KiB", grown>>10)
		}
		if got := r.Congestion(); got < 95 {
			t.Errorf("congestion is %d, want nearly 100", got)
		}
		if got := f.answered(); got != 0 {
			t.Errorf("%d answers before anything was committed", got)
		}
		commit()
		f.done.Wait()
		if got := f.statuses[smpp.StatusOK]; got != sessions*n {
			t.Errorf("answers: %v, want ESME_ROK for all %d", f.statuses, sessions*n)
		}
		pass(time.Second)
		if held, busy := r.batcher.queue.octets.Load(), r.Congestion(); held != 0 || busy != 0 {
			t.Errorf("after the flood %d octets are held, congestion is %d", held, busy)
		}
	}, func(c *Config) { c.QueueOctets, c.Paused = limit, true })
}

func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// TestStalledClusterIsAnswered: when nothing can be committed every submit that was read is refused in
// time, as trouble that passes: those in a group, those that wait for one, those that wait for room.
func TestStalledClusterIsAnswered(t *testing.T) {
	const sessions, n = 20, 5
	inRig(t, func(t *testing.T, r *rig) {
		r.putPolicy(strings.Replace(promisePolicy, "{system_id: any,", "{system_id: any, binds: 100,", 1))
		pass(time.Second)
		r.node.decide(func(cmd store.Command) fate {
			if _, ok := cmd.(*store.Accept); ok {
				return refused
			}
			return applied
		})
		f := r.flood(sessions, n)
		pass(acceptPatience - time.Second)
		if got := f.answered(); got != 0 {
			t.Errorf("%d answers before the patience is over", got)
		}
		pass(2 * time.Second)
		first := f.answered()
		if first < sessions+n {
			t.Errorf("%d answers after the patience, want all that had been read", first)
		}
		pass(2*acceptPatience + time.Second) // what could be read then, some of it in a late group
		if got := f.answered(); got != sessions*n {
			t.Errorf("%d answers, want %d", got, sessions*n)
		}
		f.done.Wait()
		if f.statuses[smpp.StatusSysErr] == 0 || f.statuses[smpp.StatusMsgQFul] == 0 || len(f.statuses) != 2 {
			t.Errorf("answers: %v, want ESME_RSYSERR and ESME_RMSGQFUL", f.statuses)
		}
		if got := r.stored(); got != 0 {
			t.Errorf("%d messages in the store of which an error was answered", got)
		}
		pass(time.Second)
		if held := r.batcher.queue.octets.Load(); held != 0 {
			t.Errorf("%d octets are held of submissions that were answered", held)
		}
	}, func(c *Config) { c.QueueOctets = 256 << 10 })
}

// TestFloodTakesItsTurn: a session that floods a full queue does not keep another one's submit out.
func TestFloodTakesItsTurn(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.node.decide(func(cmd store.Command) fate {
			if _, ok := cmd.(*store.Accept); ok {
				time.Sleep(10 * time.Millisecond)
			}
			return applied
		})
		f := r.flood(1, 300)
		quiet := r.bind("keep", smpp.Transmitter)
		pass(100 * time.Millisecond)
		before := f.answered()
		quiet.accepted("hello")
		if got := f.answered() - before; got > 30 {
			t.Errorf("%d submits of a flood were answered before another session's only one", got)
		}
		f.done.Wait()
	}, func(c *Config) { c.QueueOctets, c.Paused = 16<<10, true })
}

// TestStopWithReadersOutside: readers that wait for room end when the bridge does, and so do sessions
// whose ESME has gone meanwhile.
func TestStopWithReadersOutside(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		committed, commit := r.gate()
		r.node.decide(func(cmd store.Command) fate {
			if _, ok := cmd.(*store.Accept); ok {
				<-committed
			}
			return applied
		})
		inside, gone, waits := r.bind("single", smpp.Transmitter), r.bind("any", smpp.Transmitter), r.bind("keep", smpp.Transmitter)
		for range 3 { // two groups in flight, and one that waits for the third
			inside.submit("hello")
			pass(100 * time.Millisecond)
		}
		for _, e := range []*esme{gone, waits} {
			go func() { // the pipe has no buffer: what is not read is not written
				for i := range uint32(12) {
					_, _ = e.Conn().Write(smpp.Append(nil, smpp.StatusOK, 100+i, submitSM(strings.Repeat("x", 100))))
				}
			}()
		}
		pass(time.Second)
		if in, out := r.batcher.queue.listed(); in < 2 || out != 2 {
			t.Fatalf("%d submissions wait for their group and %d for room, want some and 2", in, out)
		}
		gone.Close()
		pass(time.Second)
		stopped := make(chan struct{})
		go func() { r.stopRun(); close(stopped) }()
		pass(time.Second)
		before := time.Now()
		expectClosedUnanswered(t, waits)
		commit()
		for range 2 { // what was in a group is answered
			inside.number()
		}
		expectClosedUnanswered(t, inside)
		await(t, "the end of Run", stopped)
		if took := time.Since(before); took > 5*time.Second {
			t.Errorf("the sessions were closed after %v: nobody but their time-outs did it", took)
		}
	}, func(c *Config) { c.QueueOctets = 16 << 10 })
}

// listed is how many submissions wait for their group, and how many readers for room.
func (q *queue) listed() (in, out int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting.length, len(q.outside)
}

// TestSubmissionWeighsEnough: what a submission counts for is not less than what it holds.
func TestSubmissionWeighsEnough(t *testing.T) {
	const n = 10_000
	list := make([]*submission, n)
	acct := compile1(t, fieldPolicy, "any")
	var octets int64
	before := heap()
	for i := range list {
		var m smpp.SubmitSM // as a session decodes it: all strings in one
		body := submitSM(fmt.Sprintf("%0100d", i)).AppendBody(nil)
		if err := m.Decode(body); err != nil {
			t.Fatal(err)
		}
		s := &submission{pdu: m}
		var err error
		if s.message, err = acct.decide(&m, fieldNow); err != nil {
			t.Fatal(err)
		}
		s.weigh()
		octets += s.octets
		list[i] = s
	}
	if grown := int64(heap() - before); grown > octets {
		t.Errorf("%d octets for %d that are counted", grown, octets)
	}
	runtime.KeepAlive(list)
}
