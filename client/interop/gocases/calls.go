package gocases

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"

	"example.com/parity/client/interop/testfiles"
	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

func cancelMidStream(ctx context.Context, s *Suite) error {
	callCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	call, err := s.files.Get(callCtx, &filesv1.GetRequest{Name: testfiles.BenchName})
	if err != nil {
		return err
	}
	if _, err := call.Recv(); err != nil {
		return err
	}
	cancel()
	for err == nil { // what had arrived before
		_, err = call.Recv()
	}
	if err := wantStatus(err, codes.Canceled, ""); err != nil {
		return err
	}
	_, err = s.numbers.Draw(ctx, &numbersv1.DrawRequest{})
	return inCase(err, "Draw on the same connection")
}

func deadline(ctx context.Context, s *Suite) error {
	// Connecting is not what the deadline is for.
	if _, err := s.numbers.Draw(ctx, &numbersv1.DrawRequest{}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.Deadline)
	defer cancel()
	c, _, err := s.open(ctx, s.id(idDeadline))
	if err != nil {
		return err
	}
	r, err := c.Recv()
	if err == nil {
		return fmt.Errorf("got {%v}, want nothing", r)
	}
	return wantStatus(err, codes.DeadlineExceeded, "")
}

func health(ctx context.Context, s *Suite) error {
	client := grpc_health_v1.NewHealthClient(s.Conn)
	for _, service := range []string{"", numbersv1.NumberService_ServiceDesc.ServiceName} {
		r, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service})
		if err != nil {
			return inCase(err, "health of %q", service)
		}
		if r.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
			return fmt.Errorf("health of %q: %v, want SERVING", service, r.GetStatus())
		}
	}
	return nil
}

func reflection(ctx context.Context, s *Suite) error {
	call, err := reflectionv1.NewServerReflectionClient(s.Conn).ServerReflectionInfo(ctx)
	if err != nil {
		return err
	}
	err = call.Send(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{ListServices: "*"},
	})
	if err != nil {
		return err
	}
	r, err := call.Recv()
	if err != nil {
		return err
	}
	var names []string
	for _, service := range r.GetListServicesResponse().GetService() {
		names = append(names, service.GetName())
	}
	for _, want := range []string{numbersv1.NumberService_ServiceDesc.ServiceName, filesv1.FileService_ServiceDesc.ServiceName} {
		if !slices.Contains(names, want) {
			return fmt.Errorf("reflection lists %q, want %q among them", names, want)
		}
	}
	if err := call.CloseSend(); err != nil {
		return err
	}
	if _, err = call.Recv(); !errors.Is(err, io.EOF) {
		return errors.Join(err, errNoEnd)
	}
	return nil
}
