package bridge

import (
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// TestBrakesOverNodes: whichever node is asked, what is stopped is stopped on all within a second, and stays so whoever leads
// and is restarted; what waited is sent once when it is resumed (promises 1 and 3).
func TestBrakesOverNodes(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		f.at(2).halt(BrakeAccount, "any", BrakeHold)
		f.at(3).halt(BrakeTemplate, "SMS_1", BrakeRefuse)
		var numbers []store.Number
		var any, codes [3]*esme
		bind := func(i int) {
			any[i], codes[i] = f.members[i].bind("any", smpp.Transmitter), f.members[i].bind("otp", smpp.Transmitter)
		}
		submit := func() {
			for i, m := range f.members {
				numbers = append(numbers, any[i].submits("hello", 5)...)
				if got := codes[i].statusOf("您的验证码是4711。"); got != smpp.StatusThrottled {
					t.Errorf("%s answers a stopped template with %v", m.id, got)
				}
			}
			pass(2 * time.Second)
			if n := len(f.api.called()); n != 0 {
				t.Fatalf("%d calls", n)
			}
		}
		for i := range f.members {
			bind(i)
		}
		submit()
		for _, to := range []int{2, 3, 1} {
			f.lead(f.at(to))
			pass(2 * time.Second)
			submit()
		}
		f.at(1).crash()
		f.lead(f.at(2))
		f.at(1).start()
		f.lead(f.at(1))
		bind(0)
		pass(2 * time.Second)
		submit()

		f.at(3).letGo(BrakeAccount, "any")
		pass(time.Minute)
		sent := make(map[string]int)
		for _, c := range f.api.called() {
			sent[c.OutID] += len(c.Recipients)
		}
		messages := 0
		for _, n := range sent {
			messages += n
		}
		if messages != len(numbers) {
			t.Errorf("%d sent, want %d", messages, len(numbers))
		}
		for _, n := range numbers {
			if _, st, err := f.book.Lookup(n); err != nil || st.State != store.StateSent || st.Tries != 1 {
				t.Errorf("message %s: %+v (%v)", n, st, err)
			}
		}
	}, func(c *Config) { c.Session.EnquireLink = 1000 * time.Hour })
}

// TestBrakeOfLeaderThatLags: a node that comes to lead heeds what was stopped before, however late it has heard of it.
func TestBrakeOfLeaderThatLags(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		e := f.at(3).bind("any", smpp.Transmitter)
		f.at(2).hold()
		f.at(1).halt(BrakeAccount, "any", BrakeHold)
		e.submits("hello", 20)
		f.lead(f.at(2))
		pass(10 * time.Second)
		if n := len(f.api.called()); n != 0 {
			t.Errorf("%d calls", n)
		}
		f.at(1).letGo(BrakeAccount, "any")
		pass(time.Minute)
		messages := 0
		for _, c := range f.api.called() {
			messages += len(c.Recipients)
		}
		if messages != 20 {
			t.Errorf("%d sent, want 20", messages)
		}
	})
}
