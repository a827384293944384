package aliyunsim

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// ledgerPage is how many entries /sim/ledger returns at most unless it is asked for another number.
const ledgerPage = 10_000

// A ledgerPageBody is what /sim/ledger returns.
type ledgerPageBody struct {
	Entries []Entry `json:"entries"`
	Next    int64   `json:"next"` // the since of the next request
}

// controlHandler serves the endpoints under /sim/ that the package comment lists. There is no authentication:
// this is a test tool.
func (s *Server) controlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sim/faults", func(w http.ResponseWriter, _ *http.Request) {
		f := s.Faults()
		if f == nil {
			f = Faults{}
		}
		writeJSON(w, f)
	})
	mux.HandleFunc("PUT /sim/faults", s.putFaults)
	mux.HandleFunc("DELETE /sim/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.faults.set(nil)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /sim/outages", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.Outages()) })
	mux.HandleFunc("PUT /sim/outages", s.putOutages)
	mux.HandleFunc("DELETE /sim/outages", s.deleteOutages)
	mux.HandleFunc("PUT /sim/audit", s.putAudit)
	mux.HandleFunc("GET /sim/ledger", s.getLedger)
	mux.HandleFunc("DELETE /sim/ledger", func(w http.ResponseWriter, _ *http.Request) {
		s.ResetLedger()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /sim/ledger/summary", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.Summary()) })
	mux.HandleFunc("GET /sim/counters", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.Counters()) })
	mux.HandleFunc("POST /sim/reports/release", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]int{"released": s.ReleaseReports()})
	})
	mux.HandleFunc("GET /sim/queues", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.Queues()) })
	mux.HandleFunc("POST /sim/queues/{queue}", s.putMessage)
	mux.HandleFunc("PUT /sim/reports/url", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			URL string `json:"url"`
		}
		if decodeStrictly(w, r, &body) {
			s.SetReportURL(body.URL)
			w.WriteHeader(http.StatusNoContent)
		}
	})
	s.handleIncoming(mux)
	return mux
}

func (s *Server) putFaults(w http.ResponseWriter, r *http.Request) {
	var f Faults
	if !decodeStrictly(w, r, &f) {
		return
	}
	if err := s.SetFaults(f); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	writeJSON(w, f)
}

// putOutages replaces the outages. An endpoint that is to refuse connections still answers this.
func (s *Server) putOutages(w http.ResponseWriter, r *http.Request) {
	var list []Outage
	if !decodeStrictly(w, r, &list) {
		return
	}
	err := s.outages.replace(list, s.outageFailed, func() {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusNoContent)
		_ = http.NewResponseController(w).Flush()
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func (s *Server) deleteOutages(w http.ResponseWriter, _ *http.Request) {
	if err := s.EndOutages(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) getLedger(w http.ResponseWriter, r *http.Request) {
	since, err := number(r, "since", 0)
	if err != nil {
		http.Error(w, "since is not a number", http.StatusBadRequest)
		return
	}
	limit, err := number(r, "limit", ledgerPage)
	if err != nil || limit < 1 || limit > 10*ledgerPage {
		http.Error(w, "limit is not a number from 1 to 100000", http.StatusBadRequest)
		return
	}
	entries, next := s.LedgerSince(since, int(limit))
	writeJSON(w, ledgerPageBody{entries, next})
}

// number decodes a parameter of the query that may be left out.
func number(r *http.Request, name string, otherwise int64) (int64, error) {
	v := r.URL.Query().Get(name)
	if v == "" {
		return otherwise, nil
	}
	return strconv.ParseInt(v, 10, 64)
}

// decodeStrictly decodes the body of r into v, or answers what is wrong with it.
func decodeStrictly(w http.ResponseWriter, r *http.Request, v any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	_ = json.NewEncoder(w).Encode(v) // whoever has gone does not hear it
}
