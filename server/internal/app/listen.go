package app

import (
	"context"
	"fmt"
	"log/slog"
	"net"
)

// listen takes the port of a flag: an inherited socket with its name, or that of the address.
// It returns nil for the empty address. consent is why an inherited socket must not be
// reachable from other machines, or nil: the flags were checked without knowing it.
func listen(flag, address string, consent error) (net.Listener, error) {
	l, err := takeInherited(flag)
	switch {
	case err != nil:
		return nil, err
	case l != nil && consent != nil && reachable(l):
		return nil, fmt.Errorf("%s: the inherited socket at %s can be reached from other machines: %w", flag, l.Addr(), consent)
	case l != nil:
		return l, nil
	}
	if address == "" {
		return nil, nil
	}
	l, err = listenConfig.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return l, nil
}

// announce logs where a door is, for people and for programs that chose port 0.
func announce(log *slog.Logger, door string, l net.Listener) {
	log.Info("serving "+door, "address", l.Addr().String())
}
