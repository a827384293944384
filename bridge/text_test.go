package bridge

import (
	"testing"

	"smppbridge/smpp"
	"smppbridge/store"
)

// TestTextsAreKeptOnlyWhereAsked: a final message has its text no more, unless its account has
// keep_texts (promise 7).
func TestTextsAreKeptOnlyWhereAsked(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		for account, want := range map[string]string{"any": "", "keep": "hello"} {
			e := r.bind(account, smpp.Transceiver)
			n := e.delivered("hello")
			m, st, err := r.store.Lookup(n)
			if err != nil {
				t.Fatal(err)
			}
			if st.State != store.StateFinal || m.Text != want {
				t.Errorf("%s: message is %v, its text has %d octets, want %d", account, st.State, len(m.Text), len(want))
			}
		}
	})
}
