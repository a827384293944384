package configs

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestAccountKeysAreRead: each key that is not its default, and values at the edges of what is allowed.
func TestAccountKeysAreRead(t *testing.T) {
	doc := strings.Replace(minimalPolicy, `"}`, `",
    bind: {types: [receiver], from: [192.0.2.7, 10.0.0.0/8, "2001:db8::/32"], tls: certificate, certificates: [Bank Core]},
    session: {window: 100000, deliver_window: 10000, enquire_link: 100ms, response_timeout: 1h},
    default_msg_ids: {1: SMS_1, "254": SMS_1}, vendor_tlvs: true, default_alphabet: gbk,
    ack: submitted, ack_within: 60s, dedupe: 24h, priority_flag: ignore, message_id: dec10, error_body: empty,
    receipt: {parts: last, text: false},
    incoming: {dest_codes: ["10690000", "1069*"], long: payload, keep: 1m},
    opt_out: {enabled: false, words: [], in: [我要], classes: [own, otp]}}`, 1)
	p, err := ParsePolicy("p", []byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	want := Account{SystemID: "a", PasswordHash: testHash, Binds: 10, CountryCode: "86",
		Bind: AccountBind{Types: []string{"receiver"}, From: []string{"192.0.2.7", "10.0.0.0/8", "2001:db8::/32"},
			TLS: "certificate", Certificates: []string{"Bank Core"}},
		Session: Session{Window: 100_000, DeliverWindow: 10_000, EnquireLink: Duration(100 * time.Millisecond),
			ResponseTimeout: Duration(time.Hour)},
		DefaultMsgIDs: map[string]string{"1": "SMS_1", "254": "SMS_1"}, VendorTLVs: true, DefaultAlphabet: "gbk",
		Ack: "submitted", AckWithin: Duration(time.Minute), Dedupe: Duration(24 * time.Hour), Priority: "ignore",
		MessageID: "dec10", ErrorBody: "empty", Receipt: Receipt{Text: new(false), TLVs: new(true), Parts: "last"},
		Incoming: Incoming{DestCodes: []string{"10690000", "1069*"}, Long: "payload", Keep: Duration(time.Minute)},
		OptOut:   OptOut{Enabled: new(false), In: []string{"我要"}, Classes: []string{"own", "otp"}}}
	if got := p.Accounts[0]; !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestParseNetwork(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "10.0.0.0/8": "10.0.0.0/8", "0.0.0.0/0": "0.0.0.0/0", "2001:db8::1": "2001:db8::1/128",
		"2001:db8::/32": "2001:db8::/32", "::/0": "::/0",
	} {
		if got, err := ParseNetwork(in); err != nil || got != netip.MustParsePrefix(want) {
			t.Errorf("%s: got %v, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "x", "10.0.0.1/8", "10.0.0.0/-1", "10.0.0.0/08", "::ffff:10.0.0.0/104", "fe80::1%eth0", "10.0.0.1:80", "[::1]"} {
		if got, err := ParseNetwork(in); err == nil {
			t.Errorf("%q: got %v, want an error", in, got)
		}
	}
}
