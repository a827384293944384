package store

import (
	"bytes"
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// newest makes a harness at the highest cluster version.
func newest(t testing.TB) *harness {
	t.Helper()
	h := newNamed(t)
	h.apply(&Raise{Version: Version})
	return h
}

func (h *harness) put(items ...PutItem) []bool {
	h.t.Helper()
	return h.apply(&Put{Items: items}).(*PutResult).Changed
}

func TestRegistry(t *testing.T) {
	h := newest(t)
	brake := func(value string) PutItem {
		return PutItem{Space: "brake", Key: "account/shop", Value: []byte(value)}
	}
	absent := brake("other")
	absent.Absent = true
	gone, goneIfAbsent := brake(""), brake("")
	goneIfAbsent.Absent = true
	steps := []struct {
		name string
		item PutItem
		want bool
	}{
		{"a removal of nothing", gone, false},
		{"a record where there is none", func() PutItem { it := brake("hold"); it.Absent = true; return it }(), true},
		{"one where there is one", absent, false},
		{"what is there", brake("hold"), false},
		{"another value", brake("refuse"), true},
		{"a removal if there is none", goneIfAbsent, false},
		{"no space", PutItem{Key: "k", Value: []byte("v")}, false},
		{"no key", PutItem{Space: "s", Value: []byte("v")}, false},
		{"the same key of another space", PutItem{Space: "optout", Key: "account/shop", Value: []byte("v")}, true},
		{"the largest", PutItem{Space: strings.Repeat("s", MaxSpace), Key: strings.Repeat("k", MaxRecordKey), Value: make([]byte, MaxRecordValue)}, true},
		{"a longer space", PutItem{Space: strings.Repeat("s", MaxSpace+1), Key: "k", Value: []byte("v")}, false},
		{"a longer key", PutItem{Space: "s", Key: strings.Repeat("k", MaxRecordKey+1), Value: []byte("v")}, false},
		{"a larger value", PutItem{Space: "s", Key: "k", Value: make([]byte, MaxRecordValue+1)}, false},
	}
	for _, step := range steps {
		h.now++
		version := h.RegistryVersion()
		if got := h.put(step.item); !slices.Equal(got, []bool{step.want}) {
			t.Errorf("%s: changed %v, want %t", step.name, got, step.want)
		}
		if moved := h.RegistryVersion() > version; moved != step.want {
			t.Errorf("%s: the version rose: %t", step.name, moved)
		}
	}
	for range 2 {
		got, ok := h.Record("brake", "account/shop")
		if want := (Record{"brake", "account/shop", []byte("refuse"), t0 + 5}); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("record %+v, want %+v", got, want)
		}
		if n := h.RecordCount("optout"); n != 1 || h.RecordCount("s") != 0 {
			t.Errorf("%d records", n)
		}
		h.restart()
	}
	if got := h.put(gone); !got[0] || h.RecordCount("brake") != 0 {
		t.Errorf("removed: %v, %d left", got, h.RecordCount("brake"))
	}
	if _, ok := h.Record("brake", "account/shop"); ok {
		t.Error("what was removed is there")
	}
}

// TestRecordsInOrder: pages follow each other by key, and stay within their space.
func TestRecordsInOrder(t *testing.T) {
	h := newest(t)
	var items []PutItem
	for i := range 25 {
		for _, space := range []string{"opt", "optout", "optouu"} {
			items = append(items, PutItem{Space: space, Key: fmt.Sprintf("shop\x00%d", i*i), Value: fmt.Append(nil, i)})
		}
	}
	h.put(items...)
	var keys []string
	for after := ""; ; {
		page, err := h.Records("optout", after, 7)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, r := range page {
			if r.Space != "optout" || len(r.Value) == 0 || r.At != t0 {
				t.Errorf("record %+v", r)
			}
			keys = append(keys, r.Key)
		}
		after = keys[len(keys)-1]
	}
	if len(keys) != 25 || !slices.IsSorted(keys) {
		t.Errorf("%d keys: %q", len(keys), keys)
	}
}

// TestRegistryWakes: who watches it learns of a change, and of a snapshot that came.
func TestRegistryWakes(t *testing.T) {
	h, source := newest(t), newest(t)
	wake, cancel := h.Watch(WatchRegistry)
	defer cancel()
	woken := func() bool {
		select {
		case <-wake:
			return true
		default:
			return false
		}
	}
	record := PutItem{Space: "brake", Key: "k", Value: []byte("v")}
	for i, want := range []bool{true, false} {
		if h.put(record); woken() != want {
			t.Errorf("put %d: woken %t", i, !want)
		}
	}
	for range 9 {
		source.now++
		source.put(PutItem{Space: "brake", Key: "other", Value: fmt.Append(nil, source.now)})
	}
	version := h.RegistryVersion()
	if err := h.Restore(bytes.NewReader(source.snapshot())); err != nil {
		t.Fatal(err)
	}
	if _, ok := h.Record("brake", "other"); !ok || !woken() || h.RegistryVersion() <= version {
		t.Errorf("after a snapshot: there %t, version %d", ok, h.RegistryVersion())
	}
	if _, ok := h.Record("brake", "k"); ok {
		t.Error("what the snapshot has not is there")
	}
}

// TestRecordAllocatesNothing: each submit_sm asks.
func TestRecordAllocatesNothing(t *testing.T) {
	h := newest(t)
	h.put(PutItem{Space: "optout", Key: "shop\x0013800000000", Value: []byte("1")})
	found := true
	if n := testing.AllocsPerRun(100, func() {
		_, ok := h.Record("optout", "shop\x0013800000000")
		_, none := h.Record("optout", "shop\x0013800000001")
		found = found && ok && !none
	}); n != 0 || !found {
		t.Errorf("%v allocations, found %t", n, found)
	}
}

// BenchmarkOptOuts1M opens a file with 1,000,000 opt-outs and looks for phones among them.
func BenchmarkOptOuts1M(b *testing.B) {
	path := filepath.Join(b.TempDir(), "state")
	s, err := Open(path, Options{ClusterID: "bench", NoSync: true})
	if err != nil {
		b.Fatal(err)
	}
	l := &life{b: b, s: s, now: t0}
	l.apply(&Raise{Version: Version})
	key := func(i int) string { return fmt.Sprintf("shop\x00138%08d", i) }
	start := cpuTime(b)
	for i := range 1000 {
		c := &Put{Items: make([]PutItem, 1000)}
		for j := range c.Items {
			c.Items[j] = PutItem{Space: "optout", Key: key(i*1000 + j), Value: []byte(`{"by":"mo"}`)}
		}
		l.apply(c)
	}
	perPut := float64(cpuTime(b)-start) / 1e6
	heap := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc) / 1e6
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	s, l.s = nil, nil
	empty := heap()
	start = cpuTime(b)
	if s, err = Open(path, Options{}); err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	perOpen, memory := float64(cpuTime(b)-start)/1e9, heap()-empty
	keys := make([]string, 1024)
	for i := range keys {
		keys[i] = key(i * 977)
	}
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		if _, ok := s.Record("optout", keys[i%len(keys)]); !ok {
			b.Fatal("not found")
		}
	}
	b.ReportMetric(perPut, "cpu-ns/put")
	b.ReportMetric(perOpen, "cpu-s/open")
	b.ReportMetric(memory, "MB-memory")
	b.ReportMetric(float64(s.Figures().FileSize)/1e6, "MB-file")
	if n := s.RecordCount("optout"); n != 1_000_000 {
		b.Fatalf("%d records", n)
	}
}
