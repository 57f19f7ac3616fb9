package legacytcp

import "net/netip"

// admission limits the connections, in all and per address. Beyond a limit, a new
// connection replaces the one that has been silent longest: real clients send something
// at once. No operation depends on the number of connections. The gateway's mutex guards
// it.
type admission struct {
	limits  Limits
	trusted []netip.Prefix // networks whose addresses have no limit

	conns     map[*conn]struct{}
	silent    queue // those that have not sent a byte
	addresses map[netip.Addr]*address
}

// address is a client's address, or the smallest network that one client may own.
type address struct {
	conns  int
	silent queue
}

func newAdmission(limits Limits, trusted []netip.Prefix) admission {
	return admission{
		limits: limits, trusted: trusted,
		conns: make(map[*conn]struct{}), silent: queue{which: inAll}, addresses: make(map[netip.Addr]*address),
	}
}

// add gives c a place, or returns why not. If c replaces another connection, that one is
// marked as displaced and returned, and must be closed.
func (a *admission) add(c *conn) (lost *conn, refused Reason) {
	key, bounded := a.key(c.addr.Addr())
	if of := a.addresses[key]; bounded && of != nil && of.conns >= a.limits.MaxConnsPerAddress {
		if lost = of.silent.front; lost == nil {
			return nil, ReasonAddressCapacity
		}
	} else if len(a.conns) >= a.limits.MaxConns {
		if lost = a.silent.front; lost == nil {
			return nil, ReasonOverCapacity
		}
	}
	if lost != nil {
		a.remove(lost)
		lost.displaced = true
	}

	a.conns[c] = struct{}{}
	a.silent.push(c)
	if bounded {
		of := a.addresses[key]
		if of == nil {
			of = &address{silent: queue{which: inAddress}}
			a.addresses[key] = of
		}
		of.conns++
		of.silent.push(c)
		c.of = of
	}
	return lost, ""
}

// heard records that c is no longer silent. It reports whether c still has its place.
func (a *admission) heard(c *conn) bool {
	if !c.displaced {
		a.unqueue(c)
	}
	return !c.displaced
}

// remove frees c's place, if it has one.
func (a *admission) remove(c *conn) {
	if _, ok := a.conns[c]; !ok {
		return
	}
	delete(a.conns, c)
	a.unqueue(c)
	if c.of == nil {
		return
	}
	if c.of.conns--; c.of.conns == 0 {
		key, _ := a.key(c.addr.Addr())
		delete(a.addresses, key)
	}
	c.of = nil
}

func (a *admission) unqueue(c *conn) {
	a.silent.remove(c)
	if c.of != nil {
		c.of.silent.remove(c)
	}
}

// ipv6Client is the prefix length of the smallest IPv6 network that a client owns: all
// its addresses count as one.
const ipv6Client = 64

// key returns the key by which connections from addr are counted, if they are limited.
func (a *admission) key(addr netip.Addr) (_ netip.Addr, bounded bool) {
	if contains(a.trusted, addr) {
		return netip.Addr{}, false
	}
	if addr.Is6() {
		network, _ := addr.WithZone("").Prefix(ipv6Client) // it fails only for shorter addresses
		addr = network.Addr()
	}
	return addr, true
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(addr.WithZone("")) { // a prefix contains no address with a zone
			return true
		}
	}
	return false
}

// The queues that a connection can be in.
const (
	inAll = iota
	inAddress

	queues = iota
)

// queue is a linked list of connections, which are its links: leaving it costs nothing.
type queue struct {
	which       int
	front, back *conn
}

// queueLink is a connection's place in a queue.
type queueLink struct {
	prev, next *conn
	queued     bool
}

func (q *queue) push(c *conn) {
	c.queued[q.which] = queueLink{prev: q.back, queued: true}
	if q.back == nil {
		q.front = c
	} else {
		q.back.queued[q.which].next = c
	}
	q.back = c
}

// remove takes c out, if it is in q.
func (q *queue) remove(c *conn) {
	link := c.queued[q.which]
	if !link.queued {
		return
	}
	if link.prev == nil {
		q.front = link.next
	} else {
		link.prev.queued[q.which].next = link.next
	}
	if link.next == nil {
		q.back = link.prev
	} else {
		link.next.queued[q.which].prev = link.prev
	}
	c.queued[q.which] = queueLink{}
}
