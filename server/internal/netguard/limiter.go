package netguard

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

// Limits bound the number of open connections.
type Limits struct {
	// Total is the maximum number of connections.
	Total int
	// PerAddress is the maximum number of connections from one IPv4 address or one IPv6 /64
	// network, which is what one host commonly has. 0: no limit.
	PerAddress int
	// Exempt lists networks to which PerAddress does not apply, because each address stands
	// for many clients: NATs and gateways.
	Exempt []netip.Prefix
}

// Reason is why a connection was refused or closed. It is the value of a metric's label.
type Reason string

// Reasons.
const (
	ReasonTotal   Reason = "total"         // Limits.Total was reached
	ReasonAddress Reason = "address"       // Limits.PerAddress was reached
	ReasonStalled Reason = "write_stalled" // a write made no progress for WriteTimeout
)

// limiter counts open connections.
type limiter struct {
	limits Limits

	mu        sync.Mutex
	total     int
	byAddress map[netip.Addr]int // of the connections to which PerAddress applies
}

func newLimiter(limits Limits) *limiter {
	return &limiter{limits: limits, byAddress: make(map[netip.Addr]int)}
}

// admit counts a connection, or returns why it is refused. The caller must release an
// admitted connection with the same address.
func (l *limiter) admit(from netip.Addr) (refused Reason) {
	key, counted := l.key(from)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.total >= l.limits.Total:
		return ReasonTotal
	case counted && l.byAddress[key] >= l.limits.PerAddress:
		return ReasonAddress
	}
	l.total++
	if counted {
		l.byAddress[key]++
	}
	return ""
}

// release ends an admitted connection.
func (l *limiter) release(from netip.Addr) {
	key, counted := l.key(from)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if !counted {
		return
	}
	if l.byAddress[key]--; l.byAddress[key] == 0 {
		delete(l.byAddress, key)
	}
}

// open returns the number of open connections.
func (l *limiter) open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}

// key returns the address that PerAddress counts by, and whether it applies.
func (l *limiter) key(from netip.Addr) (netip.Addr, bool) {
	if l.limits.PerAddress == 0 || !from.IsValid() || contains(l.limits.Exempt, from) {
		return netip.Addr{}, false
	}
	if from.Is6() {
		network, _ := from.Prefix(64) // cannot fail for an IPv6 address
		return network.Addr(), true
	}
	return from, true
}

func contains(networks []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// addressOf returns the IP address of a, without a zone and with IPv4-mapped addresses
// unmapped. It returns the zero Addr if a is not a TCP address.
func addressOf(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

// IsFrom reports whether a is a TCP address in one of the networks.
func IsFrom(networks []netip.Prefix, a net.Addr) bool { return contains(networks, addressOf(a)) }
