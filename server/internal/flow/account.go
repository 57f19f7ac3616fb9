package flow

import "sync/atomic"

// part is what one holder may have beside what stays free: a quarter of that. So one
// alone gets a fifth of the account, many share it, and the last of it is never one
// peer's.
const part = 4

// Account is the bytes that all peers of the process together may have waiting for
// them. Nobody waits for it: who gets nothing of it goes on with the little that
// everyone has of his own, and which is not charged here. So those who read are not
// held up by those who do not, and the bytes waiting are at most the account and what
// everyone has of his own.
type Account struct {
	limit int64
	held  atomic.Int64
}

// NewAccount returns an account of limit bytes.
func NewAccount(limit int64) *Account { return &Account{limit: limit} }

// Held returns how many bytes are charged.
func (a *Account) Held() int64 { return a.held.Load() }

// Take charges up to want bytes to a holder who is charged have already, and returns
// how many.
func (a *Account) Take(have, want int64) int64 {
	for {
		held := a.held.Load()
		n := min(want, (a.limit-held-part*have)/(part+1))
		if n <= 0 {
			return 0
		}
		if a.held.CompareAndSwap(held, held+n) {
			return n
		}
	}
}

// Charge charges n bytes whether there is room or not, for what cannot be cut up.
func (a *Account) Charge(n int64) { a.held.Add(n) }

// Release gives back n bytes.
func (a *Account) Release(n int64) { a.held.Add(-n) }

// Limit returns how many bytes there are.
func (a *Account) Limit() int64 { return a.limit }
