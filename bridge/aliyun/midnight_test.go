package aliyun_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"smppbridge/bridge/aliyun"
	"smppbridge/bridge/aliyun/aliyunsim"
	"smppbridge/store"
)

// A call that was begun before midnight of Beijing and executed after it is found on its day, behind more than one page of
// others, as soon as the API shows it; before that, what is not shown is not taken for what was never sent on either day.
func TestFindAroundMidnight(t *testing.T) {
	midnight := time.Date(2026, 3, 5, 16, 0, 0, 0, time.UTC) // of UTC+8
	const lag = 30 * time.Second
	tests := []struct {
		name         string
		begun, calls time.Duration // from midnight
		others       int           // sent to the phone after it, on the same day
	}{
		{"begun before, executed after", -2 * time.Second, time.Second, 0},
		{"begun after by our clock, executed before by theirs", time.Second, -2 * time.Second, 0},
		{"behind two pages of the new day", -2 * time.Second, time.Second, 120},
		{"behind a page of the old day", -5 * time.Minute, -5 * time.Minute, 60},
		{"at noon", 12 * time.Hour, 12 * time.Hour, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var clock atomic.Int64
			at := func(d time.Duration) { clock.Store(midnight.Add(d).UnixNano()) }
			at(tt.calls)
			now := func() time.Time { return time.Unix(0, clock.Load()) }
			sim, addr := simOn(t, func(c *aliyunsim.Config) { c.Now, c.AnyTime, c.DetailLag = now, true, lag })
			keys, err := aliyun.Static("sim-key", "sim-secret", "")
			if err != nil {
				t.Fatal(err)
			}
			client, err := aliyun.New(aliyun.Config{Now: now, Routes: []aliyun.Route{{Name: "main", Endpoint: addr, Plain: true, Credentials: keys}}})
			if err != nil {
				t.Fatal(err)
			}
			for i := range tt.others + 1 {
				if a := client.Send(context.Background(), simCall(i)); a.Kind != store.OutcomeAccepted {
					t.Fatalf("send: %+v", a)
				}
			}
			phone := simCall(0).Recipients[0].Phone
			for _, look := range []struct {
				after time.Duration
				known bool
			}{{lag - time.Second, false}, {lag, true}, {10 * time.Minute, true}, {20 * 24 * time.Hour, true}} {
				at(tt.calls + look.after)
				for _, n := range []int{0, tt.others} {
					found, err := client.Find(context.Background(), "main", fmt.Sprintf("sb-1-%d", n), phone, midnight.Add(tt.begun))
					if err != nil || found.Known != look.known {
						t.Errorf("%v after the call: %+v, %v; want known %v", look.after, found, err, look.known)
					}
				}
			}
			if n := len(sim.Ledger()); n != tt.others+1 {
				t.Errorf("%d were executed", n)
			}
			sent, err := client.Sent(context.Background(), "main", phone, midnight.Add(tt.begun), midnight.Add(tt.begun))
			if err != nil || len(sent) != tt.others+1 {
				t.Errorf("the list has %d of %d, %v", len(sent), tt.others+1, err)
			}
		})
	}
}
