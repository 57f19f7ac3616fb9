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

// After an Accept that failed for lack of descriptors or memory, the pause doubles from the
// minimum to the maximum, as in net/http.
const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// logInterval is the minimum time between two log lines about refused connections or failed
// Accepts. There can be thousands a second.
const logInterval = 10 * time.Second

// Options configure a Listener.
type Options struct {
	Limits Limits
	// Name is the prefix of log messages: the server that the connections belong to.
	Name string
	// Log receives warnings about refused connections and failed Accepts.
	Log *slog.Logger
	// Count is called once for every connection that is refused, or closed because it
	// stalled. May be nil.
	Count func(Reason)
	// WriteTimeout is how long a write may make no progress before the connection is closed.
	// 0: no limit.
	WriteTimeout time.Duration
}

// Listener accepts as many connections as its limits allow, and closes others at once. It
// repeats an Accept that failed because the process or the system is short of a resource.
type Listener struct {
	net.Listener
	o       Options
	limiter *limiter

	closed    chan struct{}
	closeOnce sync.Once
	closeErr  error

	refused  atomic.Int64 // since the last log line
	failed   atomic.Int64
	loggedAt time.Time // used by Accept only
}

// NewListener returns a Listener that accepts from l. Accept must not be called concurrently.
func NewListener(l net.Listener, o Options) *Listener {
	if o.Count == nil {
		o.Count = func(Reason) {}
	}
	return &Listener{Listener: l, o: o, limiter: newLimiter(o.Limits), closed: make(chan struct{})}
}

// Open returns the number of open connections.
func (l *Listener) Open() int { return l.limiter.open() }

// Accept implements net.Listener. It returns the next connection within the limits.
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
			l.warn("accept failed, trying again", "error", err)
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
			l.warn("connections refused: the limit is reached", "reason", reason, "last", from)
			continue
		}
		return &conn{Conn: nc, l: l, from: from}, nil
	}
}

// warn logs a warning with the counts since the last one, at most once in logInterval.
func (l *Listener) warn(msg string, args ...any) {
	if now := time.Now(); now.Sub(l.loggedAt) >= logInterval {
		l.loggedAt = now
		l.o.Log.Warn(l.o.Name+": "+msg, append(args, "refused", l.refused.Swap(0), "failed", l.failed.Swap(0))...)
	}
}

// Close implements net.Listener. It may be called again.
func (l *Listener) Close() error {
	l.closeOnce.Do(func() {
		close(l.closed)
		l.closeErr = l.Listener.Close()
	})
	return l.closeErr
}

// isTransient reports whether a later Accept may succeed: the client has disconnected, or the
// process or the system is short of a resource.
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
