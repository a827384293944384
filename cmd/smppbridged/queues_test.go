package main

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"smppbridge/bridge/aliyun/aliyunsim"
	"smppbridge/smpp"
)

// The message queues of the simulator's account.
const (
	reportQueue = "Alicom-Queue-1-SmsReport"
	upQueue     = "Alicom-Queue-1-SmsUp"
)

// newQueueSimulator starts an API that puts reports into a queue and has one for incoming messages. What is received and not
// deleted soon comes again.
func newQueueSimulator(t *testing.T, faults ...aliyunsim.Fault) (*aliyunsim.Server, string) {
	t.Helper()
	cfg := aliyunsim.DevConfig()
	cfg.Reports = aliyunsim.ReportConfig{Delay: 20 * time.Millisecond, Window: 5 * time.Millisecond}
	cfg.Accounts[0].ReportQueue, cfg.Accounts[0].UpQueue = reportQueue, upQueue
	cfg.Queues.Visibility = 3 * time.Second // a slow disk may take some of it between the receipt and the deletion
	cfg.Faults = faults
	sim, err := aliyunsim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return sim, serveSimulator(t, sim)
}

// readsQueues has nodes read the queues of the simulator at addr.
func readsQueues(addr string) func(*options) {
	return func(o *options) {
		o.Policy = bytes.Replace(o.Policy, []byte("accounts:"), fmt.Appendf(nil,
			"queues: [{name: sim, endpoint: %q, token_endpoint: %q, plain: true, reports: %s, incoming: %s}]\naccounts:",
			addr, addr, reportQueue, upQueue), 1)
	}
}

// emptied waits until nothing is left in the queues and the node has nothing left for ESMEs. What is there for c until
// then, c has read: nothing more comes.
func (s *system) emptied(c *client) {
	s.t.Helper()
	for _, queue := range []string{reportQueue, upQueue} {
		s.eventually("an empty queue: "+queue, func() bool { return s.sim.Queues()[queue].Left == 0 })
	}
	s.eventually("an empty outbox", func() bool {
		c.readAll()
		s.sync()
		figures := s.store.Figures()
		return figures.Outbox+figures.Incoming == 0
	})
}

// readAll reads all that the node has sent until it is asked for an answer.
func (c *client) readAll() {
	c.t.Helper()
	seq := c.Send(&smpp.EnquireLink{})
	for {
		if h, _ := c.take(); h.ID == smpp.EnquireLinkRespID && h.Sequence == seq {
			return
		}
	}
}

// TestReceiptsFromTheQueue: reports that lie in the account's message queue become receipts, also those that were put there
// while the node was away, and nothing is left in the queue.
func TestReceiptsFromTheQueue(t *testing.T) {
	sim, addr := newQueueSimulator(t,
		aliyunsim.Fault{Kind: aliyunsim.FaultReportDuplicate, Probability: 0.3},
		aliyunsim.Fault{Kind: aliyunsim.FaultReset, Action: "BatchDeleteMessage", Probability: 0.3},
		aliyunsim.Fault{Kind: aliyunsim.FaultHTML502, Action: "BatchReceiveMessage", Count: 2},
	)
	s := newSystem(t, sim, addr, readsQueues(addr))
	s.start()
	s.endWithTest()
	c := s.bind("test", smpp.Transceiver)
	for i := range 30 {
		id := c.mustSubmit(fmt.Sprintf("139%08d", i), "private")
		want(t, "stat", c.receipt(id).State, smpp.StateDelivered)
	}
	if err := sim.Enqueue(reportQueue, []byte("not a report")); err != nil {
		t.Fatal(err)
	}
	late := c.mustSubmit(phone, "private: late")
	s.restart()
	want(t, "stat", s.bind("test", smpp.Receiver).receipt(late).State, smpp.StateDelivered)
	s.eventually("an empty queue", func() bool { return sim.Queues()[reportQueue].Left == 0 })
}

// TestIncomingFromTheQueue: a text that a phone sent comes out of the account's message queue as a deliver_sm at the ESME
// that owns its dest_code and at no other, once, also where the queue has it twice or the node was away. What is nobody's, or
// nothing at all, holds nobody up.
func TestIncomingFromTheQueue(t *testing.T) {
	sim, addr := newQueueSimulator(t, aliyunsim.Fault{Kind: aliyunsim.FaultReset, Action: "BatchDeleteMessage", Probability: 0.3})
	s := newSystem(t, sim, addr, readsQueues(addr), ownsNumbers, func(o *options) {
		o.Policy = bytes.Replace(o.Policy, []byte("system_id: otp,"), []byte(`system_id: otp, incoming: {dest_codes: ["10690077"]},`), 1)
	})
	s.start()
	s.endWithTest()
	receive := func(list ...aliyunsim.SmsUp) {
		t.Helper()
		for i := range list {
			list[i].Phone, list[i].Queue, list[i].SendTime = phone, upQueue, "2026-11-21 10:00:00"
		}
		if _, err := sim.Receive(list...); err != nil {
			t.Fatal(err)
		}
	}
	hears := func(c *client, wantDest, wantText string) {
		t.Helper()
		if from, dest, text := c.hears(); from != phone || dest != wantDest || text != wantText {
			t.Errorf("from a number of %d digits to %s, %d characters; want it to %s, %d characters", len(from), dest, len(text), wantDest, len(wantText))
		}
	}
	if err := sim.Enqueue(upQueue, []byte("not a message")); err != nil {
		t.Fatal(err)
	}
	test, otp := s.bind("test", smpp.Receiver), s.bind("otp", smpp.Transceiver)
	receive(aliyunsim.SmsUp{DestCode: "4711", Content: "private: nobody's"},
		aliyunsim.SmsUp{DestCode: "106900001", Content: incomingText, SequenceID: 7},
		aliyunsim.SmsUp{DestCode: "106900001", Content: incomingText, SequenceID: 7},
		aliyunsim.SmsUp{DestCode: "10690077", Content: "private: otp's"})
	hears(test, "106900001", incomingText)
	hears(otp, "10690077", "private: otp's")
	s.emptied(test)
	otp.readAll()
	want(t, "more for test", len(test.incoming), 0)
	want(t, "more for otp", len(otp.incoming), 0)

	s.hangUp()
	s.stop()
	receive(aliyunsim.SmsUp{DestCode: "106900002", Content: "private: late"})
	s.start()
	test = s.bind("test", smpp.Transceiver)
	hears(test, "106900002", "private: late")
	s.emptied(test)
	want(t, "more for test", len(test.incoming), 0)
}
