// Package numbers implements NumberService: it draws random even and odd numbers, and
// serves the counting sessions that update the register of clients.
package numbers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/server/internal/apierror"
	"example.com/parity/server/internal/register"
)

// Options configure a Service.
type Options struct {
	// MaxClientID is the largest valid client ID; the smallest is 0.
	MaxClientID int32
	// SessionsPerClient is how many sessions a client ID may have open at a time on this
	// server, through all doors. 0: no limit.
	SessionsPerClient int
	// ReportRate is the maximum rate of reports in one session, in reports per second,
	// after an initial burst of one second's worth. Reports above the rate wait in the
	// network. 0: no limit. It does not apply to half-duplex streams, whose callers limit
	// their own rate.
	ReportRate int
	// RegisterTimeout and IdleTimeout are how long a session may send nothing, before its
	// first request and after it. They do not apply to half-duplex streams. 0: the
	// constants of the same names.
	RegisterTimeout, IdleTimeout time.Duration
	// Log receives warnings about sessions.
	Log *slog.Logger
}

// Service is the NumberService over one register. It is safe for concurrent use.
type Service struct {
	numbersv1.UnimplementedNumberServiceServer
	store   register.Store
	options Options
	log     *slog.Logger

	admission sync.Mutex // makes enter atomic

	drain     chan struct{} // closed by Drain
	drainOnce sync.Once

	receivers sync.WaitGroup // the receiving goroutines, which can outlive their calls
}

var _ numbersv1.NumberServiceServer = (*Service)(nil)

// New returns the service over store.
func New(store register.Store, o Options) *Service {
	o.RegisterTimeout = cmp.Or(o.RegisterTimeout, RegisterTimeout)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, IdleTimeout)
	return &Service{
		store:   store,
		options: o,
		log:     o.Log,
		drain:   make(chan struct{}),
	}
}

// Drain ends all sessions, also future ones, with UNAVAILABLE once their reports are
// committed. It does not end sessions on half-duplex streams, whose callers end them.
func (s *Service) Drain() { s.drainOnce.Do(func() { close(s.drain) }) }

// Wait returns when no session uses the register any more. All calls must have ended.
func (s *Service) Wait() { s.receivers.Wait() }

// Draw returns one random number.
func (s *Service) Draw(_ context.Context, req *numbersv1.DrawRequest) (*numbersv1.DrawResponse, error) {
	if err := validateParity(req.GetParity()); err != nil {
		return nil, err
	}
	number, parity := draw(req.GetParity())
	return &numbersv1.DrawResponse{Number: number, Parity: parity}, nil
}

func validateParity(p numbersv1.Parity) error {
	if _, known := numbersv1.Parity_name[int32(p)]; !known {
		return apierror.InvalidArgument("INVALID_PARITY", "parity", fmt.Sprintf("%d is no parity", p))
	}
	return nil
}

// toStatus returns the error that a caller receives for err.
func toStatus(err error) error {
	if errors.Is(err, register.ErrUnavailable) {
		return apierror.New(codes.Unavailable, "REGISTER_UNAVAILABLE", "the register is unavailable")
	}
	return apierror.From(err)
}
