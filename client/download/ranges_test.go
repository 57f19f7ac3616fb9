package download

import (
	"context"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// TestRanges hands out a file of which a part is there to many takers, who give ranges back
// at random: each byte is verified once.
func TestRanges(t *testing.T) {
	data := random(1000, 30)
	for name, there := range map[string][]piece{
		"nothing":       nil,
		"the beginning": {pieceOf(data, 0, 300)},
		"islands":       {pieceOf(data, 10, 5), pieceOf(data, 15, 5), pieceOf(data, 500, 100), pieceOf(data, 990, 10)},
		"everything":    {pieceOf(data, 0, 1000)},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRanges(1000, there)
			var takers sync.WaitGroup
			for range 8 {
				takers.Go(func() {
					for {
						s, ok, err := r.wait(t.Context(), 1+rand.Int64N(40))
						switch {
						case err != nil:
							t.Error(err)
							return
						case !ok:
							return
						case rand.N(3) == 0:
							r.giveBack(s)
						default:
							r.verified(pieceOf(data, s.offset, s.size))
						}
					}
				})
			}
			takers.Wait()
			if got, want := r.sum(), crc32.Checksum(data, castagnoli); got != want || r.held() != 1000 {
				t.Errorf("the sum is %08x of %d bytes, want %08x", got, r.held(), want)
			}
			if _, alone := r.alone(); alone != (name == "everything") {
				t.Errorf("alone = %v", alone)
			}
		})
	}
}

func pieceOf(data []byte, offset, size int64) piece {
	return piece{span{offset, size}, crc32.Checksum(data[offset:offset+size], castagnoli)}
}

// TestRangesGivenBack: what is given back comes first again, and joins its neighbors.
func TestRangesGivenBack(t *testing.T) {
	r := newRanges(100, nil)
	var spans []span
	for range 4 {
		s, _ := r.take(10)
		spans = append(spans, s)
	}
	for _, i := range []int{1, 3, 2, 0} {
		r.giveBack(spans[i])
	}
	if want := []span{{0, 100}}; !slices.Equal(r.gaps, want) {
		t.Errorf("gaps are %v, want %v", r.gaps, want)
	}
}

// TestRangesWait: who waits gets what another one gives back, and ends with the file or its
// context.
func TestRangesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanges(10, nil)
		all, _ := r.take(10)
		got := make(chan span)
		go func() {
			s, _, _ := r.wait(t.Context(), 10)
			got <- s
		}()
		synctest.Wait()
		r.giveBack(all)
		if s := <-got; s != all {
			t.Errorf("got %v, want %v", s, all)
		}
		ended := make(chan error)
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			_, _, err := r.wait(ctx, 10)
			ended <- err
		}()
		synctest.Wait()
		cancel(enough)
		if err := <-ended; !errors.Is(err, enough) {
			t.Errorf("wait = %v, want %v", err, enough)
		}
		go func() {
			_, ok, err := r.wait(t.Context(), 10)
			if ok {
				err = errors.New("got a range")
			}
			ended <- err
		}()
		synctest.Wait()
		r.verified(piece{all, 0})
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
