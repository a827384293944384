package aliyun_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"smppbridge/bridge"
	"smppbridge/bridge/aliyun"
	"smppbridge/bridge/aliyun/aliyunsim"
)

// ups passes on the incoming messages that are pushed, but for the first push.
type ups struct {
	got    chan []bridge.IncomingMessage
	missed chan struct{} // capacity 1: full until a push was refused
}

func (u ups) Report(context.Context, []bridge.IncomingReport) error {
	return errors.New("only messages are awaited")
}

func (u ups) Incoming(ctx context.Context, list []bridge.IncomingMessage) error {
	select {
	case <-u.missed:
		return errors.New("no leader")
	default:
	}
	select {
	case u.got <- list:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// The simulator's incoming messages are understood; a push that was not committed comes again as it was.
func TestSimulatorIncoming(t *testing.T) {
	const secret = "correct-horse-battery-staple"
	sink := ups{got: make(chan []bridge.IncomingMessage, 4), missed: make(chan struct{}, 1)}
	sink.missed <- struct{}{}
	hook := httptest.NewServer(http.HandlerFunc(aliyun.PushHandler(sink, secret, nil, nil).ServeHTTP))
	t.Cleanup(hook.Close)
	sim, _ := startSim(t, func(c *aliyunsim.Config) {
		c.IncomingURL = hook.URL + "/callback/" + secret + "/smsup"
		c.Incoming.Retries = []time.Duration{time.Millisecond}
	}, false)
	given, err := sim.Receive(aliyunsim.SmsUp{Phone: "13800001111", Content: "退订", DestCode: "10690000", SignName: "速通银行"})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case list := <-sink.got:
		want := bridge.IncomingMessage{Phone: "13800001111", DestCode: "10690000", SignName: "速通银行", Text: "退订", ID: "1"}
		at := list[0].SentAt
		list[0].SentAt = time.Time{}
		if len(list) != 1 || list[0] != want || given[0].SequenceID != 1 {
			t.Errorf("got %+v, want %+v", list, want)
		}
		if age := time.Since(at); age < -time.Second || age > time.Minute {
			t.Errorf("sent %v ago: its time was not read as that of UTC+8", age)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("no incoming message within 20 s")
	}
	if len(sink.missed) != 0 {
		t.Error("the first push was not refused")
	}
}
