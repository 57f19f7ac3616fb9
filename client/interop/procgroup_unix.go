//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// ownGroup has cmd start in a process group of its own, so that what it starts can be
// killed with it.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup kills the process group of cmd. It does nothing if the group is gone.
func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
