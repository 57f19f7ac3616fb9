package app

import (
	"errors"
	"testing"
)

// mkfifo fails: Windows keeps named pipes apart from directories.
func mkfifo(string) error { return errors.ErrUnsupported }

// hangup fails: Windows has no SIGHUP that a program can send.
func hangup() error { return errors.ErrUnsupported }

// freeze fails: Windows has no signal that stops a process.
func (p *process) freeze() error { return errors.ErrUnsupported }

// raiseFileLimit does nothing: Windows limits open files by memory only.
func raiseFileLimit(*testing.T, int) {}
