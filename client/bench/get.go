package bench

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"google.golang.org/grpc"

	"example.com/parity/client/download"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Get downloads files over gRPC and checks their size and checksum.
type Get struct {
	Conns    []grpc.ClientConnInterface // the i-th client uses the i-th, modulo their number, and further ones if Parallel is more than 1
	Files    []string                   // what each client asks for in turn
	Rate     int64                      // the most bytes a second that one client takes; 0: no limit
	Download bool                       // by Parity's own download client, else by the generated stub
	Parallel int                        // of how many connections each client fetches ranges at once, with Download; 0 is 1
	To       string                     // the directory in which each client stores what it downloads; empty: nowhere
}

var _ Load = (*Get)(nil)

func (g *Get) name() string {
	if g.Download {
		return "download"
	}
	return "get"
}

func (g *Get) sockets(int) int { return len(g.Conns) }

// prepare gets every file once, which fills a server's cache.
func (g *Get) prepare(ctx context.Context) error {
	for _, name := range g.Files {
		if err := receive(ctx, filesv1.NewFileServiceClient(g.Conns[0]), &filesv1.GetRequest{Name: name}, func(int) {}); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
	}
	return nil
}

// connect gets one byte, to establish the connection.
func (g *Get) connect(ctx context.Context, i int, t *tally) (client, error) {
	c := &getClient{load: g, t: t, group: download.NewGroup(0)}
	parallel := max(g.Parallel, 1)
	for lane := range parallel {
		files := filesv1.NewFileServiceClient(g.Conns[(i*parallel+lane)%len(g.Conns)])
		if lane > 0 {
			// The connection is established now, too.
			if err := receive(ctx, files, &filesv1.GetRequest{Name: g.Files[0], Limit: 1}, func(int) {}); err != nil {
				return nil, err
			}
			c.group.Lend(files)
			continue
		}
		c.files = files
	}
	if g.To != "" {
		var err error
		if c.to, err = os.MkdirTemp(g.To, "bench-"); err != nil {
			return nil, err
		}
	}
	return c, receive(ctx, c.files, &filesv1.GetRequest{Name: g.Files[0], Limit: 1}, func(int) {})
}

type getClient struct {
	load  *Get
	files filesv1.FileServiceClient
	group *download.Group // with its other connections
	to    string          // where it stores files; empty: nowhere
	t     *tally
	next  int
}

func (c *getClient) work(ctx context.Context) { c.t.repeat(ctx, c.get) }

// end removes what was stored.
func (c *getClient) end(context.Context) {
	if c.to != "" {
		_ = os.RemoveAll(c.to) // what remains is seen in the directory
	}
}

// get gets the next file.
func (c *getClient) get(ctx context.Context) error {
	name := c.load.Files[c.next%len(c.load.Files)]
	c.next++
	took := c.t.takes(ctx, c.load.Rate)
	if c.load.Download {
		return c.download(ctx, name, took)
	}
	return receive(ctx, c.files, &filesv1.GetRequest{Name: name}, took)
}

// receive calls Get with the generated stub, and calls took with the number of bytes of
// each response.
func receive(ctx context.Context, files filesv1.FileServiceClient, request *filesv1.GetRequest, took func(n int)) error {
	ctx, cancel := context.WithCancel(ctx) // or a stream that is given up would stay
	defer cancel()
	stream, err := files.Get(ctx, request)
	if err != nil {
		return err
	}
	resp, err := stream.Recv()
	if err != nil {
		return early(err)
	}
	promised := resp.GetFile().GetSizeBytes()
	if limit := request.GetLimit(); limit > 0 {
		promised = min(promised, limit)
	}
	var size int64
	var sum uint32
	for {
		size += int64(len(resp.GetData()))
		sum = crc32.Update(sum, castagnoli, resp.GetData())
		took(len(resp.GetData()))
		if resp.Crc32C != nil {
			break
		}
		if resp, err = stream.Recv(); err != nil {
			return early(err)
		}
	}
	switch {
	case size != promised:
		return fmt.Errorf("promised %d bytes, got %d", promised, size)
	case sum != resp.GetCrc32C():
		return fmt.Errorf("the server's checksum is %08x, that of the bytes %08x", resp.GetCrc32C(), sum)
	}
	switch _, err := stream.Recv(); {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil:
		return errors.New("got more after the checksum")
	default:
		return err
	}
}

// early returns the error of a stream that ended before its last response, even with
// success.
func early(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the stream ended without a checksum")
	}
	return err
}
