package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

// The table in force is for people to review, or as the node spells it.
func TestOutcomes(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/outcomes", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"outcomes":[
			{"code":"isv.NEW","class":"account","command_status":"ESME_RSYSERR","stat":"REJECTD","err":"071","policy":true},
			{"code":"OK","class":"ok","command_status":"ESME_ROK","err":"000","policy":false}]}`)
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	out, err := runCommand(t, "", "outcomes", "--http", srv.URL)
	want := "CODE     CLASS    STATUS        STAT     ERR  FROM\n" +
		"isv.NEW  account  ESME_RSYSERR  REJECTD  071  policy\n" +
		"OK       ok       ESME_ROK      -        000  built in\n"
	if err != nil || out != want {
		t.Errorf("got\n%s%v, want\n%s", out, err, want)
	}
	if out, err = runCommand(t, "", "outcomes", "--json", "--http", srv.URL); err != nil || out[0] != '{' {
		t.Errorf("got %s, %v", out, err)
	}
	if _, err = runCommand(t, "", "outcomes", "--http", "127.0.0.1:1"); err == nil {
		t.Error("no error although nobody is there")
	}
}
