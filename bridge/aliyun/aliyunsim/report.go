package aliyunsim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// timeFormat is how the API spells times, which are those of UTC+8.
const timeFormat = "2006-01-02 15:04:05"

// beijing returns t such that formatting it gives the time at UTC+8.
func beijing(t time.Time) time.Time { return t.UTC().Add(8 * time.Hour) }

// A report tells what became of one message.
type report struct {
	*record
	seq     int64 // in the ledger
	noOutID bool
}

// A batch is what one POST carries.
type batch struct {
	reports []report
	tries   int
}

// A pusher pushes reports when their time has come. One goroutine, run, watches the time and gathers batches;
// a few workers post them. A refused batch comes back to run's queue.
type pusher struct {
	cfg    ReportConfig
	client *http.Client
	ledger *ledger
	log    *slog.Logger
	url    atomic.Pointer[string]
	wake   chan struct{} // run has a new first time to wait for
	// enqueue puts a report into its account's queue; false: it has none.
	enqueue func(report) bool
	counts  pushCounts

	mu       sync.Mutex
	pending  queue[report] // guarded by mu
	retries  queue[batch]  // guarded by mu
	withheld []report      // guarded by mu
}

type pushCounts struct{ pushed, posts, failed, retried, lost atomic.Int64 }

func newPusher(cfg Config, l *ledger) *pusher {
	transport := cfg.Transport
	if transport == nil {
		transport = &http.Transport{MaxIdleConnsPerHost: cfg.Reports.Workers}
	}
	p := &pusher{cfg: cfg.Reports, ledger: l, log: cfg.Log, wake: make(chan struct{}, 1),
		client: &http.Client{Transport: transport, Timeout: cfg.Reports.Timeout}}
	p.setURL(cfg.ReportURL)
	return p
}

func (p *pusher) setURL(url string) { p.url.Store(&url) }

// enabled reports whether there is somebody to push to.
func (p *pusher) enabled() bool { return *p.url.Load() != "" }

// add schedules r.
func (p *pusher) add(r report, delay time.Duration) {
	p.mu.Lock()
	first := p.pending.push(time.Now().Add(delay), r)
	p.mu.Unlock()
	if first {
		p.poke()
	}
}

func (p *pusher) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// withhold keeps r until release.
func (p *pusher) withhold(r report) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.withheld = append(p.withheld, r)
}

// release schedules what was withheld, at once, and says how many reports that were.
func (p *pusher) release() int {
	p.mu.Lock()
	released := p.withheld
	p.withheld = nil
	p.mu.Unlock()
	for i := range released {
		p.ledger.setState(released[i].seq, StatePending) // before a worker can say that it is pushed
		p.add(released[i], 0)
	}
	return len(released)
}

// waiting counts the reports that have yet to be pushed.
func (p *pusher) waiting() (pending, withheld int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pending = len(p.pending.items)
	for i := range p.retries.items {
		pending += len(p.retries.items[i].it.reports)
	}
	return pending, len(p.withheld)
}

// run pushes reports until ctx ends, and returns when its workers have.
func (p *pusher) run(ctx context.Context) {
	out := make(chan batch)
	var workers sync.WaitGroup
	for range p.cfg.Workers {
		workers.Go(func() {
			for b := range out {
				p.post(ctx, b)
			}
		})
	}
	p.gather(ctx, out)
	close(out)
	workers.Wait()
	p.client.CloseIdleConnections()
}

// gather hands batches to out as they become full, or old enough, or due again, until ctx ends.
func (p *pusher) gather(ctx context.Context, out chan<- batch) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var open batch
	var flushAt time.Time
	for {
		now := time.Now()
		ready, next := p.collect(&open, now)
		switch {
		case len(open.reports) == 0:
			flushAt = time.Time{}
		case flushAt.IsZero():
			flushAt = now.Add(p.cfg.Window)
		}
		if len(open.reports) >= p.cfg.Batch || !flushAt.IsZero() && !flushAt.After(now) {
			ready = append(ready, open)
			open, flushAt = batch{}, time.Time{}
			next = now // there may be more
		}
		for _, b := range ready {
			select {
			case out <- b:
			case <-ctx.Done():
				return
			}
		}
		timer.Reset(pause(now, next, flushAt))
		select {
		case <-timer.C:
		case <-p.wake:
		case <-ctx.Done():
			return
		}
	}
}

// pause is how long nothing happens by itself: until the earlier of two times that may be zero.
func pause(now, a, b time.Time) time.Duration {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		a = b
	}
	if a.IsZero() {
		return time.Hour
	}
	return a.Sub(now)
}

// collect fills open with reports whose time has come, and returns the batches to be tried again and
// the next time at which there is something.
func (p *pusher) collect(open *batch, now time.Time) (again []batch, next time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(open.reports) < p.cfg.Batch {
		r, at, ok := p.pending.due(now)
		if !ok {
			next = at
			break
		}
		if p.enqueue(r) {
			continue
		}
		open.reports = append(open.reports, r)
	}
	for {
		b, at, ok := p.retries.due(now)
		if !ok {
			if next.IsZero() || !at.IsZero() && at.Before(next) {
				next = at
			}
			return again, next
		}
		again = append(again, b)
	}
}

// post pushes b once, and sees to what follows from the answer.
func (p *pusher) post(ctx context.Context, b batch) {
	url := *p.url.Load()
	if url == "" {
		p.mark(b, StateNone)
		return
	}
	p.counts.posts.Add(1)
	err := postJSON(ctx, p.client, url, appendReports(nil, b.reports))
	switch {
	case err == nil:
		p.counts.pushed.Add(int64(len(b.reports)))
		p.mark(b, StatePushed)
	case ctx.Err() != nil: // we are stopping; the reports stay pending for whoever reads the ledger
	case b.tries >= len(p.cfg.Retries):
		p.counts.failed.Add(1)
		p.counts.lost.Add(int64(len(b.reports)))
		p.mark(b, StateLost)
		p.log.WarnContext(ctx, "reports dropped after the last retry", "count", len(b.reports), "err", err)
	default:
		p.counts.failed.Add(1)
		p.counts.retried.Add(1)
		wait := p.cfg.Retries[b.tries]
		b.tries++
		p.mu.Lock()
		p.retries.push(time.Now().Add(wait), b)
		p.mu.Unlock()
		p.poke()
	}
}

func (p *pusher) mark(b batch, state State) {
	for i := range b.reports {
		p.ledger.setState(b.reports[i].seq, state)
	}
}

var errRefused = errors.New("push refused")

// postJSON pushes once. Taken means HTTP status 200 and a JSON body whose code is a number. The URL,
// which holds a secret, is in no error.
func postJSON(ctx context.Context, client *http.Client, url string, pushed []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(pushed))
	if err != nil {
		return fmt.Errorf("%w: the URL cannot be parsed", errRefused)
	}
	req.Header.Set("Content-Type", "application/json;charset=UTF-8")
	res, err := client.Do(req)
	if err != nil {
		if inner := errors.Unwrap(err); inner != nil { // *url.Error names the URL
			err = inner
		}
		return err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<16))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: HTTP status %d", errRefused, res.StatusCode)
	}
	var answer struct {
		Code *float64 `json:"code"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Code == nil {
		return fmt.Errorf("%w: code is not a number", errRefused)
	}
	return nil
}

// appendReports appends the JSON array that the API pushes.
func appendReports(b []byte, list []report) []byte {
	b = append(b, '[')
	for i := range list {
		r := &list[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"phone_number":"`...)
		b = strconv.AppendUint(b, uint64(r.phone), 10)
		b = append(b, `","send_time":"`...)
		b = beijing(time.UnixMilli(r.at)).AppendFormat(b, timeFormat)
		b = append(b, `","report_time":"`...)
		b = beijing(time.UnixMilli(r.due)).AppendFormat(b, timeFormat)
		b = append(b, `","success":`...)
		b = strconv.AppendBool(b, r.errCode == codeDelivered)
		b = append(b, `,"err_code":`...)
		b = appendJSON(b, r.errCode)
		b = append(b, `,"err_msg":`...)
		b = appendJSON(b, errMessage(r.errCode))
		b = append(b, `,"sms_size":"`...)
		b = strconv.AppendUint(b, uint64(r.parts), 10)
		b = append(b, `","biz_id":"`...)
		b = strconv.AppendInt(b, r.biz, 10)
		b = append(b, `^0"`...)
		if r.outID != "" && !r.noOutID {
			b = append(b, `,"out_id":`...)
			b = appendJSON(b, r.outID)
		}
		b = append(b, '}')
	}
	return append(b, ']')
}
