package files

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	filesv1 "example.com/parity/gen/parity/files/v1"
	"example.com/parity/server/internal/filecache"
	"example.com/parity/server/internal/flow"
	"example.com/parity/server/internal/inproc/inproctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a service over a directory, with a client in this process. Handlers run under
// the checker.
type fixture struct {
	filesv1.FileServiceClient
	dir     string
	cache   *filecache.Cache
	replies *flow.Account
}

// newFixture returns a service with a cache of that size in bytes over an empty directory.
func newFixture(tb testing.TB, capacity int64) *fixture {
	tb.Helper()
	f := &fixture{dir: tb.TempDir(), replies: flow.NewAccount(1 << 20)}
	var err error
	if f.cache, err = filecache.Open(f.dir, filecache.Options{Capacity: capacity}); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(f.cache.Close)
	channel := inproctest.NewChannel(tb, nil, nil)
	filesv1.RegisterFileServiceServer(channel, New(f.cache, f.replies))
	f.FileServiceClient = filesv1.NewFileServiceClient(channel)
	return f
}

// write creates a file.
func (f *fixture) write(tb testing.TB, name string, content []byte) {
	tb.Helper()
	path := filepath.Join(f.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		tb.Fatal(err)
	}
}

// reply is what a call of Get returned.
type reply struct {
	file     *filesv1.File
	data     []byte
	last     *filesv1.GetResponse
	messages int
}

// get calls Get and receives the whole reply.
func (f *fixture) get(tb testing.TB, req *filesv1.GetRequest) (r reply, err error) {
	tb.Helper()
	stream, err := f.Get(tb.Context(), req)
	if err != nil {
		tb.Fatal(err)
	}
	var data bytes.Buffer
	for {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			r.data = data.Bytes()
			return r, nil
		} else if err != nil {
			return r, err
		}
		if (resp.GetFile() != nil) != (r.messages == 0) || r.last.GetCrc32C() != 0 {
			tb.Errorf("message %d of Get(%v) is %.100v, after %.100v", r.messages, req, resp, r.last)
		}
		if r.messages == 0 {
			r.file = resp.GetFile()
		}
		data.Write(resp.GetData())
		r.last = resp
		r.messages++
	}
}
