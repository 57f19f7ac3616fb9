package register

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	// attemptWait bounds one attempt to reach Redis, with go-redis's own retries.
	attemptWait = 3 * time.Second
	// connWait bounds each step of an attempt: to connect, to send, to receive. A
	// step that fails leaves time for another.
	connWait = time.Second
	// connRetries is how often a command is sent again after its connection broke.
	connRetries = 2
)

// Redis is a Store that several servers share. A change is durable when Redis has
// taken it; how much that is worth is for Redis's configuration to say: appendonly
// with appendfsync everysec or always, maxmemory-policy noeviction. It must be Redis
// 5 or later, not in cluster mode.
//
// While Redis is away, Commits wait. Changes gather, the newest of each client, and
// are written when it is back.
//
// Two servers may change the same record. Each write of a field has a stamp, and the
// newer one wins, even if the older reaches Redis later: after an outage of one
// server's network, what it still had to say does not undo what a client has since
// told another server. A stamp is the microsecond by the server's clock, but always
// greater than the stamps of the records that it registered. So what a client says
// after it has moved to another server wins over all that Redis had of it, however
// the clocks differ; over what an outage holds back it wins if the clocks differ by
// less than the move took.
//
// The keys, all of format v1:
//
//	parity:v1:clients       sorted set  the IDs of the clients that have a record
//	parity:v1:client:ID     hash        number, number_at, value, value_at (stamps),
//	                                    seen_grpc, seen_legacy (µs since 1970, 0: never)
//	parity:v1:servers       sorted set  the servers, by the end of their lease (ms since 1970)
//	parity:v1:sessions:SRV  hash        the open sessions by client ID, for the length of a lease
type Redis struct {
	sessions  *sessions
	committer *committer[redisChange]
	client    *redis.Client
	server    string // the name of this server, new with each start
	clock     stamps

	renewing   atomic.Bool // the lease is to be renewed with the next group
	stopLease  context.CancelFunc
	leaseEnded chan struct{}
}

var _ Store = (*Redis)(nil)

// OpenRedis connects to the Redis at a redis:// or rediss:// URL. log is told when
// Redis goes away and when it is back.
func OpenRedis(ctx context.Context, url string, log *slog.Logger) (*Redis, error) {
	options, err := redisOptions(url)
	if err != nil {
		return nil, err
	}
	redis.SetLogger(poolLog{log})
	r := &Redis{
		sessions:   newSessions(),
		client:     redis.NewClient(options),
		server:     rand.Text(),
		leaseEnded: make(chan struct{}),
	}
	ctx, cancel := context.WithTimeout(ctx, attemptWait)
	defer cancel()
	r.renewing.Store(true)
	if err := r.write(ctx, nil); err != nil {
		r.client.Close() //nolint:errcheck // it came to nothing
		return nil, fmt.Errorf("redis at %s: %w", options.Addr, err)
	}
	r.committer = newCommitter(log, false, r.write)
	ctx, r.stopLease = context.WithCancel(context.Background())
	go r.keepLease(ctx)
	return r, nil
}

// redisOptions reads a URL. Its errors keep a password in it to themselves.
func redisOptions(rawURL string) (*redis.Options, error) {
	parsed, err := url.Parse(rawURL)
	if err != nil {
		return nil, errors.New("redis URL: not valid; a user name or password in it must be percent-encoded")
	}
	options, err := redis.ParseURL(rawURL)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", parsed.Redacted(), err)
	}
	// What the URL does not set.
	options.DialTimeout = cmp.Or(options.DialTimeout, connWait)
	options.ReadTimeout = cmp.Or(options.ReadTimeout, connWait)
	options.WriteTimeout = cmp.Or(options.WriteTimeout, connWait)
	options.MaxRetries = cmp.Or(options.MaxRetries, connRetries)
	options.DialerRetries = 1 // a command's retries are enough
	options.ContextTimeoutEnabled = true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return options, nil
}

// poolLog is where go-redis, in all of the process, says that connections fail. The
// committer says so too, once and not for each connection.
type poolLog struct{ log *slog.Logger }

func (l poolLog) Printf(ctx context.Context, format string, v ...any) {
	l.log.DebugContext(ctx, fmt.Sprintf(format, v...))
}

// Register implements Store.
func (r *Redis) Register(ctx context.Context, id int32, door Door, now time.Time) (Record, bool, error) {
	var (
		merged *redisChange
		first  bool
	)
	commit := r.committer.update(id, func(c *redisChange) {
		merged, first = c, !c.register
		c.register = true
		c.merge(Change{Seen: SeenAt(door, now)}, 0)
	})
	if err := commit.wait(ctx); err != nil {
		return Record{}, false, err
	}
	return merged.told, merged.returning || !first, nil
}

// Save implements Store.
func (r *Redis) Save(id int32, change Change) *Commit {
	return r.committer.update(id, func(c *redisChange) { c.merge(change, r.clock.next()) })
}

// Enter implements Store.
func (r *Redis) Enter(id int32) (open int32) {
	open = r.sessions.Enter(id)
	r.committer.update(id, (*redisChange).countSessions)
	return open
}

// Leave implements Store.
func (r *Redis) Leave(id int32) {
	r.sessions.Leave(id)
	r.committer.update(id, (*redisChange).countSessions)
}

// Health implements Store.
func (r *Redis) Health() error { return r.committer.health() }

// Close implements Store.
func (r *Redis) Close() error {
	r.stopLease()
	<-r.leaseEnded
	err := r.committer.close()
	r.endLease()
	if closeErr := r.client.Close(); !errors.Is(closeErr, redis.ErrClosed) {
		err = errors.Join(err, closeErr)
	}
	return err
}

// write writes changes, and renews the lease if it is time to.
func (r *Redis) write(ctx context.Context, changes map[int32]*redisChange) error {
	ctx, cancel := context.WithTimeout(ctx, attemptWait)
	defer cancel()
	if err := r.writeSessions(ctx, changes); err != nil {
		// Redis may come back without what it had.
		r.renewing.Store(true)
		return err
	}
	ids := slices.Sorted(maps.Keys(changes))
	ids = slices.DeleteFunc(ids, func(id int32) bool { return !changes[id].concernsRecord() })
	for group := range slices.Chunk(ids, groupRecords) {
		if err := r.writeRecords(ctx, group, changes); err != nil {
			r.renewing.Store(true)
			return err
		}
	}
	return nil
}
