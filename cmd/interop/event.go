package main

import (
	"context"
	"sync"
)

// Kinds of event.
const (
	eventBind        = "bind"         // a bind_resp: Status
	eventRefusedBind = "refused_bind" // the answer to a wrong password: Status
	eventResp        = "resp"         // a submit_sm_resp: Name of the message, Status, ID
	eventReceipt     = "receipt"      // a deliver_sm: all but those and State
	eventOperation   = "operation"    // another response: Name of the operation, Status, ID, State, Text
)

// An event is something that a client saw, as its library shows it.
type event struct {
	Event    string `json:"event"`
	Name     string `json:"name"`
	Status   uint32 `json:"status"`
	ID       string `json:"id"`
	ESMClass int    `json:"esm_class"`
	Source   string `json:"source"`
	Dest     string `json:"dest"`
	Text     string `json:"text"`
	TLVID    string `json:"tlv_id"`    // receipted_message_id
	TLVState int    `json:"tlv_state"` // message_state; -1 = the library does not show it
	State    int    `json:"state"`     // of query_sm_resp; of submit_multi_resp no_unsuccess
}

// eventLog gathers the events of one client.
type eventLog struct {
	mu   sync.Mutex
	list []event // guarded by mu
}

func (l *eventLog) add(e event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, e)
}

func (l *eventLog) all() []event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]event(nil), l.list...)
}

// A tracker passes events on and knows which message_ids wait for their receipt.
type tracker struct {
	emit    func(event)
	mu      sync.Mutex
	waiting map[string]bool // guarded by mu; by message_id; false = its receipt has come
	resps   int             // guarded by mu; submit_sm_resp
	changed chan struct{}   // has room for one: something happened
}

func newTracker(emit func(event)) *tracker {
	return &tracker{emit: emit, waiting: map[string]bool{}, changed: make(chan struct{}, 1)}
}

func (t *tracker) add(e event) {
	t.emit(e)
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.Event == eventResp {
		t.resps++
	}
	switch {
	case e.Event == eventResp && e.Status == statusOK:
		if _, came := t.waiting[e.ID]; !came {
			t.waiting[e.ID] = true
		}
	case e.Event == eventReceipt:
		t.waiting[e.TLVID] = false
	}
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// answers is how many submit_sm_resp have come.
func (t *tracker) answers() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.resps
}

// open is how many receipts are missing.
func (t *tracker) open() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, waits := range t.waiting {
		if waits {
			n++
		}
	}
	return n
}

// receipts waits until none is missing. What is missing is reported message by message, by checkMessage.
func (t *tracker) receipts(ctx context.Context) error {
	for t.open() > 0 {
		select {
		case <-t.changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
