package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Only the leader sends, and any member may lead in a moment: so a pause is the whole cluster's. The member that is asked
// tells all others, and one that starts asks them. It is not part of the replicated state: it is over when all nodes
// have been restarted, and a member that could not be reached sends if it comes to lead. The answer names such members.

// subjectPause is what daemons ask each other about. A request is one of the octets below; the answer is pauseOn or pauseOff, what
// the node does from now on.
const subjectPause = "pause"

const (
	pauseOff = '0'
	pauseOn  = '1'
	pauseAsk = '?'
)

// pauseWithin bounds one member's answer.
const pauseWithin = 3 * time.Second

var errPauseRequest = errors.New("a request about pausing is one octet: 0, 1 or ?")

// answerPause carries out what another member, or this one, was asked for.
func (n *node) answerPause(_ context.Context, _ string, request []byte) ([]byte, error) {
	if len(request) != 1 {
		return nil, errPauseRequest
	}
	switch request[0] {
	case pauseOff:
		n.bridge.Resume()
	case pauseOn:
		n.bridge.Pause()
	case pauseAsk:
	default:
		return nil, errPauseRequest
	}
	if n.bridge.Paused() {
		return []byte{pauseOn}, nil
	}
	return []byte{pauseOff}, nil
}

// pauseAnswer is what one member said.
type pauseAnswer struct {
	node   string
	paused bool
	err    error
}

// askPause asks all other members.
func (n *node) askPause(ctx context.Context, request byte) []pauseAnswer {
	ctx, cancel := context.WithTimeout(ctx, pauseWithin)
	defer cancel()
	members := n.cluster.Members()
	answers := make([]pauseAnswer, 0, len(members))
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, m := range members {
		if m.ID == n.opts.NodeID {
			continue
		}
		wg.Go(func() {
			b, err := n.cluster.Ask(ctx, m.ID, subjectPause, []byte{request})
			a := pauseAnswer{node: m.ID, err: err, paused: err == nil && len(b) == 1 && b[0] == pauseOn}
			mu.Lock()
			defer mu.Unlock()
			answers = append(answers, a)
		})
	}
	wg.Wait()
	return answers
}

// inheritPause has the node start paused if any other member is.
func (n *node) inheritPause(ctx context.Context) error {
	for _, a := range n.askPause(ctx, pauseAsk) {
		if a.paused {
			n.log.WarnContext(ctx, "sending is paused, as it is at another member", "node", a.node)
			n.opts.Paused = true
		}
	}
	return nil
}

// setPause answers /v1/pause and /v1/resume.
func (n *node) setPause(request byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, err := n.answerPause(r.Context(), n.opts.NodeID, []byte{request}); err != nil {
			writeError(w, http.StatusInternalServerError, err)
			return
		}
		var missing []string
		for _, a := range n.askPause(r.Context(), request) {
			if a.err != nil {
				n.log.WarnContext(r.Context(), "a member does not know that sending is paused, or resumed", "node", a.node, "err", a.err)
				missing = append(missing, a.node)
			}
		}
		paused := n.bridge.Paused()
		n.log.InfoContext(r.Context(), "sending paused or resumed", "paused", paused, "not_reached", len(missing))
		if len(missing) > 0 {
			writeJSON(w, http.StatusBadGateway, map[string]any{
				"paused": paused, "not_reached": missing,
				"error": fmt.Sprintf("not reached: %v; repeat this when they answer again, else they send if one of them comes to lead", missing),
			})
			return
		}
		writeJSON(w, http.StatusOK, map[string]bool{"paused": paused})
	}
}
