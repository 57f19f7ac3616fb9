package main

import (
	"hash/crc32"
	"os"
	"path/filepath"
)

// file is a file in memory.
type file struct {
	data []byte
	sum  uint32 // CRC-32C
}

// files are all there are, by name.
type files map[string]file

// load reads the files of a directory.
func load(directory string) (files, error) {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil, err
	}
	all := make(files)
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		data, err := os.ReadFile(filepath.Join(directory, e.Name()))
		if err != nil {
			return nil, err
		}
		all[e.Name()] = newFile(data)
	}
	return all, nil
}

func newFile(data []byte) file {
	return file{data, crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))}
}
