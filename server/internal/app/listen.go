package app

import (
	"context"
	"fmt"
	"log/slog"
	"net"
)

// listen takes the port of a flag. It returns nil for the empty address.
func listen(flag, address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	l, err := listenConfig.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return l, nil
}

// announce logs where a door is, for people and for programs that chose port 0.
func announce(log *slog.Logger, door string, l net.Listener) {
	log.Info("serving "+door, "address", l.Addr().String())
}
