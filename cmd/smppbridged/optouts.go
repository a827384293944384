package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"smppbridge/bridge"
)

// The bounds of /v1/optouts.
const (
	maxOptOutBody = 4 << 20
	optOutPage    = 1000 // numbers of an answer, unless it is asked for fewer or more
	maxOptOutPage = 10_000
)

var (
	errNoSystemID = errors.New("account is missing: it names a system_id")
	errOptOutPage = errors.New("limit is not a number from 1 to 10000, or after is not the next of an answer")
	errOptOutBody = errors.New("the body is not that of a change: account, add, remove")
)

// optOutsDoc is what GET /v1/optouts answers.
type optOutsDoc struct {
	Account string      `json:"account"`
	OptOuts []optOutDoc `json:"optouts"`
	Next    string      `json:"next,omitempty"` // the after of the next request; none: these were the last
}

// optOutDoc is a number that opted out.
type optOutDoc struct {
	Phone string    `json:"phone"` // masked, unless it is asked for whole
	Since time.Time `json:"since"`
	By    string    `json:"by"` // message or operator
}

// handleOptOuts adds the paths of the lists of those who opted out.
func (n *node) handleOptOuts(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/optouts", n.started(n.optOuts))
	mux.HandleFunc("POST /v1/optouts", n.started(n.setOptOuts))
}

// optOuts lists those who opted out of ?account='s messages, in order of their numbers, ?limit at most, behind ?after. With
// ?full=true the numbers are whole.
func (n *node) optOuts(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	account, full := q.Get("account"), q.Get("full") == "true"
	if account == "" {
		writeError(w, http.StatusBadRequest, errNoSystemID)
		return
	}
	limit := optOutPage
	if s := q.Get("limit"); s != "" {
		limit, _ = strconv.Atoi(s) // 0: said below
	}
	after, err := base64.RawURLEncoding.DecodeString(q.Get("after")) // not as it is: it is a number
	if err != nil || limit < 1 || limit > maxOptOutPage {
		writeError(w, http.StatusBadRequest, errOptOutPage)
		return
	}
	list, next, err := n.bridge.OptOuts(account, string(after), limit)
	if err != nil {
		writeError(w, http.StatusServiceUnavailable, err)
		return
	}
	doc := optOutsDoc{Account: account, OptOuts: make([]optOutDoc, len(list)), Next: base64.RawURLEncoding.EncodeToString([]byte(next))}
	for i, o := range list {
		doc.OptOuts[i] = optOutDoc{Phone: o.Phone, Since: o.Since, By: o.By}
		if !full {
			doc.OptOuts[i].Phone = bridge.MaskNumber(o.Phone)
		}
	}
	writeJSON(w, http.StatusOK, doc)
}

// setOptOuts opts numbers of an account out, and in again. All of a request are changed, or, where one is no number, none.
func (n *node) setOptOuts(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Account string   `json:"account"`
		Add     []string `json:"add"`
		Remove  []string `json:"remove"`
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOptOutBody))
	d.DisallowUnknownFields()
	if err := d.Decode(&req); err != nil || req.Account == "" || len(req.Add) > 0 && len(req.Remove) > 0 {
		// The decoder's own words may have a part of the body in them.
		writeError(w, http.StatusBadRequest, errOptOutBody)
		return
	}
	numbers, out := req.Add, len(req.Remove) == 0
	if !out {
		numbers = req.Remove
	}
	changed, err := n.bridge.SetOptOuts(r.Context(), req.Account, numbers, out)
	var bad *bridge.BadNumber
	switch {
	case errors.As(err, &bad):
		writeError(w, http.StatusBadRequest, err)
	case errors.Is(err, bridge.ErrNoAccount):
		writeError(w, http.StatusNotFound, err)
	case err != nil:
		writeError(w, http.StatusServiceUnavailable, err)
	default:
		n.log.Info("opt-outs changed by an operator", "system_id", req.Account, "numbers", len(numbers), "changed", changed, "out", out)
		writeJSON(w, http.StatusOK, map[string]int{"changed": changed})
	}
}
