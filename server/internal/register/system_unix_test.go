//go:build unix

package register

import (
	"os"
	"syscall"
)

func mkfifo(path string) error { return os.NewSyscallError("mkfifo", syscall.Mkfifo(path, 0o600)) }

// freeze makes p hang, as far as others can see, until thaw.
func freeze(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }
func thaw(p *os.Process) error   { return p.Signal(syscall.SIGCONT) }
