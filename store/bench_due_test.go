package store

import (
	"fmt"
	"path/filepath"
	"testing"
)

// manyAccounts accepts n messages of each of a thousand accounts, 400 to a command, the accounts in turn.
func manyAccounts(b *testing.B, n int) *life {
	b.Helper()
	s, err := Open(filepath.Join(b.TempDir(), "state"), Options{ClusterID: "bench", NoSync: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	l := &life{b: b, s: s, now: 1700000000000}
	for i := 0; i < 1000*n; i += 400 {
		c := benchAccept(400)
		c.Token.Seq, c.Token.Lowest = l.index+1, l.index+1
		for j := range c.Messages {
			c.Messages[j].Message.Account = fmt.Sprintf("account-%03d", (i+j)%1000)
		}
		l.apply(c)
	}
	return l
}

// BenchmarkDue reads what is due among 100,000 messages of 1,000 accounts.
func BenchmarkDue(b *testing.B) {
	l := manyAccounts(b, 100)
	last := l.s.DueAccounts(ActionSend)[999].Account
	run := func(name string, f func() error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("accounts", func() error {
		if got := l.s.DueAccounts(ActionSend); len(got) != 1000 || got[999].Count != 100 {
			return fmt.Errorf("%d accounts", len(got))
		}
		return nil
	})
	run("next of one", func() error {
		_, ok, err := l.s.NextDueOf(ActionSend, last, l.now)
		if ok {
			return fmt.Errorf("something is due later")
		}
		return err
	})
	run("next of all", func() error {
		_, ok, err := l.s.NextDue(ActionSend, 0)
		if !ok {
			return fmt.Errorf("nothing is due")
		}
		return err
	})
	run("one message", func() error {
		items, _, err := l.s.DueOf(ActionSend, last, DueCursor{}, l.now, 1)
		if len(items) != 1 {
			return fmt.Errorf("%d messages", len(items))
		}
		return err
	})
	run("behind 90", func() error {
		items, next, err := l.s.DueOf(ActionSend, last, DueCursor{}, l.now, 90)
		if err == nil {
			items, _, err = l.s.DueOf(ActionSend, last, next, l.now, 90)
		}
		if len(items) != 10 {
			return fmt.Errorf("%d messages", len(items))
		}
		return err
	})
}

// BenchmarkLifecycleOfMany is BenchmarkLifecycle with messages of 1,000 accounts, beside 100 waiting ones of each.
func BenchmarkLifecycleOfMany(b *testing.B) {
	l := manyAccounts(b, 100)
	const n = 100
	start := cpuTime(b)
	for round := 0; b.Loop(); round++ {
		c := benchAccept(n)
		c.Token.Seq, c.Token.Lowest = l.index+1, l.index+1
		for j := range c.Messages {
			c.Messages[j].Message.Account = fmt.Sprintf("account-%03d", (round*n+j)*7%1000)
		}
		numbers := make([]Number, n)
		for i, it := range l.apply(c).(*AcceptResult).Items {
			numbers[i] = it.Number
		}
		ids := l.begin(numbers)
		l.finish(ids)
		l.report(numbers, ids)
	}
	b.ReportMetric(float64(cpuTime(b)-start)/float64(b.N)/n, "cpu-ns/message")
}

// BenchmarkUnresolved reads the last page of 100,000 uncertain messages.
func BenchmarkUnresolved(b *testing.B) {
	l := manyAccounts(b, 100)
	l.apply(&Raise{Version: 2})
	l.apply(&Recover{Leap: 1, DueAt: l.now})
	for b.Loop() {
		if page, err := l.s.Unresolved(99_900, 100); err != nil || len(page) != 100 {
			b.Fatalf("%d messages: %v", len(page), err)
		}
	}
}
