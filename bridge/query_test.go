package bridge

import (
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// TestQueryOfASubmitMulti: its message_id stands for all destinations, whichever of them is reported first.
// It is under way until the last one is final, and then says what went wrong with any.
func TestQueryOfASubmitMulti(t *testing.T) {
	for name, order := range map[string][]store.Number{"first to last": {1, 2, 3}, "last to first": {3, 2, 1}} {
		t.Run(name, func(t *testing.T) {
			inMultiRig(t, func(t *testing.T, r *rig) {
				e := r.bind("any", smpp.Transmitter)
				_, multi := e.multi(submitMulti("hello", "13800138001", "13800138002", "13800138003"))
				pass(time.Second)
				ask := func() *smpp.QuerySMResp {
					st, p := e.ask(&smpp.QuerySM{MessageID: multi.MessageID})
					if st != smpp.StatusOK {
						t.Fatalf("query_sm answered %v", st)
					}
					return p.(*smpp.QuerySMResp)
				}
				for i, n := range order {
					if got := ask(); got.MessageState != smpp.StateEnroute || got.FinalDate != "" {
						t.Errorf("with %d of 3 final: %+v, want ENROUTE without a final_date", i, got)
					}
					if n == 2 {
						r.reportFailure(n, "027")
					} else {
						r.report(n)
					}
				}
				want := smpp.QuerySMResp{MessageID: multi.MessageID, MessageState: smpp.StateUndeliverable, ErrorCode: 27,
					FinalDate: smpp.FormatTime(time.UnixMilli(r.status(order[2]).DoneAt))}
				if got := ask(); *got != want {
					t.Errorf("got %+v, want %+v", *got, want)
				}
			})
		})
	}
}

// reportFailure has the API report that message n could not be delivered.
func (r *rig) reportFailure(n store.Number, err string) {
	r.t.Helper()
	a, lookup := r.store.Attempt(r.status(n).Attempt)
	if lookup != nil {
		r.t.Fatal(lookup)
	}
	in := []IncomingReport{{OutID: a.OutID, Ending: store.EndUndeliverable, Err: err, DoneAt: r.node.now()}}
	if err := r.Report(r.t.Context(), in); err != nil {
		r.t.Fatal(err)
	}
}
