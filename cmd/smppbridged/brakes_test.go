package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"smppbridge/bridge"
	"smppbridge/bridge/aliyun/aliyunsim"
	"smppbridge/smpp"
	"smppbridge/store"
)

// asked asks the admin listener, which must answer with a status, and decodes what it says.
func (s *system) asked(method, path, body string, want int, into any) {
	s.t.Helper()
	code, text := request(s.t, method, "http://"+s.httpAddr.String()+path, body)
	if code != want {
		s.t.Fatalf("%s %s answered %d %s, want %d", method, path, code, text, want)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			s.t.Fatalf("%s: %v", path, err)
		}
	}
}

// TestBrakesAnswer: what is stopped waits, is listed, can be counted and cancelled, and goes on, also over a restart.
func TestBrakesAnswer(t *testing.T) {
	s := startSystem(t)
	s.asked(http.MethodPost, "/v1/brakes", `{"kind":"account","name":"test","reason":"trial","by":"ops"}`, http.StatusOK, nil)
	c := s.bind("test", smpp.Transceiver)
	ids := []string{c.mustSubmit(phone, "one"), c.mustSubmit(phone, "two")}
	s.restart()
	var doc brakesDoc
	s.asked(http.MethodGet, "/v1/brakes", "", http.StatusOK, &doc)
	if len(doc.Brakes) != 1 {
		t.Fatalf("got %+v", doc)
	}
	want(t, "brake", doc.Brakes[0].Kind+" "+doc.Brakes[0].Name+" "+doc.Brakes[0].Mode, "account test hold")
	want(t, "by and why", doc.Brakes[0].By+" "+doc.Brakes[0].Reason, "ops trial")
	want(t, "waiting", doc.Brakes[0].Waiting, 2)
	want(t, "executed", s.executed(phone), 0)

	var done bridge.Cancelled
	s.asked(http.MethodPost, "/v1/cancel", `{"account":"test","dry_run":true}`, http.StatusOK, &done)
	want(t, "counted", done.Messages, 2)
	want(t, "cancelled by counting", done.Cancelled, 0)
	s.asked(http.MethodPost, "/v1/cancel", `{"account":"test"}`, http.StatusOK, &done)
	want(t, "cancelled", done.Cancelled, 2)
	c = s.bind("test", smpp.Transceiver)
	for _, id := range ids {
		want(t, "stat", c.receipt(id).State, smpp.StateDeleted)
	}
	id := c.mustSubmit(phone, "three")
	s.asked(http.MethodDelete, "/v1/brakes/account/test", "", http.StatusOK, nil)
	want(t, "stat", c.receipt(id).State, smpp.StateDelivered)
	want(t, "executed", s.executed(phone), 1)

	for _, bad := range []struct {
		method, path, body string
		code               int
	}{
		{http.MethodPost, "/v1/brakes", `{"kind":"account","name":"nobody"}`, http.StatusNotFound},
		{http.MethodPost, "/v1/brakes", `{"kind":"country","name":"x"}`, http.StatusBadRequest},
		{http.MethodPost, "/v1/brakes", `{"kind":"route","name":"sim","mode":"refuse"}`, http.StatusBadRequest},
		{http.MethodPost, "/v1/brakes", `{"account":"test"}`, http.StatusBadRequest},
		{http.MethodPost, "/v1/brakes", ``, http.StatusBadRequest},
		{http.MethodDelete, "/v1/brakes/account/test", "", http.StatusNotFound},
		{http.MethodPost, "/v1/cancel", `{}`, http.StatusBadRequest},
		{http.MethodPost, "/v1/cancel", `{"account":"nobody"}`, http.StatusNotFound},
		{http.MethodGet, "/v1/uncertain?limit=x", "", http.StatusBadRequest},
	} {
		s.asked(bad.method, bad.path, bad.body, bad.code, nil)
	}
}

// TestUncertainAnswer: /v1/uncertain lists what nobody knows of.
func TestUncertainAnswer(t *testing.T) {
	s := startSystem(t)
	var doc uncertainDoc
	s.asked(http.MethodGet, "/v1/uncertain", "", http.StatusOK, &doc)
	if doc.Total != 0 || doc.Messages == nil {
		t.Errorf("when there are none: %+v", doc)
	}
	s.fault(aliyunsim.Fault{Kind: aliyunsim.FaultDrop})
	id := s.bind("test", smpp.Transceiver).mustSubmit(phone, "private")
	var text string
	s.eventually("the call's answer is lost, and the list says so", func() bool { // it is sent again after a second, and again
		var code int
		code, text = s.admin(http.MethodGet, "/v1/uncertain?limit=10")
		return code == http.StatusOK && strings.Contains(text, id)
	})
	if strings.Contains(text, phone) || strings.Contains(text, "private") {
		t.Errorf("answered %s", text)
	}
}

// TestBrakeOnThreeNodes: what one node is told holds on all of them within a second, and when another one leads.
func TestBrakeOnThreeNodes(t *testing.T) {
	if testing.Short() {
		t.Skip("three nodes")
	}
	f := startThree(t)
	for _, s := range f.nodes { // the cluster knows records once all members are seen to
		s.eventually("all members take part", func() bool { return s.store.ClusterVersion() >= store.Version })
	}
	refuses := func(c *client) bool {
		st, _ := c.submit(phone, "private")
		return st == smpp.StatusThrottled
	}
	var clients []*client
	for _, s := range f.nodes {
		clients = append(clients, s.bind("test", smpp.Transmitter))
	}
	f.nodes[1].asked(http.MethodPost, "/v1/brakes", `{"kind":"account","name":"test","mode":"refuse"}`, http.StatusOK, nil)
	stopped := time.Now()
	for i, s := range f.nodes {
		s.eventually("it refuses", func() bool { return refuses(clients[i]) })
	}
	t.Logf("refused on all nodes after %v", time.Since(stopped))
	f.nodes[2].asked(http.MethodPost, "/v1/brakes", `{"kind":"account","name":"test","mode":"hold"}`, http.StatusOK, nil)
	for i, s := range f.nodes {
		s.eventually("it accepts", func() bool { return !refuses(clients[i]) })
	}
	leader := f.awaitLeader()
	leader.eventually("calls that had begun are over", func() bool { return decoded[statusDoc](leader, "/v1/status").Messages["sending"] == 0 })
	before := f.executed()
	f.handOverTo(f.nodes[1])
	c := f.nodes[2].bind("test", smpp.Transceiver)
	id := c.mustSubmit(phone, "private")
	f.nodes[1].bind("otp", smpp.Transmitter).mustSubmit("13900000077", "您的验证码是4711，5分钟内有效，请勿泄露。")
	f.nodes[1].eventually("another account's message is sent", func() bool { return f.nodes[1].executed("13900000077") > 0 })
	want(t, "calls while it was stopped", f.executed(), before)
	f.nodes[0].asked(http.MethodDelete, "/v1/brakes/account/test", "", http.StatusOK, nil)
	want(t, "stat", c.receipt(id).State, smpp.StateDelivered)
}

// executed is how often the simulator has sent something to phone.
func (f *fleet3) executed() int { return f.nodes[0].executed(phone) }
