package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// TestJobsTakeTurns: behind all that one account may have waiting, another account's job is the next but one.
func TestJobsTakeTurns(t *testing.T) {
	j, ended := newJobs(nil), make(chan struct{})
	for range operationsQueued {
		j.add(&job{account: "flood"}, ended)
	}
	j.add(&job{account: "other"}, ended)
	var taken []string
	for f := j.next(); f != nil; f = j.next() {
		taken = append(taken, f.account)
		j.finish(f)
	}
	if len(taken) != operationsQueued+1 || slices.Index(taken, "other") != 1 {
		t.Errorf("the other account's job was number %d of %d", slices.Index(taken, "other")+1, len(taken))
	}
}

// TestJobsLeaveWorkersToOthers: however many jobs of one account take their time, another account's is taken at once.
func TestJobsLeaveWorkersToOthers(t *testing.T) {
	j, ended := newJobs(nil), make(chan struct{})
	for range operationsQueued {
		j.add(&job{account: "flood"}, ended)
	}
	taken := 0
	for f := j.next(); f != nil; f = j.next() {
		taken++
	}
	j.add(&job{account: "other"}, ended)
	if f := j.next(); taken != operationsUnderWay || f == nil || f.account != "other" {
		t.Errorf("%d of %d workers are taken by one account, and then a job %+v", taken, operationWorkers, f)
	}
}

// TestJobsAreBounded: an account has no more than its places, and few of them for what is large, until they are done.
func TestJobsAreBounded(t *testing.T) {
	for large, want := range map[bool]int32{false: operationsQueued, true: operationsLarge} {
		t.Run(fmt.Sprintf("large %v", large), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j, ended := newJobs(nil), make(chan struct{})
				var added atomic.Int32
				refused := make(chan struct{})
				go func() {
					defer close(refused)
					for j.add(&job{account: "any", large: large}, ended) {
						added.Add(1)
					}
				}()
				synctest.Wait()
				f := j.next()
				synctest.Wait()
				if got := added.Load(); got != want {
					t.Errorf("%d jobs had a place, want %d: one is under way", got, want)
				}
				j.finish(f)
				synctest.Wait()
				if got := added.Load(); got != want+1 {
					t.Errorf("%d jobs had a place, want %d: one is done", got, want+1)
				}
				close(ended)
				<-refused
			})
		})
	}
}

// slowSync is a oneNode whose Sync takes its time and, if it is to, fails.
type slowSync struct {
	*oneNode
	takes time.Duration
	fails error
	syncs atomic.Int32
}

func (n *slowSync) Sync(ctx context.Context) error {
	n.syncs.Add(1)
	if !sleep(ctx, n.takes) {
		return ctx.Err()
	}
	return n.fails
}

// inSlowRig is inRig with a Sync that takes so long.
func inSlowRig(t *testing.T, takes time.Duration, f func(*testing.T, *rig, *slowSync)) {
	t.Helper()
	var n *slowSync
	inRig(t, func(t *testing.T, r *rig) { f(t, r, n) }, func(cfg *Config) {
		n = &slowSync{oneNode: cfg.Cluster.(*oneNode), takes: takes}
		cfg.Cluster = n
	})
}

// flood sends requests without waiting for their answers, and returns those, in the order of the requests. An ESME reads
// while it writes: nothing may be held up by what is not read.
func (e *esme) flood(n int, request func(i int) smpp.PDU) []smpp.Status {
	e.r.t.Helper()
	written := make(chan error, 1)
	go func() {
		for i := range n {
			if _, err := e.Conn().Write(smpp.Append(nil, smpp.StatusOK, uint32(1e6+i), request(i))); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	got := make([]smpp.Status, n)
	for range n {
		h, _ := e.Next()
		if i := int(h.Sequence) - 1e6; i >= 0 && i < n {
			got[i] = h.Status
		} else {
			e.r.t.Fatalf("%v %v, which answers none", h.ID, h.Status)
		}
	}
	if err := <-written; err != nil {
		e.r.t.Fatal(err)
	}
	return got
}

// TestOperationsShareSyncs: where a Sync takes long, what waits does not wait for one each.
func TestOperationsShareSyncs(t *testing.T) {
	tests := map[string]func(store.Number) smpp.PDU{
		"query_sm":  func(n store.Number) smpp.PDU { return &smpp.QuerySM{MessageID: n.String()} },
		"cancel_sm": func(n store.Number) smpp.PDU { return &smpp.CancelSM{MessageID: n.String()} },
		"cancel_sm of all": func(store.Number) smpp.PDU {
			return &smpp.CancelSM{SourceAddr: submitSM("").SourceAddr, DestinationAddr: "13800138000"}
		},
	}
	for name, ask := range tests {
		t.Run(name, func(t *testing.T) {
			inSlowRig(t, 100*time.Millisecond, func(t *testing.T, r *rig, node *slowSync) {
				const many = 4 * operationsQueued
				e := r.bind("any", smpp.Transmitter)
				numbers := make([]store.Number, 100)
				for i := range numbers {
					numbers[i] = e.accepted("hello", inAnHour)
				}
				began := node.syncs.Load()
				for i, st := range e.flood(many, func(i int) smpp.PDU { return ask(numbers[i%len(numbers)]) }) {
					if st != smpp.StatusOK && name != "cancel_sm of all" {
						t.Fatalf("request %d answered %v", i, st)
					}
				}
				if got := node.syncs.Load() - began; got > 2*many/operationsQueued {
					t.Errorf("%d Syncs for %d operations", got, many)
				}
			})
		})
	}
}

// TestQueryIsNoOlderThanItself: while operations wait for a Sync, a message is accepted on another node, and then it is asked
// for here: that Sync began too early to find it.
func TestQueryIsNoOlderThanItself(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		n3 := f.at(3)
		early, e := n3.bind("any", smpp.Transmitter), n3.bind("any", smpp.Transmitter)
		other := f.at(2).bind("any", smpp.Transmitter)
		n3.hold()
		first := other.accepted("hello", inAnHour)
		behind := func() int { f.mu.Lock(); defer f.mu.Unlock(); return len(f.entries) - n3.applied }()
		early.Send(&smpp.QuerySM{MessageID: first.String()}) // its Sync waits for what is committed by now
		pass(time.Second)
		second := other.accepted("hello", inAnHour)
		e.Send(&smpp.QuerySM{MessageID: second.String()})
		pass(time.Second)
		n3.step(behind)
		if h, _ := early.Expect(smpp.QuerySMRespID); h.Status != smpp.StatusOK {
			t.Errorf("the first is answered %v", h.Status)
		}
		e.nothing()
		n3.release()
		if h, _ := e.Expect(smpp.QuerySMRespID); h.Status != smpp.StatusOK {
			t.Errorf("a message that was accepted before it was asked for: %v", h.Status)
		}
	})
}

// TestChangesAreMadeInOrder: of many changes of one message that do not wait for each other's answers none gets into
// another one's way, and the last one counts.
func TestChangesAreMadeInOrder(t *testing.T) {
	inSlowRig(t, 10*time.Millisecond, func(t *testing.T, r *rig, _ *slowSync) {
		r.node.decide(func(store.Command) fate { sleep(t.Context(), 10*time.Millisecond); return applied })
		e := r.bind("any", smpp.Transmitter)
		n := e.accepted("hello", inAnHour)
		const replaces = 100
		got := e.flood(replaces+2, func(i int) smpp.PDU {
			if i >= replaces {
				return &smpp.CancelSM{MessageID: n.String()}
			}
			return &smpp.ReplaceSM{MessageID: n.String(), SourceAddr: submitSM("").SourceAddr, ShortMessage: submitSM(fmt.Sprint(i)).ShortMessage}
		})
		for i, st := range got {
			if st != smpp.StatusOK {
				t.Fatalf("change %d answered %v", i, st)
			}
		}
		r.node.mu.Lock()
		defer r.node.mu.Unlock()
		proposed := 0
		for _, cmd := range r.node.log {
			if c, ok := cmd.(*store.Replace); ok {
				if c.Message.Text != fmt.Sprint(proposed) {
					t.Errorf("replacement %d is %q", proposed, c.Message.Text)
				}
				proposed++
			}
		}
		if proposed != replaces {
			t.Errorf("%d replacements were proposed, want %d", proposed, replaces)
		}
	})
}

// TestStuckOperationsHoldUpTheirAccount: one account's operations whose commits take their time leave another account's alone,
// which is answered meanwhile (promise 6).
func TestStuckOperationsHoldUpTheirAccount(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		const n = 2 * operationWorkers
		a, b := r.bind("any", smpp.Transmitter), r.bind("keep", smpp.Transmitter)
		flooded := make([]store.Number, n)
		for i := range flooded {
			flooded[i] = a.accepted("hello", inAnHour)
		}
		others := b.accepted("hello", inAnHour)
		committed, commit := r.gate()
		r.node.decide(func(cmd store.Command) fate {
			if c, ok := cmd.(*store.Close); ok && c.Items[0].Number != others {
				<-committed
			}
			return applied
		})
		for _, m := range flooded {
			a.Send(&smpp.CancelSM{MessageID: m.String()})
		}
		pass(time.Second)
		b.refuses("while the other account's wait", &smpp.CancelSM{MessageID: others.String()}, smpp.StatusOK)
		a.nothing()
		commit()
		for range flooded {
			a.Expect(smpp.CancelSMRespID)
		}
	})
}

// TestOperationsWithoutALeader: all that waits when no leader is to be had is answered with ESME_RSYSERR when the first of it is,
// and what comes later is not.
func TestOperationsWithoutALeader(t *testing.T) {
	inSlowRig(t, 0, func(t *testing.T, r *rig, node *slowSync) {
		e := r.bind("any", smpp.Transmitter)
		n := e.accepted("hello", inAnHour)
		node.takes = time.Hour
		began, syncs := time.Now(), node.syncs.Load()
		for i, st := range e.flood(operationsQueued, func(int) smpp.PDU { return &smpp.QuerySM{MessageID: n.String()} }) {
			if st != smpp.StatusSysErr {
				t.Fatalf("query %d answered %v", i, st)
			}
		}
		if took := time.Since(began); took > 2*syncWithin {
			t.Errorf("answered after %v with %d Syncs", took, node.syncs.Load()-syncs)
		}
		node.takes, node.fails = 0, errors.New("not in touch")
		e.refuses("out of touch", &smpp.QuerySM{MessageID: n.String()}, smpp.StatusSysErr)
		node.fails = nil
		if got := e.query(n); got != smpp.StateEnroute {
			t.Errorf("with a leader again: %v", got)
		}
	})
}
