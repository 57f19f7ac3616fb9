package netguard

import (
	"container/list"
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
	// Displace gives a new connection the place of the one that has been silent longest,
	// instead of refusing it; of the same address, if PerAddress is reached. A connection is
	// silent until its protocol calls Heard.
	Displace bool
}

// Reason says why a connection was refused or closed. It is a label value of metrics.
type Reason string

// Reasons.
const (
	ReasonTotal     Reason = "total"         // Limits.Total connections were open
	ReasonAddress   Reason = "address"       // the address had Limits.PerAddress connections open
	ReasonDisplaced Reason = "displaced"     // it was silent, and another connection needed its place
	ReasonStalled   Reason = "write_stalled" // no byte could be written for WriteTimeout
)

// limiter gives connections places.
type limiter struct {
	limits Limits

	mu        sync.Mutex
	total     int
	silent    list.List                 // of *place, longest silent first, if Limits.Displace
	byAddress map[netip.Addr]*addresses // only addresses that PerAddress applies to
}

// addresses are the places of one address.
type addresses struct {
	open   int
	silent list.List // of *place, longest silent first, if Limits.Displace
}

// place is the place of one connection.
type place struct {
	drop    func()     // closes the connection
	key     netip.Addr // of its address
	address *addresses // nil: PerAddress does not apply
	left    bool       // it has been released, or given to another connection

	// Its elements in the lists of silent places; nil: it has been heard.
	inAll, inAddress *list.Element
}

func newLimiter(limits Limits) *limiter {
	return &limiter{limits: limits, byAddress: make(map[netip.Addr]*addresses)}
}

// admit returns a place for a connection, or why there is none. The place may be that of
// another connection, which the caller must drop.
func (l *limiter) admit(from netip.Addr, drop func()) (p, displaced *place, refused Reason) {
	key, counted := l.key(from)
	l.mu.Lock()
	defer l.mu.Unlock()
	var of *addresses
	if counted {
		if of = l.byAddress[key]; of == nil {
			of = &addresses{}
		}
	}
	switch {
	case of != nil && of.open >= l.limits.PerAddress:
		displaced, refused = oldest(&of.silent), ReasonAddress
	case l.total >= l.limits.Total:
		displaced, refused = oldest(&l.silent), ReasonTotal
	}
	switch {
	case displaced != nil:
		l.leave(displaced)
	case refused != "":
		return nil, nil, refused
	}
	p = &place{drop: drop, key: key, address: of}
	l.total++
	if of != nil {
		l.byAddress[key] = of
		of.open++
	}
	if l.limits.Displace {
		p.inAll = l.silent.PushBack(p)
		if of != nil {
			p.inAddress = of.silent.PushBack(p)
		}
	}
	return p, displaced, ""
}

func oldest(silent *list.List) *place {
	if e := silent.Front(); e != nil {
		return e.Value.(*place)
	}
	return nil
}

// heard keeps p from being displaced.
func (l *limiter) heard(p *place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unlist(p)
}

// release gives up a place. It may be called more than once.
func (l *limiter) release(p *place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leave(p)
}

// leave takes p out. The caller holds mu.
func (l *limiter) leave(p *place) {
	if p.left {
		return
	}
	p.left = true
	l.unlist(p)
	l.total--
	if p.address == nil {
		return
	}
	if p.address.open--; p.address.open == 0 {
		delete(l.byAddress, p.key)
	}
}

// unlist takes p from the lists of silent places. The caller holds mu.
func (l *limiter) unlist(p *place) {
	if p.inAll != nil {
		l.silent.Remove(p.inAll)
	}
	if p.inAddress != nil {
		p.address.silent.Remove(p.inAddress)
	}
	p.inAll, p.inAddress = nil, nil
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
