package register

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	clientsKey   = "parity:v1:clients"
	clientPrefix = "parity:v1:client:"
)

// scriptClients is how many clients one call of the script changes. It blocks Redis for
// about 0.5 ms.
const scriptClients = 32

//go:embed save.lua
var saveScript string

// writeRecords writes the records of some clients, and deletes those that it has written
// from changes. If another server has changed a record, the write is made again on top of
// that, or dropped if it is held back.
func (r *Redis) writeRecords(ctx context.Context, ids []int32, changes map[int32]*redisChange) error {
	began := time.Now()
	for len(ids) > 0 {
		replies, err := r.runScript(ctx, ids, changes)
		if err != nil {
			return err
		}
		late := time.Since(began) > freshFor
		left := ids[:0]
		for i, id := range ids {
			c := changes[id]
			if err := r.settle(id, c, replies[i], late); err != nil {
				return err
			}
			if len(c.writes) == 0 && !c.number.set {
				delete(changes, id)
			} else {
				left = append(left, id)
			}
		}
		ids = left
	}
	return nil
}

// runScript runs the script for some clients in one pipeline, and returns its reply
// for each.
func (r *Redis) runScript(ctx context.Context, ids []int32, changes map[int32]*redisChange) ([]any, error) {
	pipe := r.client.Pipeline()
	for group := range slices.Chunk(ids, scriptClients) {
		keys := []string{clientsKey}
		var args []any
		for _, id := range group {
			keys = append(keys, clientKey(id))
			v, known := r.known[id]
			args = append(args, changes[id].args(id, v, known)...)
		}
		// Not EVALSHA: Redis forgets it at a restart.
		pipe.Eval(ctx, saveScript, keys, args...)
	}
	cmds, err := pipe.Exec(ctx)
	if err != nil {
		return nil, err
	}
	replies := make([]any, 0, len(ids))
	for _, cmd := range cmds {
		some, err := cmd.(*redis.Cmd).Slice()
		if err != nil {
			return nil, err
		}
		replies = append(replies, some...)
	}
	if len(replies) != len(ids) {
		return nil, fmt.Errorf("%d replies for %d clients", len(replies), len(ids))
	}
	return replies, nil
}

// settle processes the script's reply for a client. The writes that c still has after
// that must be tried again.
func (r *Redis) settle(id int32, c *redisChange, reply any, late bool) error {
	before, known := r.known[id]
	fields, ok := reply.([]any)
	if !ok {
		r.known[id] = c.written(before)
		return nil
	}
	var n [8]int64
	for i := range n {
		if i >= len(fields) {
			return fmt.Errorf("unexpected reply %q", fields)
		}
		var err error
		if n[i], err = toInt(fields[i]); err != nil {
			return err
		}
	}
	if !c.answered {
		c.answered, c.returning = true, n[0] == 1
	}
	c.told = Record{Number: int32(n[1]), Value: n[3], Revision: n[4], Writer: n[5], Seen: Seen{GRPC: n[6], Legacy: n[7]}}
	r.known[id] = version{revision: n[4], writer: n[5], numbers: n[2]}
	if !known {
		return nil // Redis's record was written earlier, as far as is known
	}
	others := c.compare(before, c.told, n[2])
	if late {
		c.hold()
	}
	superseded := c.supersede(others)
	r.committer.amend(id, func(next *redisChange) { superseded = next.supersede(others) || superseded })
	if superseded {
		r.superseded++
	}
	return nil
}

// List implements Store. It writes this server's changes first.
func (r *Redis) List(ctx context.Context, after int32, limit int) ([]Client, error) {
	if err := r.committer.flush().wait(ctx); err != nil {
		return nil, err
	}
	attempt, cancel := context.WithTimeout(ctx, attemptWait)
	defer cancel()
	page, err := r.list(attempt, after, limit)
	switch {
	case err == nil:
		return page, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, unavailable(err)
}

func (r *Redis) list(ctx context.Context, after int32, limit int) ([]Client, error) {
	if limit <= 0 {
		return nil, nil
	}
	ids, err := r.client.ZRangeArgs(ctx, redis.ZRangeArgs{
		Key: clientsKey, ByScore: true, Start: fmt.Sprintf("(%d", after), Stop: "+inf", Count: int64(limit),
	}).Result()
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	pipe := r.client.Pipeline()
	for _, id := range ids {
		pipe.HMGet(ctx, clientPrefix+id, "number", "value", "seen_grpc", "seen_legacy", "revision", "writer")
	}
	records, err := pipe.Exec(ctx)
	if err != nil {
		return nil, err
	}
	page := make([]Client, len(ids))
	for i, record := range records {
		if page[i], err = toClient(ids[i], record.(*redis.SliceCmd).Val()); err != nil {
			return nil, err
		}
	}
	r.sessions.count(page)
	return page, r.countOthers(ctx, ids, page)
}

func toClient(id string, fields []any) (Client, error) {
	var n [7]int64
	for i, field := range append([]any{id}, fields...) {
		if i > 4 && field == nil {
			continue // a server of an earlier version made the record
		}
		var err error
		if n[i], err = toInt(field); err != nil {
			return Client{}, fmt.Errorf("client %s: %w", id, err)
		}
	}
	return Client{ID: int32(n[0]), Record: Record{
		Number: int32(n[1]), Value: n[2], Seen: Seen{GRPC: n[3], Legacy: n[4]}, Revision: n[5], Writer: n[6],
	}}, nil
}

func clientKey(id int32) string { return clientPrefix + strconv.Itoa(int(id)) }

// toInt converts an integer that Redis sent as an integer or as text.
func toInt(v any) (int64, error) {
	switch v := v.(type) {
	case int64:
		return v, nil
	case string:
		return strconv.ParseInt(v, 10, 64)
	}
	return 0, fmt.Errorf("%v where a number should be", v)
}
