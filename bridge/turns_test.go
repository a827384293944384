package bridge

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"smppbridge/smpp"
)

// lanePolicy has a class for each of the lanes' ends, on a route that makes one call at a time.
const lanePolicy = `
signatures: [测试]
classes:
  now: {urgent: true}
  later: {validity: 24h}
templates:
  - {code: SMS_1, class: now, text: "码${code}", phone_limit: false}
  - {code: SMS_2, class: later, text: "知${content}", phone_limit: false}
routes:
  - {name: main, kind: dysmsapi, endpoint: "127.0.0.1:1", workers: WORKERS, qps: 1000}
accounts:
  - {system_id: any, password_hash: "HASH", sign_name: 测试}
`

// lanesOf submits n messages for each of the lanes that mix names (u, p, s), while sending is paused, and
// returns in which order the calls of their lanes are made.
func lanesOf(t *testing.T, workers, n int, mix string) string {
	t.Helper()
	var order strings.Builder
	inRig(t, func(t *testing.T, r *rig) {
		r.putPolicy(strings.Replace(lanePolicy, "WORKERS", fmt.Sprint(workers), 1))
		pass(time.Second)
		e := r.bind("any", smpp.Transmitter)
		for i := range n {
			for _, lane := range mix {
				text, flag := "知hello", uint8(0)
				switch lane {
				case 'u':
					text = "码4711"
				case 'p':
					flag = 1
				}
				e.submit(text, func(m *smpp.SubmitSM) {
					m.PriorityFlag, m.DestinationAddr = flag, fmt.Sprintf("139%d%07d", strings.IndexRune("?ups", lane), i)
				})
			}
		}
		for range n * len(mix) {
			e.number()
		}
		r.Resume()
		pass(10 * time.Second)
		for _, c := range r.api.called() {
			order.WriteByte("?ups"[c.Recipients[0].Phone[3]-'0'])
		}
	}, func(c *Config) { c.Paused = true })
	return order.String()
}

// TestLanes: urgent messages go first, then preferred ones; but a backlog in one lane leaves an eighth of the
// calls to each lane behind it, so that nobody's messages starve.
func TestLanes(t *testing.T) {
	const n, first = 100, 80
	tests := []struct {
		mix                       string
		urgent, preferred, others int // of the first calls, about: the calls of a round begin in no order
	}{
		{"ups", 60, 10, 10},
		{"us", 70, 0, 10},
		{"ps", 0, 70, 10},
		{"s", 0, 0, 80},
	}
	for _, workers := range []int{1, 16} {
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%s by %d workers", tt.mix, workers), func(t *testing.T) {
				order := lanesOf(t, workers, n, tt.mix)
				if len(order) != n*len(tt.mix) {
					t.Fatalf("%d calls, want %d", len(order), n*len(tt.mix))
				}
				for lane, want := range map[string]int{"u": tt.urgent, "p": tt.preferred, "s": tt.others} {
					// What is begun together is called in any order: of the last round the others may come first.
					if got := strings.Count(order[:first], lane); got < want-7-workers/2 || got > want+7+workers/2 {
						t.Errorf("%d of the first %d calls are %s, want about %d: %s", got, first, lane, want, order[:first])
					}
				}
			})
		}
	}
}

// TestLanesWithoutABacklog: what is urgent is not held up while it is little.
func TestLanesWithoutABacklog(t *testing.T) {
	order := lanesOf(t, 1, 5, "sssspppu")
	if got := strings.LastIndexByte(order, 'u'); got > 6 {
		t.Errorf("the last of 5 urgent messages was sent %d: %s", got+1, order)
	}
	if got := strings.LastIndexByte(order, 'p'); got > 26 {
		t.Errorf("the last of 15 preferred messages was sent %d: %s", got+1, order)
	}
}

// TestNextDue: the dispatcher wakes up for every lane.
func TestNextDue(t *testing.T) {
	for name, change := range map[string]func(*smpp.SubmitSM){
		"urgent":    func(m *smpp.SubmitSM) { *m = *submitSM("码4711") },
		"preferred": func(m *smpp.SubmitSM) { m.PriorityFlag = 1 },
		"other":     func(*smpp.SubmitSM) {},
	} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				r.putPolicy(strings.Replace(lanePolicy, "WORKERS", "1", 1))
				pass(time.Second)
				r.bind("any", smpp.Transmitter).accepted("知hello", change, func(m *smpp.SubmitSM) { m.ScheduleDeliveryTime = "000000000003000R" })
				pass(2900 * time.Millisecond)
				if got := len(r.api.called()); got != 0 {
					t.Fatalf("%d calls before the time", got)
				}
				pass(150 * time.Millisecond)
				if got := len(r.api.called()); got != 1 {
					t.Errorf("%d calls at the time, want 1", got)
				}
			})
		})
	}
}
