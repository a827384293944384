package bridge

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smppbridge/smpp/smpptest"
	"smppbridge/store"
)

// BenchmarkRound is a round of the dispatcher with 100,000 messages due of 100 accounts: on a route that rests; and with one message
// more, of an account that goes another way.
func BenchmarkRound(b *testing.B) {
	const accounts, messages = 100, 100_000
	var doc strings.Builder
	doc.WriteString(strings.Split(waysPolicy, "accounts:")[0] + "accounts:\n")
	for i := range accounts {
		fmt.Fprintf(&doc, "  - {system_id: a%d, password_hash: \"HASH\", sign_name: 测试, route: a1}\n", i)
	}
	doc.WriteString("  - {system_id: other, password_hash: \"HASH\", sign_name: 测试, route: b1}\n")
	st, err := store.Open(filepath.Join(b.TempDir(), "state"), store.Options{ClusterID: "sms", NoSync: true, MmapSize: 1 << 30})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	r := &rig{t: b, node: &oneNode{store: st}, api: new(api), listener: smpptest.NewListener()}
	r.putPolicy(doc.String())
	if r.Bridge, err = New(Config{NodeID: "n1", Cluster: forgetful{r.node}, Store: st, Sender: r.api}); err != nil {
		b.Fatal(err)
	}
	if _, err := r.node.apply(&store.NodeUp{Node: "n1", Incarnation: 1}); err != nil {
		b.Fatal(err)
	}
	fill(b, r, messages, func(i int) string { return fmt.Sprintf("a%d", i%accounts) })
	d := newDispatcher(r.Bridge)
	d.mu.Lock()
	d.exitOf(r.policy.Load().routes["a1"]).circuit.trip(time.Now().Add(time.Hour), "timeout")
	d.mu.Unlock()
	rounds := func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := d.round(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("nothing can go", rounds)
	b.Run("one goes another way", func(b *testing.B) {
		for range b.N {
			b.StopTimer()
			fill(b, r, 1, func(int) string { return "other" })
			b.StartTimer()
			if _, err := d.round(b.Context()); err != nil {
				b.Fatal(err)
			}
			d.calls.Wait()
			<-d.outcomes
		}
	})
	// As it is once in a while: all of it is looked at.
	b.Run("sweep", func(b *testing.B) {
		for b.Loop() {
			var s sweeper
			if err := d.sweepRound(b.Context(), &s); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// fill has messages accepted without sessions.
func fill(b *testing.B, r *rig, n int, account func(int) string) {
	b.Helper()
	for done := 0; done < n; {
		cmd := &store.Accept{Token: store.Token{Node: "n1", Incarnation: 1}}
		for ; done < n && len(cmd.Messages) < 400; done++ {
			cmd.Messages = append(cmd.Messages, store.Submission{Charges: -1, Message: store.Message{
				Account: account(done), Phone: fmt.Sprintf("139%08d", done), Class: "single", SignName: "测试", TemplateCode: "SMS_2",
				Params: `{"content":"hello"}`, Text: "知hello", PolicyVersion: 1}})
		}
		cmd.Token.Seq = uint64(r.store.LastNumber()) + 1
		cmd.Token.Lowest = cmd.Token.Seq
		res, err := r.node.apply(cmd)
		if err != nil {
			b.Fatal(err)
		}
		if a := res.(*store.AcceptResult); a.Items[0].Code != store.AcceptOK {
			b.Fatalf("accept: %v", a.Items[0].Code)
		}
	}
}
