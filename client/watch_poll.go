package main

import (
	"cmp"
	"context"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"example.com/parity/client/internal/explain"
	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

const (
	// watchPages bounds how many pages of a list one look fetches, of 1,000 entries each:
	// all clients that a server has by default, and more files than most caches.
	watchPages = 20
	// watchTimeout bounds one look.
	watchTimeout = 10 * time.Second
	// watchNewest is how many of the newest clients and files are kept.
	watchNewest = 50
)

// watchSample is what one look at a server found.
type watchSample struct {
	Time     time.Time      `json:"time"`
	Answer   float64        `json:"answer_milliseconds"` // a health check
	Health   string         `json:"health"`
	Used     int64          `json:"cache_used_bytes"`
	Capacity int64          `json:"cache_capacity_bytes"`
	Files    int            `json:"cached_files"`
	Newest   []fileRecord   `json:"newest_files"` // the last in the cache, the newest first
	Clients  int            `json:"clients"`
	Sessions int            `json:"sessions"`
	Recent   []clientRecord `json:"newest_clients"`      // the last seen, the newest first
	More     bool           `json:"truncated,omitempty"` // whether there are more files or clients than were looked at
	// Why there are no files, or no clients, in the sample: the server does not let this
	// caller list them.
	FilesError   string `json:"files_error,omitempty"`
	NumbersError string `json:"numbers_error,omitempty"`

	Rates   *watchRates   `json:"rates,omitempty"` // since the look before
	Metrics *watchMetrics `json:"metrics,omitempty"`
}

// watchRates are what happened between two looks.
type watchRates struct {
	Seconds       float64 `json:"seconds"`
	ActiveClients int     `json:"active_clients"`     // were seen since
	Counted       float64 `json:"counted_per_second"` // how much higher the values are, of all clients together
}

// watchPoller looks at a server.
type watchPoller struct {
	files   filesv1.FileServiceClient
	numbers numbersv1.NumberServiceClient
	health  healthv1.HealthClient
	metrics *metricsReader // nil without --metrics

	at     time.Time
	values map[int32]clientRecord // at the look before
}

// newWatchPoller returns a poller of the server of conn, and of its metrics if there is a
// reader.
func newWatchPoller(conn grpc.ClientConnInterface, metrics *metricsReader) *watchPoller {
	return &watchPoller{
		files: filesv1.NewFileServiceClient(conn), numbers: numbersv1.NewNumberServiceClient(conn),
		health: healthv1.NewHealthClient(conn), metrics: metrics,
	}
}

func (w *watchPoller) close() {
	if w.metrics != nil {
		w.metrics.close()
	}
}

// poll takes one look.
func (w *watchPoller) poll(ctx context.Context) (*watchSample, error) {
	ctx, cancel := context.WithTimeout(ctx, watchTimeout)
	defer cancel()
	if w.values == nil { // without the time to connect
		_, _ = w.health.Check(ctx, &healthv1.HealthCheckRequest{})
	}
	s := &watchSample{Time: time.Now(), Newest: []fileRecord{}, Recent: []clientRecord{}}
	health, err := w.health.Check(ctx, &healthv1.HealthCheckRequest{})
	switch {
	case status.Code(err) == codes.Unimplemented:
		s.Health = "unknown"
	case err != nil:
		return nil, err
	default:
		s.Health = healthName(health.GetStatus())
	}
	s.Answer = float64(time.Since(s.Time)) / float64(time.Millisecond)
	files, numbers := w.pollFiles(ctx, s), w.pollClients(ctx, s)
	switch {
	case files != nil && (numbers != nil || !refused(files)):
		return nil, files
	case files != nil:
		s.FilesError = explain.Error(files, "")
	case numbers != nil && !refused(numbers):
		return nil, numbers
	case numbers != nil:
		s.NumbersError = explain.Error(numbers, "")
	}
	if w.metrics != nil {
		if s.Metrics, err = w.metrics.read(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// refused reports whether a call fails because of the caller, or for want of the service, so
// that it will fail again.
func refused(err error) bool {
	code := status.Code(err)
	return code == codes.PermissionDenied || code == codes.Unimplemented
}

func (w *watchPoller) pollFiles(ctx context.Context, s *watchSample) error {
	n := 0
	err := pages(ctx, func(ctx context.Context, token string) (string, error) {
		page, err := w.files.List(ctx, &filesv1.ListRequest{Source: filesv1.Source_SOURCE_CACHE, PageToken: token})
		if err != nil {
			return "", err
		}
		s.Used, s.Capacity = page.GetCacheUsedBytes(), page.GetCacheCapacityBytes()
		s.Files += len(page.GetFiles())
		for _, f := range page.GetFiles() {
			s.Newest = append(s.Newest, newFileRecord(f))
		}
		if extra := len(s.Newest) - watchNewest; extra > 0 {
			s.Newest = slices.Delete(s.Newest, 0, extra)
		}
		if n++; n == watchPages && page.GetNextPageToken() != "" {
			s.More = true
			return "", nil
		}
		return page.GetNextPageToken(), nil
	})
	slices.Reverse(s.Newest) // the cache lists in order of insertion
	return err
}

func (w *watchPoller) pollClients(ctx context.Context, s *watchSample) error {
	now, n := time.Now(), 0
	values := make(map[int32]clientRecord, len(w.values))
	err := pages(ctx, func(ctx context.Context, token string) (string, error) {
		page, err := w.numbers.ListClients(ctx, &numbersv1.ListClientsRequest{PageSize: clientsPage, PageToken: token})
		if err != nil {
			return "", err
		}
		for _, c := range page.GetClients() {
			r := newClientRecord(c)
			values[r.ClientID] = r
			s.Sessions += int(r.ActiveSessions)
			s.Recent = append(s.Recent, r)
		}
		slices.SortFunc(s.Recent, func(a, b clientRecord) int {
			return cmp.Or(b.LastSeen.Compare(a.LastSeen), cmp.Compare(a.ClientID, b.ClientID))
		})
		s.Recent = s.Recent[:min(len(s.Recent), watchNewest)]
		if n++; n == watchPages && page.GetNextPageToken() != "" {
			s.More = true
			return "", nil
		}
		return page.GetNextPageToken(), nil
	})
	if err != nil {
		return err
	}
	s.Clients = len(values)
	if w.values != nil {
		s.Rates = rates(w.values, values, now.Sub(w.at))
	}
	w.at, w.values = now, values
	return nil
}

// rates compares two looks at the register.
func rates(before, after map[int32]clientRecord, passed time.Duration) *watchRates {
	r := &watchRates{Seconds: passed.Seconds()}
	sum := 0.0 // not an integer: values may be anything
	for id, c := range after {
		old, known := before[id]
		if known && c.LastSeen.Equal(old.LastSeen) {
			continue
		}
		r.ActiveClients++
		if c.LastValue > old.LastValue {
			sum += float64(c.LastValue) - float64(old.LastValue)
		}
	}
	if passed > 0 {
		r.Counted = sum / passed.Seconds()
	}
	return r
}
