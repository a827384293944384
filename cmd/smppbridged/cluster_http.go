package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"smppbridge/cluster"
	"smppbridge/store"
)

// How long requests about the cluster may take.
const (
	membersWithin = 30 * time.Second // a change of members: the node that joins is asked, and a majority
	maxMembersDoc = 4 << 10          // of the request
)

// handleCluster adds the paths about members and leadership. They are there as soon as the cluster port is open: a node that
// waits to be joined says so.
func (n *node) handleCluster(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/cluster", n.whenOpen(n.clusterStatus))
	mux.HandleFunc("GET /v1/cluster/snapshot", n.whenOpen(n.clusterSnapshot))
	mux.HandleFunc("POST /v1/cluster/join", n.whenOpen(n.clusterJoin))
	mux.HandleFunc("POST /v1/cluster/remove", n.whenOpen(n.clusterRemove))
	mux.HandleFunc("POST /v1/cluster/transfer", n.whenOpen(n.clusterTransfer))
	mux.HandleFunc("POST /v1/cluster/leave", n.started(n.clusterLeave))
}

// whenOpen refuses requests that come before the cluster port is open.
func (n *node) whenOpen(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !n.opened.Load() {
			writeError(w, http.StatusServiceUnavailable, n.starting())
			return
		}
		h(w, r)
	}
}

// clusterDoc is what /v1/cluster answers: the cluster as this node sees it.
type clusterDoc struct {
	Node      string      `json:"node"`
	Addr      string      `json:"addr"`  // of this node's cluster port, as others dial it
	Ready     string      `json:"ready"` // "ready", or why not
	ClusterID string      `json:"cluster_id"`
	Epoch     uint64      `json:"epoch"`
	Lineage   string      `json:"lineage"`   // its first octets: nodes with another one are another cluster
	Version   uint64      `json:"version"`   // of the cluster: what its oldest member can apply
	Supported uint64      `json:"supported"` // by this node
	Leader    string      `json:"leader"`
	Term      uint64      `json:"term"`
	InTouch   bool        `json:"in_touch"`
	Members   []memberDoc `json:"members"`
}

// memberDoc is a member in clusterDoc.
type memberDoc struct {
	ID      string `json:"node"`
	Addr    string `json:"addr"`
	Voter   bool   `json:"voter"`
	Leader  bool   `json:"leader"`
	HeardMS int64  `json:"heard_ms"` // since it answered this node; -1 = never
	Applied uint64 `json:"applied"`
	Version uint64 `json:"version"` // the highest that it supports; 0 = not known
	ClockMS int64  `json:"clock_ms"`
}

func (n *node) clusterStatus(w http.ResponseWriter, _ *http.Request) {
	ready := "ready"
	if err := n.ready(); err != nil {
		ready = err.Error()
	}
	d := clusterDoc{
		Node: n.opts.NodeID, Addr: n.cluster.Addr(), Ready: ready,
		ClusterID: n.store.ClusterID(), Epoch: n.store.Epoch(), Lineage: n.store.Lineage().String(), Version: n.store.ClusterVersion(), Supported: store.Version,
		Leader: n.cluster.LeaderID(), Term: n.cluster.Figures().Term, InTouch: n.cluster.InTouch(),
		Members: []memberDoc{},
	}
	for _, m := range n.cluster.Members() {
		heard := m.Heard.Milliseconds()
		if m.Heard < 0 {
			heard = -1
		}
		d.Members = append(d.Members, memberDoc{
			ID: m.ID, Addr: m.Addr, Voter: m.Voter, Leader: m.Leader,
			HeardMS: heard, Applied: m.Applied, Version: m.Version, ClockMS: m.Clock.Milliseconds(),
		})
	}
	writeJSON(w, http.StatusOK, d)
}

// memberRequest is the body of what changes members.
type memberRequest struct {
	Node string `json:"node"`
	Addr string `json:"addr"`
}

// readMember reads a request that may have these fields.
func readMember(r *http.Request, needsNode, needsAddr bool) (memberRequest, error) {
	var req memberRequest
	d := json.NewDecoder(io.LimitReader(r.Body, maxMembersDoc))
	d.DisallowUnknownFields()
	if err := d.Decode(&req); err != nil {
		return req, fmt.Errorf("the body is not a member's (node, addr): %w", err)
	}
	if needsNode && req.Node == "" {
		return req, errors.New("node is missing: the node_id of the node that is meant")
	}
	if !needsAddr {
		if req.Addr != "" {
			return req, errors.New("addr has no meaning here")
		}
		return req, nil
	}
	host, port, err := net.SplitHostPort(req.Addr)
	if err != nil || port == "0" || port == "" || host == "" {
		return req, fmt.Errorf("addr %q is not host:port: it is the node's cluster.advertise", req.Addr)
	}
	return req, nil
}

func (n *node) clusterJoin(w http.ResponseWriter, r *http.Request) {
	n.change(w, r, true, n.cluster.Join)
}

func (n *node) clusterRemove(w http.ResponseWriter, r *http.Request) {
	n.change(w, r, false, func(ctx context.Context, node, _ string) error { return n.cluster.Remove(ctx, node) })
}

// change carries out a change of members.
func (n *node) change(w http.ResponseWriter, r *http.Request, needsAddr bool, do func(ctx context.Context, node, addr string) error) {
	req, err := readMember(r, true, needsAddr)
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), membersWithin)
	defer cancel()
	if err := do(ctx, req.Node, req.Addr); err != nil {
		n.log.WarnContext(ctx, "members not changed", "path", r.URL.Path, "member", req.Node, "err", err)
		writeError(w, clusterCode(err), err)
		return
	}
	n.log.InfoContext(ctx, "members changed", "path", r.URL.Path, "member", req.Node)
	writeJSON(w, http.StatusOK, map[string]string{"node": req.Node})
}

// clusterTransfer hands leadership to the node named, or to the one that is most up to date.
func (n *node) clusterTransfer(w http.ResponseWriter, r *http.Request) {
	req, err := readMember(r, false, false)
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), membersWithin)
	defer cancel()
	if err := n.cluster.Transfer(ctx, req.Node); err != nil {
		writeError(w, clusterCode(err), err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"leader": n.cluster.LeaderID()})
}

// clusterLeave has this node drain its sessions, leave the cluster and end. It answers when it has left, or could not.
func (n *node) clusterLeave(w http.ResponseWriter, r *http.Request) {
	if n.alone() {
		writeError(w, http.StatusConflict, errAlone)
		return
	}
	if err := n.ready(); err != nil {
		writeError(w, http.StatusServiceUnavailable, fmt.Errorf("this node cannot leave in order now: %w", err))
		return
	}
	n.log.InfoContext(r.Context(), "asked to leave the cluster")
	n.leaves.Do(func() { close(n.leaving) })
	select {
	case <-r.Context().Done():
		return
	case <-n.left:
	}
	if n.leaveErr != nil {
		writeError(w, http.StatusConflict, n.leaveErr)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"left": n.opts.NodeID})
}

// clusterCode is the status for an error of a change of members: whether to repeat it, or to do something else first.
func clusterCode(err error) int {
	if errors.Is(err, cluster.ErrRefused) {
		return http.StatusConflict
	}
	return http.StatusServiceUnavailable
}

func writeError(w http.ResponseWriter, code int, err error) {
	writeJSON(w, code, map[string]string{"error": err.Error()})
}
