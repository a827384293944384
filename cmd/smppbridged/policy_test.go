package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"smppbridge/bridge/aliyun/aliyunsim"
	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

// TestNameOfARouteInUse: while nobody knows whether a message was sent, the route it went by keeps its kind and account: another
// account would say rightly that it never had it, and it would be sent again (promise 3). At a start such a file does not
// keep the node from starting, and with nothing open it is taken.
func TestNameOfARouteInUse(t *testing.T) {
	s := startSystem(t, func(o *options) { o.Node.Policy = configs.NodePolicy{File: "policy.yaml", Follow: true} })
	change := func(old, by string) []byte {
		if !bytes.Contains(s.opts.Policy, []byte(old)) {
			t.Fatalf("not in the policy: %s", old)
		}
		return []byte(strings.Replace(string(s.opts.Policy), old, by, 1))
	}
	moved := change("{name: sim,", "{name: sim, account: another,")
	s.fault(
		aliyunsim.Fault{Kind: aliyunsim.FaultDrop, Executed: true},
		aliyunsim.Fault{Kind: aliyunsim.FaultReportWithhold},
		aliyunsim.Fault{Kind: aliyunsim.FaultError500, Action: "QuerySendDetails"},
	)
	id := s.bind("test", smpp.Transmitter).mustSubmit(phone, "private: once")
	s.eventually("the message to be uncertain", func() bool { return s.state(id) == store.StateUncertain })
	if err := s.putPolicy(t.Context(), moved); !errors.Is(err, errRouteInUse) || !strings.Contains(err.Error(), "1 messages that went by sim") {
		t.Fatalf("put while one is uncertain: %v", err)
	}
	if err := s.putPolicy(t.Context(), change("workers: 32", "workers: 31")); err != nil {
		t.Fatal("a change of anything else:", err)
	}
	s.opts.Policy = moved
	s.restart()
	if bytes.Equal(s.store.Policy().Doc, moved) || !strings.Contains(s.logs.String(), "the policy in force stays") {
		t.Error("the file is in force after a start")
	}
	s.fault()
	s.eventually("the message to be resolved", func() bool { return s.state(id) == store.StateFinal })
	if err := s.putPolicy(t.Context(), moved); err != nil {
		t.Error("put with nothing open:", err)
	}
	want(t, "executed", s.executed(phone), 1)
}
