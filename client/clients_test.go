package main

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"example.com/parity/client/internal/fakeserver"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

func TestClients(t *testing.T) {
	numbers := new(fakeserver.Numbers)
	seen := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for id := range int32(5) {
		numbers.Add(&numbersv1.Client{
			ClientId: id, LastNumber: 7, LastValue: 10 * int64(id), ActiveSessions: 1,
			LastSeen: timestamppb.New(seen), Door: numbersv1.Door_DOOR_LEGACY,
			Doors: []*numbersv1.DoorUse{{Door: numbersv1.Door_DOOR_LEGACY, LastSeen: timestamppb.New(seen)}},
		})
	}
	server := fakeserver.Start(t, nil, numbers)
	status, out, errs := runProgram(t.Context(), "", "--addr", server.Addr, "clients")
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if status != 0 || errs != "" || len(lines) != 6 || lines[0] != "   ID     VALUE  INCREMENT  SESSIONS  DOOR    LAST BY GRPC         LAST BY LEGACY" || strings.Join(strings.Fields(lines[5]), " ") != "4 40 7 1 legacy - "+localTime(seen) {
		t.Errorf("status %d, %q, %q", status, out, errs)
	}

	_, out, _ = runProgram(t.Context(), "", "--addr", server.Addr, "--json", "clients")
	lines = strings.Split(strings.TrimSpace(out), "\n")
	if want := `{"client_id":4,"last_value":40,"last_number":7,"active_sessions":1,"last_seen":"2026-01-02T03:04:05Z","door":"legacy","last_legacy":"2026-01-02T03:04:05Z"}`; len(lines) != 5 || lines[4] != want {
		t.Errorf("got %q, want five lines, the last one %s", out, want)
	}
}

// endless is a server whose next page is always the same page.
type endless struct {
	numbersv1.UnimplementedNumberServiceServer
}

func (endless) ListClients(context.Context, *numbersv1.ListClientsRequest) (*numbersv1.ListClientsResponse, error) {
	return &numbersv1.ListClientsResponse{NextPageToken: "again"}, nil
}

func TestClientsEndless(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	numbersv1.RegisterNumberServiceServer(server, endless{})
	go server.Serve(lis)
	defer server.Stop()
	if status, _, errs := runProgram(t.Context(), "", "--addr", lis.Addr().String(), "clients"); status != 1 || !strings.Contains(errs, "repeats a page") {
		t.Errorf("status %d, %q", status, errs)
	}
}
