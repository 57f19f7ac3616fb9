//go:build !linux

package app

import "net"

// listenConfig leaves TCP keepalive to Go, which sets it on every connection: every
// 15 s.
var listenConfig net.ListenConfig
