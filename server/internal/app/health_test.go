package app

import (
	"errors"
	"io"
	"testing"

	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
)

func TestHealthAndReflection(t *testing.T) {
	r := start(t)
	cc := r.dial(t)
	for _, service := range []string{"", "parity.numbers.v1.NumberService", "parity.files.v1.FileService"} {
		resp, err := grpc_health_v1.NewHealthClient(cc).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
		if err != nil || resp.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("Check(%q) = %v, %v; want SERVING", service, resp, err)
		}
	}
	v1, err := grpc_reflection_v1.NewServerReflectionClient(cc).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = v1.Send(&grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{},
	})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := v1.Recv()
	if err != nil || len(resp.GetListServicesResponse().GetService()) < 4 {
		t.Errorf("reflection v1 = %v, %v; want at least 4 services", resp, err)
	}
	alpha, err := grpc_reflection_v1alpha.NewServerReflectionClient(cc).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := alpha.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := alpha.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("reflection v1alpha: %v, want EOF", err)
	}
}
