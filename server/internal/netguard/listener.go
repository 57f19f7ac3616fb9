package netguard

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Pauses after an accept that failed because descriptors or memory ran out. They double
// from the minimum to the maximum, as in net/http.
const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// logEvery is the minimum time between two log lines about refused connections and
// failed accepts. There can be thousands a second.
const logEvery = 10 * time.Second

// Options configure a Listener.
type Options struct {
	Limits Limits
	// Name begins every log line.
	Name string
	Log  *slog.Logger
	// Count is called once for every connection that is refused, or closed because it
	// stalled. Nil: they are not counted.
	Count func(Reason)
	// WriteTimeout is how long a write may make no progress before the connection is
	// closed. 0: no limit.
	WriteTimeout time.Duration
}

// Listener accepts connections up to its limits and closes the others at once. It
// retries an accept that fails because the process or the system has run out of a
// resource, so that a shortage does not end the server.
type Listener struct {
	net.Listener
	o       Options
	limiter *limiter

	closed    chan struct{}
	closeOnce sync.Once
	closeErr  error

	refused  atomic.Int64 // connections since the last log line
	failed   atomic.Int64 // accepts since then
	loggedAt time.Time    // used by Accept only
}

// NewListener returns a Listener that accepts from l. Accept must be called by one
// goroutine at a time.
func NewListener(l net.Listener, o Options) *Listener {
	if o.Count == nil {
		o.Count = func(Reason) {}
	}
	return &Listener{Listener: l, o: o, limiter: newLimiter(o.Limits), closed: make(chan struct{})}
}

// Open returns the number of open connections.
func (l *Listener) Open() int { return l.limiter.open() }

// Accept returns the next connection within the limits.
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
		c := &conn{Conn: nc, l: l}
		admitted, displaced, reason := l.limiter.admit(from, func() { _ = c.Close() }) // which another goroutine may be doing
		if displaced != nil {
			reason = ReasonDisplaced
			displaced.drop()
		}
		if reason != "" {
			l.o.Count(reason)
			l.refused.Add(1)
			l.warn("connections refused: the limit is reached", "reason", reason, "last", from)
		}
		if admitted == nil {
			nc.Close()
			continue
		}
		c.place = admitted
		return c, nil
	}
}

// warn logs at most one line in logEvery.
func (l *Listener) warn(msg string, args ...any) {
	if now := time.Now(); now.Sub(l.loggedAt) >= logEvery {
		l.loggedAt = now
		l.o.Log.Warn(l.o.Name+": "+msg, append(args, "refused", l.refused.Swap(0), "failed", l.failed.Swap(0))...)
	}
}

// Close stops accepting. It may be called more than once.
func (l *Listener) Close() error {
	l.closeOnce.Do(func() {
		close(l.closed)
		l.closeErr = l.Listener.Close()
	})
	return l.closeErr
}

// isTransient reports whether a later Accept may succeed: the client has already
// disconnected, or the process or the system has run out of a resource.
func isTransient(err error) bool {
	for _, errno := range transient {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
