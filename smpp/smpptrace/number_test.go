package smpptrace

import "testing"

func TestSpellingsOfOneNumber(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"13800138000", "13800138000", true},
		{"13800138000", "8613800138000", true},
		{"13800138000", "+8613800138000", true},
		{"13800138000", "008613800138000", true},
		{"+86 138-0013-8000", "(0086)138.0013.8000", true},
		{"013800138000", "13800138000", true},
		{"85291234567", "+85291234567", true},
		{"91234567", "0085291234567", true},
		{"10690000", "10690000", true},
		{"13800138000", "13800138001", false},
		{"91234567", "13891234567", false}, // a mainland number is whole without a country code
		{"13891234567", "91234567", false},
		{"13800138000", "85213800138000", false},
		{"38000", "13800138000", false},
		{"1069", "10690000", false},
		{"1234567", "12341234567", false}, // too much in front for a country code
		{"", "", false},
		{"0", "0", false},
		{"bank", "bank", false},
		{"1380013800A", "1380013800", false},
		{"1111111111111111111111111", "1111111111111111111111111", false},
	} {
		a, b := numberOf([]byte(tt.a)), numberOf([]byte(tt.b))
		if a.same(&b) != tt.want || b.same(&a) != tt.want {
			t.Errorf("%q and %q: same is %v and %v, want %v", tt.a, tt.b, a.same(&b), b.same(&a), tt.want)
		}
	}
}

func TestMaskedAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "1069": "****", "106900001": "*********", "1380013800": "138***3800",
		"13800138000": "138****8000", "+8613800138000": "+86*******8000",
	} {
		if got := masked(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
}
