// Package netguard limits connections before any protocol is spoken on them: how many
// are open, in total and from one address, and how long a write may make no progress.
//
// [NewListener] wraps a net.Listener. The package does not interpret what the
// connections carry.
package netguard
