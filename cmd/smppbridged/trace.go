package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"time"

	"smppbridge/smpp/smpptrace"
)

// startTracer makes the recorder of PDU traces. Without a trace it does nothing but remove old files.
func (n *node) startTracer(context.Context) error {
	n.tracer = smpptrace.NewRecorder(n.server, filepath.Join(n.opts.DataDir, "traces"), n.log)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = n.tracer.Run(ctx) // ends with ctx alone
	}()
	n.undo.add("trace", closeWithin, func(stop context.Context) error {
		cancel()
		return waitFor(stop, done)
	})
	return nil
}

// handleTrace adds the paths of the PDU trace.
func (n *node) handleTrace(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/trace", n.started(n.traceStart))
	mux.HandleFunc("GET /v1/trace", n.started(n.traceStatus))
	mux.HandleFunc("DELETE /v1/trace", n.started(n.traceStop))
	mux.HandleFunc("GET /v1/trace/file", n.started(n.traceFile))
}

// traceRequest is the body of POST /v1/trace.
type traceRequest struct {
	SystemID string `json:"system_id"`
	Number   string `json:"number"`
	Seconds  int    `json:"seconds"` // 0: the default
	Unmasked bool   `json:"unmasked"`
}

// maxTraceRequest bounds that body.
const maxTraceRequest = 4 << 10

// traceStart answers 202 with the status of the new trace, or 409 with that of the one that runs.
func (n *node) traceStart(w http.ResponseWriter, r *http.Request) {
	var req traceRequest
	d := json.NewDecoder(io.LimitReader(r.Body, maxTraceRequest))
	d.DisallowUnknownFields()
	if err := d.Decode(&req); err != nil {
		// The decoder's own words may have a part of the body in them.
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "the body is not a trace's: system_id, number, seconds, unmasked"})
		return
	}
	s, err := n.tracer.Start(smpptrace.Filter{SystemID: req.SystemID, Number: req.Number}, smpptrace.Options{
		// Larger than any time that is allowed, and not so large that it would overflow.
		Time:     time.Duration(min(max(req.Seconds, -1), 1e6)) * time.Second,
		Unmasked: req.Unmasked,
	})
	switch {
	case errors.Is(err, smpptrace.ErrBusy):
		writeJSON(w, http.StatusConflict, struct {
			Error string `json:"error"`
			smpptrace.Status
		}{err.Error(), s})
	case errors.Is(err, smpptrace.ErrInvalid):
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
	case err != nil:
		n.log.Error("trace", "err", err)
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error": err.Error()})
	default:
		writeJSON(w, http.StatusAccepted, s)
	}
}

// traceStatus answers with the status of the trace that runs or ran last.
func (n *node) traceStatus(w http.ResponseWriter, _ *http.Request) {
	s, ok := n.tracer.Status()
	if !ok {
		writeJSON(w, http.StatusNotFound, map[string]string{"error": smpptrace.ErrNoFile.Error()})
		return
	}
	writeJSON(w, http.StatusOK, s)
}

// traceStop ends the trace that runs, or only that of ?file=, and answers when its file is whole. One that has
// ended stays so.
func (n *node) traceStop(w http.ResponseWriter, r *http.Request) {
	if name := r.URL.Query().Get("file"); name != "" {
		n.tracer.StopFile(name)
	} else {
		n.tracer.Stop()
	}
	n.traceStatus(w, r)
}

// traceFile sends the file of the last trace, or of ?file=.
func (n *node) traceFile(w http.ResponseWriter, r *http.Request) {
	f, err := n.tracer.Open(r.URL.Query().Get("file"))
	switch {
	case errors.Is(err, smpptrace.ErrBusy):
		writeJSON(w, http.StatusConflict, map[string]string{"error": err.Error()})
		return
	case err != nil:
		writeJSON(w, http.StatusNotFound, map[string]string{"error": smpptrace.ErrNoFile.Error()})
		return
	}
	defer f.Close()
	name := filepath.Base(f.Name())
	w.Header().Set("Content-Type", "application/vnd.tcpdump.pcap")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	http.ServeContent(w, r, "", time.Time{}, f)
}
