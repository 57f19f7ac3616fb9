package main

import (
	"context"
	"strconv"
	"strings"
	"time"

	"example.com/parity/client/internal/table"
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
	LastSeen       time.Time `json:"last_seen,omitzero"`
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
		LastSeen:       timeOf(c.GetLastSeen()),
		Door:           strings.ToLower(strings.TrimPrefix(c.GetDoor().String(), "DOOR_")),
	}
	for _, use := range c.GetDoors() {
		switch use.GetDoor() {
		case numbersv1.Door_DOOR_GRPC:
			r.LastGRPC = timeOf(use.GetLastSeen())
		case numbersv1.Door_DOOR_LEGACY:
			r.LastLegacy = timeOf(use.GetLastSeen())
		}
	}
	return r
}

// Run implements command.
func (*clientsCommand) Run(ctx context.Context, p *program) error {
	numbers := numbersv1.NewNumberServiceClient(p.conn)
	rows := table.New(p.out, p.style,
		table.Column{Title: "ID", Right: true, Min: 5}, table.Column{Title: "VALUE", Right: true, Min: 8},
		table.Column{Title: "INCREMENT", Right: true}, table.Column{Title: "SESSIONS", Right: true},
		table.Column{Title: "DOOR", Min: 6}, table.Column{Title: "LAST BY GRPC", Min: len(time.DateTime)},
		table.Column{Title: "LAST BY LEGACY"},
	)
	return pages(ctx, func(ctx context.Context, token string) (string, error) {
		page, err := numbers.ListClients(ctx, &numbersv1.ListClientsRequest{PageSize: clientsPage, PageToken: token})
		if err != nil {
			return "", err
		}
		now := time.Now()
		for _, c := range page.GetClients() {
			r := newClientRecord(c)
			if !p.json {
				rows.Row(strconv.Itoa(int(r.ClientID)), strconv.FormatInt(r.LastValue, 10), strconv.Itoa(int(r.LastNumber)),
					strconv.Itoa(int(r.ActiveSessions)), r.Door, when(r.LastGRPC, now), when(r.LastLegacy, now))
				continue
			}
			if err := p.print(r, ""); err != nil {
				return "", err
			}
		}
		if !p.json {
			err = rows.Flush()
		}
		return page.GetNextPageToken(), err
	})
}
