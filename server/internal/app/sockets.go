package app

import (
	"fmt"
	"net"
	"sync"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
)

// inherited returns the listening sockets that a service manager has opened for this
// process, by their names: "grpc" is for --grpc. A service manager can open ports below
// 1024, and keeps clients waiting, not refused, while the program restarts.
var inherited = sync.OnceValues(activation.ListenersWithNames)

// takeInherited returns the inherited socket of a flag, or nil.
func takeInherited(flag string) (net.Listener, error) {
	all, err := inherited()
	if err != nil {
		return nil, fmt.Errorf("%s: inherited sockets: %w", flag, err)
	}
	name := flag[len("--"):]
	switch found := all[name]; {
	case len(found) == 0:
		return nil, nil
	case len(found) > 1:
		return nil, fmt.Errorf("%s: %d inherited sockets have the name %q", flag, len(found), name)
	default:
		return found[0], keepAliveOn(found[0])
	}
}

// checkInherited returns an error if an inherited socket has a name that no flag has: it
// would be open, and never served.
func checkInherited(flags ...string) error {
	all, err := inherited()
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, flag := range flags {
		known[flag[len("--"):]] = true
	}
	for name := range all {
		if !known[name] {
			return fmt.Errorf("an inherited socket has the name %q, which is none of %q", name, flags)
		}
	}
	return nil
}

// reachable reports whether other machines can reach a listener.
func reachable(l net.Listener) bool {
	loopback, err := isLoopback(l.Addr().String())
	return err != nil || !loopback
}

// notify tells the service manager, if there is one that wants to know, of a state.
func notify(state string) {
	// Without a service manager it does nothing; one that cannot be reached does not change
	// what the program does.
	_, _ = daemon.SdNotify(false, state)
}
