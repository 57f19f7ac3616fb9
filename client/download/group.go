package download

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"

	"github.com/dustin/go-humanize"
	"golang.org/x/time/rate"

	filesv1 "example.com/parity/gen/parity/files/v1"
)

// MaxLent is how many connections can be lent to a Group at a time.
const MaxLent = 64

// Group is what several downloads share: connections, bandwidth, the space on the disk, and
// the knowledge of each other's files. Two downloads of a group never replace each other's
// file, whatever their names and Options.Force, for example on a file system that does not
// tell the case of letters apart. Its methods may be called concurrently.
type Group struct {
	limit *rate.Limiter // nil: no limit
	spare chan filesv1.FileServiceClient

	mu      sync.Mutex
	lent    int           // how many connections there are beside those of the callers
	claimed int64         // bytes that running downloads have not written yet
	placed  []fs.FileInfo // the files that are complete
}

// NewGroup returns a group whose downloads together fetch at most so many bytes a second;
// 0 is no limit.
func NewGroup(bytesPerSecond int64) *Group {
	g := &Group{spare: make(chan filesv1.FileServiceClient, MaxLent)}
	if bytesPerSecond > 0 {
		g.limit = rate.NewLimiter(rate.Limit(bytesPerSecond), int(min(2*limitedSegment(bytesPerSecond), maxSegment)))
	}
	return g
}

// Lend gives the group another connection to the same server: its downloads fetch ranges of
// a large file over all of them at once. Beyond MaxLent it does nothing.
func (g *Group) Lend(files filesv1.FileServiceClient) {
	g.mu.Lock()
	g.lent++
	g.mu.Unlock()
	g.giveBack(files)
}

func (g *Group) giveBack(files filesv1.FileServiceClient) {
	select {
	case g.spare <- files:
	default:
	}
}

// orAlone returns g, or a new group for one download.
func (g *Group) orAlone() *Group {
	if g == nil {
		return NewGroup(0)
	}
	return g
}

const (
	// limitedPart is the part of a second that a segment takes at the limit of a group: data
	// comes in bursts of that length, so that it neither stalls nor exceeds the limit for long.
	limitedPart = 4
	// leastLimited is the least segment at a limit, in bytes: less would be mostly headers.
	leastLimited = 16 << 10
)

func limitedSegment(bytesPerSecond int64) int64 {
	return min(max(bytesPerSecond/limitedPart, leastLimited), maxSegment)
}

// segment returns how much to ask for in one call of a file.
func (g *Group) segment(size int64) int64 {
	g.mu.Lock()
	connections := int64(1 + g.lent)
	g.mu.Unlock()
	n := min(max(usualSegment, size/segmentsOfLarge), maxSegment)
	n = max(n/connections, min(minSegment, n))
	if g.limit != nil {
		n = min(n, limitedSegment(int64(g.limit.Limit())))
	}
	return n
}

// wait waits until n more bytes may be fetched.
func (g *Group) wait(ctx context.Context, n int64) error {
	if g.limit == nil {
		return nil
	}
	for burst := int64(g.limit.Burst()); n > 0; n -= burst {
		if err := g.limit.WaitN(ctx, int(min(n, burst))); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
	}
	return nil
}

// reserve claims n more bytes of the file system of dir, which must have room for them
// beside what the group's other downloads will write.
func (g *Group) reserve(dir *os.Root, n int64) (*claim, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	free, known := freeSpace(dir)
	if free = max(free-g.claimed, 0); known && n > free {
		return nil, noSpaceError{need: n, free: free}
	}
	g.claimed += n
	return &claim{group: g, left: n}, nil
}

// claim is space that a download will fill.
type claim struct {
	group *Group
	left  int64
}

// used gives up n bytes of the claim, which have been written.
func (c *claim) used(n int64) {
	c.group.mu.Lock()
	defer c.group.mu.Unlock()
	n = min(n, c.left)
	c.left -= n
	c.group.claimed -= n
}

func (c *claim) release() { c.used(c.left) }

// noSpaceError means that the file system has too little space. It is syscall.ENOSPC.
type noSpaceError struct{ need, free int64 }

func (e noSpaceError) Error() string {
	return fmt.Sprintf("not enough space: %s needed, %s free", humanize.IBytes(uint64(e.need)), humanize.IBytes(uint64(e.free)))
}

func (e noSpaceError) Is(target error) bool { return target == syscall.ENOSPC }

// isPlaced reports whether a file is of a download of the group. g.mu must be held.
func (g *Group) isPlaced(info fs.FileInfo) bool {
	for _, placed := range g.placed {
		if os.SameFile(placed, info) {
			return true
		}
	}
	return false
}
