package netguard

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Pauses after an accept that failed for want of descriptors or memory; they double
// from the first to the second, as net/http's do.
const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// logEvery is the least time between two lines about connections that were refused
// or accepts that failed: there can be thousands a second.
const logEvery = 10 * time.Second

// Options configure a Listener.
type Options struct {
	Limits Limits
	// Name says in the log whose connections these are.
	Name string
	Log  *slog.Logger
	// Count is called once for every connection that was refused, or closed because it
	// stalled. Nil: nobody counts.
	Count func(Reason)
	// WriteTimeout is how long a write may go without one byte of progress until the
	// connection is closed. 0: for ever.
	WriteTimeout time.Duration
}

// Listener accepts as many connections as its limits allow, and closes those beyond
// at once. An accept that fails because the process or the system is short of
// something is tried again, so that a shortage ends nothing.
type Listener struct {
	net.Listener
	o       Options
	limiter *limiter

	closed    chan struct{}
	closeOnce sync.Once
	closeErr  error

	refused  atomic.Int64 // since the last line in the log
	failed   atomic.Int64
	loggedAt time.Time // Accept's
}

// NewListener returns l with limits. Accept is called by one goroutine at a time.
func NewListener(l net.Listener, o Options) *Listener {
	if o.Count == nil {
		o.Count = func(Reason) {}
	}
	return &Listener{Listener: l, o: o, limiter: newLimiter(o.Limits), closed: make(chan struct{})}
}

// Open returns how many connections there are.
func (l *Listener) Open() int { return l.limiter.open() }

// Accept returns the next connection that is within the limits.
func (l *Listener) Accept() (net.Conn, error) {
	var pause time.Duration
	for {
		nc, err := l.Listener.Accept()
		switch {
		case err == nil:
			pause = 0
		case !isTransient(err):
			return nil, err
		default:
			l.failed.Add(1)
			l.report("accept failed, trying again", "error", err)
			pause = min(max(2*pause, minAcceptPause), maxAcceptPause)
			select {
			case <-time.After(pause):
			case <-l.closed:
			}
			continue
		}
		from := addressOf(nc.RemoteAddr())
		if reason := l.limiter.admit(from); reason != "" {
			l.o.Count(reason)
			l.refused.Add(1)
			nc.Close()
			l.report("connections refused: as many as there may be are open", "reason", reason, "last", from)
			continue
		}
		return &conn{Conn: nc, l: l, from: from}, nil
	}
}

// report writes a line, unless there was one shortly before.
func (l *Listener) report(msg string, args ...any) {
	if now := time.Now(); now.Sub(l.loggedAt) >= logEvery {
		l.loggedAt = now
		l.o.Log.Warn(l.o.Name+": "+msg, append(args, "refused", l.refused.Swap(0), "failed", l.failed.Swap(0))...)
	}
}

// Close stops accepting. It may be called again.
func (l *Listener) Close() error {
	l.closeOnce.Do(func() {
		close(l.closed)
		l.closeErr = l.Listener.Close()
	})
	return l.closeErr
}

// isTransient reports whether a later Accept may succeed: the client was gone
// already, or the process or the system is short of something.
func isTransient(err error) bool {
	for _, errno := range []syscall.Errno{
		syscall.ECONNABORTED, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
