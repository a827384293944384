package main

import (
	"net/http"
	"testing"
)

// TestRoutesAnswer: /v1/routes says how the routes of the policy stand.
func TestRoutesAnswer(t *testing.T) {
	s := startSystem(t)
	s.eventually("the leader dispatches", func() bool { _, ok := s.bridge.Routes(); return ok })
	doc := decoded[routesDoc](s, "/v1/routes")
	if len(doc.Routes) != 1 || doc.Leader == "" {
		t.Fatalf("got %+v, want the one route and who says so", doc)
	}
	got := doc.Routes[0]
	if got.Name != "sim" || got.Circuit != "closed" || got.QPS != 100000 || got.Rate != 100000 || got.Workers != 32 || got.Since.IsZero() {
		t.Errorf("got %+v", got)
	}
	if code, _ := s.admin(http.MethodPost, "/v1/routes"); code != http.StatusMethodNotAllowed {
		t.Errorf("POST answered %d, want %d", code, http.StatusMethodNotAllowed)
	}
}
