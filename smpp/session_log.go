package smpp

import (
	"context"
	"log/slog"
)

// received counts a PDU from the ESME and logs its header.
func (s *Session) received(h *Header) {
	s.metrics.in(h)
	s.logPDU("pdu received", h.ID, h.Status, h.Sequence)
}

// sent counts a PDU to the ESME and logs its header.
func (s *Session) sent(id CommandID, st Status, seq uint32) {
	s.metrics.out(id, st)
	s.logPDU("pdu sent", id, st, seq)
}

// logPDU logs headers only: bodies have texts, numbers and passwords.
func (s *Session) logPDU(msg string, id CommandID, st Status, seq uint32) {
	ctx := context.Background()
	if !s.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	s.log.LogAttrs(ctx, slog.LevelDebug, msg,
		slog.Uint64("session", s.id), slog.String("command", id.String()),
		slog.Uint64("seq", uint64(seq)), slog.String("status", st.String()))
}

// logEnd counts why the session ended, and writes the one line that an operator
// wants of each. Connections that never bound are mostly probes and port scans.
func (s *Session) logEnd(bound bool) {
	s.mu.Lock()
	why, err := s.end, s.endErr
	s.mu.Unlock()
	s.metrics.ends[why].Inc()
	level := slog.LevelDebug
	if bound {
		level = slog.LevelInfo
	}
	attrs := append(s.identity(), slog.String("reason", why.String()))
	if err != nil {
		attrs = append(attrs, slog.String("err", err.Error()))
	}
	s.log.LogAttrs(context.Background(), level, "session ended", attrs...)
}

func (s *Session) logBound() {
	s.log.LogAttrs(context.Background(), slog.LevelInfo, "bind accepted", s.identity()...)
}

// logRefused is for debugging: an attacker decides how often it is called. The backend knows the
// account, and logs what an operator wants of it.
func (s *Session) logRefused(st Status, err error) {
	attrs := append(s.identity(), slog.String("status", st.String()), slog.String("err", err.Error()))
	s.log.LogAttrs(context.Background(), slog.LevelDebug, "bind refused", attrs...)
}

// identity is called on the reader's goroutine, which sets what it reads. The system_id is in it only
// once the backend has accepted it: a client that swaps its fields sends its password in that place.
func (s *Session) identity() []slog.Attr {
	attrs := []slog.Attr{slog.Uint64("session", s.id), slog.String("remote", s.conn.RemoteAddr().String())}
	if s.bindType != 0 {
		attrs = append(attrs, slog.String("bind", s.bindType.String()))
	}
	s.mu.Lock()
	bound := s.bound
	s.mu.Unlock()
	if bound {
		attrs = append(attrs, slog.String("system_id", s.systemID))
	}
	return attrs
}
