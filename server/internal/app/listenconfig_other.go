//go:build !linux

package app

import "net"

// listenConfig leaves TCP keepalive to Go, which sets it on each connection, with an
// interval of 15 s.
var listenConfig net.ListenConfig

// keepAliveOn does nothing: see listenConfig.
func keepAliveOn(net.Listener) error { return nil }
