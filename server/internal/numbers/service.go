// Package numbers implements NumberService: random even and odd numbers, and the
// counting sessions that keep the register of clients.
package numbers

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/server/internal/apierror"
	"example.com/parity/server/internal/register"
)

// Page sizes of ListClients. The largest page is some 70 kB.
const (
	defaultPage = 100
	maxPage     = 1000
)

// Options configure a Service.
type Options struct {
	// MaxClientID is the greatest client ID; the least is 0.
	MaxClientID int32
	// SessionsPerClient is how many sessions one client ID may have open at a time on
	// this server, through all doors together. 0: any number.
	SessionsPerClient int
	// ReportRate is how many reports a second are taken from one session, after a burst
	// of as many. Those beyond it wait in the network. 0: any number. Sessions of callers
	// in this process are for those to pace.
	ReportRate int
	// RegisterTimeout and IdleTimeout are how long a session that came over the network
	// may send nothing, before its first request and after. 0: the constants of the same
	// names.
	RegisterTimeout, IdleTimeout time.Duration
	// Log is told what is remarkable about sessions.
	Log *slog.Logger
}

// Service is the NumberService over one register.
type Service struct {
	numbersv1.UnimplementedNumberServiceServer
	store   register.Store
	options Options
	log     *slog.Logger

	admission sync.Mutex // held while it is decided whether a client may have one more session

	drain     chan struct{} // closed when sessions are to end
	drainOnce sync.Once

	receivers sync.WaitGroup // the goroutines that receive, which may outlive their calls
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

// Drain ends all sessions that came over the network, and those to come, with
// UNAVAILABLE, after their outstanding reports have been committed. Callers in this
// process end theirs themselves.
func (s *Service) Drain() { s.drainOnce.Do(func() { close(s.drain) }) }

// Wait returns when no session uses the register any more. The calls must have
// ended.
func (s *Service) Wait() { s.receivers.Wait() }

// Draw returns one random number.
func (s *Service) Draw(_ context.Context, req *numbersv1.DrawRequest) (*numbersv1.DrawResponse, error) {
	if err := validateParity(req.GetParity()); err != nil {
		return nil, err
	}
	number, parity := draw(req.GetParity())
	return &numbersv1.DrawResponse{Number: number, Parity: parity}, nil
}

// ListClients returns a page of the register.
func (s *Service) ListClients(ctx context.Context, req *numbersv1.ListClientsRequest) (*numbersv1.ListClientsResponse, error) {
	size := int(req.GetPageSize())
	switch {
	case size < 0:
		return nil, apierror.InvalidArgument("INVALID_PAGE_SIZE", "page_size", "must not be negative")
	case size == 0:
		size = defaultPage
	}
	size = min(size, maxPage)
	after, err := decodeToken(req.GetPageToken())
	if err != nil {
		return nil, err
	}
	clients, err := s.store.List(ctx, after, size+1)
	if err != nil {
		return nil, toStatus(err)
	}
	resp := &numbersv1.ListClientsResponse{}
	if len(clients) > size {
		clients = clients[:size]
		resp.NextPageToken = encodeToken(clients[size-1].ID)
	}
	for _, c := range clients {
		resp.Clients = append(resp.Clients, toClient(c))
	}
	return resp, nil
}

func validateParity(p numbersv1.Parity) error {
	if _, known := numbersv1.Parity_name[int32(p)]; !known {
		return apierror.InvalidArgument("INVALID_PARITY", "parity", fmt.Sprintf("%d is no parity", p))
	}
	return nil
}

// A page token holds the last ID of the page before. It is no plain number so that
// nobody comes to rely on what it is.
const tokenPrefix = "client:"

func encodeToken(id int32) string {
	return base64.RawURLEncoding.EncodeToString([]byte(tokenPrefix + strconv.Itoa(int(id))))
}

func decodeToken(token string) (after int32, err error) {
	if token == "" {
		return -1, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		var id uint64
		if id, err = strconv.ParseUint(strings.TrimPrefix(string(b), tokenPrefix), 10, 31); err == nil {
			return int32(id), nil
		}
	}
	return 0, apierror.InvalidArgument("INVALID_PAGE_TOKEN", "page_token", "is not one that ListClients returned")
}

// toStatus turns what went wrong into what the caller is told. A status stays as it is,
// whatever it wraps.
func toStatus(err error) error {
	if _, coded := status.FromError(err); coded {
		return err
	}
	if errors.Is(err, register.ErrUnavailable) {
		return apierror.New(codes.Unavailable, "REGISTER_UNAVAILABLE", "the register is unavailable")
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return status.FromContextError(err).Err()
	}
	return apierror.Internal(err)
}
