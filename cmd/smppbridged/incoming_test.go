package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"smppbridge/bridge/aliyun/aliyunsim"
	"smppbridge/smpp"
)

// incomingText is an incoming message's text that logs must not have.
const incomingText = "回复：请回电"

// hears waits for the next incoming message and returns what it says.
func (c *client) hears() (from, dest, text string) {
	c.t.Helper()
	for len(c.incoming) == 0 {
		c.take()
	}
	m := c.incoming[0]
	c.incoming = c.incoming[1:]
	text, err := smpp.DecodeText(m.DataCoding, smpp.AlphabetGSM7, m.ShortMessage)
	if err != nil {
		c.t.Fatal(err)
	}
	return m.SourceAddr, m.DestinationAddr, text
}

// decoded makes a request of the admin listener and decodes its answer.
func (s *system) decoded(method, path, body string, answer any) int {
	s.t.Helper()
	status, said := request(s.t, method, "http://"+s.httpAddr.String()+path, body)
	if err := json.Unmarshal([]byte(said), answer); err != nil {
		s.t.Fatal(err)
	}
	return status
}

// ownsNumbers has account test own incoming messages, and opt out of notices.
func ownsNumbers(o *options) {
	o.Policy = []byte(strings.Replace(string(o.Policy), "system_id: test,",
		`system_id: test, incoming: {dest_codes: ["1069*"]}, opt_out: {classes: [notice]},`, 1))
}

// TestIncomingMessages: a text that a phone sends reaches the account's ESME, also when the node was away when it was sent, or
// the ESME; what the API pushes twice comes once.
func TestIncomingMessages(t *testing.T) {
	s := startSystem(t, ownsNumbers)
	s.sim.SetIncomingURL("http://" + s.callbackAddr.String() + "/callback/" + callbackSecret + "/smsup")
	up := aliyunsim.SmsUp{Phone: phone, Content: incomingText, DestCode: "106900001", SequenceID: 7, SendTime: "2026-11-21 10:00:00"}
	if _, err := s.sim.Receive(up, up); err != nil {
		t.Fatal(err)
	}
	if from, dest, text := s.bind("test", smpp.Receiver).hears(); from != phone || dest != up.DestCode || text != incomingText {
		t.Errorf("from a number of %d digits to %s, %d characters", len(from), dest, len(text))
	}
	s.eventually("the first is dealt with", func() bool { return s.store.Figures().Incoming == 0 }) // else it would come again
	s.hangUp()
	s.eventually("nobody is bound", func() bool { return len(s.store.Binds("test")) == 0 })
	up.Content, up.SequenceID = "second", 8
	if _, err := s.sim.Receive(up); err != nil {
		t.Fatal(err)
	}
	s.eventually("the second is committed", func() bool { return s.store.Figures().Incoming == 1 })
	s.restart()
	if _, _, text := s.bind("test", smpp.Transceiver).hears(); text != "second" {
		t.Errorf("got %q after a restart", text)
	}
	s.eventually("the outbox is empty", func() bool { return s.store.Figures().Incoming == 0 })
}

// TestOptOuts: who answers R is refused from then on; an operator sees the number masked, and whole when he asks for it, and
// takes it back.
func TestOptOuts(t *testing.T) {
	s := startSystem(t, ownsNumbers)
	s.sim.SetIncomingURL("http://" + s.callbackAddr.String() + "/callback/" + callbackSecret + "/smsup")
	c := s.bind("test", smpp.Transceiver)
	if _, err := s.sim.Receive(aliyunsim.SmsUp{Phone: phone, Content: "r", DestCode: "1069"}); err != nil {
		t.Fatal(err)
	}
	c.hears()
	if st, _ := c.submit(phone, "hello"); st != smpp.StatusInvDstAdr {
		t.Errorf("answered %v, want ESME_RINVDSTADR", st)
	}
	var list optOutsDoc
	for query, want := range map[string]string{"": "139****5678", "&full=true": phone} {
		if st := s.decoded("GET", "/v1/optouts?account=test"+query, "", &list); st != 200 || len(list.OptOuts) != 1 ||
			list.OptOuts[0].Phone != want || list.OptOuts[0].By != "message" || list.Next != "" {
			t.Errorf("%s: %d %+v", query, st, list)
		}
	}
	var changed struct{ Changed int }
	if st := s.decoded("POST", "/v1/optouts", `{"account":"test","remove":["`+phone+`"]}`, &changed); st != 200 || changed.Changed != 1 {
		t.Errorf("remove: %d, %d changed", st, changed.Changed)
	}
	c.mustSubmit(phone, "hello")
	numbers := make([]string, 5)
	for i := range numbers {
		numbers[i] = fmt.Sprintf("1391234000%d", i)
	}
	add, err := json.Marshal(map[string]any{"account": "test", "add": numbers})
	if err != nil {
		t.Fatal(err)
	}
	if st := s.decoded("POST", "/v1/optouts", string(add), &changed); st != 200 || changed.Changed != 5 {
		t.Errorf("add: %d, %d changed", st, changed.Changed)
	}
	var pages []string
	for after := ""; ; after = list.Next {
		list = optOutsDoc{}
		if st := s.decoded("GET", "/v1/optouts?account=test&full=true&limit=2&after="+after, "", &list); st != 200 || len(list.OptOuts) > 2 {
			t.Fatalf("a page: %d, %d numbers", st, len(list.OptOuts))
		}
		for _, o := range list.OptOuts {
			pages = append(pages, o.Phone)
		}
		if strings.Contains(list.Next, "1391234") {
			t.Error("a whole number is the next of a page")
		}
		if list.Next == "" {
			break
		}
	}
	if fmt.Sprint(pages) != fmt.Sprint(numbers) {
		t.Errorf("pages of %d numbers, want %d", len(pages), len(numbers))
	}
	for _, bad := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/v1/optouts", "", 400},
		{"GET", "/v1/optouts?account=test&limit=x", "", 400},
		{"GET", "/v1/optouts?account=test&after=*", "", 400},
		{"POST", "/v1/optouts", `{"account":"test","add":["x"],"remove":["y"]}`, 400},
		{"POST", "/v1/optouts", `{"add":["13912345678"]}`, 400},
		{"POST", "/v1/optouts", `{"account":"test","add":["13912345678","x13912345678"]}`, 400},
		{"POST", "/v1/optouts", `{"account":"nobody","add":["13912345678"]}`, 404},
		{"POST", "/v1/optouts", `{"account":"test","extra":"13912345678"}`, 400},
	} {
		var said map[string]string
		if st := s.decoded(bad.method, bad.path, bad.body, &said); st != bad.want || strings.Contains(said["error"], phone) {
			t.Errorf("%s %s %s: %d %q, want %d", bad.method, bad.path, bad.body, st, said["error"], bad.want)
		}
	}
}
