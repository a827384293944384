package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// newRaftLogger makes the logger that the Raft libraries want out of ours. What they call Info is
// Debug here: of each event an operator wants one line, and the node writes that itself.
func newRaftLogger(log *slog.Logger) hclog.Logger {
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Off})
	l.RegisterSink(&slogSink{log: log})
	return l
}

// A slogSink passes on what the Raft libraries log.
type slogSink struct{ log *slog.Logger }

// Accept implements hclog.SinkAdapter.
func (s *slogSink) Accept(_ string, level hclog.Level, msg string, args ...any) {
	to := slog.LevelDebug
	switch level {
	case hclog.Warn:
		to = slog.LevelWarn
	case hclog.Error:
		to = slog.LevelError
		if closedByUs(args) { // what the transport says of its connections when the node stops
			to = slog.LevelDebug
		}
	case hclog.Trace:
		to = slog.LevelDebug - 4
	}
	ctx := context.Background()
	if !s.log.Enabled(ctx, to) {
		return
	}
	attrs := []slog.Attr{slog.String("event", msg)}
	for i := 0; i+1 < len(args); i += 2 {
		attrs = append(attrs, slog.String(raftKey(args[i]), raftValue(args[i+1])))
	}
	s.log.LogAttrs(ctx, to, "raft", attrs...)
}

// raftKey spells a key as ours are.
func raftKey(k any) string {
	key := strings.ReplaceAll(fmt.Sprint(k), "-", "_")
	if key == "error" {
		return "err"
	}
	return key
}

// raftValue spells a value; hclog.Format is a Printf format with its arguments.
func raftValue(v any) string {
	if f, ok := v.(hclog.Format); ok && len(f) > 0 {
		if format, ok := f[0].(string); ok {
			return fmt.Sprintf(format, f[1:]...)
		}
	}
	return fmt.Sprint(v)
}

// closedByUs reports whether a line's error is the use of a connection that this process has closed.
func closedByUs(args []any) bool {
	for _, a := range args {
		if err, ok := a.(error); ok && errors.Is(err, net.ErrClosed) {
			return true
		}
	}
	return false
}
