// Package netguard bounds what connections can take from each other before anything
// of a protocol is known: how many there are, in all and from one address, and how
// long a write may go without progress.
//
// It knows nothing of what the connections carry.
package netguard
