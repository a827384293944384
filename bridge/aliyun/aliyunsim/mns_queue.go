package aliyunsim

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// A QueueConfig says how the message queues behave.
type QueueConfig struct {
	// Visibility is how long a message that was received stays hidden from other receivers; 0 means 30 s.
	Visibility time.Duration
	// TokenFor is how long the keys live that QueryTokenForMnsQueue gives; 0 means an hour.
	TokenFor time.Duration
}

func (c QueueConfig) withDefaults() QueueConfig {
	if c.Visibility == 0 {
		c.Visibility = 30 * time.Second
	}
	if c.TokenFor == 0 {
		c.TokenFor = time.Hour
	}
	return c
}

// A mnsMessage is what lies in a queue until somebody deletes it.
type mnsMessage struct {
	id       string
	body     string // as it travels: base64, unless somebody put something else there
	seq      int64  // in the ledger, of a report; 0: none
	enqueued time.Time
	first    time.Time // when it was received for the first time
	next     time.Time // when it can be received again
	handle   string    // of its last receipt; only this one deletes it
	dequeued int
	gone     bool // deleted
}

// A mnsQueue is a queue of Alibaba Cloud's message service: whoever receives a message hides it for a while, and who
// does not delete it meanwhile receives it again.
type mnsQueue struct {
	name    string
	account *account
	kind    string // SmsReport or SmsUp
	visible time.Duration

	mu       sync.Mutex
	order    queue[*mnsMessage]     // guarded by mu; by the time at which they can be received
	received map[string]*mnsMessage // guarded by mu; by their handles
	last     int                    // guarded by mu; number of the last message and of the last handle
	counts   QueueCounts            // guarded by mu
	changed  chan struct{}          // guarded by mu; closed at the next message
}

// QueueCounts are what became of the messages of a queue.
type QueueCounts struct {
	Put      int64 `json:"put"`
	Received int64 `json:"received"` // every time that one was handed out
	Deleted  int64 `json:"deleted"`
	Left     int64 `json:"left"` // neither deleted; hidden ones among them
}

func newMNSQueue(name, kind string, a *account, visible time.Duration) *mnsQueue {
	return &mnsQueue{name: name, kind: kind, account: a, visible: visible,
		received: map[string]*mnsMessage{}, changed: make(chan struct{})}
}

// put appends a message. body is what travels.
func (q *mnsQueue) put(body string, seq int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	q.last++
	q.counts.Put++
	q.order.push(now, &mnsMessage{id: fmt.Sprintf("MSG-%016X", q.last), body: body, seq: seq, enqueued: now, next: now})
	close(q.changed)
	q.changed = make(chan struct{})
}

// take hands out as many as most messages that are visible, at once. If there are none, next is when there may be
// (zero: at no known time) and changed is closed when one is put.
func (q *mnsQueue) take(most int) (list []mnsMessage, next time.Time, changed <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	for len(list) < most {
		m, at, ok := q.order.due(now)
		if !ok {
			next = at
			break
		}
		if m.gone {
			continue
		}
		delete(q.received, m.handle)
		q.last++
		m.handle = m.id + "-" + strconv.Itoa(q.last)
		q.received[m.handle] = m
		if m.dequeued++; m.dequeued == 1 {
			m.first = now
		}
		m.next = now.Add(q.visible)
		q.order.push(m.next, m)
		q.counts.Received++
		list = append(list, *m)
	}
	return list, next, q.changed
}

// errReceiptHandle says that a handle is not, or no longer, one that deletes.
var errReceiptHandle = errors.New("the receipt handle is not valid")

// remove deletes the message that handle was the last receipt of, and returns its place in the ledger.
func (q *mnsQueue) remove(handle string) (seq int64, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	m := q.received[handle]
	if m == nil || m.gone || !m.next.After(time.Now()) {
		return 0, errReceiptHandle
	}
	m.gone = true
	delete(q.received, handle)
	q.counts.Deleted++
	return m.seq, nil
}

func (q *mnsQueue) count() QueueCounts {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := q.counts
	c.Left = c.Put - c.Deleted
	return c
}

// takeWithin is take for who waits: it returns with nothing when wait is over, ctx ends or Run does.
func (s *Server) takeWithin(ctx context.Context, q *mnsQueue, most int, wait time.Duration) []mnsMessage {
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		list, next, changed := q.take(most)
		if len(list) > 0 || wait <= 0 {
			return list
		}
		if !s.pauseForMessage(ctx, next, changed, deadline.C) {
			return nil
		}
	}
}

// pauseForMessage returns true when it is time to look again.
func (s *Server) pauseForMessage(ctx context.Context, next time.Time, changed <-chan struct{}, deadline <-chan time.Time) bool {
	visible := time.NewTimer(time.Hour)
	defer visible.Stop()
	if !next.IsZero() {
		visible.Reset(time.Until(next))
	}
	select {
	case <-changed:
	case <-visible.C:
	case <-deadline:
		return false
	case <-ctx.Done():
		return false
	case <-s.calls.stop:
		return false
	}
	return true
}

// newQueues makes the queues that the accounts name.
func newQueues(keys map[string]*credential, visible time.Duration) (map[string]*mnsQueue, error) {
	all := map[string]*mnsQueue{}
	seen := map[*account]bool{}
	for _, c := range keys {
		a := c.account
		if seen[a] {
			continue
		}
		seen[a] = true
		for kind, name := range map[string]string{kindReports: a.ReportQueue, kindUp: a.UpQueue} {
			if name == "" {
				continue
			}
			if all[name] != nil {
				return nil, fmt.Errorf("account %q: the queue %q is there twice", a.Name, name)
			}
			all[name] = newMNSQueue(name, kind, a, visible)
		}
	}
	return all, nil
}

// Enqueue puts a message of somebody's making into a queue: the JSON of an incoming message, or what is none.
func (s *Server) Enqueue(queue string, body []byte) error {
	q := s.queues[queue]
	if q == nil {
		return fmt.Errorf("no account has a queue %q", queue)
	}
	q.put(base64.StdEncoding.EncodeToString(body), 0)
	return nil
}

// Queues returns what became of the messages of each queue.
func (s *Server) Queues() map[string]QueueCounts {
	out := make(map[string]QueueCounts, len(s.queues))
	for name, q := range s.queues {
		out[name] = q.count()
	}
	return out
}

// enqueueReport puts a report into its account's queue. It returns false where the account has none.
func (s *Server) enqueueReport(r report) bool {
	q := s.queues[r.account.ReportQueue]
	if q == nil {
		return false
	}
	b := appendReports(nil, []report{r})
	q.put(base64.StdEncoding.EncodeToString(b[1:len(b)-1]), r.seq) // an object, not a list
	return true
}
