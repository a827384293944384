package configs

import (
	"slices"
	"testing"
)

// TestReplaced: a route is another one if calls that went by the first mean nothing to it.
func TestReplaced(t *testing.T) {
	before := Policy{Routes: []Route{{Name: "a"}, {Name: "b", Credentials: "keys"}, {Name: "gone"}, {Name: "up", Kind: KindSMPP}}}
	tests := []struct {
		name   string
		routes []Route
		want   []string
	}{
		{"nothing changed", before.Routes, nil},
		{"endpoint, rate", []Route{{Name: "a", Endpoint: "dysmsapi.example.com", QPS: 7}}, nil},
		{"new keys of the same account", []Route{{Name: "b", Credentials: "new", Account: "keys"}}, nil},
		{"new keys of who knows which account", []Route{{Name: "b", Credentials: "new"}}, []string{"b"}},
		{"another account", []Route{{Name: "b", Credentials: "keys", Account: "other"}, {Name: "a"}}, []string{"b"}},
		{"another kind", []Route{{Name: "a", Kind: KindSMPP}, {Name: "up"}}, []string{"a", "up"}},
		{"a new name", []Route{{Name: "new"}}, nil},
	}
	before.SetDefaults()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			next := Policy{Routes: slices.Clone(tt.routes)}
			next.SetDefaults()
			if got := before.Replaced(&next); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
