package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"smppbridge/bridge"
)

// Bounds of what operators ask about messages that wait.
const (
	maxBrakeDoc     = 4 << 10 // of a request
	brakeWithin     = 10 * time.Second
	uncertainUsual  = 100 // messages of one answer
	uncertainAtMost = 1000
)

// handleBrakes adds the paths by which operators stop traffic, and end or look at what waits.
func (n *node) handleBrakes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/brakes", n.started(n.brakes))
	mux.HandleFunc("POST /v1/brakes", n.started(n.setBrake))
	mux.HandleFunc("DELETE /v1/brakes/{kind}/{name}", n.started(n.releaseBrake))
	mux.HandleFunc("POST /v1/cancel", n.started(n.cancelMany))
	mux.HandleFunc("GET /v1/uncertain", n.started(n.uncertain))
}

// brakesDoc is what GET /v1/brakes answers.
type brakesDoc struct {
	Paused bool           `json:"paused"` // this node sends nothing at all, see /v1/pause
	Brakes []bridge.Brake `json:"brakes"`
}

func (n *node) brakes(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), brakeWithin)
	defer cancel()
	if err := n.cluster.Sync(ctx); err != nil { // what another node has stopped a moment ago is to be seen
		writeError(w, http.StatusServiceUnavailable, err)
		return
	}
	list, err := n.bridge.Brakes()
	if err != nil {
		writeError(w, http.StatusInternalServerError, err)
		return
	}
	writeJSON(w, http.StatusOK, brakesDoc{Paused: n.bridge.Paused(), Brakes: list})
}

// readRequest reads a small JSON body. The error repeats nothing of it.
func readRequest(r *http.Request, what string, into any) error {
	d := json.NewDecoder(io.LimitReader(r.Body, maxBrakeDoc))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return errors.New("the body is not " + what)
	}
	return nil
}

// brakeRequest is the body of POST /v1/brakes.
type brakeRequest struct {
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Mode   string `json:"mode"` // "" is hold
	By     string `json:"by"`
	Reason string `json:"reason"`
}

func (n *node) setBrake(w http.ResponseWriter, r *http.Request) {
	req := brakeRequest{Mode: bridge.BrakeHold}
	if err := readRequest(r, "a brake's: kind, name, mode, by, reason", &req); err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), brakeWithin)
	defer cancel()
	x := bridge.Brake{Kind: req.Kind, Name: req.Name, Mode: req.Mode, By: req.By, Reason: req.Reason}
	if err := n.bridge.SetBrake(ctx, x); err != nil {
		writeError(w, wishCode(err), err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"kind": x.Kind, "name": x.Name, "mode": x.Mode})
}

func (n *node) releaseBrake(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), brakeWithin)
	defer cancel()
	kind, name := r.PathValue("kind"), r.PathValue("name")
	was, err := n.bridge.ReleaseBrake(ctx, kind, name)
	switch {
	case err != nil:
		writeError(w, wishCode(err), err)
	case !was:
		writeError(w, http.StatusNotFound, fmt.Errorf("%s %s is not stopped", kind, name))
	default:
		writeJSON(w, http.StatusOK, map[string]string{"kind": kind, "name": name})
	}
}

// wishCode is the status for an error of what an operator wants: whether to ask for something else, or again.
func wishCode(err error) int {
	switch {
	case errors.Is(err, bridge.ErrBadBrake), errors.Is(err, bridge.ErrBadSelection):
		return http.StatusBadRequest
	case errors.Is(err, bridge.ErrUnknownName):
		return http.StatusNotFound
	case errors.Is(err, bridge.ErrTooOld):
		return http.StatusConflict
	}
	return http.StatusServiceUnavailable
}

// cancelRequest is the body of POST /v1/cancel.
type cancelRequest struct {
	bridge.Selection
	DryRun bool `json:"dry_run"` // only count
}

// cancelMany answers when all is done: a backlog of a million takes its time. What is done stays so when the client goes.
func (n *node) cancelMany(w http.ResponseWriter, r *http.Request) {
	var req cancelRequest
	if err := readRequest(r, "a selection's: account, template, route, class, before, dry_run", &req); err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	done, err := n.bridge.CancelMany(r.Context(), req.Selection, req.DryRun)
	if !req.DryRun {
		n.log.InfoContext(r.Context(), "messages cancelled", "system_id", req.Account, "template_code", req.Template, "route", req.Route,
			"class", req.Class, "count", done.Cancelled, "err", err)
	}
	if err != nil {
		writeError(w, wishCode(err), err)
		return
	}
	writeJSON(w, http.StatusOK, done)
}

// uncertainDoc is what /v1/uncertain answers.
type uncertainDoc struct {
	Total    int                `json:"total"`
	Messages []bridge.Uncertain `json:"messages"`
}

// uncertain lists messages of which nobody knows whether they were sent: ?limit= of them behind ?after=, the number of one.
func (n *node) uncertain(w http.ResponseWriter, r *http.Request) {
	limit, after := uint64(uncertainUsual), uint64(0)
	for key, into := range map[string]*uint64{"limit": &limit, "after": &after} {
		text := r.URL.Query().Get(key)
		if text == "" {
			continue
		}
		v, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			writeError(w, http.StatusBadRequest, errors.New(key+" is not a number"))
			return
		}
		*into = v
	}
	list, total, err := n.bridge.Uncertain(r.Context(), after, int(min(limit, uncertainAtMost)))
	if err != nil {
		writeError(w, http.StatusServiceUnavailable, err)
		return
	}
	writeJSON(w, http.StatusOK, uncertainDoc{Total: total, Messages: list})
}
