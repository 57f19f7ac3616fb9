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
	// startWait is how long a server waits for Redis at its start: as long as a gateway
	// waits for a server.
	startWait = 30 * time.Second
)

// Redis is a Store that several servers share. A change is durable when Redis has
// accepted it; how durable depends on the configuration of Redis: appendonly with
// appendfsync everysec or always, maxmemory-policy noeviction. It must be Redis 5 or
// later, not in cluster mode.
//
// While Redis is unreachable, Commits wait. The newest changes of each client are kept,
// and are written when it is back.
//
// Several servers may change the same record. The order of their writes is that in which
// Redis receives them; no clock takes part. A record counts the writes of its value and
// of its number. Each write is a compare-and-set: it names the count that it follows,
// which its server knows from the last reply. If the record has another count, the write
// is not made, and the server decides:
//
//   - A fresh write is made again at once, on top of the other server's: Redis was
//     answering when the change was made, and this was the first attempt to write it.
//   - A write that is held back is dropped: an attempt to write it has failed or took too
//     long, or the change was made while attempts failed. Meanwhile the client may have
//     continued on another server, whose write is newer. The change counts as overwritten
//     at once, and its Commit succeeds.
//   - A write that repeats an earlier one (Change.Repeats) is checked again.
//
// So an attempt whose reply was lost, or that reaches Redis much later, cannot undo later
// writes. Neither can the last report of a client at a server that it leaves, while Redis
// answers: at the next server, its registration and its first report are in two groups,
// and the first server has written between them.
//
// If two servers have sessions of the same client and one server loses Redis, it cannot
// know whether its last write or that of the other server was earlier: the latter stays
// until the session reports again.
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
// Earlier versions kept number_at and value_at, by their clocks, in place of counts.
// Their records are read with counts of 0. Records still have both fields, so that such a
// server can share them during an upgrade: its writes are not counted, and their order is
// that of its clock, as before.
type Redis struct {
	sessions  *sessions
	committer *committer[redisChange]
	client    *redis.Client
	server    string // the name of this server, new at each start
	log       *slog.Logger

	// The committer's.
	known      map[int32]version // of clients that had a session or a change on this server
	superseded int               // clients of this group of whom a write was dropped

	renewing   atomic.Bool // whether to renew the lease with the next group
	stopLease  context.CancelFunc
	leaseEnded chan struct{}
}

var (
	_ Store    = (*Redis)(nil)
	_ Observed = (*Redis)(nil)
)

// OpenRedis connects to the Redis at a redis:// or rediss:// URL. While it is
// unreachable OpenRedis retries, for startWait at most and until ctx is done. Losing Redis
// and reaching it again is logged.
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
		r.client.Close() //nolint:errcheck // it was not used
		return nil, fmt.Errorf("redis at %s: %w", options.Addr, err)
	}
	r.committer = newCommitter(committing[redisChange]{write: r.write, hold: (*redisChange).hold, log: log})
	ctx, r.stopLease = context.WithCancel(context.Background())
	go r.keepLease(ctx)
	return r, nil
}

// begin takes the lease as soon as Redis answers.
func (r *Redis) begin(ctx context.Context, wait time.Duration, addr string) error {
	began := time.Now()
	for tries := 0; ; tries++ {
		r.renewing.Store(true)
		err := r.write(ctx, nil)
		switch {
		case err == nil:
			if tries > 0 {
				r.log.Info("register: redis is reachable", "addr", addr, "after", time.Since(began))
			}
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case isFinal(err):
			return err
		case time.Since(began) > wait:
			return fmt.Errorf("unreachable for %s: %w", wait, err)
		case tries == 0:
			r.log.Warn("register: redis is unreachable, waiting for it", "addr", addr, "wait", wait, "error", err)
		}
		select {
		case <-time.After(retryDelay):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// isFinal reports whether waiting cannot resolve an error at the start: Redis refuses the
// password or the database, or its certificate is invalid.
func isFinal(err error) bool {
	if _, bad := errors.AsType[*tls.CertificateVerificationError](err); bad || redis.IsAuthError(err) || redis.IsPermissionError(err) {
		return true
	}
	refused, ok := errors.AsType[redis.Error](err)
	// Some versions return errors of scripts as ERR too, and these may be temporary.
	return ok && strings.HasPrefix(refused.Error(), "ERR ") &&
		!redis.IsMaxClientsError(err) && !strings.Contains(refused.Error(), "script")
}

// redisOptions parses a URL. Its errors do not contain the password.
func redisOptions(rawURL string) (*redis.Options, error) {
	parsed, err := url.Parse(rawURL)
	if err != nil {
		return nil, errors.New("redis URL: not valid; a user name or password in it must be percent-encoded")
	}
	options, err := redis.ParseURL(rawURL)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", parsed.Redacted(), err)
	}
	// Options that the URL does not set.
	options.DialTimeout = cmp.Or(options.DialTimeout, connWait)
	options.ReadTimeout = cmp.Or(options.ReadTimeout, connWait)
	options.WriteTimeout = cmp.Or(options.WriteTimeout, connWait)
	// Only the committer repeats a script: it must know that an earlier attempt may have
	// been executed.
	options.MaxRetries = -1
	options.DialerRetries = 1
	options.ContextTimeoutEnabled = true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return options, nil
}

// poolLog receives go-redis's log of failed connections, in the whole process. The
// committer logs the failure too, once and not for each connection.
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

// write writes changes, and renews the lease when it is due.
func (r *Redis) write(ctx context.Context, changes map[int32]*redisChange) error {
	ctx, cancel := context.WithTimeout(ctx, attemptWait)
	defer cancel()
	if err := r.writeSessions(ctx, changes); err != nil {
		// Redis may come back without its data.
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

// tellSuperseded logs how many writes of a group were dropped.
func (r *Redis) tellSuperseded() {
	if r.superseded > 0 {
		r.log.Info("register: changes that were held back are dropped: other servers have newer ones", "clients", r.superseded)
	}
}

// Observe implements Observed.
func (r *Redis) Observe(o CommitObserver) { r.committer.observer.Store(&o) }
