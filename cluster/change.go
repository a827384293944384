package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/raft"

	"smppbridge/store"
)

// subjectMembers is the subject under which the leader is asked to change the members.
const subjectMembers = "members"

// What can be asked of the leader. Numbers travel: append, never reuse.
const (
	opJoin     byte = 1
	opRemove   byte = 2
	opTransfer byte = 3
)

// How the leader answers.
const (
	changeDone    byte = 1
	changeRefused byte = 2 // with the reason
	changeAgain   byte = 3 // with the reason: ask again, perhaps another node
	changeAbsent  byte = 4 // the node is no member
)

// A change is an order to the leader. addr is where a node joins; for a transfer it names the leader that
// hands over, so that a repeated one does not hand on.
type change struct {
	op   byte
	node string
	addr string
}

func (c change) encode() []byte {
	return appendField(appendField([]byte{c.op}, c.node), c.addr)
}

func decodeChange(b []byte) (change, error) {
	f := fields{b: b}
	c := change{op: f.octet(), node: f.text(), addr: f.text()}
	if !f.end() || c.op < opJoin || c.op > opTransfer {
		return change{}, fmt.Errorf("change of members: %w", errFields)
	}
	return c, nil
}

const (
	orderTimeout = 10 * time.Second       // of one question to the leader
	orderPause   = 100 * time.Millisecond // before the next one
	probeTimeout = 3 * time.Second        // of a question to a node that is to join
	transferTry  = time.Second            // of a question to one that is to lead
)

var errNoLeader = errors.New("no node is known to lead")

// order has the leader carry out c, whichever node that is, and asks again until it has a final answer or
// ctx ends. What was done already is no error.
func (n *Node) order(ctx context.Context, c change) error {
	for try := 0; ; try++ {
		status, err := n.orderOnce(ctx, c)
		switch {
		case status == changeDone, status == changeAbsent && try > 0:
			return nil
		case status == changeRefused, status == changeAbsent:
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
		if !pause(ctx, orderPause) {
			return fmt.Errorf("%w; last: %w", ctx.Err(), err)
		}
	}
}

func (n *Node) orderOnce(ctx context.Context, c change) (status byte, err error) {
	if n.ending.Load() {
		return changeRefused, ErrShutdown
	}
	leader := n.LeaderID()
	if leader == "" {
		return changeAgain, errNoLeader
	}
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	answer, err := n.Ask(ctx, leader, subjectMembers, c.encode())
	if err != nil {
		return changeAgain, fmt.Errorf("ask the leader %s: %w", leader, err)
	}
	f := fields{b: answer}
	status, reason := f.octet(), f.text()
	if !f.end() {
		return changeRefused, errFields
	}
	return status, errors.New(reason)
}

// answerMembers is the Handler of subjectMembers.
func (n *Node) answerMembers(ctx context.Context, _ string, request []byte) ([]byte, error) {
	c, err := decodeChange(request)
	if err != nil {
		return nil, err
	}
	status := changeDone
	err = n.change(ctx, c)
	switch {
	case err == nil:
		return appendField([]byte{changeDone}, ""), nil
	case errors.Is(err, errAbsent):
		status = changeAbsent
	case errors.Is(err, ErrRefused):
		status = changeRefused
	default:
		status = changeAgain
	}
	return appendField([]byte{status}, strings.TrimPrefix(err.Error(), ErrRefused.Error()+": ")), nil
}

// change carries out an order, if this node leads.
func (n *Node) change(ctx context.Context, c change) error {
	r := n.reigning()
	if r == nil {
		if c.op == opTransfer && n.lead.current() == nil && c.addr == n.cfg.NodeID {
			return nil // it has handed over already
		}
		return ErrNotLeader
	}
	select {
	case n.changing <- struct{}{}:
		defer func() { <-n.changing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	switch c.op {
	case opJoin:
		return n.join(ctx, c.node, c.addr)
	case opRemove:
		return n.remove(ctx, r, c.node)
	default:
		if c.addr != "" && c.addr != n.cfg.NodeID || c.node == n.cfg.NodeID {
			return nil // it was another leader that was to hand over, or this one was to have it
		}
		return n.handOver(ctx, c.node)
	}
}

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrRefused, fmt.Errorf(format, args...))
}

// errAbsent is returned for a node that is no member.
var errAbsent = errors.New("no such member")

// join checks the node at addr and adds it, without a vote if it has none. Raft alone would add whatever
// it is told, and a wrong address would count in every majority.
func (n *Node) join(ctx context.Context, id, addr string) error {
	if id == "" || len(id) > maxNodeID {
		return refused("a node's id has 1 to %d octets", maxNodeID)
	}
	if err := checkAddr(addr, n.cfg.anyHost()); err != nil {
		return refused("%w", err)
	}
	was, member := n.server(id)
	if member && string(was.Address) == addr {
		return nil
	}
	for _, s := range n.servers() {
		if string(s.Address) == addr && string(s.ID) != id {
			return refused("%s is the address of %s, which is a member: remove that first", addr, s.ID)
		}
	}
	if err := n.probe(ctx, id, addr); err != nil {
		return err
	}
	add := n.raft.AddNonvoter
	if member && was.Suffrage == raft.Voter {
		add = n.raft.AddVoter
	}
	if err := n.await(ctx, add(raft.ServerID(id), raft.ServerAddress(addr), 0, n.cfg.EnqueueTimeout)); err != nil {
		return err
	}
	n.log.Info("node joined", "node", id, "addr", addr, "was", string(was.Address))
	n.sightings.hurry()
	return nil
}

// maxNodeID bounds a node's id: it is part of keys and of what nodes say to each other.
const maxNodeID = 64

// probe asks the node at addr who it is.
func (n *Node) probe(ctx context.Context, id, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	answer, err := n.askAt(ctx, id, addr, subjectPulse)
	if errors.Is(err, errStranger) {
		return refused("node %s at %s: %w", id, addr, err)
	}
	if err != nil {
		return refused("no answer from a node %s at %s; it must be running, with that id and no data of another cluster, where %s reaches it: %w",
			id, addr, n.cfg.NodeID, err)
	}
	p, err := decodePulse(answer)
	if err != nil {
		return refused("%w", err)
	}
	ours, stranger := n.store.ClusterVersion(), n.identity().fits(p.who())
	switch {
	case p.node != id:
		return refused("the node at %s is %s", addr, p.node)
	case stranger != nil: // it came to a cluster since its hello
		return refused("node %s at %s: %w", id, addr, stranger)
	case p.cluster != "" && (p.leads || p.alone) && id != n.cfg.NodeID:
		// Raft takes entries of the same index and term for the same, whoever wrote them.
		return refused("node %s leads a copy of this cluster: stop it, empty its data directory, start it without bootstrap", id)
	case p.cluster == "" && p.founded:
		return refused("node %s is about to begin a cluster of its own: stop it, empty its data directory, start it without bootstrap", id)
	case p.version < ours:
		return refused("node %s takes part in cluster versions up to %d, this cluster is at %d: install a later program there", id, p.version, ours)
	}
	return nil
}

// remove takes a member out.
func (n *Node) remove(ctx context.Context, r *reign, id string) error {
	s, member := n.server(id)
	if !member {
		return fmt.Errorf("%w: %s", errAbsent, id)
	}
	if s.Suffrage == raft.Voter {
		if err := n.checkRemoval(id); err != nil {
			return err
		}
	}
	if id == n.cfg.NodeID {
		if err := n.handOver(ctx, ""); err != nil {
			return err
		}
		return ErrNotLeader // the next leader removes this one
	}
	if err := n.await(ctx, n.raft.RemoveServer(s.ID, 0, n.cfg.EnqueueTimeout)); err != nil {
		return err
	}
	n.log.Info("node removed", "node", id, "addr", string(s.Address))
	return n.dropBinds(r, id)
}

// checkRemoval refuses to take out a voter if those that are left and answer would be no majority. Raft
// would count the new configuration's majority from the first moment, and stand still.
func (n *Node) checkRemoval(id string) error {
	left, alive := 0, 0
	for _, m := range n.Members() {
		if !m.Voter || m.ID == id {
			continue
		}
		left++
		if m.Heard >= 0 && m.Heard <= n.fresh() {
			alive++
		}
	}
	switch {
	case left == 0:
		return refused("%s is the last voter: without it there is no cluster", id)
	case alive < left/2+1:
		return refused("of the %d voters that would be left only %d answer: remove those that are dead first", left, alive)
	}
	return nil
}

// await waits for Raft's answer, which comes at the latest when leadership or the node ends. If ctx ends
// first the outcome is unknown.
func (n *Node) await(ctx context.Context, f raft.Future) error {
	done := make(chan error, 1)
	go func() { done <- f.Error() }() // ends with Raft's answer
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-n.fault.ch:
		return n.fault.get()
	}
}

// dropBinds removes the binds that a node has left behind, if any.
func (n *Node) dropBinds(r *reign, id string) error {
	cmd := &store.NodeDown{Node: id, Incarnation: n.store.Incarnation(id)}
	if len(n.store.NodeBinds(id)) == 0 || store.Since(cmd) > n.store.ClusterVersion() {
		return nil
	}
	if _, err := n.commit(r, cmd); err != nil {
		return fmt.Errorf("remove the binds of %s: %w", id, err)
	}
	n.reaped.Add(1)
	n.log.Warn("binds removed: their node is gone", "node", id)
	return nil
}

// askAt asks a node that need not be a member.
func (n *Node) askAt(ctx context.Context, id, addr, subject string) ([]byte, error) {
	return n.mesh.askAt(ctx, id, addr, subject, nil)
}
