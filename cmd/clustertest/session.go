//go:build linux

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

// An ESME's timers. It is a patient client's, in a hurry.
const (
	dialWithin   = time.Second
	bindWithin   = 3 * time.Second
	askAfter     = time.Second      // of silence: enquire_link
	silentAfter  = 4 * time.Second  // of silence: it is dead
	answerWithin = 12 * time.Second // for a submit_sm
	tick         = 10 * time.Millisecond
)

const password = "secret"

// A session is one connection of an ESME, from bind to its end.
type session struct {
	esme  *esme
	node  int
	conn  net.Conn
	began time.Time

	mu      sync.Mutex
	seq     uint32           // guarded by mu
	pending map[uint32]*part // guarded by mu; unanswered submit_sm
	heard   time.Time        // guarded by mu
	asked   time.Time        // guarded by mu; the last enquire_link
	ended   time.Time        // guarded by mu
	wanted  bool             // guarded by mu; the end is the ESME's wish
}

// connect dials and binds.
func (e *esme) connect(ctx context.Context, node int) (*session, *smpp.Reader, error) {
	dialer := &net.Dialer{Timeout: dialWithin, LocalAddr: &net.TCPAddr{IP: esmeIP()}}
	conn, err := dialer.DialContext(ctx, "tcp4", e.traffic.addrs[node])
	if err != nil {
		return nil, nil, err
	}
	s := &session{esme: e, node: node, conn: conn, seq: 1, pending: map[uint32]*part{}}
	bind := &smpp.Bind{Type: e.kind, SystemID: e.account, Password: password, InterfaceVersion: 0x34}
	_ = conn.SetDeadline(time.Now().Add(bindWithin))
	r := smpp.NewReader(conn, smpp.MaxPDU)
	if _, err = conn.Write(smpp.Append(nil, smpp.StatusOK, 1, bind)); err == nil {
		var h smpp.Header
		if h, _, err = r.Next(); err == nil && h.Status != smpp.StatusOK {
			err = fmt.Errorf("bind: status %#x", uint32(h.Status))
		}
	}
	if err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	s.began = time.Now()
	s.heard = s.began
	return s, r, nil
}

// read takes what the node sends until the connection ends.
func (s *session) read(r *smpp.Reader) {
	for {
		h, body, err := r.Next()
		if err != nil {
			return
		}
		if out := s.take(h, body); len(out) > 0 {
			if s.write(out) != nil {
				return
			}
		}
		if h.ID == smpp.UnbindRespID {
			return
		}
	}
}

// take takes one PDU and returns what is to be answered.
func (s *session) take(h smpp.Header, body []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = time.Now()
	switch h.ID {
	case smpp.SubmitSMRespID:
		if p := s.pending[h.Sequence]; p != nil {
			delete(s.pending, h.Sequence)
			s.esme.traffic.book.answered(p, h.Status, strings.TrimRight(string(body), "\x00"))
		}
	case smpp.DeliverSMID:
		s.deliver(body)
		return smpp.Append(nil, smpp.StatusOK, h.Sequence, &smpp.DeliverSMResp{})
	case smpp.EnquireLinkID:
		return smpp.Append(nil, smpp.StatusOK, h.Sequence, &smpp.EnquireLinkResp{})
	case smpp.UnbindID:
		s.wanted = false
		return smpp.Append(nil, smpp.StatusOK, h.Sequence, &smpp.UnbindResp{})
	}
	return nil
}

// deliver notes a receipt. What cannot be read is noted under no id, and so is a stray.
func (s *session) deliver(body []byte) {
	r := receipt{at: s.heard, session: s}
	var m smpp.DeliverSM
	if m.Decode(body) == nil {
		r.phone = m.SourceAddr
		text, err := smpp.ParseReceipt(m.ShortMessage, time.UTC)
		tlv, _ := m.TLVs.Get(smpp.TagReceiptedMessageID)
		if err == nil && text.MessageID == strings.TrimRight(tlv, "\x00") {
			r.id, r.state = text.MessageID, text.State
		}
	}
	s.esme.traffic.book.received(r)
}

// keep submits, and asks whether the node lives, until ctx ends or the node does not answer. It ends the
// connection, and with it read.
func (s *session) keep(ctx context.Context, gone <-chan struct{}) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-gone:
			return
		case <-ctx.Done():
			s.leave(gone)
			return
		case now := <-ticker.C:
			if !s.step(now) {
				_ = s.conn.Close()
				return
			}
		}
	}
}

// step does what is due, and is false when the node has been silent for too long.
func (s *session) step(now time.Time) bool {
	s.mu.Lock()
	var out []byte
	silence := now.Sub(s.heard)
	dead := silence > silentAfter
	for _, p := range s.pending {
		dead = dead || now.Sub(p.sent) > answerWithin
	}
	if silence > askAfter && now.Sub(s.asked) > askAfter {
		s.asked = now
		s.seq++
		out = smpp.Append(out, smpp.StatusOK, s.seq, &smpp.EnquireLink{})
	}
	for range s.esme.due(now, len(s.pending)) {
		p, sm := s.esme.source()
		if p == nil {
			break
		}
		s.seq++
		s.pending[s.seq] = p
		s.esme.traffic.book.submitted(p, s)
		out = smpp.Append(out, smpp.StatusOK, s.seq, sm)
	}
	s.mu.Unlock()
	if dead {
		return false
	}
	return len(out) == 0 || s.write(out) == nil
}

// write sends octets, or gives up on a node that does not read.
func (s *session) write(out []byte) error {
	_ = s.conn.SetWriteDeadline(time.Now().Add(silentAfter))
	_, err := s.conn.Write(out)
	return err
}

// leave unbinds, for at most a moment.
func (s *session) leave(gone <-chan struct{}) {
	s.mu.Lock()
	s.wanted = true
	s.seq++
	out := smpp.Append(nil, smpp.StatusOK, s.seq, &smpp.Unbind{})
	s.mu.Unlock()
	_ = s.conn.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := s.conn.Write(out); err == nil {
		select {
		case <-gone:
			return
		case <-time.After(2 * time.Second):
		}
	}
	_ = s.conn.Close()
}

// finish notes what the connection's end left unanswered.
func (s *session) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = time.Now()
	for _, p := range s.pending {
		s.esme.traffic.book.abandoned(p)
	}
	clear(s.pending)
}

// end returns when the connection ended by itself; zero if it did not.
func (s *session) end() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wanted {
		return time.Time{}
	}
	return s.ended
}
