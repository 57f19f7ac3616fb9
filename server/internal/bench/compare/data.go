package main

import (
	"bufio"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// The files that are served.
const (
	small  = "f4k"
	medium = "f1m"
	large  = "f32m"
	huge   = "f1g"  // larger than Parity's cache
	filler = "f30m" // fills it, with large
)

// cold are as large as large. Parity's cache holds one of them, so that whoever
// asks for one after the other never finds the next one there.
var cold = []string{"cold1", "cold2", "cold3"}

// sizes are the files' sizes in bytes.
var sizes = map[string]int64{
	small: 4 << 10, medium: 1 << 20, large: 32 << 20, huge: 1 << 30, filler: 30 << 20,
	cold[0]: 32 << 20, cold[1]: 32 << 20, cold[2]: 32 << 20,
}

// writeFiles makes a directory with files of random bytes.
func writeFiles(directory string, names ...string) error {
	if err := os.Mkdir(directory, 0o700); err != nil {
		return err
	}
	for _, name := range names {
		if err := writeFile(filepath.Join(directory, name), sizes[name]); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	if _, err := io.CopyN(w, rand.NewChaCha8([32]byte{}), size); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}
