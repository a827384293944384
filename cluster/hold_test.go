package cluster

import (
	"testing"
	"time"
)

// TestHolds: for whom the log is kept, and for how long.
func TestHolds(t *testing.T) {
	begin := time.Now()
	long := begin.Add(10 * holdLinger)
	src := &fileSource{}
	streaming := func(h *holds) { h.begin(src, 50) }
	ended := func(h *holds) { h.begin(src, 50); h.end(src, true) }
	sent := func(h *holds) {
		h.begin(src, 50)
		h.from([]standing{{"a", 3}}, 20, 10, begin)
		h.end(src, true)
	}
	tests := []struct {
		name    string
		before  func(*holds)
		members []standing
		at      time.Time
		want    uint64 // 0 = it is not held
	}{
		{"nobody there", func(*holds) {}, nil, begin, 0},
		{"a stream that has just begun", streaming, nil, begin, 50},
		{"a stream, of which the receiver answers", streaming, []standing{{"a", 3}}, long, 50},
		{"a stream of which nobody answers who could be the receiver", streaming, []standing{{"a", 70}}, long, 0},
		{"a stream whose receiver is silent", streaming, nil, long, 0},
		{"a stream that has just ended", ended, []standing{{"a", 3}}, begin, 50},
		{"a stream that has ended long ago", ended, []standing{{"a", 3}}, long, 0},
		{"a stream that never began", func(h *holds) { h.begin(src, 50); h.end(src, false) }, nil, begin, 0},
		{"a member that goes on after its file", sent, []standing{{"a", 51}, {"b", 55}}, long, 51},
		{"one that has come near", sent, []standing{{"a", 91}}, long, 0},
		{"one that is to be sent the file again", sent, []standing{{"a", 19}}, long, 0},
		{"one that has come to a halt", func(h *holds) { sent(h); h.from([]standing{{"a", 60}}, 20, 90, long.Add(-stallAfter)) },
			[]standing{{"a", 60}}, long, 0},
		{"one that was not sent the file", func(*holds) {}, []standing{{"b", 40}}, begin, 0},
	}
	for _, test := range tests {
		h := newHolds()
		test.before(h)
		got, ok := h.from(test.members, 20, 90, test.at)
		if got != test.want || ok != (test.want > 0) {
			t.Errorf("%s: held from %d, %v, want %d", test.name, got, ok, test.want)
		}
	}
}
