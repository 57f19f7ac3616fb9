package numbers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/server/internal/apierror"
	"example.com/parity/server/internal/apierror/apierrortest"
	"example.com/parity/server/internal/register"
)

// TestDraw checks that each number of a parity is drawn, and no other, about as often as
// the others.
func TestDraw(t *testing.T) {
	s, _ := newService(Options{})
	const draws = 50_000
	for parity, want := range map[numbersv1.Parity]func(n int32) bool{
		numbersv1.Parity_PARITY_UNSPECIFIED: func(n int32) bool { return n >= 0 && n < 100 },
		numbersv1.Parity_PARITY_EVEN:        func(n int32) bool { return n >= 0 && n < 100 && n%2 == 0 },
		numbersv1.Parity_PARITY_ODD:         func(n int32) bool { return n >= 0 && n < 100 && n%2 == 1 },
	} {
		drawn := map[int32]int{}
		for range draws {
			resp, err := s.Draw(t.Context(), &numbersv1.DrawRequest{Parity: parity})
			if err != nil {
				t.Fatal(err)
			}
			if n := resp.GetNumber(); !want(n) || resp.GetParity() != parityOf(n) {
				t.Fatalf("Draw(%v) = %v", parity, resp)
			}
			drawn[resp.GetNumber()]++
		}
		numbers := 50
		if parity == numbersv1.Parity_PARITY_UNSPECIFIED {
			numbers = 100
		}
		for n, times := range drawn {
			if mean := draws / numbers; times < mean/2 || times > 2*mean {
				t.Errorf("Draw(%v) gave %d %d times, the mean is %d", parity, n, times, mean)
			}
		}
		if len(drawn) != numbers {
			t.Errorf("Draw(%v) gave %d different numbers, want %d", parity, len(drawn), numbers)
		}
	}
	for _, parity := range []numbersv1.Parity{-1, 3} {
		_, err := s.Draw(t.Context(), &numbersv1.DrawRequest{Parity: parity})
		apierrortest.Check(t, fmt.Sprintf("Draw(%d)", parity), err, codes.InvalidArgument, "INVALID_PARITY")
	}
}

// TestCountStatuses sends invalid requests, over the network and in this process.
func TestCountStatuses(t *testing.T) {
	s, store := newService(Options{})
	clients := map[string]numbersv1.NumberServiceClient{"gRPC": serveGRPC(t, s), "in process": inProcess(t, s)}
	draw := func(p numbersv1.Parity) *numbersv1.CountRequest {
		return &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Draw{Draw: &numbersv1.Draw{Parity: p}}}
	}
	repeats := reporting(1)
	repeats.GetReport().RepeatsSession = encodeSession(2, register.Session{ID: 1})
	for _, tt := range []struct {
		name   string
		reqs   []*numbersv1.CountRequest
		code   codes.Code
		reason string
	}{
		{"a report first", []*numbersv1.CountRequest{reporting(1)}, codes.FailedPrecondition, "NOT_REGISTERED"},
		{"a draw first", []*numbersv1.CountRequest{drawing()}, codes.FailedPrecondition, "NOT_REGISTERED"},
		{"an empty request first", []*numbersv1.CountRequest{{}}, codes.FailedPrecondition, "NOT_REGISTERED"},
		{"a second register", []*numbersv1.CountRequest{registering(1), registering(1)}, codes.FailedPrecondition, "ALREADY_REGISTERED"},
		{"an empty request", []*numbersv1.CountRequest{registering(1), {}}, codes.InvalidArgument, "EMPTY_REQUEST"},
		{"ID -1", []*numbersv1.CountRequest{registering(-1)}, codes.InvalidArgument, "INVALID_CLIENT_ID"},
		{"ID 10001", []*numbersv1.CountRequest{registering(10001)}, codes.InvalidArgument, "INVALID_CLIENT_ID"},
		{"parity 3", []*numbersv1.CountRequest{registering(1), draw(3)}, codes.InvalidArgument, "INVALID_PARITY"},
		{"another client's session", []*numbersv1.CountRequest{registering(1), repeats}, codes.InvalidArgument, "INVALID_SESSION"},
	} {
		for door, client := range clients {
			stream, err := client.Count(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, req := range tt.reqs {
				if err := stream.Send(req); err != nil && !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
			}
			apierrortest.Check(t, door+": "+tt.name, recvAll(stream), tt.code, tt.reason)
		}
	}
	if clients, err := store.List(t.Context(), -1, 10); err != nil || len(clients) != 1 || clients[0].ID != 1 || clients[0].Sessions != 0 {
		t.Errorf("the register has %v, %v; want client 1 without sessions", clients, err)
	}
}

// TestReturningClient counts over the network and in this process: each session continues
// from the one before.
func TestReturningClient(t *testing.T) {
	s, store := newService(Options{})
	network, process := serveGRPC(t, s), inProcess(t, s)
	value, increment := int64(0), int32(1)
	for i, client := range []numbersv1.NumberServiceClient{network, process, process, network} {
		stream, err := client.Count(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, req := range []*numbersv1.CountRequest{registering(7), reporting(value + 5), drawing(), reporting(value + 10)} {
			if err := stream.Send(req); err != nil {
				t.Fatal(err)
			}
		}
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		resp, err := stream.Recv()
		if got := resp.GetRegistered(); err != nil || got.GetValue() != value || got.GetIncrement() != increment || got.GetReturning() != (i > 0) {
			t.Fatalf("session %d begins with %v, %v; want %d and %d", i, resp, err, value, increment)
		}
		value += 10
		var committed *numbersv1.Committed
		err = recvEach(stream, func(resp *numbersv1.CountResponse) {
			if resp.GetIncrement() != nil {
				increment = resp.GetIncrement().GetNumber()
			}
			if resp.GetCommitted() != nil {
				committed = resp.GetCommitted()
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if committed.GetReports() != 2 || committed.GetValue() != value {
			t.Errorf("session %d is confirmed with %v, want 2 reports and %d", i, committed, value)
		}
		if got := valueOf(t, store, 7); got != value {
			t.Errorf("the register has %d after session %d, want %d", got, i, value)
		}
	}
}

// TestDrain checks that sessions end when the service drains, after their reports are
// confirmed, and that later ones end too. Sessions in this process continue.
func TestDrain(t *testing.T) {
	s, _ := newService(Options{})
	process, err := inProcess(t, s).Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Send(registering(1)); err != nil {
		t.Fatal(err)
	}
	var confirmed int64
	st := s.count(t, func(resp *numbersv1.CountResponse) error {
		confirmed = max(confirmed, resp.GetCommitted().GetReports())
		return nil
	})
	st.ask(registering(2), reporting(1), reporting(2), reporting(3))
	st.ask(drawing()) // the reports before it have been saved
	s.Drain()
	s.Drain()
	apierrortest.Check(t, "an open session", <-st.ended, codes.Unavailable, "SHUTTING_DOWN")
	if confirmed != 3 {
		t.Errorf("%d reports are confirmed of 3", confirmed)
	}
	later := s.count(t, nil)
	apierrortest.Check(t, "a later session", <-later.ended, codes.Unavailable, "SHUTTING_DOWN")
	s.Wait()
	if err := process.Send(reporting(1)); err != nil {
		t.Errorf("a session in this process ends with the drain: %v", err)
	}
	if err := process.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := recvAll(process); err != nil {
		t.Errorf("a session in this process ends with %v", err)
	}
}

// TestToStatus checks that an error with a status keeps it, even if it wraps a context
// error, and that the cause of an internal error stays in the server.
func TestToStatus(t *testing.T) {
	stalled := apierror.Exhausted("SEND_STALLED", "the peer does not read", time.Second)
	isExhausted(t, toStatus(fmt.Errorf("%w: %w", stalled, context.DeadlineExceeded)), "SEND_STALLED")
	apierrortest.Check(t, "register down", toStatus(fmt.Errorf("save: %w", register.ErrUnavailable)), codes.Unavailable, "REGISTER_UNAVAILABLE")
	for err, code := range map[error]codes.Code{
		nil: codes.OK, context.Canceled: codes.Canceled, context.DeadlineExceeded: codes.DeadlineExceeded,
		errors.New("secret"): codes.Internal,
	} {
		if got := toStatus(err); status.Code(got) != code || strings.Contains(status.Convert(got).Message(), "secret") {
			t.Errorf("toStatus(%v) = %v, want %v", err, got, code)
		}
	}
}
