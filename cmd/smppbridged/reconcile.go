package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"smppbridge/bridge"
)

// reconcileWithin bounds asking all accounts for their counts of a day.
const reconcileWithin = time.Minute

// daysMost is how many days /v1/days answers, more than are kept.
const daysMost = 60

const dayFormat = "20060102"

// errDay is answered to a day that is spelt otherwise.
var errDay = errors.New("a day is spelt yyyymmdd")

// beijing returns the zone by whose clock days are told.
func beijing() *time.Location { return time.FixedZone("UTC+8", 8*60*60) }

// dayLine is what was sent on a day by a route with a template.
type dayLine struct {
	Day       string `json:"day"`
	Route     string `json:"route"`
	Template  string `json:"template"`
	Sent      uint64 `json:"sent"`
	Segments  uint64 `json:"segments"`
	Delivered uint64 `json:"delivered"`
	Failed    uint64 `json:"failed"`
	Unknown   uint64 `json:"unknown"`
	Uncertain uint64 `json:"uncertain"` // perhaps sent; not in sent
}

// daysDoc is what /v1/days answers.
type daysDoc struct {
	Days []dayLine `json:"days"`
}

// reconcileDoc is what /v1/reconcile answers.
type reconcileDoc struct {
	Accounts []bridge.Reconciled `json:"accounts"`
}

// handleReconcile adds what is about the counts of days.
func (n *node) handleReconcile(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/days", n.started(n.days))
	mux.HandleFunc("POST /v1/reconcile", n.started(n.reconcile))
}

// reconcileLeading compares each day's counts while this node leads.
func (n *node) reconcileLeading(ctx context.Context) error { return n.reconciler.Run(ctx) }

// queryDay is a parameter of the query that is a day.
func (n *node) queryDay(r *http.Request, name string, otherwise time.Time) (time.Time, error) {
	v := r.URL.Query().Get(name)
	if v == "" {
		return otherwise, nil
	}
	day, err := time.ParseInLocation(dayFormat, v, beijing())
	if err != nil {
		return day, fmt.Errorf("%s: %w", name, errDay)
	}
	return day, nil
}

// days answers what was sent from one day to another, of UTC+8: by default yesterday and today.
func (n *node) days(w http.ResponseWriter, r *http.Request) {
	today := n.cluster.Now().In(beijing())
	from, err := n.queryDay(r, "from", today.AddDate(0, 0, -1))
	to, errTo := n.queryDay(r, "to", today)
	if err = errors.Join(err, errTo); err == nil && to.Sub(from) > daysMost*24*time.Hour {
		err = fmt.Errorf("more than %d days", daysMost)
	}
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), routesWithin)
	defer cancel()
	if err := n.cluster.Sync(ctx); err != nil {
		writeError(w, http.StatusServiceUnavailable, err)
		return
	}
	counts, err := n.store.Days(from.Format(dayFormat), to.Format(dayFormat))
	if err != nil {
		writeError(w, http.StatusInternalServerError, err)
		return
	}
	doc := daysDoc{Days: []dayLine{}}
	for i := range counts {
		c := &counts[i]
		doc.Days = append(doc.Days, dayLine{c.Day, c.Route, c.Template, c.Sent, c.Segments, c.Delivered, c.Failed, c.Unknown, c.Uncertain})
	}
	writeJSON(w, http.StatusOK, doc)
}

// reconcile compares a day, by default yesterday, with the accounts' own counts now. Nothing of it is kept.
func (n *node) reconcile(w http.ResponseWriter, r *http.Request) {
	day, err := n.queryDay(r, "day", n.cluster.Now().AddDate(0, 0, -1))
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), reconcileWithin)
	defer cancel()
	accounts, err := n.reconciler.Compare(ctx, day)
	if err != nil {
		writeError(w, http.StatusBadGateway, err)
		return
	}
	writeJSON(w, http.StatusOK, reconcileDoc{accounts})
}
