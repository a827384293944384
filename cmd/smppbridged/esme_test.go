package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"smppbridge/smpp"
)

// fleet is what the ESMEs of one account were told. A receipt may come over any of their binds.
type fleet struct {
	addr, account string
	window        int
	text          func(n int) string // of message n
	dest          func(n int) string

	mu       sync.Mutex
	stopped  bool                // guarded by mu; submit no more
	next     int                 // guarded by mu; number of the next message
	accepted map[int]string      // guarded by mu; number -> message_id of ESME_ROK
	byID     map[string]*esme    // guarded by mu; message_id -> who submitted it
	refused  map[int]smpp.Status // guarded by mu
	unknown  map[int]bool        // guarded by mu; connection ended before the answer
	receipts map[string]int      // guarded by mu; message_id -> deliver_sm seen
	stats    map[string]string   // guarded by mu; message_id -> stat of the last receipt
	early    map[string]*esme    // guarded by mu; receipts that came before their submit_sm_resp, and to whom
}

func newFleet(addr, account string, window int) *fleet {
	return &fleet{
		addr: addr, account: account, window: window,
		text:     func(n int) string { return fmt.Sprintf("message %06d", n) },
		dest:     func(n int) string { return fmt.Sprintf("139%08d", n) },
		accepted: make(map[int]string), byID: make(map[string]*esme), refused: make(map[int]smpp.Status),
		unknown: make(map[int]bool), receipts: make(map[string]int), stats: make(map[string]string),
		early: make(map[string]*esme),
	}
}

// stop ends submitting; receipts are still taken.
func (f *fleet) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = true
}

// missing returns the accepted messages without a receipt.
func (f *fleet) missing() (list []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range f.accepted {
		if f.receipts[id] == 0 {
			list = append(list, id)
		}
	}
	return list
}

// esme is an ESME that goes on across restarts of the node: it binds again whenever its connection
// ends, submits numbered messages, and notes what it was told about each.
type esme struct{ *fleet }

// run binds and submits until ctx ends, again and again.
func (e *esme) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := e.session(ctx); err != nil && ctx.Err() == nil {
			select {
			case <-time.After(10 * time.Millisecond): // the node is being restarted
			case <-ctx.Done():
			}
		}
	}
}

// session is one connection, from bind to its end.
func (e *esme) session(ctx context.Context) error {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", e.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	bind := &smpp.Bind{Type: smpp.Transceiver, SystemID: e.account, Password: "secret", InterfaceVersion: 0x34}
	if _, err := conn.Write(smpp.Append(nil, smpp.StatusOK, 1, bind)); err != nil {
		return err
	}
	r := smpp.NewReader(conn, smpp.MaxPDU)
	h, _, err := r.Next()
	if err != nil || h.Status != smpp.StatusOK {
		return fmt.Errorf("bind: %v %w", h.Status, err)
	}
	pending := make(map[uint32]int) // sequence_number -> message
	defer func() {
		e.mu.Lock()
		for _, n := range pending {
			e.unknown[n] = true
		}
		e.mu.Unlock()
	}()
	seq := uint32(1)
	out := e.fill(nil, &seq, pending)
	for {
		if len(out) > 0 {
			if _, err := conn.Write(out); err != nil {
				return err
			}
			out = out[:0]
		}
		// Answers and receipts that are there already are taken before the next write.
		for first := true; first || r.Buffered() > 0; first = false {
			h, body, err := r.Next()
			if err != nil {
				return err
			}
			out = e.handle(out, h, body, pending)
		}
		out = e.fill(out, &seq, pending)
	}
}

// fill submits as many messages as the window allows.
func (e *esme) fill(out []byte, seq *uint32, pending map[uint32]int) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	for !e.stopped && len(pending) < e.window {
		*seq++
		pending[*seq] = e.next
		out = smpp.Append(out, smpp.StatusOK, *seq, &smpp.SubmitSM{
			SourceAddr: "1069", DestinationAddr: e.dest(e.next),
			RegisteredDelivery: smpp.RegisteredDeliveryAlways, ShortMessage: e.text(e.next),
		})
		e.next++
	}
	return out
}

func (e *esme) handle(out []byte, h smpp.Header, body []byte, pending map[uint32]int) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch h.ID {
	case smpp.SubmitSMRespID:
		n := pending[h.Sequence]
		delete(pending, h.Sequence)
		if h.Status != smpp.StatusOK {
			e.refused[n] = h.Status
			break
		}
		id := strings.TrimRight(string(body), "\x00")
		e.accepted[n], e.byID[id] = id, e
	case smpp.DeliverSMID:
		var m smpp.DeliverSM
		if m.Decode(body) == nil {
			if r, err := smpp.ParseReceipt(m.ShortMessage, time.UTC); err == nil {
				e.receipts[r.MessageID]++
				e.stats[r.MessageID] = r.State.String()
				if _, ok := e.byID[r.MessageID]; !ok {
					e.early[r.MessageID] = e
				}
			}
		}
		out = smpp.Append(out, smpp.StatusOK, h.Sequence, &smpp.DeliverSMResp{})
	case smpp.EnquireLinkID:
		out = smpp.Append(out, smpp.StatusOK, h.Sequence, &smpp.EnquireLinkResp{})
	}
	return out
}
