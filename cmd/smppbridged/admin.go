package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"smppbridge/bridge/aliyun"
	"smppbridge/store"
)

// startAdmin serves /metrics, health, /v1 and pprof. It is the first part to start and the last
// to stop, so that an operator can see both.
func (n *node) startAdmin(context.Context) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(n.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", n.readyz)
	mux.HandleFunc("GET /v1/status", n.started(n.status))
	mux.HandleFunc("GET /v1/messages/{id}", n.started(n.message))
	mux.HandleFunc("GET /v1/outcomes", n.started(n.outcomes))
	mux.HandleFunc("GET /v1/routes", n.started(n.routes))
	mux.HandleFunc("GET /v1/catalog", n.started(n.catalog))
	mux.HandleFunc("POST /v1/pause", n.started(n.setPause(pauseOn)))
	mux.HandleFunc("POST /v1/resume", n.started(n.setPause(pauseOff)))
	n.handleBrakes(mux)
	n.handleReconcile(mux)
	n.handleTrace(mux)
	n.handleCluster(mux)
	n.handleOptOuts(mux)
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	addr, err := n.serveHTTP("admin HTTP", n.opts.HTTP.Listen, &http.Server{Handler: guardAdmin(n.opts.HTTP.Listen, mux)})
	n.httpAddr = addr
	return err
}

// startCallback serves the paths that Alibaba Cloud pushes reports to.
func (n *node) startCallback(context.Context) error {
	if n.opts.Callback.Listen == "" {
		return nil
	}
	h, err := guardCallback(n.opts.Callback.From, aliyun.PushHandler(n.bridge, n.opts.CallbackSecret, n.log, n.registry))
	if err != nil {
		return err
	}
	// A body that trickles in must not hold a connection; a profile of the admin listener may take long.
	addr, err := n.serveHTTP("callback HTTP", n.opts.Callback.Listen, &http.Server{Handler: h, ReadTimeout: callbackRead})
	n.callbackAddr = addr
	return err
}

// callbackRead is how long a report may take to arrive.
const callbackRead = 15 * time.Second

func (n *node) serveHTTP(name, listen string, srv *http.Server) (net.Addr, error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, err
	}
	srv.ReadHeaderTimeout, srv.IdleTimeout = 5*time.Second, 2*time.Minute
	go func() { // ends with Shutdown
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			n.fail(name, err)
		}
	}()
	n.undo.add(name, httpWithin, srv.Shutdown)
	return l.Addr(), nil
}

// started refuses requests that come before the node has its parts.
func (n *node) started(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !n.up.Load() {
			writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error": n.starting().Error()})
			return
		}
		h(w, r)
	}
}

// starting says how far a start is.
func (n *node) starting() error {
	if waits := n.waits.Load(); waits != nil {
		return fmt.Errorf("starting: %s", *waits)
	}
	return errors.New("starting")
}

// readyz answers 200 if a message would be accepted now.
func (n *node) readyz(w http.ResponseWriter, _ *http.Request) {
	if err := n.ready(); err != nil {
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "not ready", "error": err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
}

func (n *node) ready() error {
	switch {
	case !n.up.Load():
		return n.starting()
	case n.draining.Load():
		return errors.New("draining")
	}
	if err := n.cluster.Ready(); err != nil {
		return err
	}
	return n.bridge.Ready()
}

// message answers "where is my SMS?".
func (n *node) message(w http.ResponseWriter, r *http.Request) {
	where, err := n.bridge.Where(r.Context(), r.PathValue("id"))
	switch {
	case errors.Is(err, store.ErrNotFound):
		writeJSON(w, http.StatusNotFound, map[string]string{"error": err.Error()})
	case errors.Is(err, strconv.ErrSyntax):
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
	case err != nil: // it may be there: this node is cut off
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error": err.Error()})
	default:
		writeJSON(w, http.StatusOK, where)
	}
}

// status shows the figures an operator asks for first.
func (n *node) status(w http.ResponseWriter, _ *http.Request) {
	ready := "ready"
	if err := n.ready(); err != nil {
		ready = err.Error()
	}
	f := n.store.Figures()
	states := make(map[string]uint64)
	for s := store.StateAccepted; s <= store.StateJoined; s++ {
		states[s.String()] = uint64(f.Messages[s])
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"node":           n.opts.NodeID,
		"version":        version(),
		"ready":          ready,
		"smpp":           addrText(n.smppAddr),
		"smpp_tls":       addrText(n.smppTLSAddr),
		"leader":         n.cluster.LeaderID(),
		"paused":         n.bridge.Paused(),
		"policy_version": n.store.Policy().Version,
		"messages":       states,
		"outbox":         f.Outbox,
		"binds":          n.store.AllBinds(),
		"store":          f,
		"cluster":        n.cluster.Figures(),
	})
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // the client is gone
}
