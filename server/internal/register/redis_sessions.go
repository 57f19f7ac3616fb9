package register

import (
	"context"
	_ "embed"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	serversKey     = "parity:v1:servers"
	sessionsPrefix = "parity:v1:sessions:"
)

// lease is how long the sessions of a killed server still count. It is renewed three
// times in that time, so that one lost renewal does no harm.
const lease = 15 * time.Second

//go:embed lease.lua
var leaseScript string

// keepLease renews the lease until ctx is done.
func (r *Redis) keepLease(ctx context.Context) {
	defer close(r.leaseEnded)
	ticker := time.NewTicker(lease / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			r.renewing.Store(true)
			r.committer.flush()
		case <-ctx.Done():
			return
		}
	}
}

// writeSessions writes the numbers of sessions that have changed, or all of them with a
// renewal of the lease, which restores what Redis may have lost.
func (r *Redis) writeSessions(ctx context.Context, changes map[int32]*redisChange) error {
	key := sessionsPrefix + r.server
	if r.renewing.Swap(false) {
		args := []any{r.server, lease.Milliseconds()}
		for id, open := range r.sessions.all() {
			args = append(args, id, open)
		}
		return r.client.Eval(ctx, leaseScript, []string{serversKey, key}, args...).Err()
	}
	var (
		open   []any
		closed []string
	)
	for id, c := range changes {
		if !c.sessions {
			continue
		}
		if n := r.sessions.of(id); n > 0 {
			open = append(open, id, n)
		} else {
			closed = append(closed, strconv.Itoa(int(id)))
		}
	}
	if open == nil && closed == nil {
		return nil
	}
	pipe := r.client.Pipeline()
	if open != nil {
		pipe.HSet(ctx, key, open...)
	}
	if closed != nil {
		pipe.HDel(ctx, key, closed...)
	}
	pipe.PExpire(ctx, key, lease)
	_, err := pipe.Exec(ctx)
	return err
}

// endLease removes the server's sessions at once. If it fails, the lease expires.
func (r *Redis) endLease() {
	ctx, cancel := context.WithTimeout(context.Background(), connWait)
	defer cancel()
	pipe := r.client.Pipeline()
	pipe.Del(ctx, sessionsPrefix+r.server)
	pipe.ZRem(ctx, serversKey, r.server)
	pipe.Exec(ctx) //nolint:errcheck // see above
}

// countOthers adds each client's open sessions on other servers. ids are those of page.
func (r *Redis) countOthers(ctx context.Context, ids []string, page []Client) error {
	servers, err := r.client.ZRange(ctx, serversKey, 0, -1).Result()
	if err != nil {
		return err
	}
	pipe := r.client.Pipeline()
	for _, server := range servers {
		if server != r.server {
			pipe.HMGet(ctx, sessionsPrefix+server, ids...)
		}
	}
	if pipe.Len() == 0 {
		return nil
	}
	counts, err := pipe.Exec(ctx)
	if err != nil {
		return err
	}
	for _, count := range counts {
		for i, open := range count.(*redis.SliceCmd).Val() {
			if open == nil {
				continue
			}
			n, err := toInt(open)
			if err != nil {
				return err
			}
			page[i].Sessions += int32(n)
		}
	}
	return nil
}
