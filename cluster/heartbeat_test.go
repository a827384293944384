package cluster

import (
	"io"
	"testing"

	"github.com/hashicorp/raft"
)

// TestHeartbeatsChangeNothing: Raft is given those alone that find a follower in their term or a later one; the others are
// answered.
func TestHeartbeatsChangeNothing(t *testing.T) {
	tests := []struct {
		name    string
		term    uint64
		follows bool
		beat    uint64
		handled bool
	}{
		{"to a follower", 3, true, 3, true},
		{"to a follower of a later term", 3, true, 2, true},
		{"to a follower of an earlier term", 3, true, 4, false},
		{"to a leader of an earlier term", 3, false, 4, false},
		{"to a candidate of the term", 3, false, 3, false},
		{"to a node that is starting", 0, false, 3, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pair := make([]*raft.NetworkTransport, 2)
			for i := range pair {
				tr, err := raft.NewTCPTransport("127.0.0.1:0", nil, 1, patience, io.Discard)
				if err != nil {
					t.Fatal(err)
				}
				defer tr.Close()
				pair[i] = tr
			}
			handled := false
			to := pipelines{NetworkTransport: pair[1], standing: func() (uint64, bool) { return tt.term, tt.follows }}
			to.SetHeartbeatHandler(func(rpc raft.RPC) {
				handled = true
				rpc.Respond(&raft.AppendEntriesResponse{Term: tt.term, Success: true}, nil)
			})
			req := raft.AppendEntriesRequest{Term: tt.beat, RPCHeader: raft.RPCHeader{Addr: []byte("n1")}}
			var resp raft.AppendEntriesResponse
			if err := pair[0].AppendEntries("n2", pair[1].LocalAddr(), &req, &resp); err != nil {
				t.Fatal(err)
			}
			if handled != tt.handled || resp.Success != tt.handled || resp.Term != tt.term {
				t.Errorf("handled %v, answered %+v", handled, resp)
			}
		})
	}
}
