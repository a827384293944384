// Package certs holds certificates and keys in PEM files: it makes them for a cluster (Authority), and reads them
// again when they change, for as long as a listener or a node uses them.
//
// [Server] is for a listener whose clients may be anybody: the SMPP port. [Peers] is for both ends of the
// connections between nodes, which verify each other. Each has Run, which looks at the files every few seconds,
// and Reload, which looks now. What cannot be used is refused as a whole and what was in use stays: between the
// writing of a new certificate and of its key the two do not fit. Only new handshakes use what was read;
// connections that are open keep what they began with.
//
// No error or log entry of this package repeats a key.
package certs
