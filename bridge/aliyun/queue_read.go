package aliyun

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"smppbridge/bridge"
)

const (
	// badAfter is how often a message that cannot be understood is received before it is deleted: whoever has to find out
	// why has a while to take it out of the queue.
	badAfter = 3
	// firstRest and longestRest are the pauses of a receiver after failures, doubling.
	firstRest   = time.Second
	longestRest = 30 * time.Second
	// soonestRound is the least time between two requests of a receiver that found nothing: a service that does not
	// make it wait must not be asked in a loop.
	soonestRound = time.Second
	// commitWithin is how long a receiver that is to end still tries to have committed what it has received, which any node
	// can propose: it would come again only after the queue has hidden it for a while.
	commitWithin = time.Second
	// deleteWithin is how long it then still tries to delete what was committed.
	deleteWithin = 5 * time.Second
)

// A queueReader reads one queue with several receivers.
type queueReader struct {
	name, kind string
	receivers  int
	client     *queueClient
	token      *queueToken
	log        *slog.Logger
	now        func() time.Time
	metrics    *queueMetrics
	failing    atomic.Bool // the last round of a receiver has failed; said once
}

// run receives until ctx ends.
func (r *queueReader) run(ctx context.Context, sink bridge.Sink) {
	rest := firstRest
	for ctx.Err() == nil {
		began := time.Now()
		received, err := r.round(ctx, sink)
		if ctx.Err() != nil {
			return
		}
		r.say(ctx, err)
		switch {
		case err != nil:
			pauseFor(ctx, rest/2+rand.N(rest/2))
			rest = min(2*rest, longestRest)
			continue
		case received == 0:
			pauseFor(ctx, soonestRound-time.Since(began))
		}
		rest = firstRest
	}
}

// pauseFor waits for d, or until ctx ends.
func pauseFor(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// outlive returns a context that ends some time after ctx, or when it is given up.
func outlive(ctx context.Context, by time.Duration) (longer context.Context, giveUp func()) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { // ends with longer
		pauseFor(longer, by)
		cancel()
	})
	return longer, func() { stop(); cancel() }
}

// say logs that the queue cannot be read, and that it can again.
func (r *queueReader) say(ctx context.Context, err error) {
	switch was := r.failing.Swap(err != nil); {
	case err != nil && !was:
		r.log.WarnContext(ctx, "message queue not read", "err", err)
	case err == nil && was:
		r.log.InfoContext(ctx, "message queue read again")
	}
}

// round receives messages once, hands over what they say, and deletes what is committed.
//
// A crash before the commit: they come again. Between the commit and the deletion: they come again, and are recognised.
func (r *queueReader) round(ctx context.Context, sink bridge.Sink) (received int, err error) {
	keys, err := r.token.keys(ctx)
	if err != nil {
		return 0, err
	}
	list, err := r.client.receive(ctx, keys)
	if ctx.Err() == nil {
		r.metrics.request(r, requestReceive, err)
	}
	if err != nil || len(list) == 0 {
		r.doubt(keys, err)
		return 0, err
	}
	handles, err := r.handOver(ctx, list, sink)
	if len(handles) == 0 {
		return len(list), err
	}
	// What is committed is deleted even if this node has to stop: otherwise it would all come again.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteWithin)
	defer cancel()
	deleteErr := r.client.remove(ending, keys, handles)
	r.metrics.request(r, requestDelete, deleteErr)
	r.doubt(keys, deleteErr)
	return len(list), errors.Join(err, deleteErr)
}

// doubt has other keys fetched if the service does not take these.
func (r *queueReader) doubt(keys Keys, err error) {
	if said := new(refusal); errors.As(err, &said) && (said.status == http.StatusForbidden || said.status == http.StatusUnauthorized) {
		r.token.void(keys)
	}
}

// handOver has committed what messages say, and returns the receipts of those that are done with. Messages that
// cannot be understood hold nobody up: they stay hidden for a while, and are deleted after some tries.
func (r *queueReader) handOver(ctx context.Context, list []queueMessage, sink bridge.Sink) (done []string, err error) {
	var goods goods
	for i := range list {
		m := &list[i]
		switch goods.add(r, m.MessageBody) {
		case bodyGood:
			goods.handles = append(goods.handles, m.ReceiptHandle)
		case bodyPending:
			r.metrics.count(r, reportPending, 1)
			done = append(done, m.ReceiptHandle)
		case bodyBad:
			r.metrics.count(r, reportBad, 1)
			if m.DequeueCount >= badAfter {
				r.metrics.count(r, reportDropped, 1)
				r.log.WarnContext(ctx, "message of the queue deleted, which cannot be understood", "received", m.DequeueCount)
				done = append(done, m.ReceiptHandle)
			}
		}
	}
	if len(goods.handles) == 0 {
		return done, nil
	}
	longer, giveUp := outlive(ctx, commitWithin)
	defer giveUp()
	if err := goods.commit(longer, sink); err != nil {
		r.metrics.count(r, reportRefused, len(goods.handles))
		return done, err
	}
	r.metrics.count(r, reportTaken, len(goods.handles))
	return append(done, goods.handles...), nil
}

// What can be said of a message's body.
type bodyKind uint8

const (
	bodyBad     bodyKind = iota
	bodyPending          // a report that is not final
	bodyGood
)

// goods are the messages of one receipt that can be handed over.
type goods struct {
	reports  []bridge.IncomingReport
	incoming []bridge.IncomingMessage
	handles  []string
}

// add reads a body: one JSON object, in base64, with the fields of a push.
func (g *goods) add(r *queueReader, body string) bodyKind {
	text, err := base64.StdEncoding.DecodeString(body)
	if err != nil {
		return bodyBad
	}
	text = bytes.TrimSpace(text)
	if r.kind == queueOfIncoming {
		return g.addIncoming(text)
	}
	var raw pushedReport
	if json.Unmarshal(text, &raw) != nil || !raw.usable() {
		return bodyBad
	}
	report := raw.incoming(r.now)
	if report.Ending == 0 {
		return bodyPending
	}
	g.reports = append(g.reports, report)
	return bodyGood
}

// commit hands over what was gathered, which is all of one kind.
func (g *goods) commit(ctx context.Context, sink bridge.Sink) error {
	if len(g.reports) > 0 {
		return sink.Report(ctx, g.reports)
	}
	return sink.Incoming(ctx, g.incoming)
}

// addIncoming reads an incoming message.
func (g *goods) addIncoming(text []byte) bodyKind {
	var raw pushedMessage
	if json.Unmarshal(text, &raw) != nil || !raw.usable() {
		return bodyBad
	}
	g.incoming = append(g.incoming, raw.incoming())
	return bodyGood
}
