package main

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"smppbridge/smpp"
)

// pulseEvery is how often the healthy ESME submits.
const pulseEvery = 10 * time.Millisecond

// pulse is the healthy ESME: on one connection, which it keeps, it submits at a steady rate whether it is
// answered or not, takes its receipts, and notes how long each answer took from when its submit was due.
type pulse struct {
	conn    net.Conn
	halt    chan struct{}  // closed to end submitting
	done    sync.WaitGroup // submitter and reader
	writing sync.Mutex     // held for a write to conn

	mu       sync.Mutex
	due      map[uint32]time.Time // guarded by mu; unanswered submits
	took     []time.Duration      // guarded by mu; in the order of the answers
	accepted map[string]bool      // guarded by mu; by message_id: whether its receipt has come
	owed     int                  // guarded by mu; receipts that have not come
	faults   []string             // guarded by mu
	closing  bool                 // guarded by mu; the end of the connection is our own
}

func startPulse(t *testing.T, addr string) *pulse {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	p := &pulse{conn: conn, halt: make(chan struct{}), due: make(map[uint32]time.Time), accepted: make(map[string]bool)}
	r := smpp.NewReader(conn, smpp.MaxPDU)
	p.send(0, 1, &smpp.Bind{Type: smpp.Transceiver, SystemID: "healthy", Password: password, InterfaceVersion: 0x34})
	if h, _, err := r.Next(); err != nil || h.Status != smpp.StatusOK {
		t.Fatalf("bind: %v %v", h.Status, err)
	}
	p.done.Go(p.submit)
	p.done.Go(func() { p.read(r) })
	t.Cleanup(p.end)
	return p
}

func (p *pulse) send(st smpp.Status, seq uint32, pdu smpp.PDU) {
	p.writing.Lock()
	defer p.writing.Unlock()
	if _, err := p.conn.Write(smpp.Append(nil, st, seq, pdu)); err != nil {
		p.fault(fmt.Sprintf("write: %v", err))
	}
}

func (p *pulse) fault(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closing {
		p.faults = append(p.faults, what)
	}
}

func (p *pulse) submit() {
	ticker := time.NewTicker(pulseEvery)
	defer ticker.Stop()
	due, seq := time.Now(), uint32(1)
	for {
		select {
		case <-ticker.C:
		case <-p.halt:
			return
		}
		// After a pause of this process the submits that were due are made up for, each with its own delay:
		// a pause of the node must not hide them.
		for ; !due.After(time.Now()); due = due.Add(pulseEvery) {
			seq++
			p.mu.Lock()
			p.due[seq] = due
			p.mu.Unlock()
			p.send(0, seq, &smpp.SubmitSM{
				SourceAddr: "1069", DestinationAddr: fmt.Sprintf("138%08d", seq), ShortMessage: "private pulse",
				RegisteredDelivery: smpp.RegisteredDeliveryAlways,
			})
		}
	}
}

func (p *pulse) read(r *smpp.Reader) {
	for {
		h, body, err := r.Next()
		if err != nil {
			p.fault(fmt.Sprintf("read: %v", err))
			return
		}
		switch h.ID {
		case smpp.SubmitSMRespID:
			p.answered(h, strings.TrimRight(string(body), "\x00"))
		case smpp.DeliverSMID:
			p.receipt(body)
			p.send(0, h.Sequence, &smpp.DeliverSMResp{})
		case smpp.EnquireLinkID:
			p.send(0, h.Sequence, &smpp.EnquireLinkResp{})
		default:
			p.fault("got " + h.ID.String())
		}
	}
}

func (p *pulse) answered(h smpp.Header, id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	due, ok := p.due[h.Sequence]
	if !ok || h.Status != smpp.StatusOK {
		p.faults = append(p.faults, fmt.Sprintf("submit_sm_resp %v, expected %v", h.Status, ok))
		return
	}
	delete(p.due, h.Sequence)
	p.took = append(p.took, time.Since(due))
	p.accepted[id] = false
	p.owed++
}

func (p *pulse) receipt(body []byte) {
	var m smpp.DeliverSM
	r, err := smpp.Receipt{}, m.Decode(body)
	if err == nil {
		r, err = smpp.ParseReceipt(m.ShortMessage, time.UTC)
	}
	if err != nil || r.State != smpp.StateDelivered {
		p.fault(fmt.Sprintf("receipt of state %v: %v", r.State, err))
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	came, ok := p.accepted[r.MessageID]
	switch {
	case !ok:
		p.faults = append(p.faults, "a receipt came before its submit_sm_resp")
	case !came: // one that comes twice is allowed
		p.accepted[r.MessageID] = true
		p.owed--
	}
}

// stop ends submitting and waits for what is open: every submit must have its answer, every message its receipt. On a
// busy machine much of what floods have left is sent first, so that there is time as long as receipts come, up to a point.
func (p *pulse) stop(t *testing.T) {
	t.Helper()
	close(p.halt)
	open := func() int {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.due) + p.owed
	}
	left, moved := open(), time.Now()
	deadline := moved.Add(5 * time.Minute)
	for left > 0 && time.Since(moved) < 20*time.Second && time.Now().Before(deadline) {
		wait(t, t.Context(), 10*time.Millisecond)
		if n := open(); n < left {
			left, moved = n, time.Now()
		}
	}
	if n := open(); n > 0 {
		t.Errorf("healthy session: %d answers or receipts are missing", n)
	}
	p.end()
	p.check(t)
}

// end closes the connection and waits for the goroutines.
func (p *pulse) end() {
	p.mu.Lock()
	p.closing = true
	p.mu.Unlock()
	select {
	case <-p.halt:
	default:
		close(p.halt)
	}
	p.conn.Close()
	p.done.Wait()
}

// check fails the test if the healthy session was harmed in other ways than by time.
func (p *pulse) check(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.faults) > 0 {
		t.Errorf("healthy session: %d faults, the first: %s", len(p.faults), p.faults[0])
	}
	p.faults = nil
}

// count is how many answers there have been.
func (p *pulse) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.took)
}

// await waits for n more answers.
func (p *pulse) await(t *testing.T, n int) {
	t.Helper()
	for from := p.count(); p.count() < from+n; {
		wait(t, t.Context(), pulseEvery)
		p.check(t)
		if t.Failed() {
			t.FailNow()
		}
	}
}

// since returns the times from answer number from on, the shortest first. What is unanswered counts as
// long as it has waited.
func (p *pulse) since(from int) []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := slices.Clone(p.took[from:])
	for _, due := range p.due {
		list = append(list, time.Since(due))
	}
	slices.Sort(list)
	return list
}

func (p *pulse) p99(from int) time.Duration {
	list := p.since(from)
	return list[min(len(list)*99/100, len(list)-1)]
}

func (p *pulse) slowest(from int) time.Duration {
	list := p.since(from)
	if len(list) == 0 {
		return 0
	}
	return list[len(list)-1]
}
