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
	records := make([]record, len(list))
	faults := make([]reportFault, len(list))
	delay := s.cfg.Reports.Delay + s.faults.jitter(s.cfg.Reports.Jitter)
	params := ""
	for i, m := range list {
		if i == 0 || m.params != list[i-1].params {
			params = strings.Clone(m.params)
		}
		f := s.faults.ofReport(m.phone)
		faults[i] = f
		r := record{at: now.UnixMilli(), biz: biz, phone: m.phone, account: c.account, template: m.template,
			api: c.action, sign: m.sign, params: params, outID: outID, parts: uint8(min(parts(m.length), 255))}
		if r.due = r.at; !f.early {
			r.due += (delay + f.late).Milliseconds()
		}
		if !m.outcome.NoReport {
			r.errCode = m.outcome.ErrCode
			if r.errCode == "" {
				r.errCode = codeDelivered
			}
			r.state = s.firstState(f)
		}
		records[i] = r
	}
	seq := s.ledger.add(records)
	s.counters.executed.Add(int64(len(records)))
	var early batch
	for i, r := range records {
		if r.state == StateNone {
			continue
		}
		rep := report{record: r, seq: seq + int64(i), noOutID: faults[i].noOutID}
		if faults[i].early {
			early.reports = append(early.reports, rep)
		}
		s.schedule(rep, faults[i], delay)
	}
	if len(early.reports) > 0 {
		s.pusher.post(context.WithoutCancel(c.r.Context()), early)
	}
}

// firstState is the state of a report when its message is executed.
func (s *Server) firstState(f reportFault) State {
	switch {
	case !s.pusher.enabled():
		return StateNone
	case f.withhold && !f.early:
		return StateWithheld
	}
	return StatePending
}

// schedule arranges for the copies of a report that do not precede the answer.
func (s *Server) schedule(r report, f reportFault, delay time.Duration) {
	delay += f.late
	switch {
	case f.early:
	case f.withhold:
		s.pusher.withhold(r)
	default:
		s.pusher.add(r, delay)
	}
	if f.duplicate {
		s.pusher.add(r, delay+f.again)
	}
}
