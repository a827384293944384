package bridge

import (
	"errors"
	"testing"

	"smppbridge/smpp"
)

func TestNormalizePhone(t *testing.T) {
	tests := []struct {
		name, addr string
		ton        uint8
		cc         string
		want       string // empty: refused
	}{
		{"bare mainland", "13800138000", 0, "86", "13800138000"},
		{"plus 86", "+8613800138000", 0, "86", "13800138000"},
		{"0086", "008613800138000", 0, "86", "13800138000"},
		{"86 without plus", "8613800138000", 0, "86", "13800138000"},
		{"86, TON international", "8613800138000", 1, "86", "13800138000"},
		{"bare mainland, TON international", "13800138000", 1, "86", "13800138000"},
		{"as people write it", "+86 138-0013-8000", 0, "86", "13800138000"},
		{"Hong Kong with plus", "+85291234567", 0, "86", "85291234567"},
		{"Hong Kong with 00", "0085291234567", 0, "86", "85291234567"},
		{"Hong Kong, TON international", "85291234567", 1, "86", "85291234567"},
		{"mainland for an account abroad", "+8613800138000", 0, "852", "13800138000"},
		{"national number of an account abroad", "091234567", 2, "852", "85291234567"},
		{"empty", "", 0, "86", ""},
		{"letters", "1380013800A", 0, "86", ""},
		{"mainland too short", "+861380013800", 0, "86", ""},
		{"landline with 86", "+861012345678", 0, "86", ""},
		{"too long", "+1234567890123456", 0, "86", ""},
		{"too short", "12345", 0, "86", ""},
		{"plus inside", "138+00138000", 0, "86", ""},
		{"only plus", "+", 0, "86", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := normalizePhone(tt.addr, tt.ton, tt.cc)
			if got != tt.want {
				t.Errorf("normalizePhone(%q, %d, %s) = %q, %v; want %q", tt.addr, tt.ton, tt.cc, got, err, tt.want)
			}
			var se *smpp.StatusError
			if tt.want == "" && (!errors.As(err, &se) || se.Status != smpp.StatusInvDstAdr) {
				t.Errorf("error %v, want ESME_RINVDSTADR", err)
			}
		})
	}
}

func TestSamePhone(t *testing.T) {
	for _, s := range []string{"13800138000", "8613800138000", "+8613800138000", "008613800138000"} {
		if !samePhone("13800138000", s) {
			t.Errorf("%q is not the same as the bare number", s)
		}
	}
	if samePhone("13800138000", "13800138001") || samePhone("85291234567", "91234567") {
		t.Error("different numbers are the same")
	}
}

func TestMaskNumber(t *testing.T) {
	for in, want := range map[string]string{"13800138000": "138****8000", "12345": "****", "": "****"} {
		if got := maskNumber(in); got != want {
			t.Errorf("maskNumber(%q) = %q, want %q", in, got, want)
		}
	}
}
