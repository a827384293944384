package aliyunsim

import (
	"context"
	"strings"
	"time"
)

// execute records the messages of a call under one BizId and schedules their reports. Nothing that
// happens to the answer afterwards undoes it.
func (s *Server) execute(c *call, list []checked, biz int64, now time.Time) {
	outID := strings.Clone(c.get("OutId")) // the ledger must not hold whole requests in memory
	params := ""
	delay := s.cfg.Reports.Delay + s.faults.jitter(s.cfg.Reports.Jitter)
	var early batch
	for i, m := range list {
		if i == 0 || m.params != list[i-1].params {
			params = strings.Clone(m.params)
		}
		f := s.faults.ofReport(m.phone)
		wait := delay + f.late
		if f.early {
			wait = 0
		}
		r := record{at: now.UnixMilli(), due: now.Add(wait).UnixMilli(), biz: biz, phone: m.phone, account: c.account,
			listed: now.Add(s.cfg.DetailLag + f.unlisted).UnixMilli(), template: m.template, api: c.action, sign: m.sign, params: params, outID: outID,
			parts: uint8(min(parts(m.length), 255))}
		if !m.outcome.NoReport {
			r.errCode = m.outcome.ErrCode
			if r.errCode == "" {
				r.errCode = codeDelivered
			}
			r.state = s.firstState(c.account, f)
		}
		rep := report{noOutID: f.noOutID}
		rep.record, rep.seq = s.ledger.add(r)
		if r.state == StateNone || r.state == StateLost {
			continue
		}
		if f.early && !s.enqueueReport(rep) {
			early.reports = append(early.reports, rep)
		}
		s.schedule(rep, f, wait)
	}
	s.counters.executed.Add(int64(len(list)))
	if len(early.reports) > 0 {
		s.pusher.post(context.WithoutCancel(c.r.Context()), early)
	}
}

// firstState is the state of a report when its message is executed.
func (s *Server) firstState(a *account, f reportFault) State {
	switch {
	case !s.pusher.enabled() && a.ReportQueue == "":
		return StateNone
	case f.lose:
		return StateLost
	case f.withhold && !f.early:
		return StateWithheld
	}
	return StatePending
}

// schedule arranges for the copies of a report that do not precede the answer.
func (s *Server) schedule(r report, f reportFault, wait time.Duration) {
	switch {
	case f.early:
	case f.withhold:
		s.pusher.withhold(r)
	default:
		s.pusher.add(r, wait)
	}
	if f.duplicate {
		s.pusher.add(r, wait+f.again)
	}
}
