// Package netguard bounds the number of connections, in total and from one address, and the
// time that a write may go without progress. It works below any protocol.
//
// A [Listener] wraps a net.Listener. The connections that it accepts count until they are
// closed.
package netguard
