package aliyun

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"smppbridge/bridge"
)

// Defaults of Queue.
const (
	// DefaultQueueEndpoint is the message service that has the queues of accounts of the Chinese mainland.
	DefaultQueueEndpoint = "1943695596114318.mns.cn-hangzhou.aliyuncs.com"
	// DefaultTokenEndpoint gives the keys for them.
	DefaultTokenEndpoint = "dybaseapi.aliyuncs.com"
	// DefaultReceivers is how many requests wait at a queue.
	DefaultReceivers = 8
)

// A Queue is where an account's reports and incoming messages are read, when they are not pushed.
type Queue struct {
	Name          string // what metrics and logs call it
	Endpoint      string // host[:port] of the message service; empty: DefaultQueueEndpoint
	TokenEndpoint string // host[:port] of Dybaseapi; empty: DefaultTokenEndpoint
	Plain         bool   // HTTP instead of HTTPS: for simulators
	Credentials   Credentials
	Reports       string // name of the queue of reports; empty: none
	Incoming      string // and of that of incoming messages
	Receivers     int    // of each; 0 = DefaultReceivers
}

// Queues reads message queues: what it receives it hands over, and deletes it once that is committed. What is not
// deleted comes again, so that everything is handed over at least once.
type Queues struct {
	log     *slog.Logger
	now     func() time.Time
	metrics *queueMetrics

	mu      sync.Mutex
	readers []*queueReader // guarded by mu
	changed chan struct{}  // guarded by mu; closed when readers are replaced
}

// NewQueues makes Queues, without any yet. log and reg may be nil.
func NewQueues(log *slog.Logger, reg prometheus.Registerer) (*Queues, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	m, err := newQueueMetrics(reg)
	if err != nil {
		return nil, fmt.Errorf("aliyun: metrics of queues: %w", err)
	}
	return &Queues{log: log, now: time.Now, metrics: m, changed: make(chan struct{})}, nil
}

// Set replaces all queues. When it returns an error nothing has changed.
func (q *Queues) Set(list []Queue) error {
	var readers []*queueReader
	var names []string
	for i := range list {
		if slices.Contains(names, list[i].Name) {
			return fmt.Errorf("aliyun: queue %q is named twice", list[i].Name)
		}
		names = append(names, list[i].Name)
		more, err := q.newReaders(list[i])
		if err != nil {
			return fmt.Errorf("aliyun: queue %q: %w", list[i].Name, err)
		}
		readers = append(readers, more...)
	}
	for _, r := range readers {
		q.metrics.add(r.name, r.kind)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.readers = readers
	close(q.changed)
	q.changed = make(chan struct{})
	return nil
}

// newReaders makes a reader for each of the two queues that there are.
func (q *Queues) newReaders(cfg Queue) (list []*queueReader, err error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	service := &url.URL{Scheme: cfg.scheme(), Host: cfg.Endpoint, Path: "/"}
	tokens := &url.URL{Scheme: cfg.scheme(), Host: cfg.TokenEndpoint, Path: "/"}
	proxy, err := proxyFor(service)
	if err != nil {
		return nil, err
	}
	tokenProxy, err := proxyFor(tokens)
	if err != nil {
		return nil, err
	}
	for _, of := range []struct{ kind, queue string }{{queueOfReports, cfg.Reports}, {queueOfIncoming, cfg.Incoming}} {
		if of.queue == "" {
			continue
		}
		r := &queueReader{
			name: cfg.Name, kind: of.kind, receivers: cfg.Receivers, now: q.now, metrics: q.metrics,
			log: q.log.With("queue", cfg.Name, "kind", of.kind),
			client: &queueClient{
				url: service.JoinPath("queues", of.queue, "messages"), client: newQueueTransport(proxy, cfg.Receivers), now: q.now,
			},
			token: &queueToken{
				url: tokens, client: newKeysClient(tokenProxy), credentials: cfg.Credentials, kind: of.kind, queue: of.queue, now: q.now,
			},
		}
		r.token.fetched = func(err error) { r.metrics.request(r, requestToken, err) }
		list = append(list, r)
	}
	return list, nil
}

// complete fills in defaults and checks the rest.
func (cfg *Queue) complete() error {
	for _, e := range []struct {
		endpoint *string
		usual    string
	}{{&cfg.Endpoint, DefaultQueueEndpoint}, {&cfg.TokenEndpoint, DefaultTokenEndpoint}} {
		if *e.endpoint == "" {
			*e.endpoint = e.usual
		}
		if u, err := url.Parse("//" + *e.endpoint + "/"); err != nil || u.Host != *e.endpoint || u.Hostname() == "" {
			return errors.New("endpoints must be host or host:port")
		}
	}
	if cfg.Receivers == 0 {
		cfg.Receivers = DefaultReceivers
	}
	switch {
	case cfg.Name == "":
		return errors.New("no name")
	case cfg.Credentials == nil:
		return errors.New("no credentials")
	case cfg.Reports == "" && cfg.Incoming == "":
		return errors.New("neither reports nor incoming messages")
	case cfg.Receivers < 1:
		return errors.New("receivers must be 1 or more")
	}
	return nil
}

func (cfg *Queue) scheme() string {
	if cfg.Plain {
		return "http"
	}
	return "https"
}

// Run reads the queues until ctx ends, and returns when all of its receivers have. It is for the node that leads: several
// nodes at a queue would do no harm, but no good either.
func (q *Queues) Run(ctx context.Context, sink bridge.Sink) error {
	for ctx.Err() == nil {
		q.mu.Lock()
		readers, changed := q.readers, q.changed
		q.mu.Unlock()
		q.readUntil(ctx, changed, readers, sink)
	}
	return ctx.Err()
}

// readUntil has readers read until changed is closed or ctx ends, and waits for them.
func (q *Queues) readUntil(ctx context.Context, changed <-chan struct{}, readers []*queueReader, sink bridge.Sink) {
	ctx, cancel := context.WithCancel(ctx)
	var receivers sync.WaitGroup
	for _, r := range readers {
		for range r.receivers {
			receivers.Go(func() { r.run(ctx, sink) })
		}
	}
	select {
	case <-changed:
	case <-ctx.Done():
	}
	cancel()
	receivers.Wait()
	for _, r := range readers {
		r.client.client.CloseIdleConnections()
	}
}
