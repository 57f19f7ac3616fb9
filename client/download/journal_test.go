package download

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestJournal: a part file that is opened again holds what was put into it, in any order,
// and nothing that is damaged.
func TestJournal(t *testing.T) {
	const size = 10 * chunk
	data := random(size, 31)
	at := func(n int64) int64 { return n * chunk }
	for _, c := range []struct {
		name  string
		spoil func(f *os.File) error
		want  []int64 // chunks
	}{
		{"nothing spoilt", func(*os.File) error { return nil }, []int64{1, 4, 7}},
		{"bytes of one", func(f *os.File) error { return writeAt(f, "x", at(4)+17) }, []int64{1, 7}},
		{"first record", func(f *os.File) error { return writeAt(f, "x", size) }, nil},
		{"second record", func(f *os.File) error { return writeAt(f, "xxxxxxxx", size+recordSize+16) }, []int64{7}},
		{"torn record", func(f *os.File) error { return f.Truncate(size + 3*recordSize - 1) }, []int64{1, 7}},
		{"no journal", func(f *os.File) error { return f.Truncate(size) }, nil},
		{"shorter", func(f *os.File) error { return f.Truncate(size / 2) }, nil},
		{"empty", func(f *os.File) error { return f.Truncate(0) }, nil},
		{"a record beyond the end", func(f *os.File) error {
			return writeAt(f, string(appendRecord(nil, piece{span{size - 1, 2}, 0})), size+2*recordSize)
		}, []int64{1, 7}},
		{"a negative record", func(f *os.File) error {
			return writeAt(f, string(appendRecord(nil, piece{span{-1, 2}, 0})), size+2*recordSize)
		}, []int64{1, 7}},
		{"an overlap", func(f *os.File) error {
			return writeAt(f, string(appendRecord(nil, pieceOf(data, at(1), 2*chunk))), size+3*recordSize)
		}, []int64{1, 4, 7}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			open := func() *part {
				p, err := openPart(t.Context(), openRoot(t, dir), "f", "1", size)
				if err != nil {
					t.Fatal(err)
				}
				return p
			}
			p := open()
			for _, n := range []int64{7, 1, 4} {
				s := new(segment)
				s.add([][]byte{data[at(n) : at(n)+5], data[at(n)+5 : at(n+1)]}, nil)
				if err := p.put(at(n), s); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.keep(3 * chunk); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(filepath.Join(dir, partName("f", "1")), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := c.spoil(f); err != nil {
				t.Fatal(err)
			}
			var want []piece
			for _, n := range c.want {
				want = append(want, pieceOf(data, at(n), chunk))
			}
			for _, when := range []string{"opened", "opened again"} {
				p := open()
				if !slices.Equal(p.held, want) {
					t.Errorf("%s: holds %v, want %v", when, p.held, want)
				}
				for _, piece := range p.held {
					got := make([]byte, piece.span.size)
					if _, err := p.file.ReadAt(got, piece.offset); err != nil || !bytes.Equal(got, data[piece.offset:piece.end()]) {
						t.Errorf("%s: the bytes at %d are wrong, %v", when, piece.offset, err)
					}
				}
				p.close()
			}
		})
	}
}

func writeAt(f *os.File, text string, offset int64) error {
	_, err := f.WriteAt([]byte(text), offset)
	return err
}
