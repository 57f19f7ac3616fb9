//go:build unix

package ownfiles

import (
	"testing"
)

func TestIsRotation(t *testing.T) {
	for name, want := range map[string]bool{
		"server.log":                            false, // own by path
		"server.log.1":                          true,
		"server.log.2.gz":                       true,
		"server.log.gz":                         true,
		"server.log-20260102":                   true,
		"server.log-20260102-030405.zst":        true,
		"server.log.old":                        true,
		"server.log~":                           true,
		"server.1.log":                          true,
		"server-20260102.log":                   true,
		"server-2026-01-02T03-04-05.678.log":    true,
		"server-2026-01-02T03-04-05.678.log.gz": true,
		"server-notes.log":                      false,
		"server.log.html":                       false,
		"server-.log":                           false,
		"server.log.":                           false,
		"server2.log":                           false,
		"server.gz":                             false,
		"a.log":                                 false,
		"":                                      false,
	} {
		if got := isRotation("server.log", name); got != want {
			t.Errorf("isRotation(server.log, %q) = %v", name, got)
		}
	}
	for base, name := range map[string]string{
		"log[1].txt": "log[1]-2026-01-02T03-04-05.678.txt",
		"log*":       "log*.1",
		"parity":     "parity-2026-01-02T03-04-05.678",
	} {
		if !isRotation(base, name) {
			t.Errorf("isRotation(%q, %q) = false", base, name)
		}
	}
	for base, name := range map[string]string{"log[1].txt": "log1-2026.txt", "log*": "log-book.1", "parity": "parity.pdf"} {
		if isRotation(base, name) {
			t.Errorf("isRotation(%q, %q) = true", base, name)
		}
	}
}
