package bridge

import (
	"errors"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// limitsPolicy has an account for each limit.
const limitsPolicy = `
signatures: [测试]
templates:
  - {code: SMS_2, class: notice, text: "${content}", phone_limit: false, vars: {content: {kind: free, max: 500}}}
routes:
  - {name: main, kind: dysmsapi, endpoint: "127.0.0.1:1", workers: 4, qps: 1000}
accounts:
  - {system_id: rate, password_hash: "HASH", sign_name: 测试, rate: 1, burst: 2}
  - {system_id: quota, password_hash: "HASH", sign_name: 测试, daily_quota: 2}
  - {system_id: window, password_hash: "HASH", sign_name: 测试, window: 2}
  - {system_id: all, password_hash: "HASH", sign_name: 测试, rate: 1, burst: 2, window: 2, daily_quota: 2}
  - {system_id: any, password_hash: "HASH", sign_name: 测试}
`

// TestTemporaryStatuses: ESMEs treat the three ways to say "not now" differently. ESME_RTHROTTLED: slow
// down, you are above what your account may send. ESME_RMSGQFUL: too much waits, yours or the node's.
// ESME_RSYSERR: trouble on our side. None of them is for anything that stays wrong. What is refused is not
// accepted, and the session goes on.
func TestTemporaryStatuses(t *testing.T) {
	noAccept := func(what fate) func(store.Command) fate { return first[*store.Accept](what, 1_000_000) }
	tests := []struct {
		name, account string
		node          func(store.Command) fate // for the third message
		want          smpp.Status
	}{
		{"above its rate", "rate", nil, smpp.StatusThrottled},
		{"beyond its quota", "quota", nil, smpp.StatusThrottled},
		{"as many open as it may have", "window", nil, smpp.StatusMsgQFul},
		{"above all of its limits", "all", nil, smpp.StatusThrottled}, // slowing down helps against most of them
		{"no room in the log", "any", noAccept(noRoom), smpp.StatusMsgQFul},
		{"no leader", "any", noAccept(refused), smpp.StatusSysErr},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				r.putPolicy(limitsPolicy)
				pass(time.Second)
				e := r.bind(tt.account, smpp.Transmitter)
				e.accepted("hello")
				e.accepted("hello")
				r.node.decide(tt.node)
				e.submit("hello")
				if h, _ := e.Expect(smpp.SubmitSMRespID); h.Status != tt.want {
					t.Errorf("answered %v, want %v", h.Status, tt.want)
				}
				if got := r.stored(); got != 2 {
					t.Errorf("%d messages in the store, want 2", got)
				}
				if got := counted(t, r.metrics.submits.WithLabelValues(tt.account, tt.want.String())); got != 1 {
					t.Errorf("%v counted as %v, want 1", got, tt.want)
				}
				e.Send(&smpp.EnquireLink{})
				e.Expect(smpp.EnquireLinkRespID)
			}, func(c *Config) { c.Paused = true })
		})
	}
}

// TestRefusalStatus: an error that names no status is our trouble, not the ESME's.
func TestRefusalStatus(t *testing.T) {
	for err, want := range map[error]smpp.Status{
		errors.New("disk"): smpp.StatusSysErr,
		&smpp.StatusError{Status: smpp.StatusInvDstAdr, Err: errBadNumber}: smpp.StatusInvDstAdr,
	} {
		inRig(t, func(t *testing.T, r *rig) {
			e := r.bind("any", smpp.Transmitter)
			r.sessions.Range(func(_, v any) bool {
				r.refuse(&submission{session: v.(*session), request: smpp.Request{Command: smpp.DataSMID, Sequence: 7}}, err)
				return true
			})
			if h, _ := e.Expect(smpp.DataSMRespID); h.Status != want || h.Sequence != 7 {
				t.Errorf("%v: answered %v to %d, want %v to 7", err, h.Status, h.Sequence, want)
			}
		})
	}
}
