package smpp

import (
	"net"
	"sync/atomic"
)

const (
	// writeChunk is the most one call of Write carries. The write time-out counts
	// from chunk to chunk, so that a big batch on a thin line is not taken for a stall.
	writeChunk = 64 << 10
)

// write is the session's writer goroutine. It takes all that has gathered and
// writes it, and ends when the session closes: in good order with the queue
// written and our direction of the connection closed.
func (s *Session) write() {
	defer close(s.writerDone)
	var batch []byte
	for {
		var mark uint64
		var ok bool
		if batch, mark, ok = s.nextBatch(batch); !ok {
			break
		}
		if err := s.writeAll(batch); err != nil {
			s.cut(endPeerClosed, err)
			return
		}
		s.written.Store(mark)
	}
	s.mu.Lock()
	closing := s.state == stateClosing
	s.mu.Unlock()
	if closing {
		s.closeWrite()
	}
}

// nextBatch returns what is queued, waiting for it, and gives back the buffer of
// the batch before. ok is false when the session ends and all is written.
func (s *Session) nextBatch(last []byte) (batch []byte, mark uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spare, s.writing = last[:0], 0
	s.room.Signal() // the reader may wait for that
	for len(s.out) == 0 && s.state < stateClosing {
		s.writerIdle = true
		s.more.Wait()
		s.writerIdle = false
	}
	if len(s.out) == 0 || s.state == stateClosed {
		return nil, 0, false
	}
	batch = s.out
	s.out, s.spare, s.writing = s.spare, nil, len(batch)
	return batch, s.outMark, true
}

func (s *Session) writeAll(batch []byte) error {
	for len(batch) > 0 {
		chunk := batch[:min(len(batch), writeChunk)]
		s.writes.enter()
		_, err := s.conn.Write(chunk)
		s.writes.leave()
		if err != nil {
			return err
		}
		batch = batch[len(chunk):]
	}
	return nil
}

// closeWrite tells the ESME that nothing more comes, keeping its direction open
// where the connection can: TCP and TLS. TLS cannot before its handshake is over, and
// then TCP does.
func (s *Session) closeWrite() {
	for _, conn := range []net.Conn{s.conn, s.raw} {
		if c, ok := conn.(interface{ CloseWrite() error }); ok && c.CloseWrite() == nil {
			return
		}
	}
	s.cut(endNone, nil)
}

// queuedLocked wakes the writer after octets were appended to out. An ESME that
// lets far more gather than any window allows is cut here, as a last resort: the
// soft bound keeps everything of ours below.
func (s *Session) queuedLocked() {
	if len(s.out) > s.hardOutputLocked() {
		s.cutLocked(endSlow, nil)
		return
	}
	if s.writerIdle {
		s.writerIdle = false
		s.more.Signal()
	}
}

// hardOutputLocked leaves room above the soft bound for the answer to every
// request in the window, each as long as any may be that this ESME has sent.
func (s *Session) hardOutputLocked() int {
	return 2*maxShare + MaxPDU + s.opts.Window*s.longestAnswer
}

// respond queues a response without a body.
func (s *Session) respond(id CommandID, st Status, seq uint32) {
	s.sent(id, st, seq)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state < stateClosing {
		start := len(s.out)
		s.out = AppendHeader(s.out, id, st, seq)
		s.traceSent(s.out[start:])
		s.queuedLocked()
	}
}

// respondPDU queues a response with a body.
func (s *Session) respondPDU(st Status, seq uint32, p PDU) {
	s.sent(p.CommandID(), st, seq)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state < stateClosing {
		start := len(s.out)
		s.out = Append(s.out, st, seq, p)
		s.traceSent(s.out[start:])
		s.queuedLocked()
	}
}

// A progress counts the calls one goroutine makes, so that the ticker can see
// whether it moves and whether it is inside one, without a clock or a timer.
type progress struct{ n atomic.Uint32 } // odd while inside a call

func (p *progress) enter() { p.n.Add(1) }
func (p *progress) leave() { p.n.Add(1) }

// inCall reports whether the count n was taken inside a call.
func inCall(n uint32) bool { return n%2 == 1 }
