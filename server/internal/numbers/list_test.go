package numbers

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/server/internal/apierror/apierrortest"
	"example.com/parity/server/internal/register"
)

func TestListPages(t *testing.T) {
	s, store := newService(Options{})
	const clients = 250
	var want []int32
	for i := range int32(clients) {
		id := 40 * i // 0 to 9960
		if _, _, err := store.Register(t.Context(), id, register.GRPC, time.Now()); err != nil {
			t.Fatal(err)
		}
		want = append(want, id)
	}
	for size, page := range map[int32]int{0: defaultPage, 1: 1, 99: 99, 249: 249, 250: 250, 251: 250, maxPage + 1: 250} {
		var got []int32
		for token := ""; ; {
			resp, err := s.ListClients(t.Context(), &numbersv1.ListClientsRequest{PageSize: size, PageToken: token})
			if err != nil {
				t.Fatal(err)
			}
			if n := len(resp.GetClients()); n != min(page, clients-len(got)) {
				t.Errorf("a page of %d has %d clients after %d, want %d", size, n, len(got), page)
			}
			for _, c := range resp.GetClients() {
				got = append(got, c.GetClientId())
			}
			if token = resp.GetNextPageToken(); token == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %v, want %v", size, got, want)
		}
	}
}

func TestListLargestPage(t *testing.T) {
	s, store := newService(Options{})
	for id := range int32(maxPage + 1) {
		if _, _, err := store.Register(t.Context(), id, register.GRPC, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	resp, err := s.ListClients(t.Context(), &numbersv1.ListClientsRequest{PageSize: 1 << 30})
	if err != nil || len(resp.GetClients()) != maxPage || proto.Size(resp) > 80_000 {
		t.Errorf("the largest page has %d clients and %d bytes, %v", len(resp.GetClients()), proto.Size(resp), err)
	}
}

func TestListStatuses(t *testing.T) {
	s, _ := newService(Options{})
	raw := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for _, tt := range []struct {
		name, token string
	}{
		{"no token", "!"},
		{"an ID without the prefix", raw("7")},
		{"no number", clientToken.Encode("seven")},
		{"a negative ID", clientToken.Encode("-2")},
		{"an ID of 32 bits", clientToken.Encode("2147483648")},
		{"a session token", encodeSession(7, register.Session{ID: 1})},
	} {
		_, err := s.ListClients(t.Context(), &numbersv1.ListClientsRequest{PageToken: tt.token})
		apierrortest.Check(t, tt.name, err, codes.InvalidArgument, "INVALID_PAGE_TOKEN")
	}
	_, err := s.ListClients(t.Context(), &numbersv1.ListClientsRequest{PageSize: -1})
	apierrortest.Check(t, "a negative size", err, codes.InvalidArgument, "INVALID_PAGE_SIZE")
	_, err = New(down{}, Options{}).ListClients(t.Context(), &numbersv1.ListClientsRequest{})
	apierrortest.Check(t, "a register that is down", err, codes.Unavailable, "REGISTER_UNAVAILABLE")
}

// down is a register that is unavailable.
type down struct{ register.Store }

func (down) List(context.Context, int32, int) ([]register.Client, error) {
	return nil, fmt.Errorf("%w: connection refused", register.ErrUnavailable)
}

func TestToClient(t *testing.T) {
	early := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	late := early.Add(time.Hour)
	seen := register.SeenAt(register.GRPC, early)
	seen[register.Legacy] = late.UnixMicro()
	got := toClient(register.Client{ID: 7, Record: register.Record{Number: 57, Value: 59, Seen: seen}, Sessions: 2})
	want := &numbersv1.Client{
		ClientId: 7, LastNumber: 57, LastValue: 59, ActiveSessions: 2,
		Door: numbersv1.Door_DOOR_LEGACY, LastSeen: timestamppb.New(late),
		Doors: []*numbersv1.DoorUse{
			{Door: numbersv1.Door_DOOR_GRPC, LastSeen: timestamppb.New(early)},
			{Door: numbersv1.Door_DOOR_LEGACY, LastSeen: timestamppb.New(late)},
		},
	}
	if !proto.Equal(got, want) {
		t.Errorf("toClient = %v, want %v", got, want)
	}
}

// TestToDoor checks that every door of the register has an enum value of its own.
func TestToDoor(t *testing.T) {
	doors := map[numbersv1.Door]register.Door{numbersv1.Door_DOOR_UNSPECIFIED: 255}
	for _, door := range register.Doors {
		converted := toDoor(door)
		if other, taken := doors[converted]; taken {
			t.Errorf("doors %d and %d are both %v", other, door, converted)
		}
		doors[converted] = door
	}
	if len(doors) != len(numbersv1.Door_name) {
		t.Errorf("%d doors, %d enum values", len(doors), len(numbersv1.Door_name))
	}
}
