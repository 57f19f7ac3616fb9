package numbers

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/server/internal/origin"
	"example.com/parity/server/internal/register"
)

// doors are the register's doors as callers know them.
var doors = map[register.Door]numbersv1.Door{
	register.GRPC:   numbersv1.Door_DOOR_GRPC,
	register.Legacy: numbersv1.Door_DOOR_LEGACY,
}

// doorOf returns the door that the call came through.
func doorOf(ctx context.Context) register.Door {
	if origin.FromContext(ctx).Door == origin.Legacy {
		return register.Legacy
	}
	return register.GRPC
}

// toClient returns a client of the register as callers know it.
func toClient(c register.Client) *numbersv1.Client {
	door, seen := c.Seen.Last()
	client := &numbersv1.Client{
		ClientId:       c.ID,
		LastNumber:     c.Number,
		LastValue:      c.Value,
		ActiveSessions: c.Sessions,
		LastSeen:       timestamppb.New(seen),
		Door:           doors[door],
	}
	for i := range c.Seen {
		door := register.Door(i)
		if seen := c.Seen.At(door); !seen.IsZero() {
			client.Doors = append(client.Doors, &numbersv1.DoorUse{Door: doors[door], LastSeen: timestamppb.New(seen)})
		}
	}
	return client
}
