package netguard

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

// Limits says how many connections there may be at a time.
type Limits struct {
	// Total is the most connections in all.
	Total int
	// PerAddress is the most connections of one IPv4 address, or of one IPv6
	// network of 64 bits, which is what one host commonly has. 0: Total alone counts.
	PerAddress int
	// Exempt lists networks whose addresses stand for many clients each, such as NATs
	// and gateways: PerAddress is not for them.
	Exempt []netip.Prefix
}

// Reason tells why a connection was refused or closed. It is a word for metrics.
type Reason string

// Reasons.
const (
	ReasonTotal   Reason = "total"         // as many as there may be were open
	ReasonAddress Reason = "address"       // as many as one address may have were open
	ReasonStalled Reason = "write_stalled" // the peer took nothing for WriteTimeout
)

// limiter counts connections.
type limiter struct {
	limits Limits

	mu        sync.Mutex
	total     int
	byAddress map[netip.Addr]int // only of those for whom PerAddress counts
}

func newLimiter(limits Limits) *limiter {
	return &limiter{limits: limits, byAddress: make(map[netip.Addr]int)}
}

// admit counts a connection in, or tells why it must not be. Who was admitted calls
// release with the same address.
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

func (l *limiter) open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}

// key returns what PerAddress counts by, and whether it counts at all.
func (l *limiter) key(from netip.Addr) (netip.Addr, bool) {
	if l.limits.PerAddress == 0 || !from.IsValid() || contains(l.limits.Exempt, from) {
		return netip.Addr{}, false
	}
	if from.Is6() {
		network, _ := from.Prefix(64) // never fails for 64 bits of an IPv6 address
		return network.Addr(), true
	}
	return from, true
}

func contains(networks []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// addressOf returns the IP address of a, IPv4 as such and without a zone, or the zero
// Addr if a is no TCP address.
func addressOf(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

// IsFrom reports whether a is a TCP address in one of the networks.
func IsFrom(networks []netip.Prefix, a net.Addr) bool { return contains(networks, addressOf(a)) }
