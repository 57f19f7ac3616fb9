package main

import (
	"io/fs"
	"os"

	"example.com/parity/server/internal/register"
)

// ownFiles returns what tells the program's own files, which are never served even
// where they lie in the served directory, whatever name led to them.
func (s *server) ownFiles() (hidden func(fs.FileInfo) bool, err error) {
	var own []fs.FileInfo
	for _, path := range append(register.OwnFiles(s.cfg.State), s.cfg.LogFile) {
		fi, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		own = append(own, fi)
	}
	return func(fi fs.FileInfo) bool {
		for _, o := range own {
			if os.SameFile(o, fi) {
				return true
			}
		}
		return false
	}, nil
}
