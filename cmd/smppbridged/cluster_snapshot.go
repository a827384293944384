package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"smppbridge/store"
)

// chunkWithin is how long a client may take to read a part of a snapshot. While it reads, the file's freed pages are not
// used again.
const chunkWithin = 30 * time.Second

// Headers of a snapshot.
const (
	headerIndex = "Smppbridge-Index" // the last entry of Raft's log in it
	headerStale = "Smppbridge-Stale" // why it may lack what was committed a moment ago
)

var errStopping = errors.New("the node stops")

// clusterSnapshot answers with the state file, as it is at one moment: a backup, while everything goes on. It has all
// that was committed when it was asked for; a node that cannot be sure of that says so in a header, and sends what it has.
func (n *node) clusterSnapshot(w http.ResponseWriter, r *http.Request) {
	if !n.snapshots.TryLock() {
		writeJSON(w, http.StatusTooManyRequests, map[string]string{"error": "another snapshot is being read; try again when it is done"})
		return
	}
	defer n.snapshots.Unlock()
	ctx, cancel := context.WithTimeout(r.Context(), syncWithin)
	stale := n.cluster.Sync(ctx)
	cancel()
	snap, err := n.store.Snapshot()
	if err != nil {
		writeError(w, http.StatusServiceUnavailable, err)
		return
	}
	defer snap.Close()
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.FormatInt(snap.Size, 10))
	h.Set(headerIndex, strconv.FormatUint(snap.Index, 10))
	if stale != nil {
		h.Set(headerStale, stale.Error())
	}
	if err := n.sendSnapshot(w, snap); err != nil {
		n.log.WarnContext(r.Context(), "snapshot not sent", "err", err)
		panic(http.ErrAbortHandler) // the client is to see that it has not got all of it
	}
	n.log.InfoContext(r.Context(), "snapshot sent", "index", snap.Index, "octets", snap.Size)
}

// sendSnapshot writes the snapshot for as long as the client reads and the node does not stop: closing the state file
// waits for it.
func (n *node) sendSnapshot(w http.ResponseWriter, snap *store.Snapshot) error {
	rc := http.NewResponseController(w)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // ends with the answer
		select {
		case <-n.ending:
			_ = rc.SetWriteDeadline(time.Now()) // of a connection that may have ended
		case <-ctx.Done():
		}
	}()
	_, err := snap.WriteTo(patientWriter{w, rc, n.ending})
	if err != nil {
		return fmt.Errorf("send snapshot: %w", err)
	}
	return rc.SetWriteDeadline(time.Time{}) // the connection may be used again
}

// patientWriter gives each write its own time.
type patientWriter struct {
	http.ResponseWriter
	rc     *http.ResponseController
	ending <-chan struct{}
}

func (w patientWriter) Write(b []byte) (int, error) {
	if err := w.rc.SetWriteDeadline(time.Now().Add(chunkWithin)); err != nil {
		return 0, err
	}
	select { // after the deadline: one of the two ends this write
	case <-w.ending:
		return 0, errStopping
	default:
		return w.ResponseWriter.Write(b)
	}
}
