package h2

// ownShare is how many bytes each connection may hold whatever the others do: as many
// as HTTP/2 lets a peer have without a word.
const ownShare = 64 << 10

// allow grants between least and want bytes of memory, or 0. A connection that holds
// nothing is always granted least, so that nothing waits for ever.
func (c *Conn) allow(least, want int64) int64 {
	own := max(0, ownShare-c.held)
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

// hold changes what the connection holds by n, whether it is allowed or not.
func (c *Conn) hold(n int64) {
	c.held += n
	beyond := max(0, c.held-ownShare)
	if beyond != c.charged {
		c.guard.o.Account.Charge(beyond - c.charged)
		c.charged = beyond
	}
}
