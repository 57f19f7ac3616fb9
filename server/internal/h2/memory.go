package h2

// connAllowance is how many bytes each connection may hold whatever the others hold: the
// initial window of HTTP/2.
const connAllowance = 64 << 10

// acquireMemory acquires between least and want bytes of memory and returns how many, or 0.
// A connection that holds none always gets least, so that no stream waits for ever.
func (c *Conn) acquireMemory(least, want int64) int64 {
	own := max(0, connAllowance-c.held)
	if want <= own {
		c.held += want
		return want
	}
	account := c.guard.o.Account
	taken := account.Take(c.charged, want-own)
	if short := least - own - taken; short > 0 {
		if c.held > 0 {
			account.Release(taken)
			return 0
		}
		account.Charge(short)
		taken += short
	}
	c.charged += taken
	c.held += own + taken
	return own + taken
}

// adjustMemory changes what the connection holds by n bytes, without a limit.
func (c *Conn) adjustMemory(n int64) {
	c.held += n
	beyond := max(0, c.held-connAllowance)
	if beyond != c.charged {
		c.guard.o.Account.Charge(beyond - c.charged)
		c.charged = beyond
	}
}
