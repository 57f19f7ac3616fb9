// Package gocases has the cases of the interop suite in Go, over any connection: the Go
// driver runs them over grpc-go, the runner over grpcurl. client/interop/README.md says
// what each demands.
package gocases

import (
	"context"
	"time"

	"google.golang.org/grpc"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// Deadline is that of the case deadline.
const Deadline = 300 * time.Millisecond

// Suite is what the cases run with.
type Suite struct {
	Conn grpc.ClientConnInterface // to the server
	Dir  string                   // that the server serves
	Row  string                   // whose changing file get_changed changes
	IDs  int                      // the first of 100 client IDs
	// Deadline is that of the case deadline.
	Deadline time.Duration
	// HalfClose says that the client tells the status of a call only after it has been
	// given all requests.
	HalfClose bool

	numbers numbersv1.NumberServiceClient
	files   filesv1.FileServiceClient
}

// cases are the cases by their names. Those that are missing depend on how a client
// connects, or are about its own download.
var cases = map[string]func(context.Context, *Suite) error{
	"draw_even":               drawEven,
	"draw_odd":                drawOdd,
	"count_session":           countSession,
	"count_resume":            countResume,
	"count_bad_first_message": countBadFirstMessage,
	"count_headers_first":     countHeadersFirst,
	"count_int64_extremes":    countInt64Extremes,
	"list_cache":              listCache,
	"list_paged":              listPaged,
	"list_prefix":             listPrefix,
	"stat":                    stat,
	"get_small":               getSmall,
	"get_large":               getLarge,
	"get_range":               getRange,
	"get_resume_version":      getResumeVersion,
	"get_changed":             getChanged,
	"get_missing":             getMissing,
	"get_bad_name":            getBadName,
	"get_out_of_range":        getOutOfRange,
	"cancel_mid_stream":       cancelMidStream,
	"deadline":                deadline,
	"health":                  health,
	"reflection":              reflection,
}

// Run runs the case of that name. ok is false if it is not in this package.
func (s *Suite) Run(ctx context.Context, name string) (ok bool, err error) {
	c, ok := cases[name]
	if !ok {
		return false, nil
	}
	s.numbers = numbersv1.NewNumberServiceClient(s.Conn)
	s.files = filesv1.NewFileServiceClient(s.Conn)
	return true, c(ctx, s)
}
