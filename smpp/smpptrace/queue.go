package smpptrace

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// A record is one PDU on its way to the file. There is no pointer in it: thousands of them are no work for the
// garbage collector.
type record struct {
	at      int64 // Unix nanoseconds
	session uint64
	addr    [16]byte // of the ESME, IPv4's as IPv6 has them; zero for one that is not of TCP
	port    uint16
	sent    bool
	octets  uint32 // of the PDU
}

// newRecord returns the record of a session's PDU.
func newRecord(session uint64, remote net.Addr, sent bool) record {
	r := record{session: session, sent: sent}
	if tcp, ok := remote.(*net.TCPAddr); ok {
		ap := tcp.AddrPort()
		if ap.IsValid() {
			r.addr, r.port = ap.Addr().As16(), ap.Port()
		}
	}
	return r
}

// remote is the ESME's address and port, or something in their place.
func (r *record) remote() netip.AddrPort {
	if r.addr == ([16]byte{}) {
		return netip.AddrPortFrom(nobody4, uint16(1024+r.session%60000))
	}
	return netip.AddrPortFrom(netip.AddrFrom16(r.addr).Unmap(), r.port)
}

func (r *record) time() time.Time { return time.Unix(0, r.at) }

// A batch is records and their PDUs' octets, one behind the other.
type batch struct {
	records []record
	octets  []byte
}

// A queue holds what was seen until it is written. Nobody waits to put something in.
type queue struct {
	most int           // octets
	wake chan struct{} // capacity 1: there is something

	mu      sync.Mutex
	in      batch  // guarded by mu
	dropped uint64 // guarded by mu; PDUs that did not fit
	closed  bool   // guarded by mu
}

// A short PDU costs its record too.
const recordOctets = 48

func newQueue(octets int) *queue {
	return &queue{most: octets, wake: make(chan struct{}, 1)}
}

// put copies a PDU, or counts it as dropped. The time is taken here, so that times ascend.
func (q *queue) put(r record, pdu []byte) {
	q.mu.Lock()
	switch {
	case q.closed:
		q.mu.Unlock()
		return
	case len(q.in.octets)+len(pdu)+(len(q.in.records)+1)*recordOctets > q.most:
		q.dropped++
		q.mu.Unlock()
		return
	}
	r.at, r.octets = time.Now().UnixNano(), uint32(len(pdu))
	q.in.records = append(q.in.records, r)
	q.in.octets = append(q.in.octets, pdu...)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default: // it is awake
	}
}

// lose counts n PDUs that were wanted and will not be known.
func (q *queue) lose(n uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.dropped += n
	}
}

// take returns all that waits, and gives back an emptied batch to be filled.
func (q *queue) take(empty batch) (full batch, dropped uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	full = q.in
	q.in = batch{empty.records[:0], empty.octets[:0]}
	return full, q.dropped
}

// close lets nothing more in.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}
