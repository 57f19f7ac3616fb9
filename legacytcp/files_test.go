package legacytcp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
)

// pattern returns n bytes in which a lost or moved piece shows.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>16 ^ i>>8 ^ i)
	}
	return b
}

// TestFileSizes fetches files with sizes around the chunk size.
func TestFileSizes(t *testing.T) {
	d := newDoor(t, Both, Config{})
	const chunk = 1 << 20
	for _, size := range []int{0, 1, chunk - 1, chunk, chunk + 1, 5*chunk + 17, 65 * chunk} {
		name, data := fmt.Sprint("size-", size), pattern(size)
		d.Files.add(name, stubFile{data: data})
		p := d.dial(t)
		p.send(t, name)
		got, err := io.ReadAll(p)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: got %d bytes and %v", name, len(got), err)
		}
		p.Close()
	}
}

// TestNameLengths requests names around the longest, each with every terminator.
func TestNameLengths(t *testing.T) {
	d := newDoor(t, Both, Config{Limits: Limits{Quiet: 5 * time.Millisecond}})
	for _, n := range []int{1, maxName - 2, maxName - 1, maxName, maxName + 1} {
		name := strings.Repeat("x", n)
		d.Files.add(name, stubFile{data: []byte("found")})
		want := "found"
		if n > maxName {
			want = DefaultNotFound
		}
		for _, end := range []string{"", " ", "\r", "\n", "\r\n"} {
			p := d.dial(t)
			p.send(t, name+end)
			p.receive(t, want)
			p.receiveEnd(t, false)
			p.Close()
		}
	}
}

// TestFailureResets has services that fail before the first byte of a file and after it. A
// clean EOF would make an incomplete file look complete.
func TestFailureResets(t *testing.T) {
	d := newDoor(t, Both, Config{})
	for name, f := range map[string]stubFile{
		"unreadable":  {code: codes.Internal},
		"changed":     {data: []byte("1234"), code: codes.Aborted},
		"no checksum": {data: []byte("1234"), noChecksum: true},
	} {
		d.Files.add(name, f)
		p := d.dial(t)
		p.send(t, name)
		p.receive(t, string(f.data))
		p.receiveEnd(t, true)
	}
	d.Counts.await(t, ReasonUpstream, 3)
}

// TestTooLongIsReadToTheEnd sends more after the answer to a request that is too long.
func TestTooLongIsReadToTheEnd(t *testing.T) {
	d := newDoor(t, Both, Config{})
	p := d.dial(t)
	long := strings.Repeat("x", 1100)
	p.send(t, long)
	p.receive(t, DefaultNotFound)
	p.send(t, long)
	p.receiveEnd(t, false)
	spy := d.spyOf(t, p)
	if err := spy.awaitRead(2 * len(long)); err != nil || spy.isClosed() {
		t.Errorf("reading on after the answer: %v (closed: %v)", err, spy.isClosed())
	}
}

// TestQuiet checks which requests are answered at once and which wait for the quiet.
func TestQuiet(t *testing.T) {
	const quiet = 200 * time.Millisecond
	d := newDoor(t, Both, Config{Limits: Limits{Quiet: quiet}})
	d.Files.add("file", stubFile{data: []byte("content")})
	for _, tt := range []struct {
		request, reply string
		waits          bool
	}{
		{"file", "content", false},
		{"file ", "content", false},
		{"file\r\n", "content", false},
		{"file\r", "content", true},
		{"list\n", "file\n", false},
		{"list\r\n", "file\n", false},
		{"list", "\x80\x03(X\x04\x00\x00\x00filel.", true},
		{"list ", "file ", true},
		{"missing", DefaultNotFound, true},
		{strings.Repeat("x", 1100), DefaultNotFound, false},
		{"12 ", "0 ", false},
		{"13", "0 ", true},
	} {
		began := time.Now()
		p := d.dial(t)
		p.send(t, tt.request)
		p.receive(t, tt.reply)
		if waited := time.Since(began) >= quiet; waited != tt.waits {
			t.Errorf("%.20q was answered after %v, want after the quiet of %v: %v", tt.request, time.Since(began), quiet, tt.waits)
		}
		p.Close()
	}
}

// TestLateTerminator sends the terminator while the file is being sent. A close with the
// terminator unread would reset the connection and discard the rest of the file.
func TestLateTerminator(t *testing.T) {
	d := newDoor(t, Both, Config{})
	data := pattern(3 << 20)
	d.Files.add("file", stubFile{data: data})
	for range 20 {
		p := d.dial(t)
		p.send(t, "file")
		p.receive(t, string(data[:1]))
		p.send(t, "\r\n")
		got, err := io.ReadAll(p)
		if err != nil || !bytes.Equal(got, data[1:]) {
			t.Fatalf("got %d bytes and %v, want %d", len(got), err, len(data)-1)
		}
		p.Close()
	}
}

// TestLateTerminatorOfShortFile sends the terminator before the service answers.
func TestLateTerminatorOfShortFile(t *testing.T) {
	d := newDoor(t, Both, Config{})
	asked, release := make(chan struct{}), make(chan struct{})
	d.Files.before = func(context.Context) error {
		asked <- struct{}{}
		<-release
		return nil
	}
	d.Files.add("file", stubFile{data: []byte("content")})
	for range 20 {
		p := d.dial(t)
		p.send(t, "file")
		<-asked
		p.send(t, "\r\n")
		release <- struct{}{}
		p.receive(t, "content")
		p.receiveEnd(t, false)
		p.Close()
	}
}
