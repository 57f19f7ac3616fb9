package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/parity/client/download"
	"example.com/parity/client/internal/explain"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

// fetch is the downloading of the files of one command.
type fetch struct {
	c     *getCommand
	p     *program
	group *download.Group
	show  *display
	conns []*grpc.ClientConn // beside that of the program

	mu       sync.Mutex
	failures failures
	kept     int64 // bytes of incomplete files
	stopped  bool  // no further file is begun: the server is gone
}

func newFetch(c *getCommand, p *program, files int) *fetch {
	return &fetch{
		c: c, p: p, group: download.NewGroup(int64(c.LimitRate)), failures: failures{of: files},
		show: newDisplay(p, c.Quiet, c.Output == toStdout),
	}
}

// close ends the display and the connections.
func (f *fetch) close() {
	f.show.close()
	for _, conn := range f.conns {
		conn.Close()
	}
}

// all downloads files, as many at once as there are connections. A connection without a
// file of its own is lent to the others. A failure does not stop the other downloads,
// unless the server cannot be reached.
func (f *fetch) all(ctx context.Context, names []string) error {
	clients := []filesv1.FileServiceClient{filesv1.NewFileServiceClient(f.p.conn)}
	for len(clients) < f.c.Parallel {
		conn, err := f.p.flags.dial()
		if err != nil {
			return err
		}
		f.conns = append(f.conns, conn)
		clients = append(clients, filesv1.NewFileServiceClient(conn))
	}
	queue := make(chan string, len(names))
	for _, name := range names {
		queue <- name
	}
	close(queue)
	var working sync.WaitGroup
	for i, files := range clients {
		if i >= len(names) {
			f.group.Lend(files)
			continue
		}
		working.Go(func() {
			defer f.group.Lend(files)
			for name := range queue {
				if ctx.Err() != nil || f.isStopped() {
					f.skip()
					continue
				}
				f.one(ctx, files, name)
			}
		})
	}
	working.Wait()
	return nil
}

// one downloads one file, and says how that went.
func (f *fetch) one(ctx context.Context, files filesv1.FileServiceClient, name string) {
	bar := f.show.begin(name)
	opts := download.Options{
		Force: f.c.Force, Group: f.group, Progress: bar.progress, Outage: bar.outageState,
		Restart: func(why error) { f.show.complain(fmt.Errorf("%w; starting again", why), name) },
	}
	var r download.Result
	var err error
	switch f.c.Output {
	case toStdout:
		r, err = download.Copy(ctx, files, name, f.p.out, opts)
	case "":
		r, err = download.GetBelow(ctx, files, name, f.c.Dir, opts)
	default:
		r, err = download.Get(ctx, files, name, f.c.Output, opts)
	}
	bar.end()
	if err == nil {
		err = f.succeeded(r)
	}
	if err != nil {
		f.failedOf(ctx, err, name)
	}
}

func (f *fetch) succeeded(r download.Result) error {
	f.show.done(r)
	if !f.p.json {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.p.print(newGetRecord(r), "")
}

// failedOf notes and prints the error of a download. What an interrupted one has left is
// said once for all, at the end.
func (f *fetch) failedOf(ctx context.Context, err error, name string) {
	part, incomplete := errors.AsType[*download.Incomplete](err)
	if incomplete {
		f.mu.Lock()
		f.kept += part.Kept
		f.mu.Unlock()
	}
	if ctx.Err() != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.failures.errs = append(f.failures.errs, err)
		return
	}
	switch {
	case incomplete:
		err = fmt.Errorf("%w; %s kept, run again to go on", part.Err, size(part.Kept))
	case errors.Is(err, fs.ErrExist):
		err = fmt.Errorf("%w; --force replaces it", err)
	}
	f.failed(err, name)
}

// failed notes the error of a file, and prints it if there are several files; otherwise it
// is the error of the command. That the server cannot be reached is said once.
func (f *fetch) failed(err error, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	err = explain.About(err, name)
	again := f.stopped
	f.failures.errs = append(f.failures.errs, err)
	unreachable := status.Code(err) == codes.Unavailable || status.Code(err) == codes.Unauthenticated
	f.stopped = f.stopped || unreachable
	if f.failures.of > 1 && !(again && unreachable) {
		f.show.complain(err, "")
	}
}

func (f *fetch) isStopped() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stopped
}

func (f *fetch) skip() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failures.left++
}

// result returns the error of the command.
func (f *fetch) result(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case len(f.failures.errs) == 0 && f.failures.left == 0:
		return nil
	case ctx.Err() != nil && f.kept > 0:
		return fmt.Errorf("%w, %s kept; run again to go on", context.Canceled, size(f.kept))
	case ctx.Err() != nil:
		return context.Canceled
	case f.failures.of == 1:
		return f.failures.errs[0]
	}
	return f.failures
}
