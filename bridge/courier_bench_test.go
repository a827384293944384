package bridge

import (
	"fmt"
	"path/filepath"
	"testing"

	"smppbridge/smpp/smpptest"
	"smppbridge/store"
)

// BenchmarkMailbox is what a mailbox does for each entry of an outbox up to its deliver_sm, the session aside: it is read, held,
// looked at, and made a PDU.
func BenchmarkMailbox(b *testing.B) {
	for _, kind := range []string{"receipt", "incoming"} {
		b.Run(kind, func(b *testing.B) {
			st, err := store.Open(filepath.Join(b.TempDir(), "state"), store.Options{ClusterID: "sms", NoSync: true, MmapSize: 1 << 26})
			if err != nil {
				b.Fatal(err)
			}
			defer st.Close()
			r := &rig{t: b, node: &oneNode{store: st}, api: new(api), listener: smpptest.NewListener()}
			if _, err := r.node.apply(&store.Raise{Version: store.Version}); err != nil {
				b.Fatal(err)
			}
			r.putPolicy(promisePolicy)
			if r.Bridge, err = New(Config{NodeID: "n1", Cluster: r.node, Store: st, Sender: r.api}); err != nil {
				b.Fatal(err)
			}
			m := newMailbox(r.Bridge, "any")
			m.share.standing, m.share.nodes = inside, []candidate{{node: "n1"}}
			e := store.Receipt{Account: "any", Number: 7, Ending: store.EndDelivered, Err: "000", QueuedAt: r.now().UnixMilli(),
				AcceptedAt: r.now().UnixMilli(), DoneAt: r.now().UnixMilli(), Source: store.Address{Addr: "1069"}, Dest: store.Address{Addr: "13800138000"}}
			if kind == "incoming" {
				e = store.Receipt{Account: "any", Incoming: true, Text: "回复内容", QueuedAt: e.QueuedAt, Source: e.Dest, Dest: e.Source}
			}
			form := m.forms()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				e.Seq = uint64(i + 1)
				m.entry(&e)
				p := m.held[0]
				m.held = m.held[:0]
				p.written, p.epoch = true, m.share.epoch
				if t := m.mayGo(p, r.now()); t != goes {
					b.Fatal(fmt.Sprint(t))
				}
				if p.bound(nil) || form.deliverSM(p) == nil {
					b.Fatal("no deliver_sm")
				}
				delete(m.known, e.Seq)
			}
		})
	}
}
