package app

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// followInterval is how often files that the operator may change are read again. They are
// small; reading them also notices a replaced directory or symbolic link, as container
// platforms use them.
const followInterval = time.Second

// reloader follows a file. Its Reload does nothing if the file is as it was.
type reloader interface{ Reload() }

// follow reloads r at every followInterval, and at once at a SIGHUP, until ctx is done. A
// disk that hangs holds up only r.
func follow(ctx context.Context, doors *errgroup.Group, r reloader) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	doors.Go(func() error {
		defer signal.Stop(hangups)
		tick := time.NewTicker(followInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-hangups:
			case <-ctx.Done():
				return nil
			}
			r.Reload()
		}
	})
}
