package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"smppbridge/bridge"
)

// subjectRoutes is how a daemon asks the leader how the routes stand: only who sends knows. The request is empty, the answer
// is the JSON of a routesDoc.
const subjectRoutes = "routes"

// routesWithin bounds the leader's answer.
const routesWithin = 3 * time.Second

var (
	errNotSending = errors.New("this node does not lead")
	errNoLeader   = errors.New("no node leads, so none sends")
)

// routesDoc is what /v1/routes answers.
type routesDoc struct {
	Leader string               `json:"leader"` // who says so
	Routes []bridge.RouteStatus `json:"routes"`
}

// answerRoutes answers another node, or this one.
func (n *node) answerRoutes(context.Context, string, []byte) ([]byte, error) {
	routes, ok := n.bridge.Routes()
	if !ok {
		return nil, errNotSending
	}
	return json.Marshal(routesDoc{Leader: n.opts.NodeID, Routes: routes})
}

// routes answers /v1/routes on any node.
func (n *node) routes(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), routesWithin)
	defer cancel()
	leader := n.cluster.LeaderID()
	if leader == "" {
		writeError(w, http.StatusServiceUnavailable, errNoLeader)
		return
	}
	answer, err := n.cluster.Ask(ctx, leader, subjectRoutes, nil)
	if err != nil { // leadership may be on its way to another node
		writeError(w, http.StatusServiceUnavailable, err)
		return
	}
	var doc routesDoc
	if err := json.Unmarshal(answer, &doc); err != nil {
		writeError(w, http.StatusBadGateway, err)
		return
	}
	writeJSON(w, http.StatusOK, doc)
}
