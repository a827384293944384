package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// calmQPS is the rate of the route by which account calm sends.
const calmQPS = 20

// TestLimitsOverThreeNodes: limits are the cluster's, whichever nodes an account's ESMEs are at and whoever leads
// (promise 5). The exact counts are shown in packages cluster and bridge; this is about all parts together.
func TestLimitsOverThreeNodes(t *testing.T) {
	f := startThree(t, singly, func(o *options) {
		route := regexp.MustCompile(`(?m)^  - {name: sim, .*$`).Find(o.Policy)
		calm := bytes.Replace(bytes.Replace(route, []byte("name: sim"), []byte("name: calm"), 1), []byte("qps: 100000"), fmt.Appendf(nil, "qps: %d", calmQPS), 1)
		o.Policy = bytes.Replace(o.Policy, route, append(append(bytes.Clone(route), '\n'), calm...), 1)
		o.Policy = fmt.Appendf(o.Policy, "  - {system_id: calm, password_hash: %q, sign_name: 阿里云测试, templates: [SMS_100000003], route: calm}\n", hashOf(t, password))
	})
	t.Run("rate", func(t *testing.T) { f.testShared(t, "slow", 5) })
	t.Run("quota", func(t *testing.T) { awayFromDayEdge(t); f.testShared(t, "quota", 4) })
	t.Run("window", func(t *testing.T) { f.testSharedWindow(t) })
	t.Run("binds", func(t *testing.T) { f.testBindStorm(t) })
	t.Run("qps", func(t *testing.T) { f.testSharedQPS(t) })
	t.Run("phone", func(t *testing.T) { f.testSharedPhone(t) })
}

// handOver has another node lead.
func (f *fleet3) handOver() {
	f.t.Helper()
	f.handOverTo(f.nodes[(slices.Index(f.nodes, f.awaitLeader())+1)%len(f.nodes)])
}

// handOverTo asks again while it cannot be done now: whoever answers late is not handed the lead, and a pause of the machine may
// have it change by itself.
func (f *fleet3) handOverTo(other *system) {
	f.t.Helper()
	other.eventually("the node that was named leads", func() bool {
		if other.node.cluster.IsLeader() {
			return true
		}
		code, body := other.ask(http.MethodPost, "/v1/cluster/transfer", fmt.Sprintf(`{"node":%q}`, other.opts.NodeID))
		leads := other.node.cluster.IsLeader()
		if code != http.StatusOK && code != http.StatusServiceUnavailable && !leads {
			f.t.Fatalf("transfer: %d %s", code, body)
		}
		return leads
	})
}

// asksAll asks s for what it must have all others do, again until it has: one may not be reached in time.
func (s *system) asksAll(path string) {
	s.t.Helper()
	s.eventually(path, func() bool {
		code, _ := s.ask(http.MethodPost, path, "")
		return code == http.StatusOK
	})
}

// bindAll binds an ESME of account to each node.
func (f *fleet3) bindAll(account string) (clients []*client) {
	f.t.Helper()
	for _, s := range f.nodes {
		clients = append(clients, s.bind(account, smpp.Transceiver))
	}
	return clients
}

// submitAtOnce has each client submit a text before any of them looks for its answer.
func submitAtOnce(clients []*client, to string) (ids []string, others []smpp.Status) {
	seqs := make([]uint32, len(clients))
	for i, c := range clients {
		seqs[i] = c.Send(&smpp.SubmitSM{SourceAddr: "1069", DestinationAddr: to, ShortMessage: "private",
			RegisteredDelivery: smpp.RegisteredDeliveryAlways})
	}
	for i, c := range clients {
		for answered := false; !answered; {
			h, p := c.take()
			resp, ok := p.(*smpp.SubmitSMResp)
			if answered = ok && h.Sequence == seqs[i]; !answered {
				continue
			}
			if h.Status == smpp.StatusOK {
				ids = append(ids, resp.MessageID)
			} else {
				others = append(others, h.Status)
			}
		}
	}
	return ids, others
}

// testShared: of what three nodes are asked at once, as much is accepted as the account may, and all others are told to
// slow down.
func (f *fleet3) testShared(t *testing.T, account string, want int) {
	clients := f.bindAll(account)
	accepted := 0
	for i := range 4 {
		if i == 1 || i == 3 {
			f.handOver()
		}
		ids, others := submitAtOnce(clients, phone)
		accepted += len(ids)
		if accepted > want || len(others) > 0 && accepted < want {
			t.Errorf("turn %d: %d accepted in all, refused %v, want %d", i, accepted, others, want)
		}
		for _, st := range others {
			if st != smpp.StatusThrottled {
				t.Errorf("refused with %v", st)
			}
		}
	}
	f.hangUp()
}

func (f *fleet3) hangUp() {
	for _, s := range f.nodes {
		s.hangUp()
	}
}

// testSharedWindow: three messages of account narrow are open at most.
func (f *fleet3) testSharedWindow(t *testing.T) {
	clients := f.bindAll("narrow")
	f.nodes[0].asksAll("/v1/pause")
	var ids []string
	for i := range 3 {
		if i > 0 {
			f.handOver()
		}
		got, others := submitAtOnce(clients, phone)
		ids = append(ids, got...)
		if len(ids) != 3 {
			t.Fatalf("turn %d: %d are open, refused %v, want 3", i, len(ids), others)
		}
		for _, st := range others {
			if st != smpp.StatusMsgQFul {
				t.Errorf("refused with %v", st)
			}
		}
	}
	f.nodes[1].asksAll("/v1/resume")
	for _, s := range f.nodes {
		for _, id := range ids {
			n, err := store.ParseNumber(id)
			if err != nil {
				t.Fatal(err)
			}
			s.eventually("final: "+id, func() bool { _, st, err := s.store.Lookup(n); return err == nil && st.State == store.StateFinal })
		}
	}
	if got, others := submitAtOnce(clients, phone); len(got) != 3 {
		t.Errorf("three are final, and %d were accepted, refused %v", len(got), others)
	}
	f.hangUp()
}

// testBindStorm: account test has five binds. Twelve ESMEs at three nodes bind, stay for a moment and go, with and
// without an unbind, while leaders change. Never are more than five bound; afterwards all places are free.
func (f *fleet3) testBindStorm(t *testing.T) {
	var storm bindStorm
	var esmes sync.WaitGroup
	for i := range 12 {
		addr := f.nodes[i%3].smppAddr.String()
		esmes.Go(func() {
			for k := range 6 {
				storm.stay(addr, (i+k)%2 == 0)
			}
		})
	}
	f.handOver()
	f.handOver()
	esmes.Wait()
	t.Logf("%d binds, at most %d at a time, %d refused, %d ended by a node", storm.binds.Load(), storm.most.Load(), storm.refused.Load(), storm.cut.Load())
	if most := 5 + storm.cut.Load(); storm.most.Load() > most {
		t.Errorf("%d were bound at a time, want %d", storm.most.Load(), most)
	}
	if storm.binds.Load() < 12 || storm.refused.Load() == 0 {
		t.Errorf("%d binds, %d refused: nothing was shown", storm.binds.Load(), storm.refused.Load())
	}
	for _, s := range f.nodes {
		s.eventually("all places are free", func() bool { return len(s.store.AllBinds()) == 0 })
	}
	f.testBindLimit(t)
}

// A bindStorm counts ESMEs that are bound.
type bindStorm struct {
	bound, most, binds, refused, cut atomic.Int64
}

// stay binds, answers enquire_link for a moment, and goes. An ESME counts as bound from its bind_resp until it begins to go.
func (b *bindStorm) stay(addr string, unbind bool) {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	bind := &smpp.Bind{Type: smpp.Transceiver, SystemID: "test", Password: password, InterfaceVersion: 0x34}
	if _, err := conn.Write(smpp.Append(nil, smpp.StatusOK, 1, bind)); err != nil {
		return
	}
	r := smpp.NewReader(conn, smpp.MaxPDU)
	if h, _, err := r.Next(); err != nil || h.Status != smpp.StatusOK {
		b.refused.Add(1)
		return
	}
	b.binds.Add(1)
	now := b.bound.Add(1)
	for most := b.most.Load(); now > most && !b.most.CompareAndSwap(most, now); most = b.most.Load() {
	}
	_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	for {
		h, _, err := r.Next()
		if e, ok := err.(net.Error); err != nil && !(ok && e.Timeout()) {
			b.cut.Add(1)
		}
		if err != nil {
			break
		}
		if h.ID == smpp.EnquireLinkID {
			_, _ = conn.Write(smpp.Append(nil, smpp.StatusOK, h.Sequence, &smpp.EnquireLinkResp{}))
		}
	}
	b.bound.Add(-1)
	if unbind {
		_, _ = conn.Write(smpp.Append(nil, smpp.StatusOK, 2, &smpp.Unbind{}))
	}
}

// testSharedQPS: the calls of all leaders keep to the route's qps as the API sees them. Between its charge and its
// arrival a call may take up to a second, and what the machine is late.
func (f *fleet3) testSharedQPS(t *testing.T) {
	const messages = 60
	before, machine := len(f.sim.Ledger()), watchMachine(t, t.TempDir())
	clients := f.bindAll("calm")
	for i := range messages / 3 {
		if ids, others := submitAtOnce(clients, fmt.Sprintf("1391234%04d", i)); len(ids) != 3 {
			t.Fatalf("refused %v", others)
		}
	}
	for sent := 15; sent < messages; sent += 15 {
		f.nodes[0].eventually("calls go on", func() bool { return len(f.sim.Ledger()) >= before+sent })
		f.handOver()
	}
	f.nodes[0].eventually("all are sent", func() bool { return len(f.sim.Ledger()) >= before+messages })
	calls, underWay := f.sim.Ledger()[before:], allowed(time.Second, machine.ever())
	want(t, "calls", len(calls), messages)
	for i := range calls {
		for j := i; j < len(calls); j++ {
			took := calls[j].Time.Sub(calls[i].Time)
			if most := calmQPS/10 + calmQPS*(took+underWay).Seconds(); float64(j-i+1) > most {
				t.Fatalf("%d calls in %v", j-i+1, took)
			}
		}
	}
	if took, least := calls[messages-1].Time.Sub(calls[0].Time), time.Second*(messages-calmQPS/10-1)/calmQPS-underWay; took < least {
		t.Errorf("%d calls in %v, want %v at least", messages, took, least)
	}
	f.hangUp()
}

// testSharedPhone: a second one-time code to a phone is not sent in the same minute, whichever node accepts it and
// whoever leads: the API, which counts too, has nothing to refuse.
func (f *fleet3) testSharedPhone(t *testing.T) {
	awayFromMinuteEdge(t)
	const to = "13912349999"
	clients := f.bindAll("otp")
	text := "您的验证码是471153，5分钟内有效，请勿泄露。"
	first := clients[0].mustSubmit(to, text)
	f.nodes[0].eventually("it is sent", func() bool { return f.nodes[0].executed(to) == 1 })
	f.handOver()
	short := func(m *smpp.SubmitSM) { m.ValidityPeriod = "000000000002000R" } // 2 s
	second, third := clients[1].mustSubmit(to, text, short), clients[2].mustSubmit(to, text, short)
	f.handOver()
	final := func(id string) func() bool {
		n, err := store.ParseNumber(id)
		if err != nil {
			t.Fatal(err)
		}
		return func() bool {
			_, st, err := f.nodes[0].store.Lookup(n)
			return err == nil && st.State == store.StateFinal
		}
	}
	for _, id := range []string{first, second, third} {
		f.nodes[0].eventually("final: "+id, final(id))
	}
	want(t, "sent", f.nodes[0].executed(to), 1)
	for api, codes := range f.sim.Counters().Calls {
		for code, n := range codes {
			if strings.Contains(code, "LIMIT") || strings.Contains(code, "Throttling") {
				t.Errorf("%s answered %s %d times", api, code, n)
			}
		}
	}
	f.hangUp()
}
