package legacytcp

import (
	"cmp"
	"log/slog"
	"net/netip"
	"time"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// DefaultNotFound is what the original server answers for a file that it does
// not have.
const DefaultNotFound = "File not found"

// Config says what a Gateway serves and how. Only the two services are needed.
type Config struct {
	// Numbers and Files are the services that the legacy clients' requests go
	// to.
	Numbers numbersv1.NumberServiceClient
	Files   filesv1.FileServiceClient

	// Logger gets the reason of every close and every bad frame. Nil: discard.
	Logger *slog.Logger
	// Metrics counts connections and bad frames. Nil: nobody does.
	Metrics Metrics

	// Allow lists where clients may connect from. IPv4 clients of an IPv6 socket
	// are matched as IPv4. Empty: everyone.
	Allow []netip.Prefix
	// TrustedNetworks are those of address translators and proxies, behind which many
	// clients have one address: MaxConnsPerAddress does not hold for them.
	TrustedNetworks []netip.Prefix
	// NotFound is the answer to a request for a file that does not exist.
	// Empty: DefaultNotFound.
	NotFound string
	// BareReplies leaves the sentinel off the replies of the number dialect,
	// byte for byte as the original server did. Default: false.
	BareReplies bool

	// Limits, of which every zero field means its default.
	Limits Limits
}

// Limits bounds what one client can take from the others. The limits of the
// protocols themselves, such as the length of a frame, cannot be changed.
type Limits struct {
	// MaxConns is the most connections at a time, over all listeners. The next one
	// gets the place of the one that has been silent for longest; if all have sent
	// something, it is closed at once. Default: 16,384.
	MaxConns int
	// MaxConnsPerAddress is the same for the connections of one address, or of an
	// IPv6 network of 64 bits. Default: 12,288, three quarters of MaxConns's: ten
	// thousand clients may come through one address translator.
	MaxConnsPerAddress int
	// FirstByteTimeout is how long a client may take to send its first byte.
	// Default: 10 s.
	FirstByteTimeout time.Duration
	// IdleTimeout is how long a client of the number dialect may send nothing.
	// Default: 5 min, many times the original's 500 ms between reports.
	IdleTimeout time.Duration
	// ReportRate is how many values of a session are reported in a second, and at
	// once. Beyond it newer values stand for older ones. Default: 1,000, where the
	// original reports two.
	ReportRate int
	// WriteTimeout is how long a write may go without one byte of progress.
	// Default: 30 s.
	WriteTimeout time.Duration
	// Quiet is how long no byte may come until a request without a terminator
	// is taken for complete. Default: 20 ms.
	Quiet time.Duration
	// UpstreamWait is how long a new connection waits for a service that is
	// UNAVAILABLE. Default: 5 s.
	UpstreamWait time.Duration
	// UpstreamRecovery is how long a number session that is under way does, and
	// how long any first response may take. Default: 30 s.
	UpstreamRecovery time.Duration
}

func (l Limits) withDefaults() Limits {
	return Limits{
		MaxConns:           cmp.Or(l.MaxConns, 16_384),
		MaxConnsPerAddress: cmp.Or(l.MaxConnsPerAddress, 12_288),
		ReportRate:         cmp.Or(l.ReportRate, 1_000),
		FirstByteTimeout:   cmp.Or(l.FirstByteTimeout, 10*time.Second),
		IdleTimeout:        cmp.Or(l.IdleTimeout, 5*time.Minute),
		WriteTimeout:       cmp.Or(l.WriteTimeout, 30*time.Second),
		Quiet:              cmp.Or(l.Quiet, 20*time.Millisecond),
		UpstreamWait:       cmp.Or(l.UpstreamWait, 5*time.Second),
		UpstreamRecovery:   cmp.Or(l.UpstreamRecovery, 30*time.Second),
	}
}

// Metrics is told what happens to connections. Every accepted connection is one
// Opened and, later, one Closed, also if it is refused at once; so a gauge that
// both move shows how many are open. The methods are called concurrently.
type Metrics interface {
	Opened()
	Closed(Reason)
	BadFrame()
	// Merged tells of values that newer ones stood for.
	Merged(values int)
}

type noMetrics struct{}

func (noMetrics) Opened()       {}
func (noMetrics) Closed(Reason) {}
func (noMetrics) BadFrame()     {}
func (noMetrics) Merged(int)    {}
