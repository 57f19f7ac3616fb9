package netguard

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

// Limits bounds the connections that are open at a time.
type Limits struct {
	// Total is the maximum number of connections.
	Total int
	// PerAddress is the maximum number from one IPv4 address or one IPv6 /64, which is
	// what one host commonly has. 0: no limit per address.
	PerAddress int
	// Exempt lists networks in which one address stands for many clients, such as NATs
	// and gateways. PerAddress does not apply to them.
	Exempt []netip.Prefix
}

// Reason says why a connection was refused or closed. It is a label value of metrics.
type Reason string

// Reasons.
const (
	ReasonTotal   Reason = "total"         // Limits.Total connections were open
	ReasonAddress Reason = "address"       // the address had Limits.PerAddress connections open
	ReasonStalled Reason = "write_stalled" // no byte could be written for WriteTimeout
)

// limiter counts connections.
type limiter struct {
	limits Limits

	mu        sync.Mutex
	total     int
	byAddress map[netip.Addr]int // only addresses that PerAddress applies to
}

func newLimiter(limits Limits) *limiter {
	return &limiter{limits: limits, byAddress: make(map[netip.Addr]int)}
}

// admit counts a connection, or returns why it is refused. For each admitted connection,
// release must be called with the same address.
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

// key returns the address that PerAddress counts under, and whether it applies.
func (l *limiter) key(from netip.Addr) (netip.Addr, bool) {
	if l.limits.PerAddress == 0 || !from.IsValid() || contains(l.limits.Exempt, from) {
		return netip.Addr{}, false
	}
	if from.Is6() {
		network, _ := from.Prefix(64) // never fails for an IPv6 address
		return network.Addr(), true
	}
	return from, true
}

func contains(networks []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// addressOf returns the IP address of a without its zone, and with an IPv4-mapped
// address unmapped. It returns the zero Addr if a is not a TCP address.
func addressOf(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

// IsFrom reports whether a is a TCP address in one of networks.
func IsFrom(networks []netip.Prefix, a net.Addr) bool { return contains(networks, addressOf(a)) }
