package register

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"example.com/parity/internal/await"
)

// TestRedisAway has a Redis that stops, hangs, or is replaced by an empty one, for a while.
func TestRedisAway(t *testing.T) {
	for _, test := range []struct {
		name       string
		away, back func(t *testing.T, s *redisServer)
		keepsData  bool
	}{
		{
			name:      "stopped",
			away:      func(_ *testing.T, s *redisServer) { s.stop() },
			back:      func(t *testing.T, s *redisServer) { s.start(t) },
			keepsData: true,
		}, {
			name: "hanging",
			away: func(t *testing.T, s *redisServer) {
				if err := freeze(s.cmd.Process); err != nil {
					t.Skip(err)
				}
			},
			back:      func(_ *testing.T, s *redisServer) { thaw(s.cmd.Process) },
			keepsData: true,
		}, {
			name: "replaced",
			away: func(_ *testing.T, s *redisServer) { s.stop() },
			back: func(t *testing.T, s *redisServer) {
				s.dir = t.TempDir()
				s.start(t)
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := newRedisServer(t)
			r := openRedis(t, server.url())
			r.Enter(7)
			register(t, r, 7, at(0))
			isDurable(t, r.Save(7, number(4, 0)))

			test.away(t, server)
			t.Cleanup(func() { // does nothing, if the test got that far
				if server.cmd != nil {
					thaw(server.cmd.Process)
				}
			})
			began := time.Now()
			var last *Commit
			commits := map[*Commit]bool{}
			for v := range int64(10000) {
				last = r.Save(7, value(v, 1))
				commits[last] = true
				r.Save(8, value(-v, 1))
			}
			if _, _, err := r.Register(t.Context(), 7, GRPC, at(2)); !errors.Is(err, ErrUnavailable) {
				t.Errorf("Register: %v, want %v", err, ErrUnavailable)
			}
			if took := time.Since(began); took > registerWait+time.Second {
				t.Errorf("Register took %s, want %s", took, registerWait)
			}
			if _, err := r.List(t.Context(), -1, 10); !errors.Is(err, ErrUnavailable) {
				t.Errorf("List: %v, want %v", err, ErrUnavailable)
			}
			await.That(t, "Health says so", func() bool { return r.Health() != nil })
			if took := time.Since(began); took < healthGrace {
				t.Errorf("Health said so after %s, want %s", took, healthGrace)
			}
			if isDone(last) {
				t.Errorf("durable while Redis is away: %v", last.Err())
			}
			if len(commits) > 3 {
				t.Errorf("%d groups, want those before and after the first attempt", len(commits))
			}

			test.back(t, server)
			isDurable(t, last)
			for c := range commits {
				isDurable(t, c)
			}
			await.That(t, "Health says so", func() bool { return r.Health() == nil })
			page := list(t, r, -1, 10)
			if len(page) != 2 || page[0].Value != 9999 || page[1].Value != -9999 || page[0].Sessions != 1 {
				t.Errorf("List = %+v", page)
			}
			if test.keepsData && page[0].Number != 4 {
				t.Errorf("the number is %d, want 4, which was durable before", page[0].Number)
			}
			if sessions, _ := server.client(t).HGet(t.Context(), sessionsPrefix+r.server, "7").Result(); sessions != "1" {
				t.Errorf("Redis has %q sessions of client 7, want 1", sessions)
			}
		})
	}
}

func TestRedisShared(t *testing.T) {
	url := newRedisURL(t)
	a, b := openRedis(t, url), openRedis(t, url)

	a.Enter(7)
	register(t, a, 7, at(0))
	isDurable(t, a.Save(7, value(12, 1)))
	b.Enter(7)
	r, returning := register(t, b, 7, at(2))
	equal(t, "on the other server", r, Record{Number: 1, Value: 12, Seen: seen(2)})
	if !returning {
		t.Error("a client of one server is new to the other")
	}

	// Each writes one field: neither undoes the other's.
	n, v := a.Save(7, number(4, 3)), b.Save(7, value(13, 4))
	isDurable(t, n)
	isDurable(t, v)
	for _, s := range []*Redis{a, b} {
		got := list(t, s, -1, 10)[0]
		equal(t, "List", got.Record, Record{Number: 4, Value: 13, Seen: seen(4)})
		if got.Sessions != 2 {
			t.Errorf("%d sessions, want 2", got.Sessions)
		}
	}
	sessions := func() int32 {
		isDurable(t, a.committer.flush())
		return list(t, b, -1, 10)[0].Sessions
	}
	a.Enter(7)
	if n := sessions(); n != 3 {
		t.Errorf("%d sessions, want 3", n)
	}
	a.Leave(7)
	b.Leave(7)
	if n := sessions(); n != 1 {
		t.Errorf("%d sessions, want 1", n)
	}
	a.Leave(7)
	if n := sessions(); n != 0 {
		t.Errorf("%d sessions, want 0", n)
	}
	a.Enter(7)
	if n := sessions(); n != 1 {
		t.Errorf("%d sessions, want 1", n)
	}
	a.Close()
	if n := list(t, b, -1, 10)[0].Sessions; n != 0 {
		t.Errorf("%d sessions after their server ended, want 0", n)
	}
}

// TestRedisServerKilled has a server end without closing its store.
func TestRedisServerKilled(t *testing.T) {
	mini := miniredis.RunT(t)
	now := time.Now()
	mini.SetTime(now)
	a, b := openRedis(t, "redis://"+mini.Addr()), openRedis(t, "redis://"+mini.Addr())
	a.Enter(7)
	register(t, a, 7, at(0))
	a.stopLease()
	<-a.leaseEnded
	sessions := func() int32 { return list(t, b, -1, 10)[0].Sessions }
	if n := sessions(); n != 1 {
		t.Fatalf("%d sessions, want 1", n)
	}
	mini.FastForward(lease - time.Millisecond)
	if n := sessions(); n != 1 {
		t.Errorf("%d sessions within the lease, want 1", n)
	}
	mini.FastForward(time.Millisecond)
	if n := sessions(); n != 0 {
		t.Errorf("%d sessions after the lease, want 0", n)
	}
	mini.SetTime(now.Add(lease + time.Second))
	b.renewing.Store(true)
	isDurable(t, b.committer.flush())
	if servers, _ := mini.ZMembers(serversKey); len(servers) != 1 || servers[0] != b.server {
		t.Errorf("servers %q, want %q alone", servers, b.server)
	}
}

func TestRedisKeepsItsLease(t *testing.T) {
	t.Parallel()
	mini := miniredis.RunT(t)
	a := openRedis(t, "redis://"+mini.Addr())
	a.Enter(7)
	register(t, a, 7, at(0))
	mini.Del(sessionsPrefix + a.server) // as if the lease had run out
	await.That(t, "the sessions are there again", func() bool {
		return mini.HGet(sessionsPrefix+a.server, "7") == "1" && mini.TTL(sessionsPrefix+a.server) == lease
	})
}

func TestRedisRefusesWrites(t *testing.T) {
	t.Parallel()
	mini := miniredis.RunT(t)
	r := openRedis(t, "redis://"+mini.Addr())
	register(t, r, 7, at(0))
	mini.SetError("OOM command not allowed when used memory > 'maxmemory'.")
	commit := r.Save(7, value(1, 1))
	if _, _, err := r.Register(t.Context(), 7, GRPC, at(2)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Register: %v, want %v", err, ErrUnavailable)
	}
	if isDone(commit) {
		t.Error("a write that was refused is durable")
	}
	await.That(t, "Health says so", func() bool { return r.Health() != nil })
	if err := r.Health(); !strings.Contains(err.Error(), "OOM") {
		t.Errorf("Health() = %v, want the cause", err)
	}
	mini.SetError("")
	isDurable(t, commit)
	equal(t, "List", list(t, r, -1, 10)[0].Record, Record{Number: 1, Value: 1, Seen: seen(2)})
}

func TestRedisClosedWhileAway(t *testing.T) {
	t.Parallel()
	mini := miniredis.RunT(t)
	r := openRedis(t, "redis://"+mini.Addr())
	register(t, r, 7, at(0))
	mini.Close()
	commit := r.Save(7, value(1, 1))
	began := time.Now()
	if err := r.Close(); err == nil || !strings.Contains(err.Error(), "changes of 1 clients are lost") {
		t.Errorf("Close() = %v, want what is lost", err)
	}
	if took := time.Since(began); took > closeWait+2*connWait {
		t.Errorf("Close took %s, want about %s", took, closeWait)
	}
	if !isDone(commit) || !errors.Is(commit.Err(), ErrUnavailable) {
		t.Error("what is lost is not known to be")
	}
}

func TestRedisOpen(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	t.Run("nothing there", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		_, err = openRedisWithin(t.Context(), retryDelay, "redis://"+l.Addr().String(), log)
		if err == nil || !strings.Contains(err.Error(), l.Addr().String()) || !strings.Contains(err.Error(), "unreachable for") {
			t.Errorf("OpenRedis: %v, want an error with the address", err)
		}
	})
	t.Run("password", func(t *testing.T) {
		mini := miniredis.RunT(t)
		mini.RequireAuth("geheim")
		if _, err := OpenRedis(t.Context(), "redis://:falsch@"+mini.Addr(), log); err == nil || strings.Contains(err.Error(), "falsch") {
			t.Errorf("OpenRedis: %v, want an error without the password", err)
		}
		register(t, openRedis(t, "redis://:geheim@"+mini.Addr()), 7, at(0))
	})
	t.Run("TLS", func(t *testing.T) {
		https := httptest.NewTLSServer(nil) // has a certificate
		defer https.Close()
		mini, err := miniredis.RunTLS(&tls.Config{Certificates: https.TLS.Certificates})
		if err != nil {
			t.Fatal(err)
		}
		defer mini.Close()
		if _, err := OpenRedis(t.Context(), "rediss://"+mini.Addr(), log); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("OpenRedis: %v, want an error about the certificate", err)
		}
		register(t, openRedis(t, "rediss://"+mini.Addr()+"?skip_verify=true"), 7, at(0))
	})
}
