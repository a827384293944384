package store

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func benchMessage(i int) Message {
	return Message{
		Account: "shop", Origin: Origin{Node: "node-1", Incarnation: 1700000000000, Session: 42, Mark: uint64(i)},
		Source: Address{TON: 5, Addr: "10690000"}, Dest: Address{TON: 1, NPI: 1, Addr: "8613800000000"},
		RegisteredDelivery: 1, DataCoding: 8, Phone: fmt.Sprintf("138%08d", i%100_000_000), Class: "otp", SignName: "示例商城",
		TemplateCode: "SMS_123456789", Params: `{"code":"123456"}`, Text: "【示例商城】您的验证码是123456，5分钟内有效，请勿泄露。",
		Wants: WantsSuccess | WantsFailure, Expires: 1800000000000,
	}
}

func benchAccept(n int) *Accept {
	c := &Accept{
		Token: Token{Node: "node-1", Incarnation: 7, Seq: 1, Lowest: 1},
		Charges: [][]Charge{{
			{Key: "rate/shop", Amount: 1, Rules: []Rule{{Kind: RuleBucket, Limit: 1 << 30, Burst: 1 << 30, Period: 1000}}},
			{Key: "day/shop", Amount: 1, Rules: []Rule{{Kind: RuleWindow, Limit: 1 << 31, Period: 86400000, Offset: 8 * 3600000}}},
			{Key: OpenKey("shop"), Amount: 1, Rules: []Rule{{Kind: RuleLevel, Limit: 1 << 31}}},
		}},
	}
	for i := range n {
		c.Messages = append(c.Messages, Submission{Message: benchMessage(i)})
	}
	return c
}

func BenchmarkEncodeAccept(b *testing.B) {
	c := benchAccept(100)
	b.ReportAllocs()
	var n int
	for b.Loop() {
		n = len(Encode(1700000000000, c))
	}
	b.SetBytes(int64(n))
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/message")
}

func BenchmarkDecodeAccept(b *testing.B) {
	raw := Encode(1700000000000, benchAccept(100))
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, _, err := Decode(raw); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/message")
}

func BenchmarkApplyAccept(b *testing.B) {
	for _, n := range []int{64, 400} {
		for _, sync := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d/sync=%t", n, sync), func(b *testing.B) {
				s, err := Open(filepath.Join(b.TempDir(), "state"), Options{ClusterID: "bench", NoSync: !sync})
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				c := benchAccept(n)
				index := uint64(0)
				var spent time.Duration // in Apply alone
				cpu := cpuTime(b)
				for b.Loop() {
					index++
					c.Token.Seq, c.Token.Lowest = index, index
					e := []Entry{{Index: index, Term: 1, Command: Encode(1700000000000+int64(index), c)}}
					start := time.Now()
					if _, err := s.Apply(e); err != nil {
						b.Fatal(err)
					}
					spent += time.Since(start)
				}
				b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N)/float64(n), "ns/message")
				b.ReportMetric(float64(cpuTime(b)-cpu)/float64(b.N)/float64(n), "cpu-ns/message") // with Encode
			})
		}
	}
}

// BenchmarkHash is what the rolling hash costs for one accepted message: to be held against
// BenchmarkApplyAccept.
func BenchmarkHash(b *testing.B) {
	m, due := benchMessage(1), dueKey(ActionSend, "shop", 1700000000000, 1)
	raw, status := appendMessage(nil, &m), appendStatus(nil, &Status{State: StateAccepted, Action: ActionSend})
	key := key8(1)
	t := &txn{machine: &machine{}}
	for b.Loop() {
		t.hashChange(hashPut, bktMessages, key, raw)
		t.hashChange(hashPut, bktDue, due, nil)
		t.hashChange(hashPut, bktStates, key, status)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/message")
}

// BenchmarkApplyAcceptDedupe accepts messages whose contents are remembered: 2 s of 200,000/s.
func BenchmarkApplyAcceptDedupe(b *testing.B) {
	s, err := Open(filepath.Join(b.TempDir(), "state"), Options{ClusterID: "bench", NoSync: true})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const n = 400
	l := &life{b: b, s: s, now: 1700000000000}
	c := benchAccept(n)
	start := cpuTime(b)
	for b.Loop() {
		c.Token.Seq, c.Token.Lowest = l.index+1, l.index+1
		for i := range c.Messages {
			m := &c.Messages[i].Message
			binary.BigEndian.PutUint64(m.Digest[:], (l.index*n+uint64(i)+1)*0x9e3779b97f4a7c15)
			m.DedupeFor = 2000
		}
		l.now++ // and one more in apply: 400 messages in 2 ms
		l.apply(c)
	}
	b.ReportMetric(float64(cpuTime(b)-start)/float64(b.N)/n, "cpu-ns/message")
}

// cpuTime is what the process has used so far, in ns: on a busy machine it says more than the
// clock.
func cpuTime(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkLifecycle carries messages through their five commits, 100 to a command.
func BenchmarkLifecycle(b *testing.B) {
	s, err := Open(filepath.Join(b.TempDir(), "state"), Options{ClusterID: "bench", NoSync: true})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const n = 100
	l := &life{b: b, s: s, now: 1700000000000}
	b.ReportAllocs()
	start := cpuTime(b)
	for b.Loop() {
		numbers := l.accept(n)
		ids := l.begin(numbers)
		l.finish(ids)
		l.report(numbers, ids)
		l.delivered(n)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/message")
	b.ReportMetric(float64(cpuTime(b)-start)/float64(b.N)/n, "cpu-ns/message")
}

// A life applies the commands of many messages' lives.
type life struct {
	b     *testing.B
	s     *Store
	index uint64
	now   int64
	seq   uint64 // of receipts
}

func (l *life) apply(c Command) Result {
	l.index++
	l.now++
	r, err := l.s.Apply([]Entry{{Index: l.index, Term: 1, Command: Encode(l.now, c)}})
	if err != nil {
		l.b.Fatal(err)
	}
	return r[0]
}

func (l *life) accept(n int) []Number {
	numbers := make([]Number, n)
	c := benchAccept(n)
	c.Token.Seq, c.Token.Lowest = l.index+1, l.index+1
	for i, it := range l.apply(c).(*AcceptResult).Items {
		numbers[i] = it.Number
	}
	return numbers
}

func (l *life) begin(numbers []Number) []AttemptID {
	c := &Begin{}
	for i, n := range numbers {
		phone := fmt.Sprintf("138%08d", int(n)%100_000_000)
		c.Charges = append(c.Charges, []Charge{{Key: PhoneKeyPrefix + phone, Amount: 1, Rules: []Rule{
			{Kind: RuleWindow, Limit: 1, Period: 60_000, Offset: utc8, Guard: 1000}, {Kind: RuleWindow, Limit: 5, Period: 3_600_000, Offset: utc8, Guard: 1000},
			{Kind: RuleRolling, Limit: 10, Period: 86_400_000, Guard: 1000},
		}}})
		c.Attempts = append(c.Attempts, BeginAttempt{
			Route: "main", Template: "SMS_123456789", CallBy: l.now + 5000, Charges: -1,
			Members: []BeginMember{{Number: n, Revision: 1, Phone: phone, Segments: 1, Charges: i}},
		})
	}
	ids := make([]AttemptID, len(numbers))
	for i, a := range l.apply(c).(*BeginResult).Attempts {
		if a.ID == 0 {
			l.b.Fatalf("not granted: %+v", a)
		}
		ids[i] = a.ID
	}
	return ids
}

func (l *life) finish(ids []AttemptID) {
	c := &Finish{}
	for _, id := range ids {
		c.Outcomes = append(c.Outcomes, Outcome{Attempt: id, Kind: OutcomeAccepted, BizID: fmt.Sprintf("%018d^0", id), DueAt: l.now + 1e8})
	}
	l.apply(c)
}

func (l *life) report(numbers []Number, ids []AttemptID) {
	c := &Report{}
	for i, n := range numbers {
		c.Reports = append(c.Reports, DeliveryReport{Number: n, Attempt: ids[i], Ending: EndDelivered, Err: "000", Code: "DELIVERED", DoneAt: l.now})
	}
	l.apply(c)
}

func (l *life) delivered(n int) {
	c := &Delivered{Account: "shop"}
	for range n {
		l.seq++
		c.Seqs = append(c.Seqs, l.seq)
	}
	if r := l.apply(c).(*DeliveredResult); r.Applied != n {
		l.b.Fatalf("%d receipts delivered, want %d", r.Applied, n)
	}
}

// openMillion makes a file with 1,000,000 open messages, half of them sent and waiting for their reports.
func openMillion(b *testing.B, path string) *life {
	b.Helper()
	s, err := Open(path, Options{ClusterID: "bench", NoSync: true})
	if err != nil {
		b.Fatal(err)
	}
	l := &life{b: b, s: s, now: 1700000000000}
	for i := range 2500 {
		numbers := l.accept(400)
		if i%2 == 0 {
			l.finish(l.begin(numbers))
		}
	}
	return l
}

// BenchmarkOpen1M opens a file with 1,000,000 open messages. The file is in the page cache.
func BenchmarkOpen1M(b *testing.B) {
	path := filepath.Join(b.TempDir(), "state")
	s := openMillion(b, path).s
	size := float64(s.Figures().FileSize) / 1e6
	b.ResetTimer()
	start := cpuTime(b)
	for b.Loop() {
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		var err error
		if s, err = Open(path, Options{ClusterID: "bench", NoSync: true}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(size, "MB")
	b.ReportMetric(float64(cpuTime(b)-start)/float64(b.N)/1e9, "cpu-s/op")
	if f := s.Figures(); f.Messages[StateAccepted] != 500_000 || f.OpenAttempts != 500_000 {
		b.Fatalf("opened with %+v", f)
	}
	s.Close()
}

// BenchmarkRecover1M begins a new epoch with 1,000,000 open messages, with fsync; again and again, which
// holds those that are held.
func BenchmarkRecover1M(b *testing.B) {
	path := filepath.Join(b.TempDir(), "state")
	l := openMillion(b, path)
	if err := l.s.Close(); err != nil {
		b.Fatal(err)
	}
	var err error
	if l.s, err = Open(path, Options{}); err != nil {
		b.Fatal(err)
	}
	defer l.s.Close()
	before := float64(l.s.Figures().FileSize) / 1e6
	l.apply(&Raise{Version: 2})
	b.ResetTimer()
	start := cpuTime(b)
	for b.Loop() {
		l.apply(&Recover{Leap: 1 << 20, DueAt: l.now})
		if f := l.s.Figures(); f.Messages[StateUncertain] != 1_000_000 || f.Due[ActionResolve] != 1_000_000 {
			b.Fatalf("recovered: %+v", f)
		}
	}
	b.ReportMetric(float64(cpuTime(b)-start)/float64(b.N)/1e9, "cpu-s/op")
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(u.Maxrss)/1e3, "MB-memory")
	b.ReportMetric(before, "MB-before")
	b.ReportMetric(float64(l.s.Figures().FileSize)/1e6, "MB-after")
}
