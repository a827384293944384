package bridge

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// logs keeps all that a rig's bridge and server log.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (l *logs) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

// String is what has been logged.
func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// check fails the test if something private was logged, in whatever spelling of a number. It does
// not say what (promise 7).
func (l *logs) check(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, line := range strings.Split(l.buf.String(), "\n") {
		bare := strings.NewReplacer(" ", "", "-", "", "+", "").Replace(line)
		if strings.Contains(bare, "13800138000") {
			t.Errorf("line %d of the log has a whole phone number", i+1)
		}
		for k, private := range []string{"hello", "您的验证码", "4711", rigPassword} {
			if strings.Contains(line, private) {
				t.Errorf("line %d of the log has private word %d", i+1, k)
			}
		}
	}
}
