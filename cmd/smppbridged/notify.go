package main

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// notifyReady tells systemd that the node is up and, where the unit has a watchdog, goes on
// telling it for as long as messages could be committed. The returned function ends that.
func (n *node) notifyReady(ctx context.Context) (stop func()) {
	n.sdNotify(daemon.SdNotifyReady)
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every / 3)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			// A node that lost its leader is alive: restarting it would not bring a majority back. One
			// whose log or state file hangs is not.
			if stuck := n.cluster.Stuck(); stuck > every/2 {
				n.log.Error("a commit hangs", "for", stuck)
				continue
			}
			n.sdNotify(daemon.SdNotifyWatchdog)
		}
	}()
	return func() { cancel(); <-done }
}

func (n *node) notifyStopping() { n.sdNotify(daemon.SdNotifyStopping) }

func (n *node) sdNotify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		n.log.Warn("notify systemd", "err", err)
	}
}
