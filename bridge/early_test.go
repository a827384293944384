package bridge

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"smppbridge/smpp"
	"smppbridge/store"
)

// biz is a report that names the BizID of the n-th call only.
func (f *fleet) biz(bizID string) []IncomingReport {
	return []IncomingReport{{BizID: bizID, Phone: "13800138000", Ending: store.EndDelivered, Err: "000", DoneAt: time.Now()}}
}

// ended checks that message n was delivered, and that no report is kept.
func (f *fleet) ended(n store.Number) {
	f.t.Helper()
	_, st, err := f.book.Lookup(n)
	if err != nil || st.State != store.StateFinal || st.Ending != store.EndDelivered {
		f.t.Errorf("message is %v (%d), %v, want delivered", st.State, st.Ending, err)
	}
	if list, err := f.book.OrphansAfter(0, 10); err != nil || len(list) != 0 {
		f.t.Errorf("%d reports are kept, %v", len(list), err)
	}
}

// TestReportToANodeThatLags: a report is about what was sent, also when the node that gets it does not know yet.
func TestReportToANodeThatLags(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		f.at(3).hold()
		n := f.at(2).bind("any", smpp.Transmitter).accepted("hello")
		pass(time.Second)
		done := make(chan error, 1)
		go func() { done <- f.at(3).Report(context.Background(), f.biz("biz^1")) }()
		pass(time.Second)
		f.at(3).release()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		f.ended(n)
		if got := testutil.ToFloat64(f.at(3).metrics.reports.WithLabelValues("orphaned")); got != 0 {
			t.Errorf("%v reports were kept as if they matched nothing", got)
		}
	})
}

// TestEarlyReportsAreFound: whichever of a report and of the answer to its call is committed last, by whatever node, and
// however far behind that node is: the leader brings them together.
func TestEarlyReportsAreFound(t *testing.T) {
	t.Run("report last, by a node that cannot catch up", func(t *testing.T) {
		inFleet(t, 3, func(t *testing.T, f *fleet) {
			n := f.at(2).bind("any", smpp.Transmitter).accepted("hello")
			f.at(3).hold()
			pass(time.Second)
			if err := f.at(3).Report(t.Context(), f.biz("biz^1")); err != nil {
				t.Fatal(err)
			}
			pass(2 * time.Second)
			f.ended(n)
		})
	})
	t.Run("answer last, by a leader that leads no more and is behind", func(t *testing.T) {
		inFleet(t, 3, func(t *testing.T, f *fleet) {
			answered, answer := f.at(1).gate()
			f.api.send = func(Call) Answer {
				<-answered
				return Answer{Kind: store.OutcomeAccepted, BizID: "biz^1"}
			}
			n := f.at(2).bind("any", smpp.Transmitter).accepted("hello")
			pass(time.Second)
			f.lead(f.at(2))
			f.at(1).hold()
			pass(time.Second)
			if err := f.at(3).Report(t.Context(), f.biz("biz^1")); err != nil {
				t.Fatal(err)
			}
			pass(2 * time.Second) // the leader has looked at it
			answer()
			pass(earlyAll*earlyEvery + 2*time.Second)
			f.ended(n)
		})
	})
	t.Run("both before there is a leader", func(t *testing.T) {
		inFleet(t, 3, func(t *testing.T, f *fleet) {
			n := f.at(2).bind("any", smpp.Transmitter).accepted("hello")
			pass(time.Second)
			f.lead(nil)
			for range 3 * earlyMost { // of others' messages
				f.keep("", "biz^0")
			}
			f.keep("", "biz^1")
			f.lead(f.at(3))
			pass(time.Second)
			if _, st, err := f.book.Lookup(n); err != nil || st.State != store.StateFinal {
				t.Errorf("message is %v, %v, want final", st.State, err)
			}
		})
	})
}

// keep has the state keep a report that matches nothing, as far as its proposer knew.
func (f *fleet) keep(outID, bizID string) {
	f.t.Helper()
	d := store.DeliveryReport{OutID: outID, BizID: bizID, Phone: "13800138000", Ending: store.EndDelivered, Err: "000"}
	if _, err := f.commit(&store.Report{Reports: []store.DeliveryReport{d}}); err != nil {
		f.t.Fatal(err)
	}
}

// TestKeptReportNamesItsCall: a report with our OutId that was kept is found by it.
func TestKeptReportNamesItsCall(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		n := f.at(2).bind("any", smpp.Transmitter).accepted("hello")
		pass(time.Second)
		a, err := f.book.Attempt(f.at(1).status(n).Attempt)
		if err != nil {
			t.Fatal(err)
		}
		f.keep(a.OutID, "")
		pass(2 * time.Second)
		f.ended(n)
	})
}

// TestForeignReportsCostNothing: reports of others' messages are looked at once.
func TestForeignReportsCostNothing(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		f.keep("", "biz^of others")
		before := proposals[*store.Report](f)
		pass(time.Minute)
		if got := proposals[*store.Report](f) - before; got != 0 {
			t.Errorf("%d proposals for a report that matches nothing, want none", got)
		}
	})
}
