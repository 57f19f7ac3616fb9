package flow

import "context"

// localAllowance is the allowance of a call in this process, in bytes: a chunk that keeps a
// connection of the original protocols busy.
const localAllowance = 16 << 10

// Window returns the window of the call that ctx belongs to: its own if it comes from the
// network, else a local one.
func (a *Account) Window(ctx context.Context) Window {
	if w := FromContext(ctx); w != nil {
		return w
	}
	return a.Local()
}

// Local returns the window of a call from this process. The caller has sent the bytes of
// one message when it asks for the next, so bytes count as in flight until the next
// Reserve.
func (a *Account) Local() Window { return &local{account: a} }

type local struct {
	account *Account
	charged int64
}

// Reserve implements Window. It does not wait.
func (w *local) Reserve(ctx context.Context, want int64) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	w.Close()
	if want > localAllowance {
		w.charged = w.account.Take(0, want-localAllowance)
	}
	return min(want, localAllowance+w.charged), nil
}

// Return implements Window.
func (w *local) Return(n int64) {
	n = min(n, w.charged)
	w.account.Release(n)
	w.charged -= n
}

// Close implements Window.
func (w *local) Close() {
	if w.charged > 0 {
		w.account.Release(w.charged)
		w.charged = 0
	}
}
