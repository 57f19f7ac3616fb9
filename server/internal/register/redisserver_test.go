package register

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"example.com/parity/internal/await"
	"example.com/parity/internal/tcptest"
)

// redisServer is a redis-server that can be stopped and started again with its data.
type redisServer struct {
	addr string
	dir  string
	cmd  *exec.Cmd // nil while it is stopped, and where it is not ours
}

// newRedisServer starts a redis-server for one test.
func newRedisServer(tb testing.TB) *redisServer {
	tb.Helper()
	s := startRedisServer(tb, tb.TempDir())
	tb.Cleanup(s.stop)
	return s
}

// sharedRedis is the server of all tests that leave it running.
var sharedRedis *redisServer

// newRedisURL returns the URL of an empty Redis: database 15, which must be empty, of the
// server that PARITY_TEST_REDIS names (HOST:PORT), or one that it starts.
func newRedisURL(tb testing.TB) string {
	tb.Helper()
	if sharedRedis == nil {
		if addr := os.Getenv("PARITY_TEST_REDIS"); addr != "" {
			sharedRedis = &redisServer{addr: addr}
			if n, err := sharedRedis.client(tb).DBSize(tb.Context()).Result(); err != nil || n != 0 {
				tb.Fatalf("PARITY_TEST_REDIS: DBSIZE = %d, %v, want 0", n, err)
			}
		} else {
			dir, err := os.MkdirTemp("", "parity-redis-")
			if err != nil {
				tb.Fatal(err)
			}
			sharedRedis = startRedisServer(tb, dir)
		}
	}
	tb.Cleanup(func() { // the test's context is done by then
		if err := sharedRedis.client(tb).FlushDB(context.Background()).Err(); err != nil {
			tb.Errorf("FLUSHDB: %v", err)
		}
	})
	return sharedRedis.url()
}

func startRedisServer(tb testing.TB, dir string) *redisServer {
	tb.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		tb.Skip("no redis-server on PATH, and PARITY_TEST_REDIS is not set")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := &redisServer{addr: l.Addr().String(), dir: dir}
	l.Close()
	s.start(tb)
	return s
}

func (s *redisServer) url() string { return fmt.Sprintf("redis://%s/15", s.addr) }

// start starts the server and waits until it answers.
func (s *redisServer) start(tb testing.TB) {
	tb.Helper()
	_, port, _ := net.SplitHostPort(s.addr)
	s.cmd = exec.Command("redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", s.dir,
		"--save", "", "--appendonly", "yes", "--appendfsync", "everysec", "--loglevel", "warning")
	if err := s.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	client := s.client(tb)
	await.That(tb, "redis-server answers", func() bool {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			return false
		}
		conn.Close()
		return client.Ping(context.Background()).Err() == nil
	})
}

func (s *redisServer) stop() {
	if s.cmd != nil {
		s.cmd.Process.Signal(syscall.SIGTERM)
		s.cmd.Wait()
		s.cmd = nil
	}
}

// client returns a client of the database that url names.
func (s *redisServer) client(tb testing.TB) *redis.Client {
	options, err := redisOptions(s.url())
	if err != nil {
		tb.Fatal(err)
	}
	client := redis.NewClient(options)
	tb.Cleanup(func() { client.Close() })
	return client
}

func openRedis(tb testing.TB, url string) *Redis {
	tb.Helper()
	r, err := OpenRedis(tb.Context(), url, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { r.Close() })
	return r
}

// link is a TCP proxy in front of Redis that can disconnect, lose replies, or hold back
// requests.
type link struct {
	target  string
	address string

	mu    sync.Mutex
	state linkState
	conns []net.Conn
	kept  [][]byte // by connection

	mended chan struct{} // closed then, if it delays
}

type linkState int

const (
	whole linkState = iota
	isCut
	losesReplies // and breaks then
	keepsBack    // what it is sent, also when the sender has given up
	delays       // what it is sent, until it is mended
)

func newLink(t *testing.T, target string) *link {
	k := &link{target: target, mended: make(chan struct{})}
	k.address = tcptest.Serve(t, func(conn *net.TCPConn) { k.forward(conn) })
	t.Cleanup(k.cut)
	return k
}

func (k *link) addr() string { return k.address }

func (k *link) url() string { return "redis://" + k.addr() + "/15" }

func (k *link) forward(conn net.Conn) {
	upstream, err := net.Dial("tcp", k.target)
	if err != nil {
		return
	}
	defer upstream.Close()
	k.mu.Lock()
	if k.state == isCut {
		k.mu.Unlock()
		return
	}
	k.conns = append(k.conns, conn, upstream)
	k.mu.Unlock()
	go k.send(upstream, conn)
	// The replies.
	b := make([]byte, 64<<10)
	for {
		n, err := upstream.Read(b)
		if err != nil {
			return
		}
		k.mu.Lock()
		loses := k.state == losesReplies
		k.mu.Unlock()
		if loses {
			return
		}
		if _, err := conn.Write(b[:n]); err != nil {
			return
		}
	}
}

// send forwards the requests of one connection.
func (k *link) send(upstream, conn net.Conn) {
	defer upstream.Close()
	var kept []byte
	for {
		b := make([]byte, 64<<10)
		n, err := conn.Read(b)
		k.mu.Lock()
		keeps, delayed := k.state == keepsBack, k.state == delays
		k.mu.Unlock()
		if delayed {
			<-k.mended
		}
		if keeps {
			kept = append(kept, b[:n]...)
		}
		switch {
		case err != nil && kept != nil:
			k.mu.Lock()
			k.kept = append(k.kept, kept)
			k.mu.Unlock()
			return
		case err != nil:
			return
		case keeps:
		default:
			if _, err := upstream.Write(b[:n]); err != nil {
				return
			}
		}
	}
}

// deliver sends the requests that were held back to Redis, in the order in which their
// connections ended.
func (k *link) deliver(t *testing.T) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, kept := range k.kept {
		conn, err := net.Dial("tcp", k.target)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		// The connection on which they were sent had a database selected.
		if _, err := conn.Write(append([]byte("SELECT 15\r\n"), kept...)); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if replies, err := io.ReadAll(conn); err != nil || len(replies) == 0 {
			t.Fatalf("Redis's replies: %q, %v", replies, err)
		}
	}
}

func (k *link) set(state linkState) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.state = state
}

func (k *link) cut() {
	k.set(isCut)
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, conn := range k.conns {
		conn.Close()
	}
}

func (k *link) mend() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.state == delays {
		close(k.mended) // once
	}
	k.state = whole
}
