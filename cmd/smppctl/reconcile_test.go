package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestReconcile(t *testing.T) {
	asked := ""
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/reconcile", func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Query().Get("day")
		fmt.Fprint(w, `{"accounts":[{"day":"20261120","account":"default","route":"main","at":"2026-11-21T02:00:00Z","kinds":[
			{"kind":"all","ours":{"sent":30,"segments":41,"delivered":28,"failed":1,"open":1,"uncertain":2},"theirs":{"sent":31,"delivered":28,"failed":1,"open":2}},
			{"kind":"otp","ours":{"sent":30,"delivered":28,"failed":1,"open":1},"theirs":{"sent":29,"delivered":28,"failed":1,"open":0}}]}]}`)
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	want := `ACCOUNT  DAY       KIND  OURS  SEGMENTS  UNCERTAIN  THEIRS  DIFFERENCE  DELIVERED  FAILED  OPEN
default  20261120  all   30    41        2          31      +1          28/28      1/1     1/2
default  20261120  otp   30    0         0          29      -1          28/28      1/1     1/0
`
	for _, args := range [][]string{{"reconcile"}, {"reconcile", "20261120"}} {
		if out, err := runCommand(t, "", append(args, "--http", srv.URL)...); err != nil || out != want {
			t.Errorf("got %v\n%s\nwant\n%s", err, out, want)
		}
		if len(args) > 1 && asked != args[1] || len(args) == 1 && asked != "" {
			t.Errorf("%v asked for day %q", args, asked)
		}
	}
	if _, err := runCommand(t, "", "reconcile", "1", "2", "--http", srv.URL); err == nil {
		t.Error("two days at once are taken")
	}
}
