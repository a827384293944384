package main

import (
	"fmt"
	"testing"

	"smppbridge/bridge/aliyun/aliyunsim"
	"smppbridge/smpp"
)

// moving is three nodes whose account has message queues, and an ESME that both are for.
type moving struct {
	*fleet3
	home *system // where the ESME is bound
	esme *client
	ids  []string // of what it has submitted
	ups  int      // how many phones have sent it something
}

// TestQueuesMoveWithTheLeader: only the node that leads receives from the message queues. The next one goes on where it was,
// after a handover and after a stop: nothing is lost, and what was committed and not deleted by the one before comes to the
// ESME once.
func TestQueuesMoveWithTheLeader(t *testing.T) {
	sim, addr := newQueueSimulator(t)
	f := prepareThreeAt(t, sim, addr, readsQueues(addr), ownsNumbers)
	f.start()
	m := &moving{fleet3: f, home: f.awaitLeader()}
	m.esme = m.home.bind("test", smpp.Transceiver)
	m.esme.Timeout = patience
	m.onlyLeaderReceives()
	m.testHandOver(t)
	m.testStop(t)
	m.onlyLeaderReceives()

	m.home.emptied(m.esme)
	want(t, "receipts", len(m.esme.receipts), len(m.ids))
	want(t, "incoming messages", len(m.esme.incoming), m.ups)
	texts := map[string]bool{}
	for _, sm := range m.esme.incoming {
		texts[string(sm.ShortMessage)] = true
	}
	want(t, "different ones", len(texts), m.ups)
	want(t, "sent", len(sim.Ledger()), len(m.ids))
}

// bring has the ESME submit n messages, whose reports come by their queue, and as many incoming ones come by theirs.
func (m *moving) bring(n int) {
	m.t.Helper()
	for range n {
		m.ids = append(m.ids, m.esme.mustSubmit(fmt.Sprintf("139%08d", len(m.ids)), "private"))
		up := aliyunsim.SmsUp{Phone: phone, DestCode: "106900001", Content: fmt.Sprintf("private %d", m.ups), Queue: upQueue}
		if _, err := m.sim.Receive(up); err != nil {
			m.t.Fatal(err)
		}
		m.ups++
	}
}

// arrived waits for all that was brought.
func (m *moving) arrived() {
	m.t.Helper()
	for _, id := range m.ids {
		want(m.t, "stat", m.esme.receipt(id).State, smpp.StateDelivered)
	}
	for len(m.esme.incoming) < m.ups {
		m.esme.take()
	}
}

// onlyLeaderReceives waits until of what is brought one by one, for which all who wait at a queue have an equal chance, all
// is received by the node that leads: one that led until a moment ago may still get something.
func (m *moving) onlyLeaderReceives() {
	m.t.Helper()
	m.nodes[0].eventually("only the leader receives", func() bool {
		leader := m.awaitLeader()
		before := m.receivedBeside(leader)
		for range 8 {
			m.bring(1)
			m.arrived()
		}
		return m.receivedBeside(leader) == before
	})
}

// receivedBeside is how often nodes other than the one that leads have received something from a queue.
func (m *moving) receivedBeside(leader *system) (n float64) {
	m.t.Helper()
	for _, s := range m.nodes {
		families, err := s.registry.Gather()
		if err != nil {
			m.t.Fatal(err)
		}
		for _, family := range families {
			for _, metric := range family.GetMetric() {
				if s != leader && family.GetName() == "smppbridge_aliyun_queue_messages_total" {
					n += metric.GetCounter().GetValue()
				}
			}
		}
	}
	return n
}

// testHandOver: what the leader has committed and could not delete is received again by the next one, which deletes it.
func (m *moving) testHandOver(t *testing.T) {
	if err := m.sim.SetFaults(aliyunsim.Faults{{Kind: aliyunsim.FaultDrop, Action: "BatchDeleteMessage"}}); err != nil {
		t.Fatal(err)
	}
	m.bring(10)
	m.arrived()
	m.handOver()
	m.bring(10)
	if err := m.sim.SetFaults(nil); err != nil {
		t.Fatal(err)
	}
	m.arrived()
	m.onlyLeaderReceives()
}

// testStop: the leader is stopped, which is not the node that the ESME is bound to, while there is always something in the queues.
func (m *moving) testStop(t *testing.T) {
	leader := m.awaitLeader()
	for leader == m.home {
		m.handOver()
		leader = m.awaitLeader()
	}
	m.bring(10)
	stopped := make(chan struct{})
	go func() { defer close(stopped); leader.stop() }()
	for over := false; !over; {
		m.bring(1)
		select {
		case <-stopped:
			over = true
		default:
		}
	}
	m.arrived()
	if m.awaitLeader() == leader {
		t.Errorf("%s leads, which was stopped", leader.opts.NodeID)
	}
}
