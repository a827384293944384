package bridge

import (
	"context"
	"fmt"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// TestIncomingOnAnyNode: what comes to one node is delivered by those that have receivers, each its share, all of it once; when a
// node's receivers go, the other one delivers what was not answered (promise 4).
func TestIncomingOnAnyNode(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		f.putPolicy(incomingPolicy)
		pass(time.Second) // all nodes have it
		receivers := map[string]*esme{"n1": f.at(1).bind("bank", smpp.Receiver), "n2": f.at(2).bind("bank", smpp.Receiver)}
		pass(time.Second)
		const n = 40
		for i := range n {
			f.at(3).comes(up(fmt.Sprint(i), func(m *IncomingMessage) { m.ID = fmt.Sprint(i) }))
		}
		pass(time.Second)
		list, err := f.at(3).store.Outbox("bank", 0, n)
		if err != nil || len(list) != n {
			t.Fatalf("%d wait, %v; want %d", len(list), err, n)
		}
		nodes := candidates(f.at(1).store.Binds("bank"))
		share := map[string][]string{}
		for i := range list {
			by := owner(nodes, ownKey(&list[i]))
			share[by] = append(share[by], list[i].Text)
		}
		if len(share["n1"]) < n/4 || len(share["n2"]) < n/4 {
			t.Errorf("%d and %d of %d are a node's", len(share["n1"]), len(share["n2"]), n)
		}
		for node, texts := range share {
			for _, want := range texts[:len(texts)-2] {
				if got := receivers[node].hears(smpp.StatusOK); got != want {
					t.Errorf("%s delivers %q, want %q", node, got, want)
				}
			}
		}
		pass(time.Second)
		left := share["n1"][len(share["n1"])-2:]
		receivers["n1"].Close()
		for range 2 {
			receivers["n2"].hears(smpp.StatusOK)
		}
		for _, want := range left {
			if got := receivers["n2"].hears(smpp.StatusOK); got != want {
				t.Errorf("the other node delivers %q, want %q", got, want)
			}
		}
		receivers["n2"].nothing()
		pass(time.Second)
		if got := f.at(1).store.Figures().Incoming; got != 0 {
			t.Errorf("%d wait, want 0", got)
		}
	})
}

// TestIncomingNeedsThePolicy: a node that is behind gives no message up as nobody's: the policy that it does not have yet may name an
// owner. It says that it cannot take it, or catches up.
func TestIncomingNeedsThePolicy(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		f.at(3).hold()
		f.putPolicy(incomingPolicy)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := f.at(3).Incoming(ctx, []IncomingMessage{up("first")}); err == nil {
			t.Error("a node that is behind has taken or dropped a message")
		}
		f.at(3).release()
		f.at(3).comes(up("first"))
		if got := f.at(1).store.Figures().Incoming; got != 1 {
			t.Errorf("%d wait, want 1", got)
		}
	})
}

// TestOptOutOnAnyNode: what one node hears the others heed, the leader that sends too.
func TestOptOutOnAnyNode(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		f.putPolicy(incomingPolicy)
		pass(time.Second)
		f.at(1).Pause()
		n := f.at(2).bind("shop", smpp.Transmitter).accepted(advert, toPhone(upPhone))
		f.at(3).comes(shopUp("R"))
		f.at(1).Resume()
		pass(2 * time.Second)
		if st := f.at(1).status(n); st.Ending != store.EndRejected || st.Err != errCodeOptedOut || len(f.api.called()) != 0 {
			t.Errorf("ended %v, err %s, after %d calls", st.Ending, st.Err, len(f.api.called()))
		}
		for i := range 3 {
			f.at(i+1).bind("shop", smpp.Transmitter).refused(advert, upPhone)
		}
	})
}
