package app

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"google.golang.org/grpc/health/grpc_health_v1"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/server/internal/admin"
)

// healthCheck is the interval at which the parts of the server are checked.
const healthCheck = time.Second

// logSubject is the log's name in the health service, beside the names of the services.
const logSubject = "parity.log"

// subject is what the health service has a status for.
type subject struct {
	service string
	health  func() error // does not block; nil: SERVING until the shutdown
}

// subjects returns the server as a whole, whose name is empty, and its parts. A part
// that fails changes neither the others nor the whole, which go on serving.
func (s *server) subjects() []subject {
	return []subject{
		{"", nil},
		{numbersv1.NumberService_ServiceDesc.ServiceName, s.store.Health},
		{filesv1.FileService_ServiceDesc.ServiceName, s.cache.Health},
		{logSubject, s.log.Health},
	}
}

// watchHealth keeps the status of the parts up to date until ctx is done.
func (s *server) watchHealth(ctx context.Context) error {
	tick := time.NewTicker(healthCheck)
	defer tick.Stop()
	subjects := s.subjects()
	failing := make([]bool, len(subjects))
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		notify(daemon.SdNotifyWatchdog)
		for i, subject := range subjects {
			if subject.health == nil {
				continue
			}
			err := subject.health()
			if fails := err != nil; fails != failing[i] {
				failing[i] = fails
				s.setHealth(subject.service, err)
			}
		}
	}
}

// setHealth tells the health service and the operator that a part fails with err, or,
// if err is nil, that it has recovered.
func (s *server) setHealth(service string, err error) {
	if err != nil {
		s.health.SetServingStatus(service, grpc_health_v1.HealthCheckResponse_NOT_SERVING)
		s.stderr.Warn("not serving", "service", service, "cause", redact(err.Error()))
		return
	}
	s.health.SetServingStatus(service, grpc_health_v1.HealthCheckResponse_SERVING)
	s.stderr.Info("serving again", "service", service)
}

// isHealthy reports whether the server as a whole is SERVING.
func (s *server) isHealthy() bool { return s.isServing("") }

func (s *server) isServing(service string) bool {
	resp, err := s.health.Check(context.Background(), &grpc_health_v1.HealthCheckRequest{Service: service})
	return err == nil && resp.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING
}

// partsHealth returns the health of the server's parts.
func (s *server) partsHealth() []admin.Subject {
	var parts []admin.Subject
	for _, subject := range s.subjects() {
		if subject.service != "" {
			parts = append(parts, admin.Subject{Name: subject.service, Healthy: s.isServing(subject.service)})
		}
	}
	return parts
}
