package main

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// notifyReady tells systemd that the node has done what it can by itself: it serves, or it waits for others. A unit that
// waits counts as started, else `systemctl start` on one node would hang until somebody has started the next. status says
// which; whether messages are accepted is what /readyz tells. From then on systemd is told, where the unit has a watchdog,
// that the node makes progress.
func (n *node) notifyReady(status string) {
	if n.notified {
		n.sdNotify("STATUS=" + status)
		return
	}
	n.notified = true
	n.sdNotify(daemon.SdNotifyReady + "\nSTATUS=" + status)
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { // ends with watchdog
		defer close(done)
		n.feedWatchdog(ctx, every)
	}()
	n.watchdog = func() { cancel(); <-done }
}

func (n *node) feedWatchdog(ctx context.Context, every time.Duration) {
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
}

func (n *node) notifyStopping() {
	n.sdNotify(daemon.SdNotifyStopping)
	n.watchdog()
}

func (n *node) sdNotify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		n.log.Warn("notify systemd", "err", err)
	}
}
