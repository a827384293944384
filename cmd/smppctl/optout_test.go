package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// optOutNode plays a node with one list of 3 numbers, two to a page.
func optOutNode(t *testing.T) (srv *httptest.Server, bodies *[]map[string]any) {
	t.Helper()
	bodies = new([]map[string]any)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/optouts", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("account") != "shop" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		phone := map[string]string{"": "139****0001", "true": "13900000001"}[q.Get("full")]
		next := map[string]string{"": "two", "two": ""}[q.Get("after")]
		fmt.Fprintf(w, `{"account":"shop","optouts":[{"phone":%q,"since":"2026-11-21T20:15:00+08:00","by":"message"}],"next":%q}`, phone, next)
	})
	mux.HandleFunc("POST /v1/optouts", func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		*bodies = append(*bodies, body)
		if strings.Contains(fmt.Sprint(body), "nobody") {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":"number 2 of the list is not a mobile number"}`)
			return
		}
		fmt.Fprint(w, `{"changed":1}`)
	})
	srv = httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv, bodies
}

func TestOptOut(t *testing.T) {
	srv, bodies := optOutNode(t)
	for _, tt := range []struct {
		args, want, wrong string
	}{
		{"list --account shop", "NUMBER       SINCE                BY\n139****0001  2026-11-21 12:15:00  message\n139****0001  2026-11-21 12:15:00  message\n", ""},
		{"list --account shop --full", "NUMBER       SINCE                BY\n13900000001  2026-11-21 12:15:00  message\n13900000001  2026-11-21 12:15:00  message\n", ""},
		{"list --account other", "", "404"},
		{"list", "", "required flag"},
		{"add --account shop 13900000001 13900000002", "1 of 2 changed\n", ""},
		{"remove --account shop 13900000001", "1 of 1 changed\n", ""},
		{"add --account shop 13900000001 nobody", "", "number 2 of the list"},
		{"add --account shop", "", "at least 1 arg"},
	} {
		out, err := runCommand(t, "", append([]string{"optout"}, append(strings.Fields(tt.args), "--http", srv.URL)...)...)
		switch {
		case tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)):
			t.Errorf("%s: %v, want %s", tt.args, err, tt.wrong)
		case tt.wrong == "" && (err != nil || out != tt.want):
			t.Errorf("%s: %v\n%s\nwant\n%s", tt.args, err, out, tt.want)
		}
	}
	want := `[map[account:shop add:[13900000001 13900000002]] map[account:shop remove:[13900000001]] map[account:shop add:[13900000001 nobody]]]`
	if got := fmt.Sprint(*bodies); got != want {
		t.Errorf("asked %s\nwant  %s", got, want)
	}
}

// TestOptOutImport: a file as spreadsheets write it, in chunks; the error says how far it came.
func TestOptOutImport(t *testing.T) {
	srv, bodies := optOutNode(t)
	file := filepath.Join(t.TempDir(), "numbers.csv")
	text := "\uFEFF13900000001,Li\r\n\r\n# those of May\n+8613900000002 # Wang\n"
	for i := range optOutChunk {
		text += fmt.Sprintf("1391000%04d\n", i)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := runCommand(t, "", "optout", "import", "--account", "shop", "--http", srv.URL, file)
	if err != nil || out != "2 of 1002 changed\n" {
		t.Errorf("%v\n%s", err, out)
	}
	if len(*bodies) != 2 {
		t.Fatalf("%d requests, want 2", len(*bodies))
	}
	first := (*bodies)[0]["add"].([]any)
	if len(first) != optOutChunk || first[0] != "13900000001" || first[1] != "+8613900000002" {
		t.Errorf("%d numbers, the first %v", len(first), first[:2])
	}
	_, err = runCommand(t, strings.Repeat("13900000001\n", optOutChunk)+"nobody\n", "optout", "import", "--account", "shop", "--http", srv.URL, "-")
	if err == nil || !strings.Contains(err.Error(), "lines 1001 to 1001, with 1 numbers") {
		t.Errorf("got %v", err)
	}
	if _, err := runCommand(t, "", "optout", "import", "--account", "shop", file+"x"); err == nil {
		t.Error("a file that is not there was imported")
	}
}
