package legacytcp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/internal/tcptest"
)

// TestNumberClient reports, draws and reconnects, with and without bare replies.
func TestNumberClient(t *testing.T) {
	for _, bare := range []bool{false, true} {
		t.Run(fmt.Sprintf("bare=%v", bare), func(t *testing.T) {
			d := newDoor(t, Both, Config{BareReplies: bare})
			var parities []numbersv1.Parity
			d.Numbers.before = func(_ context.Context, req *numbersv1.CountRequest) error {
				if draw := req.GetDraw(); draw != nil {
					parities = append(parities, draw.GetParity())
				}
				return nil
			}
			ctx := t.Context()
			c, last, err := DialNumbers(ctx, d.Addr, 3748)
			if err != nil || last != 0 {
				t.Fatalf("DialNumbers = %d, %v", last, err)
			}
			want := []numbersv1.Parity{numbersv1.Parity_PARITY_ODD, numbersv1.Parity_PARITY_EVEN}
			for i, p := range want {
				if err := c.Report(-9 + int64(i)); err != nil {
					t.Fatal(err)
				}
				if n, err := c.Draw(ctx, p); err != nil || n != d.Numbers.draws[i] {
					t.Errorf("Draw = %d, %v, want %d", n, err, d.Numbers.draws[i])
				}
			}
			if !slices.Equal(parities, want) {
				t.Errorf("drew %v, want %v", parities, want)
			}
			for range 64 {
				if _, err := c.Draw(ctx, numbersv1.Parity_PARITY_UNSPECIFIED); err != nil {
					t.Fatal(err)
				}
			}
			for _, p := range want {
				if !slices.Contains(parities[2:], p) {
					t.Errorf("64 draws of either parity had none of %v", p)
				}
			}
			c.Close()
			d.Counts.await(t, ReasonClient, 1)

			c, last, err = DialNumbers(ctx, d.Addr, 3748)
			if err != nil || last != -8 {
				t.Fatalf("DialNumbers = %d, %v, want -8", last, err)
			}
			c.Close()
		})
	}
}

// TestNumberClientErrors checks that an error of Draw is final.
func TestNumberClientErrors(t *testing.T) {
	d := newDoor(t, Both, Config{})
	d.Numbers.before = func(ctx context.Context, req *numbersv1.CountRequest) error {
		if req.GetDraw() != nil {
			<-ctx.Done()
		}
		return ctx.Err()
	}
	if _, _, err := DialNumbers(t.Context(), d.Addr, 10_001); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("DialNumbers of a bad ID = %v, want %v", err, io.ErrUnexpectedEOF)
	}
	c, _, err := DialNumbers(t.Context(), d.Addr, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for range 2 { // the second one with a context that has not ended
		if _, err := c.Draw(ctx, numbersv1.Parity_PARITY_ODD); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Draw = %v, want %v", err, context.DeadlineExceeded)
		}
		ctx = t.Context()
	}
}

// TestNumberClientReplies has servers whose replies are split, bare, or invalid, and that
// close the connection after them.
func TestNumberClientReplies(t *testing.T) {
	for _, tt := range []struct {
		replies []string // one write each
		closes  bool
		want    int64
		fails   bool
	}{
		{[]string{"57 "}, false, 57, false},
		{[]string{"5", "7 "}, false, 57, false},
		{[]string{"57"}, false, 57, false},
		{[]string{"57"}, true, 57, false},
		{[]string{"57 "}, true, 57, false},
		{nil, true, 0, true},
		{[]string{" "}, true, 0, true},
		{[]string{"\r\n57\r"}, false, 57, false},
		{[]string{"57 90 "}, false, 0, true},
		{[]string{"fifty-seven "}, false, 0, true},
		{[]string{"fifty-seven"}, true, 0, true},
		{[]string{strings.Repeat("5", 64)}, false, 0, true},
	} {
		addr := tcptest.Serve(t, func(nc *net.TCPConn) {
			io.ReadFull(nc, make([]byte, 1))
			for _, r := range tt.replies {
				io.WriteString(nc, r)
				time.Sleep(time.Millisecond)
			}
			if tt.closes {
				nc.CloseWrite()
			}
			io.Copy(io.Discard, nc)
		})
		// On a busy machine a millisecond may be longer than the quiet after which half a
		// number is complete.
		var last int64
		var err error
		for range 1 + splitTries*(len(tt.replies)/2) {
			var c *NumberConn
			if c, last, err = DialNumbers(t.Context(), addr, 7); err == nil {
				c.Close()
			}
			if last == tt.want && (err != nil) == tt.fails {
				break
			}
		}
		if last != tt.want || (err != nil) != tt.fails {
			t.Errorf("DialNumbers with replies %q = %d, %v, want %d", tt.replies, last, err, tt.want)
		}
	}
}

// splitTries is how often a reply that comes in pieces is tried again.
const splitTries = 20

// TestList lists an empty cache and one with several pages.
func TestList(t *testing.T) {
	d := newDoor(t, Both, Config{})
	names, err := List(t.Context(), d.Addr)
	if err != nil || len(names) != 0 {
		t.Errorf("List of an empty cache = %q, %v", names, err)
	}
	want := []string{"größe", "a b", "c", "d", "e"}
	for _, name := range want {
		d.Files.add(name, stubFile{})
	}
	if names, err := List(t.Context(), d.Addr); err != nil || !slices.Equal(names, want) {
		t.Errorf("List = %q, %v, want %q", names, err, want)
	}
}

// TestFetch fetches files that resemble the not-found text, files that fail, and to a writer
// that fails.
func TestFetch(t *testing.T) {
	d := newDoor(t, Both, Config{})
	for i, content := range []string{
		"", "x", DefaultNotFound[:13], DefaultNotFound + ".", "x" + DefaultNotFound, strings.Repeat("long ", 1<<20),
	} {
		name := fmt.Sprint("file ", i)
		d.Files.add(name, stubFile{data: []byte(content)})
		var b bytes.Buffer
		if n, err := Fetch(t.Context(), d.Addr, name, &b); err != nil || b.String() != content || n != int64(len(content)) {
			t.Errorf("Fetch = %d, %v, %.50q, want %.50q", n, err, &b, content)
		}
	}

	var b bytes.Buffer
	if n, err := Fetch(t.Context(), d.Addr, "missing", &b); !errors.Is(err, ErrNotFound) || n != 0 || b.Len() > 0 {
		t.Errorf("Fetch of a missing file = %d, %v, %q, want %v", n, err, &b, ErrNotFound)
	}
	for _, tt := range []struct {
		content  string
		notFound []string
		missing  bool
	}{
		{"File does not exist", nil, true}, {"File does not exist", []string{"gone"}, false},
		{"gone", []string{"No such file", "gone"}, true}, {"gone.", []string{"gone"}, false}, {"gon", []string{"gone"}, false},
		{"", []string{""}, true}, {"", []string{"gone"}, false}, {"x", []string{""}, false},
	} {
		d.Files.add("file", stubFile{data: []byte(tt.content)})
		_, err := Fetch(t.Context(), d.Addr, "file", io.Discard, tt.notFound...)
		if missing := errors.Is(err, ErrNotFound); missing != tt.missing || err != nil && !missing {
			t.Errorf("Fetch of %q where %q mean not found = %v, want missing: %v", tt.content, tt.notFound, err, tt.missing)
		}
	}
	for _, name := range []string{"", "list", strings.Repeat("x", 1025)} {
		if _, err := Fetch(t.Context(), d.Addr, name, &b); err == nil {
			t.Errorf("Fetch(%.20q) = nil, want an error", name)
		}
	}
	for _, content := range []string{"", "half of", strings.Repeat("half of", 1<<20)} {
		d.Files.add("broken", stubFile{data: []byte(content), code: codes.Internal})
		if _, err := Fetch(t.Context(), d.Addr, "broken", io.Discard); err == nil || errors.Is(err, ErrNotFound) {
			t.Errorf("Fetch of a file that fails = %v, want an error", err)
		}
	}
	for _, content := range []string{"x", strings.Repeat("x", 1<<20)} {
		d.Files.add("file", stubFile{data: []byte(content)})
		if _, err := Fetch(t.Context(), d.Addr, "file", fullDisk{}); !errors.Is(err, errFull) {
			t.Errorf("Fetch to a full disk = %v, want %v", err, errFull)
		}
	}
}

var errFull = errors.New("disk full")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

// TestClientContext has a server that never answers.
func TestClientContext(t *testing.T) {
	silent := func() string {
		return tcptest.Serve(t, func(nc *net.TCPConn) { io.Copy(io.Discard, nc) })
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := DialNumbers(ctx, silent(), 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("DialNumbers = %v, want %v", err, context.DeadlineExceeded)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := List(ctx, silent()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("List = %v, want %v", err, context.DeadlineExceeded)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Fetch(ctx, silent(), "file", io.Discard); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Fetch = %v, want %v", err, context.DeadlineExceeded)
	}
}
