// Package hangup keeps SIGHUP from ending the program that imports it. Its init function
// runs before main and before slower packages are initialized. Service managers send
// SIGHUP together with SIGTERM, and logrotate sends it at any time, also to a program
// that has not yet installed its handlers.
//
// Code that acts on the signal calls signal.Notify as usual.
package hangup

import (
	"os"
	"os/signal"
	"syscall"
)

func init() {
	// Nothing receives from the channel: Notify alone replaces the default action.
	// signal.Ignore would be inherited by child processes.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
}
