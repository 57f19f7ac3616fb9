package main

import (
	"bufio"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// sizes are the sizes of the served files, by name. Parity's cache has room for one of the
// cold ones, so that a client that gets one after the other never finds the next one
// cached; f1g does not fit, except into that of roomy; f32m and f30m fill the cache.
var sizes = map[string]int64{
	"f4k": 4 << 10, "f1m": 1 << 20, "f30m": 30 << 20, "f32m": 32 << 20, "f1g": 1 << 30,
	"cold1": 32 << 20, "cold2": 32 << 20, "cold3": 32 << 20,
}

// writeFiles creates a directory with files of random bytes.
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
