package main

import (
	"context"
	"strings"
	"time"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// clientsPage is how many clients are requested at once: the maximum of a server.
const clientsPage = 1000

// clientsCommand prints the register.
type clientsCommand struct{}

type clientRecord struct {
	ClientID       int32     `json:"client_id"`
	LastValue      int64     `json:"last_value"`
	LastNumber     int32     `json:"last_number"`
	ActiveSessions int32     `json:"active_sessions"`
	LastSeen       time.Time `json:"last_seen"`
	Door           string    `json:"door"` // it was last seen at: grpc or legacy
	LastGRPC       time.Time `json:"last_grpc,omitzero"`
	LastLegacy     time.Time `json:"last_legacy,omitzero"`
}

func newClientRecord(c *numbersv1.Client) clientRecord {
	r := clientRecord{
		ClientID:       c.GetClientId(),
		LastValue:      c.GetLastValue(),
		LastNumber:     c.GetLastNumber(),
		ActiveSessions: c.GetActiveSessions(),
		LastSeen:       c.GetLastSeen().AsTime(),
		Door:           strings.ToLower(strings.TrimPrefix(c.GetDoor().String(), "DOOR_")),
	}
	for _, use := range c.GetDoors() {
		switch use.GetDoor() {
		case numbersv1.Door_DOOR_GRPC:
			r.LastGRPC = use.GetLastSeen().AsTime()
		case numbersv1.Door_DOOR_LEGACY:
			r.LastLegacy = use.GetLastSeen().AsTime()
		}
	}
	return r
}

// Run implements command.
func (*clientsCommand) Run(ctx context.Context, p *program) error {
	numbers := numbersv1.NewNumberServiceClient(p.conn)
	return pages(ctx, func(ctx context.Context, token string) (string, error) {
		page, err := numbers.ListClients(ctx, &numbersv1.ListClientsRequest{PageSize: clientsPage, PageToken: token})
		if err != nil {
			return "", err
		}
		if token == "" && !p.json {
			if err := p.print(nil, clientsHeader, "ID", "VALUE", "INCREMENT", "SESSIONS", "DOOR", "LAST BY GRPC", "LAST BY LEGACY"); err != nil {
				return "", err
			}
		}
		for _, c := range page.GetClients() {
			r := newClientRecord(c)
			if err := p.print(r, clientsRow, r.ClientID, r.LastValue, r.LastNumber, r.ActiveSessions, r.Door, lastTime(r.LastGRPC), lastTime(r.LastLegacy)); err != nil {
				return "", err
			}
		}
		return page.GetNextPageToken(), nil
	})
}

const (
	clientsHeader = "%6s %20s %9s %8s  %-6s  %-19s  %s"
	clientsRow    = "%6d %20d %9d %8d  %-6s  %-19s  %s"
)

// lastTime returns the time at which a door was last used, or a dash for never.
func lastTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return localTime(t)
}

func localTime(t time.Time) string { return t.Local().Format(time.DateTime) }
