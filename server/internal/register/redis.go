package register

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	// attemptWait bounds one attempt to reach Redis.
	attemptWait = 3 * time.Second
	// connWait bounds each step of an attempt: to connect, to send, to receive.
	connWait = time.Second
	// startWait is how long a server that starts waits for a Redis that is away: as
	// long as a gateway waits for a server.
	startWait = 30 * time.Second
)

// Redis is a Store that several servers share. A change is durable when Redis has
// taken it; how much that is worth is for Redis's configuration to say: appendonly
// with appendfsync everysec or always, maxmemory-policy noeviction. It must be Redis
// 5 or later, not in cluster mode.
//
// While Redis is away, Commits wait. Changes gather, the newest of each client, and
// are written when it is back.
//
// Several servers may change the same record. Redis orders their writes, as they
// arrive; no clock does. A record counts the writes of its value and those of its
// number, and each write names the count that it follows, which its server knows from
// the last reply. A write that finds another count is not made, and is told so:
//
//   - It is made again at once, on top of the other server's, if it is fresh: Redis was
//     answering when the change was made, and this is the first attempt to write it.
//   - It is left out if it is held back: an attempt to write it has failed or took
//     too long, or the change was made while attempts failed. Meanwhile its client
//     may have gone on at another server, and what that has written is newer. The
//     change counts as one that was overwritten at once, and its Commit succeeds.
//   - A write that repeats an earlier one (Change.Repeats) is judged anew.
//
// So an attempt whose reply was lost, or that reaches Redis much later, cannot undo
// what was written since. While Redis answers, neither does a client's last report at
// a server that it leaves: at the next one, its registration and its first report are
// two groups, and in between the first server has written.
//
// If two servers have a session of the same client at the same time, and one of them
// loses Redis, it cannot know which was earlier, its last write or the other's: the
// other's stays until its own session reports again.
//
// The keys, all of format v1:
//
//	parity:v1:clients       sorted set  the IDs of the clients that have a record
//	parity:v1:client:ID     hash        number, and numbers, the count of its writes; value,
//	                                    revision and writer, see Record;
//	                                    seen_grpc, seen_legacy (µs since 1970, 0: never)
//	parity:v1:servers       sorted set  the servers, by the end of their lease (ms since 1970)
//	parity:v1:sessions:SRV  hash        the open sessions by client ID, for the length of a lease
//
// Servers of earlier versions kept no counts, but number_at and value_at, by their
// clocks. Their records are read as counting from 0, and records have both fields so
// that such a server can still share them, for as long as an upgrade takes: what it
// writes is not counted, and its own writes win or lose by its clock as they did.
type Redis struct {
	sessions  *sessions
	committer *committer[redisChange]
	client    *redis.Client
	server    string // the name of this server, new with each start
	log       *slog.Logger

	// The committer's.
	known      map[int32]version // of the clients that had a session or a change here
	superseded int               // clients of whom something was left out, in this group

	renewing   atomic.Bool // the lease is to be renewed with the next group
	stopLease  context.CancelFunc
	leaseEnded chan struct{}
}

var _ Store = (*Redis)(nil)

// OpenRedis connects to the Redis at a redis:// or rediss:// URL. While that is away
// it tries again, for startWait at most and until ctx is done. log is told when Redis
// goes away and when it is back.
func OpenRedis(ctx context.Context, url string, log *slog.Logger) (*Redis, error) {
	return openRedisWithin(ctx, startWait, url, log)
}

func openRedisWithin(ctx context.Context, wait time.Duration, url string, log *slog.Logger) (*Redis, error) {
	options, err := redisOptions(url)
	if err != nil {
		return nil, err
	}
	redis.SetLogger(poolLog{log})
	r := &Redis{
		sessions:   newSessions(),
		client:     redis.NewClient(options),
		server:     rand.Text(),
		log:        log,
		known:      map[int32]version{},
		leaseEnded: make(chan struct{}),
	}
	if err := r.begin(ctx, wait, options.Addr); err != nil {
		r.client.Close() //nolint:errcheck // it came to nothing
		return nil, fmt.Errorf("redis at %s: %w", options.Addr, err)
	}
	r.committer = newCommitter(committing[redisChange]{write: r.write, hold: (*redisChange).hold, log: log})
	ctx, r.stopLease = context.WithCancel(context.Background())
	go r.keepLease(ctx)
	return r, nil
}

// begin takes the lease, as soon as Redis lets it.
func (r *Redis) begin(ctx context.Context, wait time.Duration, addr string) error {
	began := time.Now()
	for tries := 0; ; tries++ {
		r.renewing.Store(true)
		err := r.write(ctx, nil)
		switch {
		case err == nil:
			if tries > 0 {
				r.log.Info("register: redis is there", "addr", addr, "after", time.Since(began))
			}
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case isFinal(err):
			return err
		case time.Since(began) > wait:
			return fmt.Errorf("away for %s: %w", wait, err)
		case tries == 0:
			r.log.Warn("register: redis is away, waiting for it", "addr", addr, "wait", wait, "error", err)
		}
		select {
		case <-time.After(retryDelay):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// isFinal reports whether an error at the start will not go away by waiting: Redis
// refuses the password or the database, or cannot prove who it is.
func isFinal(err error) bool {
	if _, bad := errors.AsType[*tls.CertificateVerificationError](err); bad || redis.IsAuthError(err) || redis.IsPermissionError(err) {
		return true
	}
	refused, ok := errors.AsType[redis.Error](err)
	// What a script meets is an ERR of some versions too, and may go away.
	return ok && strings.HasPrefix(refused.Error(), "ERR ") &&
		!redis.IsMaxClientsError(err) && !strings.Contains(refused.Error(), "script")
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
	// A script is sent again by the committer alone, which then knows that an earlier
	// attempt may have been made.
	options.MaxRetries = -1
	options.DialerRetries = 1
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
		c.merge(Change{Seen: SeenAt(door, now)})
	})
	if err := commit.wait(ctx); err != nil {
		return Record{}, false, err
	}
	return merged.told, merged.returning || !first, nil
}

// Save implements Store.
func (r *Redis) Save(id int32, change Change) *Commit {
	return r.committer.update(id, func(c *redisChange) { c.merge(change) })
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
	r.superseded = 0
	defer r.tellSuperseded()
	for group := range slices.Chunk(ids, groupRecords) {
		if err := r.writeRecords(ctx, group, changes); err != nil {
			r.renewing.Store(true)
			return err
		}
	}
	return nil
}

// tellSuperseded logs how much of a group was left out.
func (r *Redis) tellSuperseded() {
	if r.superseded > 0 {
		r.log.Info("register: changes that were held back are left out, other servers have newer ones", "clients", r.superseded)
	}
}
