package smpp_test

import (
	"testing"

	"smppbridge/smpp"
	"smppbridge/smpp/smpptest"
)

// everyone is a submit_multi to as many as there may be, of whom the backend accepts one.
func everyone() *smpp.SubmitMulti {
	m := &smpp.SubmitMulti{Message: smpp.SubmitSM{SourceAddr: "1069", ShortMessage: "hello"}}
	for range smpp.MaxDestinations - 1 {
		m.Destinations = append(m.Destinations, smpp.Destination{TON: 1, NPI: 1, List: "a_name_of_20_octets_"})
	}
	m.Destinations = append(m.Destinations, smpp.Destination{TON: 1, NPI: 1, Addr: "8613900000000"})
	return m
}

func TestSubmitMultiTo254(t *testing.T) {
	_, addr := startTCP(t, smpp.Config{}, newBackend())
	e := smpptest.Dial(t, addr)
	e.MustBind(smpp.Transmitter, "test", "secret")
	e.Send(everyone())
	h, p := e.Expect(smpp.SubmitMultiRespID)
	resp := p.(*smpp.SubmitMultiResp)
	if h.Status != smpp.StatusOK || resp.MessageID != "00000001" || len(resp.Failed) != smpp.MaxDestinations-1 {
		t.Fatalf("got %s, message_id %q, %d failures", h.Status, resp.MessageID, len(resp.Failed))
	}
	for i, f := range resp.Failed {
		if want := (smpp.Unsuccess{Addr: "a_name_of_20_octets_", Status: smpp.StatusCntSubDL}); f != want {
			t.Fatalf("failure %d: got %+v, want %+v", i, f, want)
		}
	}
}

// TestLongAnswersAtOnceAreNoSlowReader: the window's answers come in one burst, each as long
// as it can be. The ESME reads them in its own time.
func TestLongAnswersAtOnceAreNoSlowReader(t *testing.T) {
	inMemory(t, smpp.Config{}, func(t *testing.T, _ *smpp.Server, b *backend, dial func() *smpptest.ESME) {
		b.hold = true
		e := dial()
		e.MustBind(smpp.Transmitter, "test", "secret")
		multi := everyone()
		const requests = 300
		for range requests {
			e.Send(multi)
		}
		if err := b.waits(requests); err != nil {
			t.Fatal(err)
		}
		if err := b.answer(requests); err != nil {
			t.Fatal(err)
		}
		for i := range requests {
			_, p := e.Expect(smpp.SubmitMultiRespID)
			if n := len(p.(*smpp.SubmitMultiResp).Failed); n != smpp.MaxDestinations-1 {
				t.Fatalf("answer %d: %d failures", i, n)
			}
		}
	})
}
