package aliyunsim

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// pushingUps is pushing with incoming messages in the place of reports.
func pushingUps(t *testing.T, change func(*Config), f func(t *testing.T, s *Server, r *receiver)) {
	pushing(t, func(c *Config) {
		c.ReportURL, c.IncomingURL = "", "http://bridge.test/callback/secret/smsup"
		if change != nil {
			change(c)
		}
	}, f)
}

func upStates(s *Server) string {
	var out []string
	for _, m := range s.Incoming() {
		out = append(out, m.State.String())
	}
	return strings.Join(out, ",")
}

// TestIncomingFields: what is pushed is spelt as the API spells it, field by field; sequence_id is a number.
func TestIncomingFields(t *testing.T) {
	pushingUps(t, func(c *Config) { c.Now = newClock().now }, func(t *testing.T, s *Server, r *receiver) {
		got, err := s.Receive(SmsUp{Phone: "13900000001", Content: "退订 \"R\"", DestCode: "10690000", SignName: "速通银行"},
			SmsUp{Phone: "13900000002", DestCode: "10690000"})
		if err != nil || len(got) != 2 || got[0].SequenceID != 1 || got[1].SequenceID != 2 {
			t.Fatalf("got %+v, %v", got, err)
		}
		pass(time.Second)
		pushes := r.got()
		if len(pushes) != 1 || len(pushes[0].reports) != 2 {
			t.Fatalf("got %+v, want one push of two", pushes)
		}
		want := map[string]any{"phone_number": "13900000001", "content": "退订 \"R\"", "dest_code": "10690000",
			"sign_name": "速通银行", "send_time": "2025-11-21 10:00:30", "sequence_id": 1.0}
		first := pushes[0].reports[0]
		for name, value := range want {
			if first[name] != value {
				t.Errorf("%s: got %v, want %v", name, first[name], value)
			}
		}
		if len(first) != len(want) {
			t.Errorf("got %v, want the fields of %v", first, want)
		}
		if _, there := pushes[0].reports[1]["sign_name"]; there {
			t.Error("sign_name is there although none was answered")
		}
		if got := upStates(s); got != "pushed,pushed" {
			t.Errorf("states %s", got)
		}
	})
}

// TestIncomingRetries: what is refused comes again after 1, 5, 10 and 30 minutes and then hourly, ten times in all.
func TestIncomingRetries(t *testing.T) {
	pushingUps(t, nil, func(t *testing.T, s *Server, r *receiver) {
		r.set(func(try int) (*http.Response, error) {
			if try == 2 {
				return respond(200, `{"code":"0"}`) // not a number
			}
			return respond(503, "come again")
		}, false)
		if _, err := s.Receive(SmsUp{Phone: "13900000001", Content: "1", DestCode: "1069"}); err != nil {
			t.Fatal(err)
		}
		pass(5 * time.Hour)
		if got := upStates(s); got != "pending" {
			t.Errorf("state %s before the last try", got)
		}
		pass(2 * time.Hour)
		var when []string
		for _, p := range r.got() {
			when = append(when, p.after.String())
		}
		const want = "0s 1m0s 6m0s 16m0s 46m0s 1h46m0s 2h46m0s 3h46m0s 4h46m0s 5h46m0s"
		if got := strings.Join(when, " "); got != want {
			t.Errorf("tries at %s, want %s", got, want)
		}
		if got := upStates(s); got != "lost" {
			t.Errorf("state %s, want lost", got)
		}
	})
}

// TestIncomingControl: the endpoints; a message may come again under its sequence_id, and to another URL.
func TestIncomingControl(t *testing.T) {
	pushingUps(t, func(c *Config) { c.IncomingURL = "" }, func(t *testing.T, s *Server, r *receiver) {
		const body = `[{"phone_number":"13900000001","content":"a","dest_code":"1069","sequence_id":7}]`
		if st := ask(t, s, "POST /sim/incoming", body, nil); st != 200 {
			t.Fatalf("status %d", st)
		}
		pass(time.Second)
		if got := upStates(s); got != "none" || len(r.got()) != 0 {
			t.Errorf("without URL: state %s, %d pushes", got, len(r.got()))
		}
		if st := ask(t, s, "PUT /sim/incoming/url", `{"url":"http://bridge.test/up"}`, nil); st != http.StatusNoContent {
			t.Errorf("url: status %d", st)
		}
		ask(t, s, "POST /sim/incoming", body, nil)
		var next []map[string]any
		ask(t, s, "POST /sim/incoming", `[{"phone_number":"13900000002","dest_code":"1069"}]`, &next)
		pass(time.Second)
		if len(next) != 1 || next[0]["sequence_id"] != 8.0 || next[0]["state"] != "pending" {
			t.Errorf("answer %v", next)
		}
		var all []map[string]any
		if st := ask(t, s, "GET /sim/incoming", "", &all); st != 200 || len(all) != 3 || all[1]["state"] != "pushed" || all[1]["sequence_id"] != 7.0 {
			t.Errorf("status %d, %v", st, all)
		}
		for _, bad := range []string{`[{"phone_number":"1"}]`, `[{"dest_code":"1"}]`, `{}`, `[{"x":1}]`} {
			if st := ask(t, s, "POST /sim/incoming", bad, nil); st != http.StatusBadRequest {
				t.Errorf("%s: status %d", bad, st)
			}
		}
		if len(s.Incoming()) != 3 {
			t.Error("what was refused is there")
		}
	})
}

// TestIncomingQueued: a message may go into a queue in the place of a push; one for a queue that is not there is refused.
func TestIncomingQueued(t *testing.T) {
	s := newServer(t, func(c *Config) { c.Accounts[0].UpQueue = "Alicom-Queue-1-SmsUp" })
	got, err := s.Receive(SmsUp{Phone: "13900000001", DestCode: "1069", Queue: "Alicom-Queue-1-SmsUp"})
	if err != nil || len(got) != 1 || got[0].State != StatePushed {
		t.Errorf("got %+v, %v", got, err)
	}
	if n := s.Queues()["Alicom-Queue-1-SmsUp"].Put; n != 1 {
		t.Errorf("%d messages in the queue, want 1", n)
	}
	if _, err := s.Receive(SmsUp{Phone: "13900000001", DestCode: "1069", Queue: "another"}); err == nil || len(s.Incoming()) != 1 {
		t.Errorf("another queue: %v, %d messages", err, len(s.Incoming()))
	}
}
