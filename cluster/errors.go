package cluster

import (
	"errors"
	"fmt"

	"smppbridge/store"
)

// Reasons why a proposal surely never entered the log: errors of Propose that wrap one of them
// wrap store.ErrNotProposed too.
var (
	// ErrNotLeader: another node leads, or none does.
	ErrNotLeader = errors.New("this node does not lead")
	// ErrBacklog: too many proposals wait already.
	ErrBacklog = fmt.Errorf("%w: too many proposals wait", store.ErrFull)
	// ErrDiskFull: the disk is nearly full, so nothing new is accepted.
	ErrDiskFull = fmt.Errorf("%w: too little free disk space", store.ErrFull)
	// ErrTooLarge: the command is larger than any command may be.
	ErrTooLarge = errors.New("command too large")
	// ErrVersion: the cluster version that the command needs is not in force yet.
	ErrVersion = fmt.Errorf("%w is too low", store.ErrVersion)
	// ErrShutdown: the node was asked to stop.
	ErrShutdown = errors.New("the node is shut down")
)

// ErrNotEncrypted is wrapped by Start's error when an address is not loopback.
var ErrNotEncrypted = errors.New("not a loopback address, and the transport is not encrypted: permit it explicitly (insecure) or use loopback")

// ErrLogLost is wrapped by Start's error when log and store do not belong together: entries that
// the store needs, or the votes this node gave, are gone. Starting could lose or fork history.
var ErrLogLost = errors.New("raft's log does not continue the store's file")
