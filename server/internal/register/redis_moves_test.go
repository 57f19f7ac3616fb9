package register

import (
	"math/rand/v2"
	"testing"
	"time"

	"example.com/parity/internal/await"
)

// TestRedisLateDelivery delivers an attempt to Redis after its server has given it up and
// the client has continued at another server, as a network that recovers may do.
func TestRedisLateDelivery(t *testing.T) {
	t.Parallel()
	a, b, link, _ := twoServers(t)
	register(t, a, 7, at(0))
	isDurable(t, a.Save(7, write(10, 5)))
	link.set(keepsBack)
	a.Save(7, number(4, 1))
	commit := a.Save(7, write(10, 12))
	await.That(t, "an attempt was given up", func() bool {
		link.mu.Lock()
		defer link.mu.Unlock()
		return len(link.kept) > 0
	})
	register(t, b, 7, at(1))
	isDurable(t, b.Save(7, write(20, 42)))
	isDurable(t, b.Save(7, number(8, 1)))
	link.deliver(t)
	wantValue(t, b, 7, 42)
	link.mend()
	isDurable(t, commit)
	equal(t, "in the end", list(t, b, -1, 1)[0].Record, Record{Number: 8, Value: 42, Seen: seen(1)})
}

// TestRedisSlowAttempt has an attempt that succeeds so late that the client has had time to
// continue at another server. The attempt has not failed.
func TestRedisSlowAttempt(t *testing.T) {
	t.Parallel()
	server := newRedisServer(t)
	link := newLink(t, server.addr)
	a, b := openRedis(t, link.url()+"?read_timeout=10s"), openRedis(t, server.url())
	register(t, a, 7, at(0))
	isDurable(t, a.Save(7, write(10, 5)))
	link.set(delays)
	defer link.mend()
	a.Save(7, number(4, 1))
	commit := a.Save(7, write(10, 12))
	register(t, b, 7, at(1))
	isDurable(t, b.Save(7, write(20, 42)))
	isDurable(t, b.Save(7, number(8, 1)))
	time.Sleep(freshFor + 100*time.Millisecond) // what is tested is how long it takes
	link.mend()
	isDurable(t, commit)
	equal(t, "in the end", list(t, b, -1, 1)[0].Record, Record{Number: 8, Value: 42, Seen: seen(1)})
}

// TestRedisMoves has many clients report at a server, disconnects that server from Redis in
// different ways, and has the clients report more and then stay or continue at the other
// server. The register has the last report of each.
func TestRedisMoves(t *testing.T) {
	t.Parallel()
	const clients = 100
	random := rand.New(rand.NewPCG(1, 2))
	a, b, link, _ := twoServers(t)
	last := make([]Record, clients) // what each said last, and was given
	for id := range last {
		last[id] = NewClient
	}
	for round, disturbance := range []linkState{isCut, losesReplies, keepsBack, losesReplies, isCut} {
		save := func(s *Redis, id int32, writer int) *Commit {
			if random.IntN(2) == 0 {
				last[id].Number = int32(random.IntN(100))
				s.Save(id, number(last[id].Number, 1))
			}
			last[id].Value = random.Int64()
			return s.Save(id, write(int64(100*round+writer), last[id].Value))
		}
		var before *Commit
		for id := range int32(clients) {
			for _, s := range []*Redis{a, b} {
				s.committer.update(id, func(c *redisChange) { c.register = true })
			}
			before = save(a, id, 1)
		}
		isDurable(t, before)
		isDurable(t, b.committer.flush())

		link.set(disturbance)
		if disturbance == isCut {
			link.cut()
		}
		late := a.committer.flush()
		for id := range int32(clients) {
			if random.IntN(3) > 0 {
				late = save(a, id, 1)
			}
		}
		missesRedis(t, a)
		for id := range int32(clients) {
			if random.IntN(3) > 0 {
				late = save(a, id, 1+random.IntN(2))
			}
		}
		moved := b.committer.flush()
		for id := range int32(clients) {
			if random.IntN(2) == 0 {
				moved = save(b, id, 3)
			}
		}
		isDurable(t, moved)
		link.deliver(t)
		link.mend()
		isDurable(t, late)
		for i, c := range list(t, b, -1, clients) {
			if c.Value != last[i].Value || c.Number != last[i].Number {
				t.Errorf("round %d: client %d has %+v, want value %d and number %d", round, i, c, last[i].Value, last[i].Number)
			}
		}
	}
}
