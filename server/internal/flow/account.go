package flow

import "sync/atomic"

// freeRatio is the minimum ratio of free bytes to the bytes of one holder. So a single
// holder gets a fifth of the account, many can have some of it, and no holder gets the last
// of it.
const freeRatio = 4

// Account bounds the bytes in flight to all peers of the process. Taking never waits: a
// holder that gets nothing uses its own small allowance, which is not charged here. So
// slow readers do not delay fast ones, and the bytes in flight are at most the account
// plus all allowances. It is safe for concurrent use.
type Account struct {
	limit int64
	held  atomic.Int64
}

// NewAccount returns an account of limit bytes.
func NewAccount(limit int64) *Account { return &Account{limit: limit} }

// Held returns how many bytes are charged.
func (a *Account) Held() int64 { return a.held.Load() }

// Take charges up to want bytes to a holder that is charged have bytes already. It returns
// how many it charged.
func (a *Account) Take(have, want int64) int64 {
	for {
		held := a.held.Load()
		n := min(want, (a.limit-held-freeRatio*have)/(freeRatio+1))
		if n <= 0 {
			return 0
		}
		if a.held.CompareAndSwap(held, held+n) {
			return n
		}
	}
}

// Charge charges n bytes even beyond the limit, for messages that cannot be split.
func (a *Account) Charge(n int64) { a.held.Add(n) }

// Release gives back n bytes.
func (a *Account) Release(n int64) { a.held.Add(-n) }

// Limit returns the size of the account in bytes.
func (a *Account) Limit() int64 { return a.limit }
