//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"smppbridge/bridge/aliyun/aliyunsim"
	"smppbridge/smpp"
)

// The mix.
const (
	mixResendAfter = "8s"            // longer than a message that was sent may be unlisted
	mixDrain       = 4 * time.Minute // the messages' validity, the last queries, and a route's longest rest
	mixLeast       = 0.7             // of what was accepted ends with DELIVRD; were everything to expire, nothing would be lost or doubled
	mixShort       = time.Minute     // in a mix this short all reports come at last: who waits for one asks after two minutes
	mixTurnLeast   = 3 * time.Second // the faults are others every
	mixTurnMost    = 7 * time.Second
)

// mixFleet is the ESMEs of one node: 500 messages a second over all nodes.
func (t *traffic) mixFleet(home int) []*esme {
	nodes := float64(len(t.addrs))
	trx := func(account string, rate float64, source func() (*part, *smpp.SubmitSM)) *esme {
		return &esme{traffic: t, account: account, kind: smpp.Transceiver, home: home, rate: rate * t.load / nodes,
			source: source, window: 100}
	}
	return []*esme{
		trx("mix-code", 135, t.code("mix-code", "登录码%s，请勿转发。")),
		trx("mix-capped", 3, t.capped.next),
		trx("mix-notice", 125, t.textTo("mix-notice", crowd)), trx("mix-notice", 100, t.text("mix-notice")),
		trx("mix-advert", 115, t.advert("mix-advert")),
		trx("mix-submitted", 10, t.text("mix-submitted")),
		trx("mix-long", 12, func() (*part, *smpp.SubmitSM) { return t.longs.next(home) }),
	}
}

// crowd are few phones, which get many messages.
func crowd(n int) string { return fmt.Sprintf("137%08d", n%200) }

// advert is a source of texts with what an advertisement must end with.
func (t *traffic) advert(account string) func() (*part, *smpp.SubmitSM) {
	return func() (*part, *smpp.SubmitSM) {
		n := t.book.number()
		m := t.book.compose(account, phone(n), fmt.Sprintf("advert %08d", n), 1)
		return m.parts[0], submits(m, m.content+"，拒收请回复R", smpp.DataCodingUCS2)[0]
	}
}

// mix has the API do all at once what it can do to its users, for as long as the command line says.
func mix(ctx context.Context, r *round) error {
	a := r.cluster.lab.api
	over := time.Now().Add(r.span)
	var err error
	for err == nil && time.Now().Before(over) {
		if err = a.misbehave(r.random, r.span > mixShort); err == nil {
			err = pause(ctx, mixTurnLeast+rand.N(mixTurnMost-mixTurnLeast))
		}
	}
	for _, n := range r.cluster.nodes { // for who looks at how they fared
		if b, askErr := n.get(ctx, "/metrics"); askErr == nil {
			_ = os.WriteFile(filepath.Join(r.cluster.dir, n.id+".metrics"), b, 0o600)
		}
	}
	return errors.Join(err, a.behave())
}

// behave ends all faults. What was withheld is pushed now.
func (a *api) behave() error {
	a.balancer.ail(sickness{})
	err := errors.Join(a.sim.SetFaults(nil), a.sim.EndOutages())
	a.sim.ReleaseReports()
	return err
}

// misbehave chooses what goes wrong for a while.
func (a *api) misbehave(random *rand.Rand, lose bool) error {
	faults := append(callFaults(), reportFaults()...)
	if lose {
		faults = append(faults, aliyunsim.Fault{Kind: aliyunsim.FaultReportLose, Probability: 0.01})
	}
	if random.IntN(2) == 0 {
		faults = append(bursts(random), faults...)
	}
	err := a.sim.SetFaults(faults)
	if random.IntN(4) == 0 {
		err = errors.Join(err, a.sim.BeginOutage(outage(random)))
	}
	a.balancer.ail([]sickness{{}, {before: 0.1, after: 0.1}, {before: 0.5, after: 0.3}, {before: 1}}[random.IntN(4)])
	return err
}

// outage is an endpoint of the mix that is away for a time, now and then both.
func outage(random *rand.Rand) aliyunsim.Outage {
	kinds := []aliyunsim.OutageKind{aliyunsim.OutageRefuse, aliyunsim.OutageBlackHole, aliyunsim.OutageError500,
		aliyunsim.OutageHTML502, aliyunsim.OutageEmpty503}
	where := []string{endpoint(mixPortA), endpoint(mixPortB), endpoint(mixPortA), endpoint(mixPortB), ""}
	return aliyunsim.Outage{Kind: kinds[random.IntN(len(kinds))], Endpoint: where[random.IntN(len(where))],
		ForMS: 1000 + random.IntN(5000)}
}

// bursts are what befalls some of the next calls, but not all of them: after an outage those are the few that try whether the
// route is well again.
func bursts(random *rand.Rand) aliyunsim.Faults {
	all := aliyunsim.Faults{
		{Kind: aliyunsim.FaultThrottle, Count: 8, Probability: 0.5},
		{Kind: aliyunsim.FaultBusiness, Code: "isv.AMOUNT_NOT_ENOUGH", Count: 2, Probability: 0.02},
		{Kind: aliyunsim.FaultGateway, Code: "InvalidAccessKeyId.NotFound", Status: 404, Count: 2, Probability: 0.02},
		{Kind: aliyunsim.FaultBusiness, Code: "isp.GATEWAY_ERROR", Executed: true, Count: 10, Probability: 0.5},
		{Kind: aliyunsim.FaultReset, Executed: true, Count: 10, Probability: 0.5},
		{Kind: aliyunsim.FaultHang, DelayMS: 2500, Count: 20, Probability: 0.5},
	}
	i := random.IntN(len(all))
	return all[i : i+1 : i+1]
}

// callFaults befall calls now and then, queries too.
func callFaults() aliyunsim.Faults {
	const query = "QuerySendDetails"
	return aliyunsim.Faults{
		{Kind: aliyunsim.FaultBusiness, Code: "isv.MOBILE_NUMBER_ILLEGAL", Suffix: "404"},
		{Kind: aliyunsim.FaultBusiness, Code: "isv.BUSINESS_LIMIT_CONTROL", Message: "触发分钟级流控Permits:1", Probability: 0.002},
		{Kind: aliyunsim.FaultLatency, Probability: 0.2, DelayMS: 50, JitterMS: 300},
		{Kind: aliyunsim.FaultLatency, Probability: 0.01, DelayMS: 1200},
		{Kind: aliyunsim.FaultHang, Probability: 0.01, DelayMS: 2500},
		{Kind: aliyunsim.FaultBlackHole, Probability: 0.003},
		{Kind: aliyunsim.FaultReset, Executed: true, Probability: 0.01},
		{Kind: aliyunsim.FaultReset, Probability: 0.005},
		{Kind: aliyunsim.FaultDrop, Executed: true, Probability: 0.01},
		{Kind: aliyunsim.FaultDrop, Probability: 0.01},
		{Kind: aliyunsim.FaultError500, Executed: true, Probability: 0.005},
		{Kind: aliyunsim.FaultError500, Probability: 0.005},
		{Kind: aliyunsim.FaultHTML502, Executed: true, Probability: 0.005},
		{Kind: aliyunsim.FaultHTML502, Probability: 0.005},
		{Kind: aliyunsim.FaultEmpty503, Probability: 0.005},
		{Kind: aliyunsim.FaultTruncated, Executed: true, Probability: 0.005},
		{Kind: aliyunsim.FaultGarbage, Executed: true, Probability: 0.005},
		{Kind: aliyunsim.FaultRedirect, Probability: 0.002},
		{Kind: aliyunsim.FaultSlowBody, Probability: 0.005, DelayMS: 600},
		{Kind: aliyunsim.FaultIdleClose, Probability: 0.01, DelayMS: 50},
		{Kind: aliyunsim.FaultBusiness, Code: "isp.SYSTEM_ERROR", Executed: true, Probability: 0.005},
		{Kind: aliyunsim.FaultBusiness, Code: "isp.SYSTEM_ERROR", Probability: 0.005},
		{Kind: aliyunsim.FaultLatency, Action: query, Probability: 0.3, DelayMS: 20, JitterMS: 300},
		{Kind: aliyunsim.FaultError500, Action: query, Probability: 0.03},
		{Kind: aliyunsim.FaultHTML502, Action: query, Probability: 0.02},
		{Kind: aliyunsim.FaultTruncated, Action: query, Probability: 0.01},
		{Kind: aliyunsim.FaultGarbage, Action: query, Probability: 0.01},
		{Kind: aliyunsim.FaultThrottle, Action: query, Probability: 0.03},
		{Kind: aliyunsim.FaultBlackHole, Action: query, Probability: 0.01},
	}
}

// reportFaults befall reports, and what queries know.
func reportFaults() aliyunsim.Faults {
	return aliyunsim.Faults{
		{Kind: aliyunsim.FaultReportEarly, Probability: 0.05},
		{Kind: aliyunsim.FaultReportNoOutID, Probability: 0.05},
		{Kind: aliyunsim.FaultReportLate, Probability: 0.1, DelayMS: 3000, JitterMS: 10_000},
		{Kind: aliyunsim.FaultReportDuplicate, Probability: 0.05, DelayMS: 50, JitterMS: 3000},
		{Kind: aliyunsim.FaultReportWithhold, Probability: 0.02},
		{Kind: aliyunsim.FaultReportUnlisted, Probability: 0.2, DelayMS: 1000, JitterMS: 2500},
	}
}
