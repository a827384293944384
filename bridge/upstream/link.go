package upstream

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"smppbridge/smpp"
)

// Timing and bounds of a link.
const (
	writeWithin  = 5 * time.Second  // a centre that does not read is cut
	answerWithin = 10 * time.Second // to enquire_link; and what a centre that unbinds may take for its last answers
	unbindWithin = time.Second
	tickEvery    = 500 * time.Millisecond
	lateMost     = 4096 // submits that were given up, whose answers are still waited for
	lastSequence = 0x7FFFFFFF
)

var (
	errBroken = errors.New("connection is closed")
	errSilent = errors.New("enquire_link not answered")
	errLeft   = errors.New("the message centre has unbound")
)

// link is one connection that is bound. One goroutine reads, one commits what was delivered (deliver.go); both end with the
// connection. Writes are made by whoever has something to write, each PDU by one call: so a write that fails short of the
// PDU's end tells that the centre surely has not got it.
type link struct {
	r      *route
	conn   net.Conn
	frames *smpp.Reader // touched by bind, then by the reader only
	centre string       // system_id of the centre

	ended      chan struct{} // closed when the reader has ended: no answer comes any more
	idle       chan struct{} // capacity 1: the last user of a link that is left has gone
	deliveries chan delivery // closed by the reader
	heard      atomic.Int64  // Unix ns of the last PDU
	asked      time.Time     // touched by serve only; when enquire_link was sent that is not answered; zero = none

	writing sync.Mutex // held while a PDU is written
	broken  error      // guarded by writing; why nothing is written any more

	mu      sync.Mutex
	seq     uint32              // guarded by mu
	pending map[uint32]*pending // guarded by mu; by sequence_number
	late    int                 // guarded by mu; of pending, those that nobody waits for
	users   int                 // guarded by mu; calls under way
	leaving time.Time           // guarded by mu; since when no call may begin; zero = they may
}

// pending is a request of ours that is not answered.
type pending struct {
	answered chan response  // capacity 1
	late     func(response) // guarded by link.mu; set when nobody waits for it any more
}

// response is the answer to a submit_sm.
type response struct {
	status smpp.Status
	id     string // as the centre spells it; empty where the answer cannot be read
}

func newLink(r *route, conn net.Conn) *link {
	l := &link{r: r, conn: conn, frames: smpp.NewReader(conn, smpp.MaxPDU), ended: make(chan struct{}),
		idle: make(chan struct{}, 1), deliveries: make(chan delivery, deliveriesMost), pending: make(map[uint32]*pending)}
	l.heard.Store(time.Now().UnixNano())
	return l
}

// serve runs the link until the connection ends, or ctx does: then it waits for the answers to calls under way, and unbinds.
func (l *link) serve(ctx context.Context) error {
	var work sync.WaitGroup
	defer work.Wait()
	var why error
	work.Go(func() { // ends with the connection
		defer close(l.ended)
		defer close(l.deliveries)
		why = l.read()
		l.close(why)
	})
	work.Go(func() { l.deliver(context.WithoutCancel(ctx)) }) // ends when deliveries is closed
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.ended:
			return why
		case <-ctx.Done():
			l.unbind()
			<-l.ended
			return ctx.Err()
		case <-tick.C:
			if err := l.keepAlive(time.Now()); err != nil {
				l.close(err)
				<-l.ended
				return err
			}
		}
	}
}

// keepAlive asks a silent centre whether it is there, and says why the connection is to be closed.
func (l *link) keepAlive(now time.Time) error {
	l.mu.Lock()
	left, users := l.leaving, l.users
	l.mu.Unlock()
	if !left.IsZero() && (users == 0 || now.Sub(left) >= answerWithin) {
		return errLeft
	}
	heard := time.Unix(0, l.heard.Load())
	switch {
	case !l.asked.IsZero() && !heard.Before(l.asked):
		l.asked = time.Time{}
	case !l.asked.IsZero() && now.Sub(l.asked) >= answerWithin:
		return errSilent
	}
	if l.asked.IsZero() && now.Sub(heard) >= l.r.SMPP.EnquireLink.Std() {
		l.asked = now
		return l.write(time.Time{}, smpp.Append(nil, smpp.StatusOK, l.next(), new(smpp.EnquireLink)))
	}
	return nil
}

// unbind lets calls under way end, unbinds (SMPP 3.4, 4.2) and closes the connection.
func (l *link) unbind() {
	waiting := time.NewTimer(l.r.Timeout + partsWithin)
	defer waiting.Stop()
	if l.leave() > 0 {
		select {
		case <-l.idle:
		case <-l.ended:
		case <-waiting.C:
		}
	}
	l.exchange(new(smpp.Unbind), request{within: unbindWithin})
	l.close(errBroken)
}

// leave bars new calls, and returns how many are under way.
func (l *link) leave() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leaving.IsZero() {
		l.leaving = time.Now()
	}
	return l.users
}

// use claims the link for a call; it is false if none may begin.
func (l *link) use() bool {
	select {
	case <-l.ended:
		return false
	default:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.leaving.IsZero() {
		return false
	}
	l.users++
	return true
}

// release gives back what use claimed.
func (l *link) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users--; l.users == 0 && !l.leaving.IsZero() {
		select {
		case l.idle <- struct{}{}:
		default:
		}
	}
}

// close closes the connection: the reader ends, and with it the link.
func (l *link) close(why error) {
	l.conn.Close() // first: a write may be under way
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.broken == nil {
		l.broken = why
	}
}

// errUnwritten is returned by write for a PDU that the centre surely has not got.
type errUnwritten struct{ error }

// Unwrap returns why.
func (e errUnwritten) Unwrap() error { return e.error }

// errTooLate says that the time for a PDU was over before anything of it was written.
var errTooLate = errors.New("too late to begin")

// write writes a PDU, unless it is later than before, if that is not zero.
func (l *link) write(before time.Time, b []byte) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.broken != nil {
		return errUnwritten{l.broken}
	}
	now := time.Now()
	if err := l.conn.SetWriteDeadline(now.Add(writeWithin)); err != nil {
		l.broken = err
		return errUnwritten{err}
	}
	if !before.IsZero() && now.After(before) {
		return errUnwritten{errTooLate}
	}
	n, err := l.conn.Write(b)
	if err == nil {
		return nil
	}
	// What follows half a PDU cannot be read.
	l.broken = err
	l.conn.Close()
	if n < len(b) {
		return errUnwritten{err}
	}
	return err
}
