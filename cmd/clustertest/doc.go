//go:build linux

// Clustertest does to a real cluster everything that can happen to one, and looks for what the promises rule out.
//
//	go run ./cmd/clustertest                            20 rounds of each scene, as root
//	go run ./cmd/clustertest --rounds 2 --only kill     some of it
//	go run ./cmd/clustertest --nodes 1                  one node
//
// # What runs
//
// Three daemons, each in a network namespace and on a disk of its own; the simulated API, and a fleet of ESMEs on
// several accounts, both in this program. The program runs once more inside network, mount and process
// namespaces (sandbox.go), so that the kernel removes everything however it ends. The namespaces' devices end in
// this program too (netns.go): it carries their packets itself (fabric.go), and so can lose, delay and refuse
// them, in each direction by itself, on kernels without netem. A disk is ext4 in an image (disk.go). Its power
// fails by EXT4_IOC_SHUTDOWN without log flush: what was not synced is forgotten, which kill -9 never shows.
//
// # What is counted
//
// Two ledgers are compared after each fault (verdict.go): what each ESME was told about each submit_sm, and each
// receipt it got (message.go); what the API executed. No text is ever submitted twice, so that
//
//	lost     was answered ESME_ROK, and neither sent nor reported as failed
//	twice    was sent more than once
//	ghosts   was answered with an error, and sent or reported all the same
//	missing  was answered ESME_ROK, and has no receipt
//	again    has a second receipt, and the session or node of the first one ended or was hurt close by
//	extra    has a second receipt without that excuse
//	early    has a receipt from before its submit_sm_resp
//	late     likewise, but the node that answered was hurt meanwhile: the others held it for dead, and its sessions too
//	wrong    has a receipt that names nothing, or something else than the first one, or not what became of it
//	limits   was accepted above an account's rate, or refused by the API because a phone had had enough
//	errs     was refused, or its connection was cut, on a node that nobody hurt
//
// and all but "again" and "late" and, in scenes that are not quiet, "errs" must be 0. The outage is
// the longest time for which an ESME waited for its submit_sm_resp on a node that nobody hurt or, where all were hurt,
// for which no node accepted anything.
//
// The scene mix has no node hurt: the API does for --mix (a minute) all that it can do to its users, at once, under traffic
// of all classes by two routes (mix.go). It is played once, whatever --rounds says.
//
// Clocks are not moved: time namespaces do not have the clock that matters, and what replaces libc's reaches no Go
// program. cluster's own tests do that.
//
// Read round.go first, then scenes.go (the faults), traffic.go and session.go (the ESMEs), verdict.go.
package main
