package bridge

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/smpp/smpptest"
	"smppbridge/store"
)

// BenchmarkDecide is what a submit_sm costs its session's reader, decoding aside.
func BenchmarkDecide(b *testing.B) {
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	p := compiled(b)
	code, gsm := submitSM("您的验证码是4711。"), &smpp.SubmitSM{DestinationAddr: "+8613800138000", ShortMessage: "hello"}
	for _, bm := range []struct {
		name, account string
		pdu           *smpp.SubmitSM
	}{
		{"matched", "otp", code},
		{"fallback", "any", gsm},
	} {
		b.Run(bm.name, func(b *testing.B) {
			acct := p.accounts[bm.account]
			b.ReportAllocs()
			for b.Loop() {
				if _, err := acct.decide(bm.pdu, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSubmit is a session that submits as fast as its window lets it, up to the answer, on a store
// that does not sync.
func BenchmarkSubmit(b *testing.B) {
	st, err := store.Open(filepath.Join(b.TempDir(), "state"), store.Options{ClusterID: "sms", NoSync: true, MmapSize: 1 << 30})
	if err != nil {
		b.Fatal(err)
	}
	r := &rig{t: b, node: &oneNode{store: st}, api: new(api), listener: smpptest.NewListener()}
	r.putPolicy(promisePolicy)
	if r.Bridge, err = New(Config{NodeID: "n1", Cluster: forgetful{r.node}, Store: st, Sender: r.api, Paused: true}); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	srv := smpp.NewServer(smpp.Config{SystemID: "rig"}, r.Bridge)
	var running sync.WaitGroup
	running.Go(func() { _ = r.Run(ctx) })
	running.Go(func() { _ = srv.Serve(ctx, r.listener) })
	defer func() { cancel(); running.Wait(); st.Close() }()
	if err := r.Announce(ctx); err != nil {
		b.Fatal(err)
	}
	e := r.bind("any", smpp.Transmitter)
	pdu := smpp.Append(nil, smpp.StatusOK, 7, submitSM("您好"))
	b.ReportAllocs()
	b.ResetTimer()
	go func() {
		for range b.N {
			if _, err := e.Conn().Write(pdu); err != nil {
				return
			}
		}
	}()
	frames := smpp.NewReader(e.Conn(), smpp.MaxPDU)
	for answered := 0; answered < b.N; {
		h, _, err := frames.Next()
		if err != nil {
			b.Fatal(err)
		}
		if h.ID == smpp.SubmitSMRespID && h.Status == smpp.StatusOK {
			answered++
		}
	}
}

// forgetful is a oneNode that does not keep what was proposed.
type forgetful struct{ *oneNode }

// Propose implements Cluster.
func (n forgetful) Propose(_ context.Context, cmd store.Command) (store.Result, error) {
	return n.apply(cmd)
}
