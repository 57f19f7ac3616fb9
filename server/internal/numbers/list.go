package numbers

import (
	"context"
	"strconv"

	"google.golang.org/protobuf/types/known/timestamppb"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/server/internal/apierror"
	"example.com/parity/server/internal/pagetoken"
	"example.com/parity/server/internal/register"
)

// Page sizes of ListClients. The largest page has about 70 kB.
const (
	defaultPage = 100
	maxPage     = 1000
)

// clientToken is the page token of ListClients. It holds the last client ID of a page.
const clientToken pagetoken.Kind = "client"

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
	after, ok := decodePosition(req.GetPageToken())
	if !ok {
		return nil, apierror.InvalidArgument("INVALID_PAGE_TOKEN", "page_token", "is not one that ListClients returned")
	}
	clients, err := s.store.List(ctx, after, size+1)
	if err != nil {
		return nil, toStatus(err)
	}
	resp := &numbersv1.ListClientsResponse{}
	if len(clients) > size {
		clients = clients[:size]
		resp.NextPageToken = clientToken.Encode(strconv.Itoa(int(clients[size-1].ID)))
	}
	for _, c := range clients {
		resp.Clients = append(resp.Clients, toClient(c))
	}
	return resp, nil
}

// decodePosition returns the client ID after which the page begins, -1 for the first
// page.
func decodePosition(token string) (after int32, ok bool) {
	position, ok := clientToken.Decode(token)
	if !ok {
		return 0, false
	}
	if position == "" {
		return -1, true
	}
	id, err := strconv.ParseUint(position, 10, 31)
	return int32(id), err == nil
}

// toClient converts a client of the register to its message.
func toClient(c register.Client) *numbersv1.Client {
	door, seen := c.Seen.Last()
	client := &numbersv1.Client{
		ClientId:       c.ID,
		LastNumber:     c.Number,
		LastValue:      c.Value,
		ActiveSessions: c.Sessions,
		LastSeen:       timestamppb.New(seen),
		Door:           toDoor(door),
	}
	for _, door := range register.Doors {
		if seen := c.Seen.At(door); !seen.IsZero() {
			client.Doors = append(client.Doors, &numbersv1.DoorUse{Door: toDoor(door), LastSeen: timestamppb.New(seen)})
		}
	}
	return client
}

// toDoor converts a door of the register to its enum value.
func toDoor(d register.Door) numbersv1.Door {
	switch d {
	case register.GRPC:
		return numbersv1.Door_DOOR_GRPC
	case register.Legacy:
		return numbersv1.Door_DOOR_LEGACY
	}
	return numbersv1.Door_DOOR_UNSPECIFIED
}
