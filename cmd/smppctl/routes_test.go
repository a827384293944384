package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRoutes(t *testing.T) {
	const doc = `{"leader":"n2","routes":[
		{"route":"main","account":"default","priority":0,"weight":3,"circuit":"open","since":"2026-11-21T20:15:00+08:00",
		 "until":"2026-11-21T20:15:05+08:00","code":"unreachable","qps":1000,"rate":512.5,"workers":64,"running":2},
		{"route":"spare","account":"other","priority":1,"weight":1,"circuit":"closed","since":"2026-11-21T12:00:00Z","qps":100,"rate":100,"workers":8,"running":0}]}`
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/routes", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, doc) })
	srv := httptest.NewServer(mux)
	defer srv.Close()
	want := `ROUTE  ACCOUNT  PRIORITY  WEIGHT  CIRCUIT  SINCE                WHY          RATE           CALLS
main   default  0         3       open     2026-11-21 12:15:00  unreachable  512.5 of 1000  2 of 64
spare  other    1         1       closed   2026-11-21 12:00:00  -            100 of 100     0 of 8
`
	if out, err := runCommand(t, "", "routes", "--http", srv.URL); err != nil || out != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, out, want)
	}
	out, err := runCommand(t, "", "routes", "--json", "--http", srv.URL)
	if err != nil || !strings.Contains(out, `"until": "2026-11-21T20:15:05+08:00"`) {
		t.Errorf("--json: %v\n%s", err, out)
	}
}
