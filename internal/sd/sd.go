// Package sd tells systemd how the daemon is (sd_notify(3)): ready, reloading,
// stopping, alive, and one line for `systemctl status`. Where nothing asked for
// it (NOTIFY_SOCKET is not set: a terminal, a container) every call does nothing
// and succeeds, so callers need not care where they run.
//
// An error means that systemd asked and could not be told. The daemon logs it and
// goes on: work matters more than the telling of it.
package sd

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Ready says that the start, or a reload, is over.
func Ready() error { return tell(daemon.SdNotifyReady) }

// Status sets the line that `systemctl status` shows. Line ends would begin
// another message to systemd, so they become spaces.
func Status(text string) error {
	return tell("STATUS=" + strings.Join(strings.Fields(text), " "))
}

// Reloading says that a reload began; Ready ends it. systemd 253 and later want
// the time of the monotonic clock beside it, to tell this reload from an older one.
func Reloading() error {
	return tell(daemon.SdNotifyReloading + "\n" + strings.TrimSpace(daemon.SdNotifyMonotonicUsec()))
}

// Stopping says that the end began.
func Stopping() error { return tell(daemon.SdNotifyStopping) }

// WatchdogInterval is how long systemd waits for a sign of life before it kills
// us (WatchdogSec=); 0 if it does not wait for one. An error means that systemd
// set nonsense, which is as good as no watchdog.
func WatchdogInterval() (time.Duration, error) {
	d, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return 0, fmt.Errorf("systemd's watchdog: %w", err)
	}
	return d, nil
}

// Watchdog gives a sign of life twice per interval until ctx ends. Before each it
// asks alive, which must not block; while that says no, systemd hears nothing, and
// after interval it kills and restarts us. With no interval it returns at once.
// Signs that cannot be sent are told to failed.
func Watchdog(ctx context.Context, interval time.Duration, alive func() bool, failed func(error)) {
	if interval <= 0 {
		return
	}
	tick := time.NewTicker(max(interval/2, time.Millisecond)) // sd_watchdog_enabled(3) recommends half
	defer tick.Stop()
	for {
		if alive() {
			if err := tell(daemon.SdNotifyWatchdog); err != nil {
				failed(err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func tell(state string) error {
	if _, err := daemon.SdNotify(false, state); err != nil {
		return fmt.Errorf("cannot tell systemd %s: %w", strings.SplitN(state, "\n", 2)[0], err)
	}
	return nil
}
