package register

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	clientsKey   = "parity:v1:clients"
	clientPrefix = "parity:v1:client:"
)

// scriptClients is how many clients one call of the script changes: Redis serves
// nobody else meanwhile, for about 0.5 ms.
const scriptClients = 32

//go:embed save.lua
var saveScript string

// redisChange is what a group holds of a client.
type redisChange struct {
	Change
	numberAt, valueAt int64 // the stamps of what is set
	register          bool  // whether to tell the record
	sessions          bool  // whether the number of sessions has changed

	// The answer to register.
	told      Record
	returning bool
}

// merge adds a later change with its stamp.
func (c *redisChange) merge(later Change, stamp int64) {
	if later.SetNumber {
		c.SetNumber, c.Number, c.numberAt = true, later.Number, stamp
	}
	if later.SetValue {
		c.SetValue, c.Value, c.valueAt = true, later.Value, stamp
	}
	c.Seen = c.Seen.merge(later.Seen)
}

func (c *redisChange) countSessions() { c.sessions = true }

// concernsRecord reports whether there is more to do than to count sessions.
func (c *redisChange) concernsRecord() bool {
	return c.register || c.SetNumber || c.SetValue || c.Seen != Seen{}
}

// args are the script's arguments for the change.
func (c *redisChange) args(id int32) []any {
	tell, number, value := "", "", ""
	if c.register {
		tell = "1"
	}
	if c.SetNumber {
		number = strconv.Itoa(int(c.Number))
	}
	if c.SetValue {
		value = strconv.FormatInt(c.Value, 10)
	}
	return []any{id, tell, c.Seen[GRPC], c.Seen[Legacy], number, c.numberAt, value, c.valueAt}
}

// stamps makes the stamps of writes, each greater than those before it.
type stamps struct{ last atomic.Int64 }

func (s *stamps) next() int64 {
	for {
		last := s.last.Load()
		next := max(time.Now().UnixMicro(), last+1)
		if s.last.CompareAndSwap(last, next) {
			return next
		}
	}
}

// met makes later stamps greater than one that another server made.
func (s *stamps) met(stamp int64) {
	for {
		last := s.last.Load()
		if stamp <= last || s.last.CompareAndSwap(last, stamp) {
			return
		}
	}
}

// writeRecords writes the records of some clients in one pipeline.
func (r *Redis) writeRecords(ctx context.Context, ids []int32, changes map[int32]*redisChange) error {
	pipe := r.client.Pipeline()
	for group := range slices.Chunk(ids, scriptClients) {
		keys := []string{clientsKey}
		var args []any
		for _, id := range group {
			keys = append(keys, clientKey(id))
			args = append(args, changes[id].args(id)...)
		}
		// Not EVALSHA: a Redis that has restarted does not know it.
		pipe.Eval(ctx, saveScript, keys, args...)
	}
	cmds, err := pipe.Exec(ctx)
	if err != nil {
		return err
	}
	for i, cmd := range cmds {
		replies, err := cmd.(*redis.Cmd).Slice()
		if err != nil {
			return err
		}
		for j, reply := range replies {
			if reply, ok := reply.([]any); ok {
				if err := r.tell(changes[ids[i*scriptClients+j]], reply); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// tell keeps the script's reply for those who registered the client.
func (r *Redis) tell(c *redisChange, reply []any) error {
	var n [7]int64
	for i := range n {
		if i >= len(reply) {
			return fmt.Errorf("unexpected reply %q", reply)
		}
		var err error
		if n[i], err = toInt(reply[i]); err != nil {
			return err
		}
	}
	c.returning = n[0] == 1
	c.told = Record{Number: int32(n[1]), Value: n[3], Seen: Seen{GRPC: n[5], Legacy: n[6]}}
	r.clock.met(n[2])
	r.clock.met(n[4])
	return nil
}

// List implements Store. What this server has not written yet is written first.
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
		pipe.HMGet(ctx, clientPrefix+id, "number", "value", "seen_grpc", "seen_legacy")
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
	var n [5]int64
	for i, field := range append([]any{id}, fields...) {
		var err error
		if n[i], err = toInt(field); err != nil {
			return Client{}, fmt.Errorf("client %s: %w", id, err)
		}
	}
	seen := Seen{GRPC: n[3], Legacy: n[4]}
	return Client{ID: int32(n[0]), Record: Record{Number: int32(n[1]), Value: n[2], Seen: seen}}, nil
}

func clientKey(id int32) string { return clientPrefix + strconv.Itoa(int(id)) }

// toInt reads an integer that Redis sent as what it is or as text.
func toInt(v any) (int64, error) {
	switch v := v.(type) {
	case int64:
		return v, nil
	case string:
		return strconv.ParseInt(v, 10, 64)
	}
	return 0, fmt.Errorf("%v where a number should be", v)
}
