package register

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"example.com/parity/internal/await"
)

// twoServers are two stores on one Redis. The link of the first can be disturbed.
func twoServers(t *testing.T) (a, b *Redis, link *link, server *redisServer) {
	t.Helper()
	server = newRedisServer(t)
	link = newLink(t, server.addr)
	return openRedis(t, link.url()), openRedis(t, server.url()), link, server
}

// missesRedis waits until an attempt of the store has failed.
func missesRedis(tb testing.TB, r *Redis) {
	tb.Helper()
	await.That(tb, "an attempt has failed", func() bool {
		r.committer.mu.Lock()
		defer r.committer.mu.Unlock()
		return r.committer.err != nil
	})
}

func wantValue(t *testing.T, s Store, id int32, want int64) {
	t.Helper()
	if got := list(t, s, id-1, 1)[0].Value; got != want {
		t.Errorf("the register has %d, want %d", got, want)
	}
}

// TestRedisClocksDiffer has a server write whose clock is an hour ahead, and then another
// server. Stores do not order writes by clocks. The test sets the times by which a store of
// an earlier version would have kept the first write.
func TestRedisClocksDiffer(t *testing.T) {
	a, b, _, server := twoServers(t)
	register(t, a, 7, at(0))
	register(t, b, 7, at(0))
	isDurable(t, a.Save(7, write(10, 12)))
	isDurable(t, a.Save(7, number(4, 1)))
	ahead := time.Now().Add(time.Hour).UnixMicro()
	if err := server.client(t).HSet(t.Context(), clientKey(7), "value_at", ahead, "number_at", ahead).Err(); err != nil {
		t.Fatal(err)
	}
	isDurable(t, b.Save(7, write(20, 13)))
	isDurable(t, b.Save(7, number(6, 1)))
	equal(t, "the later writes", list(t, a, -1, 1)[0].Record, Record{Number: 6, Value: 13, Seen: seen(1)})
}

// TestRedisLastWriteWins has two servers write in turn, each after the other's write was
// confirmed.
func TestRedisLastWriteWins(t *testing.T) {
	a, b, _, _ := twoServers(t)
	register(t, a, 7, at(0))
	register(t, b, 7, at(0))
	stores := []*Redis{a, b}
	for i, turn := range []int{0, 1, 0, 1, 1, 0, 0, 0, 1, 0} {
		s, other := stores[turn], stores[1-turn]
		s.Save(7, number(int32(i), 1))
		isDurable(t, s.Save(7, write(int64(10+turn), int64(100-i))))
		got := list(t, other, -1, 1)[0].Record
		want := Record{Number: int32(i), Value: int64(100 - i), Seen: seen(1), Revision: int64(i + 1), Writer: int64(10 + turn)}
		if got != want {
			t.Fatalf("after write %d: %+v, want %+v", i, got, want)
		}
	}
}

// TestRedisSharedClient has two servers write the same clients at the same time. The last
// write after that is kept.
func TestRedisSharedClient(t *testing.T) {
	a, b, _, _ := twoServers(t)
	const clients, rounds = 40, 30
	var wg sync.WaitGroup
	for n, s := range []*Redis{a, b} {
		wg.Go(func() {
			for v := range int64(rounds) {
				var last *Commit
				for id := range int32(clients) {
					last = s.Save(id, write(int64(10+n), v))
					s.Save(id, number(int32(v), 1))
				}
				<-last.Done()
			}
		})
	}
	wg.Wait()
	for _, c := range list(t, a, -1, clients) {
		if c.Value != rounds-1 || c.Number != rounds-1 || c.Revision <= rounds || c.Revision > 2*rounds {
			t.Errorf("%+v, want value and number %d, after up to %d writes", c, rounds-1, 2*rounds)
		}
	}
}

// TestRedisUnknown writes a record whose version the server does not know.
func TestRedisUnknown(t *testing.T) {
	a, b, link, _ := twoServers(t)
	register(t, b, 7, at(0))
	isDurable(t, b.Save(7, write(20, 5)))
	isDurable(t, a.Save(7, write(10, 6)))
	wantValue(t, b, 7, 6)

	register(t, b, 8, at(0))
	isDurable(t, b.Save(8, write(20, 5)))
	link.cut()
	late := a.Save(8, write(10, 6))
	missesRedis(t, a)
	link.mend()
	isDurable(t, late)
	wantValue(t, b, 8, 6)
}

// TestRedisEarlierVersion has a record that an earlier version of the server wrote.
func TestRedisEarlierVersion(t *testing.T) {
	server := newRedisServer(t)
	client := server.client(t)
	ctx := t.Context()
	client.ZAdd(ctx, clientsKey, redis.Z{Score: 7, Member: 7})
	client.HSet(ctx, clientKey(7), "number", 4, "number_at", 17, "value", 12, "value_at", 18, "seen_grpc", at(1).UnixMicro(), "seen_legacy", 0)
	r := openRedis(t, server.url())
	want := Record{Number: 4, Value: 12, Seen: seen(1)}
	if got := list(t, r, -1, 1)[0].Record; got != want {
		t.Errorf("List = %+v, want %+v", got, want)
	}
	got, returning := register(t, r, 7, at(1))
	if got != want || !returning {
		t.Errorf("Register = %+v, %v, want %+v, true", got, returning, want)
	}
	isDurable(t, r.Save(7, repeat(20, 13, Session{10, 0})))
	isDurable(t, r.Save(7, number(6, 1)))
	want = Record{Number: 6, Value: 13, Seen: seen(1), Revision: 1, Writer: 20}
	if got := list(t, r, -1, 1)[0].Record; got != want {
		t.Errorf("then List = %+v, want %+v", got, want)
	}
	// What such a server takes a record by.
	register(t, r, 8, at(1))
	if at, err := client.HGet(ctx, clientKey(8), "number_at").Result(); at != "0" || err != nil {
		t.Errorf("number_at of a new record = %q, %v, want 0", at, err)
	}
}

// TestRedisHeldBack disturbs the link of a server while its client continues at another
// one. The waiting writes of the first do not undo those of the other.
func TestRedisHeldBack(t *testing.T) {
	const base = 5 // the value before
	for _, test := range []struct {
		name string
		late func(a *Redis) // what the first server takes when its link is cut
		more func(a *Redis) // and when it knows that it is
		b    []Change       // what the other one takes meanwhile
		want Record
	}{
		{
			name: "nobody else writes",
			late: func(a *Redis) { a.Save(7, write(10, 12)); a.Save(7, number(4, 1)) },
			want: Record{Value: 12, Writer: 10, Number: 4},
		}, {
			name: "nobody else writes, and there is more",
			late: func(a *Redis) { a.Save(7, write(10, 12)); a.Save(7, number(4, 1)) },
			more: func(a *Redis) { a.Save(7, write(10, 13)); a.Save(7, number(6, 1)) },
			want: Record{Value: 13, Writer: 10, Number: 6},
		}, {
			name: "by two sessions of the same server",
			late: func(a *Redis) { a.Save(7, write(10, 12)) },
			more: func(a *Redis) { a.Save(7, write(11, 3)) },
			want: Record{Value: 3, Writer: 11, Number: 1},
		}, {
			name: "another writes",
			late: func(a *Redis) { a.Save(7, write(10, 12)); a.Save(7, number(4, 1)) },
			b:    []Change{write(20, 42), number(8, 1)},
			want: Record{Value: 42, Writer: 20, Number: 8},
		}, {
			name: "another writes, and there is more",
			late: func(a *Redis) { a.Save(7, write(10, 12)); a.Save(7, number(4, 1)) },
			more: func(a *Redis) { a.Save(7, write(10, 13)); a.Save(7, number(6, 1)) },
			b:    []Change{write(20, 42), number(8, 1)},
			want: Record{Value: 42, Writer: 20, Number: 8},
		}, {
			name: "another writes, and what there is more comes with the second group alone",
			late: func(a *Redis) { a.Save(7, Change{Seen: seen(1)}) },
			more: func(a *Redis) { a.Save(7, write(10, 13)); a.Save(7, number(6, 1)) },
			b:    []Change{write(20, 42), number(8, 1)},
			want: Record{Value: 42, Writer: 20, Number: 8},
		}, {
			name: "another writes, and a session is registered",
			late: func(a *Redis) { a.Register(canceled(), 7, GRPC, at(1)) },
			more: func(a *Redis) { a.Save(7, write(10, 13)); a.Save(7, number(6, 1)) },
			b:    []Change{write(20, 42), number(8, 1)},
			want: Record{Value: 42, Writer: 20, Number: 8},
		}, {
			name: "another gives a number alone",
			late: func(a *Redis) { a.Save(7, write(10, 12)); a.Save(7, number(4, 1)) },
			b:    []Change{number(8, 1)},
			want: Record{Value: 12, Writer: 10, Number: 8},
		}, {
			name: "another writes alone",
			late: func(a *Redis) { a.Save(7, write(10, 12)); a.Save(7, number(4, 1)) },
			b:    []Change{write(20, 42)},
			want: Record{Value: 42, Writer: 20, Number: 4},
		}, {
			name: "a repeat, and nobody else writes",
			late: func(a *Redis) { a.Save(7, repeat(20, 12, Session{10, 1})) },
			want: Record{Value: 12, Writer: 20, Number: 1},
		}, {
			name: "a repeat, and its session writes at the other server",
			late: func(a *Redis) { a.Save(7, repeat(20, 12, Session{10, 1})) },
			b:    []Change{write(10, 11)},
			want: Record{Value: 12, Writer: 20, Number: 1},
		}, {
			name: "a repeat, and another writes",
			late: func(a *Redis) { a.Save(7, repeat(20, 12, Session{10, 1})) },
			more: func(a *Redis) { a.Save(7, repeat(20, 13, Session{10, 1})) },
			b:    []Change{write(30, 42)},
			want: Record{Value: 42, Writer: 30, Number: 1},
		}, {
			name: "a write and its repeat, and another writes",
			late: func(a *Redis) { a.Save(7, write(10, 12)); a.Save(7, repeat(20, 13, Session{10, 1})) },
			b:    []Change{write(30, 42)},
			want: Record{Value: 42, Writer: 30, Number: 1},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a, b, link, _ := twoServers(t)
			for _, s := range []*Redis{a, b} {
				register(t, s, 7, at(0))
			}
			isDurable(t, a.Save(7, write(10, base)))
			link.cut()
			test.late(a)
			missesRedis(t, a)
			if test.more != nil {
				test.more(a)
			}
			last := a.Save(8, write(10, 1))
			register(t, b, 7, at(1))
			for _, change := range test.b {
				isDurable(t, b.Save(7, change))
			}
			link.mend()
			isDurable(t, last)
			got := list(t, a, -1, 1)[0].Record
			test.want.Seen, test.want.Revision = seen(1), got.Revision
			if got != test.want {
				t.Errorf("the register has %+v, want %+v", got, test.want)
			}
			// It is as before then.
			isDurable(t, a.Save(7, write(10, 100)))
			wantValue(t, b, 7, 100)
			isDurable(t, b.Save(7, write(20, 101)))
			wantValue(t, a, 7, 101)
		})
	}
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// TestRedisReplyLost has Redis execute a write whose reply is lost.
func TestRedisReplyLost(t *testing.T) {
	for _, other := range []bool{false, true} {
		t.Run(fmt.Sprintf("another writes=%v", other), func(t *testing.T) {
			t.Parallel()
			a, b, link, server := twoServers(t)
			register(t, a, 7, at(0))
			isDurable(t, a.Save(7, write(10, 5)))
			// The reply that is lost is of the script's call: there is no other, neither of
			// the lease nor of a new connection.
			a.stopLease()
			<-a.leaseEnded
			link.set(losesReplies)
			a.Save(7, number(4, 1))
			commit := a.Save(7, write(10, 12))
			client := server.client(t)
			await.That(t, "Redis has taken the write", func() bool {
				return client.HGet(t.Context(), clientKey(7), "value").Val() == "12"
			})
			missesRedis(t, a)
			if isDone(commit) {
				t.Error("confirmed without a reply")
			}
			want := Record{Number: 4, Value: 12, Seen: seen(1), Revision: 2, Writer: 10}
			if other {
				register(t, b, 7, at(1))
				isDurable(t, b.Save(7, write(20, 42)))
				isDurable(t, b.Save(7, number(8, 1)))
				want = Record{Number: 8, Value: 42, Seen: seen(1), Revision: 3, Writer: 20}
			}
			link.mend()
			isDurable(t, commit)
			if got := list(t, b, -1, 1)[0].Record; got != want {
				t.Errorf("the register has %+v, want %+v", got, want)
			}
			isDurable(t, a.Save(7, write(10, 13)))
			if got := list(t, b, -1, 1)[0].Record; got.Value != 13 || got.Revision != want.Revision+1 {
				t.Errorf("then the register has %+v, want value 13 as write %d", got, want.Revision+1)
			}
		})
	}
}
