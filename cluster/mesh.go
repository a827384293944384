package cluster

import (
	"context"
	"errors"
)

// A Handler answers the requests of other nodes about one subject. Its context ends with the node, and
// when the one who asks has gone.
type Handler func(ctx context.Context, from string, request []byte) ([]byte, error)

var errNoMesh = errors.New("no connection between nodes")

// Answer has h answer what other nodes Ask about subject. It is called before they do: a request about a
// subject that nobody answers yet is refused.
func (n *Node) Answer(subject string, h func(ctx context.Context, from string, request []byte) ([]byte, error)) {
}

// Ask sends a request to another node and returns its answer. Its error tells nothing of whether the
// other node has done something. A node may ask itself.
func (n *Node) Ask(ctx context.Context, node, subject string, request []byte) ([]byte, error) {
	return nil, errNoMesh
}
