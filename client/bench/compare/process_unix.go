//go:build unix

package main

import (
	"os"
	"syscall"
)

// exeSuffix is that of the names of programs.
const exeSuffix = ""

// terminate asks a server to stop in order.
func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
