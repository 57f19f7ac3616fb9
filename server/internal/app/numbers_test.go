package app

import (
	"errors"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

func TestDraw(t *testing.T) {
	numbers := start(t).numbersClient(t)
	for parity, want := range map[numbersv1.Parity][]int32{
		numbersv1.Parity_PARITY_EVEN: {0}, numbersv1.Parity_PARITY_ODD: {1}, numbersv1.Parity_PARITY_UNSPECIFIED: {0, 1},
	} {
		seen := map[int32]int{}
		for range 2000 {
			resp, err := numbers.Draw(t.Context(), &numbersv1.DrawRequest{Parity: parity})
			if err != nil {
				t.Fatal(err)
			}
			if n := resp.GetNumber(); n < 0 || n > 99 || resp.GetParity() != parityOf(n) {
				t.Fatalf("Draw(%v) = %v", parity, resp)
			}
			seen[resp.GetNumber()]++
		}
		for n := range int32(100) {
			asked := len(want) == 2 || n%2 == want[0]
			if asked != (seen[n] > 0) {
				t.Errorf("2,000 calls of Draw(%v) gave %d %d times", parity, n, seen[n])
			}
		}
	}
	_, err := numbers.Draw(t.Context(), &numbersv1.DrawRequest{Parity: 3})
	wantStatus(t, "Draw(3)", err, codes.InvalidArgument, "INVALID_PARITY")
}

func parityOf(n int32) numbersv1.Parity {
	if n%2 == 0 {
		return numbersv1.Parity_PARITY_EVEN
	}
	return numbersv1.Parity_PARITY_ODD
}

func TestCountStatuses(t *testing.T) {
	r := start(t)
	numbers := r.numbersClient(t)
	for _, tt := range []struct {
		name   string
		reqs   []*numbersv1.CountRequest
		code   codes.Code
		reason string
	}{
		{"report first", []*numbersv1.CountRequest{reporting(1)}, codes.FailedPrecondition, "NOT_REGISTERED"},
		{"draw first", []*numbersv1.CountRequest{drawing(1)}, codes.FailedPrecondition, "NOT_REGISTERED"},
		{"empty request first", []*numbersv1.CountRequest{{}}, codes.FailedPrecondition, "NOT_REGISTERED"},
		{"registered twice", []*numbersv1.CountRequest{registering(1), registering(1)}, codes.FailedPrecondition, "ALREADY_REGISTERED"},
		{"empty request", []*numbersv1.CountRequest{registering(1), {}}, codes.InvalidArgument, "EMPTY_REQUEST"},
		{"negative ID", []*numbersv1.CountRequest{registering(-1)}, codes.InvalidArgument, "INVALID_CLIENT_ID"},
		{"ID too great", []*numbersv1.CountRequest{registering(10001)}, codes.InvalidArgument, "INVALID_CLIENT_ID"},
		{"invalid parity", []*numbersv1.CountRequest{registering(1), drawing(9)}, codes.InvalidArgument, "INVALID_PARITY"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stream, err := numbers.Count(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, req := range tt.reqs {
				if err := stream.Send(req); err != nil && !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
			}
			for err == nil {
				_, err = stream.Recv()
			}
			wantStatus(t, tt.name, err, tt.code, tt.reason)
		})
	}
	if _, err := numbers.ListClients(t.Context(), &numbersv1.ListClientsRequest{}); err != nil {
		t.Errorf("ListClients after refused sessions: %v", err)
	}
}

// TestCountSession goes through one session step by step.
func TestCountSession(t *testing.T) {
	r := start(t, "--report-rate=1000000") // the test sends many at once
	numbers := r.numbersClient(t)
	stream, err := numbers.Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	send := func(reqs ...*numbersv1.CountRequest) {
		t.Helper()
		for _, req := range reqs {
			if err := stream.Send(req); err != nil {
				t.Fatal(err)
			}
		}
	}
	recv := func() *numbersv1.CountResponse {
		t.Helper()
		resp, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	send(registering(5))
	if got := recv().GetRegistered(); got.GetValue() != 0 || got.GetIncrement() != 1 || got.GetReturning() {
		t.Errorf("Registered of a new client = %v, want value 0 and increment 1", got)
	}

	// All reports are confirmed, in fewer messages.
	const reports = 10_000
	for v := range int64(reports) {
		send(reporting(v + 1))
	}
	confirmations := 0
	for last := int64(0); last < reports; confirmations++ {
		c := recv().GetCommitted()
		if c.GetReports() <= last || c.GetValue() != c.GetReports() {
			t.Fatalf("Committed after %d reports = %v", last, c)
		}
		last = c.GetReports()
	}
	if confirmations > reports/2 {
		t.Errorf("%d confirmations of %d reports, want at most half as many", confirmations, reports)
	}

	// Draws are answered in order.
	var lastNumber int32
	for i := range 100 {
		send(drawing(numbersv1.Parity(1 + i%2)))
	}
	for i := range 100 {
		inc := recv().GetIncrement()
		lastNumber = inc.GetNumber()
		if inc.GetParity() != numbersv1.Parity(1+i%2) || parityOf(lastNumber) != inc.GetParity() {
			t.Fatalf("draw %d = %v", i, inc)
		}
	}
	list, err := numbers.ListClients(t.Context(), &numbersv1.ListClientsRequest{})
	if err != nil || len(list.GetClients()) != 1 {
		t.Fatalf("ListClients = %v, %v", list, err)
	}
	c := list.GetClients()[0]
	if c.GetClientId() != 5 || c.GetLastValue() != reports || c.GetLastNumber() != lastNumber || c.GetActiveSessions() != 1 ||
		time.Since(c.GetLastSeen().AsTime()) > time.Minute {
		t.Errorf("the register has %v, want client 5 with value %d, number %d and 1 session", c, reports, lastNumber)
	}

	// After the client's half-close the server confirms all reports before it ends the call.
	send(reporting(77))
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if got := recv().GetCommitted(); got.GetReports() != reports+1 || got.GetValue() != 77 {
		t.Errorf("the last Committed = %v, want %d reports and value 77", got, reports+1)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the session ended with %v, want EOF", err)
	}

	// The register keeps the client.
	again, err := numbers.Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Send(registering(5)); err != nil {
		t.Fatal(err)
	}
	resp, err := again.Recv()
	if got := resp.GetRegistered(); err != nil || got.GetValue() != 77 || got.GetIncrement() != lastNumber || !got.GetReturning() {
		t.Errorf("Registered of a returning client = %v, %v; want value 77 and increment %d", got, err, lastNumber)
	}
}

func TestSharedID(t *testing.T) {
	r := start(t)
	doors := r.doors(t)
	a, _, err := doors["grpc"].count(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := doors["legacy"].count(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range []counting{a, b} {
		if err := s.report(int64(10 + i)); err != nil {
			t.Fatal(err)
		}
		if err := drawOf(t.Context(), s, "odd"); err != nil { // so that the server has processed the report
			t.Fatal(err)
		}
	}
	list, err := r.numbersClient(t).ListClients(t.Context(), &numbersv1.ListClientsRequest{})
	if err != nil || len(list.GetClients()) != 1 || list.GetClients()[0].GetActiveSessions() != 2 || list.GetClients()[0].GetLastValue() != 11 {
		t.Fatalf("ListClients = %v, %v; want one client with two sessions and the value 11", list, err)
	}
	c := list.GetClients()[0]
	if c.GetDoor() != numbersv1.Door_DOOR_LEGACY || len(c.GetDoors()) != 2 {
		t.Fatalf("the register has %v; want both doors, the legacy door as the last used", c)
	}
	byGRPC, byLegacy := c.GetDoors()[0], c.GetDoors()[1]
	if byGRPC.GetDoor() != numbersv1.Door_DOOR_GRPC || byLegacy.GetDoor() != numbersv1.Door_DOOR_LEGACY ||
		time.Since(byGRPC.GetLastSeen().AsTime()) > time.Minute ||
		!byGRPC.GetLastSeen().AsTime().Before(byLegacy.GetLastSeen().AsTime()) ||
		!byLegacy.GetLastSeen().AsTime().Equal(c.GetLastSeen().AsTime()) {
		t.Errorf("the register has %v; want a time for each door, and the later one as last_seen", c)
	}
	if err := a.close(); err != nil {
		t.Error(err)
	}
	if err := b.close(); err != nil {
		t.Error(err)
	}
	r.stop()
	if got := r.logged(t, "level=WARN", "client=3", "sessions=2"); len(got) != 1 {
		t.Errorf("the log has the warnings %q, want one", got)
	}
}

func TestListClientsPages(t *testing.T) {
	r := start(t)
	for id := range int32(7) {
		s, _, err := rpcDoor{r.channel}.count(t.Context(), id*1000)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
	}
	numbers := r.numbersClient(t)
	for _, size := range []int32{0, 1, 3, 7, 8, 5000} {
		var got []int32
		for _, c := range listClients(t, numbers, size) {
			got = append(got, c.GetClientId())
			if c.GetActiveSessions() != 0 {
				t.Errorf("client %d has %d sessions, want 0", c.GetClientId(), c.GetActiveSessions())
			}
		}
		if len(got) != 7 || got[0] != 0 || got[6] != 6000 {
			t.Errorf("ListClients in pages of %d = %v, want 7 clients from 0 to 6000", size, got)
		}
	}
	_, err := numbers.ListClients(t.Context(), &numbersv1.ListClientsRequest{PageSize: -1})
	wantStatus(t, "page size", err, codes.InvalidArgument, "INVALID_PAGE_SIZE")
	_, err = numbers.ListClients(t.Context(), &numbersv1.ListClientsRequest{PageToken: "x"})
	wantStatus(t, "page token", err, codes.InvalidArgument, "INVALID_PAGE_TOKEN")
}
