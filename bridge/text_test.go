package bridge

import (
	"encoding/json"
	"strings"
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

// TestWhereShowsNoNumber: what an operator sees of a message has neither its text nor its whole
// number (promise 7).
func TestWhereShowsNoNumber(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		w, err := r.Where(t.Context(), r.bind("keep", smpp.Transmitter).accepted("hello").String())
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "13800138000") || strings.Contains(string(b), "hello") || !strings.Contains(string(b), "138****8000") {
			t.Error("Where shows the text or the number, or does not mask it as 138****8000")
		}
	})
}
