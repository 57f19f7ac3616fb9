// Package hangup keeps SIGHUP from ending the program that imports it: from before
// main, while packages that take far longer are still being initialized, to the last
// line. Service managers send one with a SIGTERM, and logrotate one at any time, also
// to a program that has not come far enough to take it.
//
// What wants to act on it notifies itself of it as well.
package hangup

import (
	"os"
	"os/signal"
	"syscall"
)

func init() {
	// Nobody receives: that somebody asked to be notified is what keeps the signal
	// from its default. It is not ignored by the system, which children would inherit.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
}
