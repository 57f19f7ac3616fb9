// Package testfiles has the files that the servers of the interop suite serve. Their
// contents follow rules, so that a client in any language can check them without a copy.
package testfiles

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// The files that have rules of their own.
const (
	SmallName = "small.txt"
	Small     = "0123456789abcdef0123456789abcdef"
	LargeName = "large.bin"
	LargeSize = 5<<20 + 3 // not a multiple of any buffer
	BenchName = "bench32m.bin"
	BenchSize = 32 << 20
	// UmlautName is a name whose characters and bytes differ in number.
	UmlautName = "größe.txt"
	Umlaut     = "groesse"
	// ColdName is a file that no case fetches.
	ColdName = "dir/sub/c.txt"
	// ChangingSize is the size of a changing file, in bytes: more than the buffers
	// between a server and a client hold, so that a change finds the call in progress.
	ChangingSize = 48 << 20
	// Pages is the number of files below page/.
	Pages = 25
)

// period is the number of different bytes in the binary files: a prime, so that no two
// aligned blocks are equal.
const period = 251

// PageName returns the name of the file i below page/. It is also its content.
func PageName(i int) string { return fmt.Sprintf("page/%03d", i) }

// ChangingName returns the name of the file that the cases of a row may rewrite.
func ChangingName(row string) string { return "changing-" + row + ".bin" }

// Bytes returns the bytes [offset, offset+n) of every binary file.
func Bytes(offset, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte((offset + i) % period)
	}
	return b
}

// Write writes all files into dir, with a changing file for each row.
func Write(dir string, rows []string) error {
	all := map[string][]byte{
		SmallName:             []byte(Small),
		"empty":               {},
		LargeName:             Bytes(0, LargeSize),
		BenchName:             Bytes(0, BenchSize),
		"dir/a.txt":           []byte("a"),
		"dir/b.txt":           []byte("b"),
		ColdName:              []byte("c"),
		"dirt.txt":            []byte("d"),
		"name with blank.txt": []byte("blank"),
		UmlautName:            []byte(Umlaut),
	}
	for i := range Pages {
		all[PageName(i)] = []byte(PageName(i))
	}
	changing := Bytes(0, ChangingSize)
	for _, row := range rows {
		all[ChangingName(row)] = changing
	}
	for name, content := range all {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Rewrite writes other content of the same size into a file, in place, so that all of its
// data changes under those who read it.
func Rewrite(dir, name string) error {
	f, err := os.OpenFile(filepath.Join(dir, filepath.FromSlash(name)), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	content, err := io.ReadAll(f)
	for i, b := range content {
		content[i] = ^b
	}
	if err == nil {
		_, err = f.WriteAt(content, 0)
	}
	return errors.Join(err, f.Close())
}
