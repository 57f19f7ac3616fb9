// Package hangup prevents SIGHUP from ending the program that imports it, from package
// initialization on. Service managers send SIGHUP together with SIGTERM, and logrotate sends
// it at any time, also to a program that is still starting.
//
// Code that handles SIGHUP calls signal.Notify as well.
package hangup

import (
	"os"
	"os/signal"
	"syscall"
)

func init() {
	// The channel has no reader: a call of Notify is enough to disable the default action.
	// signal.Ignore would be inherited by child processes.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
}
