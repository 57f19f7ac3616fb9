package tlsfiles

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"
)

const (
	// expiryWarning is how long before a certificate expires its operator is warned, and
	// warnEvery how often: renewal takes days where people have to do it.
	expiryWarning = 14 * 24 * time.Hour
	warnEvery     = 24 * time.Hour
)

// Live is the TLS of one side, whose files may change: new connections use what they said at
// the last Reload, open ones go on as they are. While the files are incomplete or do not match,
// the last configuration stays in use. It is safe for concurrent use.
type Live struct {
	files Files
	side  side
	log   *slog.Logger

	current atomic.Pointer[current]

	mu      sync.Mutex        // serialises Reload, and guards the fields below
	refused [sha256.Size]byte // the contents that were last refused, and logged
	unread  string            // the error of the last reading, if it failed
	warned  time.Time         // when the operator was last warned of the expiry
}

// current is a configuration in use.
type current struct {
	*loaded
	grpc credentials.TransportCredentials
}

// LiveServer returns the TLS of a server: see Server.
func (f Files) LiveServer(log *slog.Logger) (*Live, error) { return f.live(server, log) }

// LiveClient returns the TLS of a client: see Client.
func (f Files) LiveClient(log *slog.Logger) (*Live, error) { return f.live(client, log) }

func (f Files) live(of side, log *slog.Logger) (*Live, error) {
	first, err := f.load(of)
	if err != nil {
		return nil, err
	}
	l := &Live{files: f, side: of, log: log}
	l.use(first)
	l.warn(time.Now())
	return l, nil
}

func (l *Live) use(c *loaded) { l.current.Store(&current{c, credentials.NewTLS(c.config)}) }

// Reload reads the files now. It logs what it changed, and once why it cannot.
func (l *Live) Reload() {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.warn(time.Now())
	found, err := l.files.read()
	if err != nil {
		if l.unread != err.Error() {
			l.log.Warn("TLS files cannot be read: the last ones stay in use", "cause", err)
		}
		l.unread = err.Error()
		return
	}
	l.unread = ""
	sum := found.sum()
	if sum == l.current.Load().sum || sum == l.refused {
		return
	}
	next, err := l.files.make(l.side, found)
	if err != nil {
		l.refused = sum
		l.log.Warn("TLS files are not usable: the last ones stay in use", "cause", err)
		return
	}
	l.use(next)
	l.warned = time.Time{}
	l.log.Info("TLS files reloaded", "expires", next.expires.UTC())
}

// warn warns of a certificate that expires soon. The caller holds mu, or is alone.
func (l *Live) warn(now time.Time) {
	expires := l.Expires()
	if expires.IsZero() || expires.Sub(now) > expiryWarning || now.Sub(l.warned) < warnEvery {
		return
	}
	l.warned = now
	text := "the TLS certificate expires soon"
	if expires.Before(now) {
		text = "the TLS certificate has expired"
	}
	l.log.Warn(text, "file", l.files.Cert.Path, "expires", expires.UTC())
}

// Expires returns when the certificate in use expires. It is zero if there is none.
func (l *Live) Expires() time.Time { return l.current.Load().expires }

// Config returns a configuration for a server of any protocol over TLS.
func (l *Live) Config() *tls.Config {
	return &tls.Config{
		MinVersion:         l.current.Load().config.MinVersion,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return l.current.Load().config, nil },
	}
}

// Credentials returns the credentials of gRPC.
func (l *Live) Credentials() credentials.TransportCredentials { return liveCredentials{l} }

type liveCredentials struct{ l *Live }

func (c liveCredentials) now() credentials.TransportCredentials { return c.l.current.Load().grpc }

// ClientHandshake implements credentials.TransportCredentials.
func (c liveCredentials) ClientHandshake(ctx context.Context, authority string, nc net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return c.now().ClientHandshake(ctx, authority, nc)
}

// ServerHandshake implements credentials.TransportCredentials.
func (c liveCredentials) ServerHandshake(nc net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return c.now().ServerHandshake(nc)
}

// Info implements credentials.TransportCredentials.
func (c liveCredentials) Info() credentials.ProtocolInfo { return c.now().Info() }

// Clone implements credentials.TransportCredentials.
func (c liveCredentials) Clone() credentials.TransportCredentials { return c }

// OverrideServerName implements credentials.TransportCredentials.
func (c liveCredentials) OverrideServerName(name string) error {
	return c.now().OverrideServerName(name) //nolint:staticcheck // part of the interface
}
