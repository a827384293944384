package main

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"smppbridge/bridge/aliyun/aliyunsim"
	"smppbridge/smpp"
)

// TestReceiptsFromTheQueue: reports that lie in the account's message queue become receipts, also those that were put there
// while the node was away, and nothing is left in the queue.
func TestReceiptsFromTheQueue(t *testing.T) {
	const queue = "Alicom-Queue-1-SmsReport"
	cfg := aliyunsim.DevConfig()
	cfg.Reports = aliyunsim.ReportConfig{Delay: 20 * time.Millisecond, Window: 5 * time.Millisecond}
	cfg.Accounts[0].ReportQueue = queue
	cfg.Queues.Visibility = 500 * time.Millisecond
	cfg.Faults = aliyunsim.Faults{
		{Kind: aliyunsim.FaultReportDuplicate, Probability: 0.3},
		{Kind: aliyunsim.FaultReset, Action: "BatchDeleteMessage", Probability: 0.3},
		{Kind: aliyunsim.FaultHTML502, Action: "BatchReceiveMessage", Count: 2},
	}
	sim, err := aliyunsim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	addr := serveSimulator(t, sim)
	s := newSystem(t, sim, addr, func(o *options) {
		o.Policy = bytes.Replace(o.Policy, []byte("accounts:"), fmt.Appendf(nil,
			"queues: [{name: sim, endpoint: %q, token_endpoint: %q, plain: true, reports: %s}]\naccounts:", addr, addr, queue), 1)
	})
	s.start()
	s.endWithTest()
	c := s.bind("test", smpp.Transceiver)
	for i := range 30 {
		id := c.mustSubmit(fmt.Sprintf("139%08d", i), "private")
		want(t, "stat", c.receipt(id).State, smpp.StateDelivered)
	}
	if err := sim.Enqueue(queue, []byte("not a report")); err != nil {
		t.Fatal(err)
	}
	late := c.mustSubmit(phone, "private: late")
	s.restart()
	want(t, "stat", s.bind("test", smpp.Receiver).receipt(late).State, smpp.StateDelivered)
	s.eventually("an empty queue", func() bool { return sim.Queues()[queue].Left == 0 })
}
