package legacytcp

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// TestCrowd serves good clients together with silent clients, clients that send one byte at a
// time, and clients that do not read. The good ones are not affected, and the others are
// closed by their limits.
func TestCrowd(t *testing.T) {
	const silent, slow, unread, good = 100, 50, 10, 20
	d := newDoor(t, Both, Config{Limits: Limits{
		FirstByteTimeout: 500 * time.Millisecond,
		WriteTimeout:     time.Second,
	}})
	d.Files.add("big", stubFile{data: make([]byte, 32<<20)})
	for range silent {
		d.dial(t)
	}
	for range unread {
		d.dial(t).send(t, "big")
	}

	var g errgroup.Group
	for i := range slow {
		p := d.dial(t)
		g.Go(func() error {
			p.send(t, fmt.Sprintf("%d ", 1000+i))
			for range maxFrame {
				time.Sleep(10 * time.Millisecond)
				p.send(t, "x")
			}
			if err := p.expect("0 "); err != nil {
				return err
			}
			return p.expectEnd(false)
		})
	}
	for i := range good {
		p := d.dial(t)
		g.Go(func() error {
			p.send(t, fmt.Sprintf("%d ", i))
			if err := p.expect("0 "); err != nil {
				return err
			}
			for v := range 100 {
				p.send(t, fmt.Sprintf("%d odd ", v))
				if n := p.number(t); n < 0 || n > 99 {
					return fmt.Errorf("drew %d", n)
				}
				time.Sleep(10 * time.Millisecond)
			}
			return p.Close()
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	d.Counts.await(t, ReasonFirstByteTimeout, silent)
	d.Counts.await(t, ReasonWriteTimeout, unread)
	d.Counts.await(t, ReasonFrameTooLong, slow)
	d.Counts.await(t, ReasonClient, good)
	for i := range good {
		if got := d.Numbers.value(int32(i)); got != 99 {
			t.Errorf("value of client %d = %d, want 99", i, got)
		}
	}
	if log := d.Log.String(); strings.Contains(log, "panic") {
		t.Error(log)
	}
}
