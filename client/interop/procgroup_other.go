//go:build !unix

package main

import "os/exec"

// ownGroup does nothing: the system has no process groups.
func ownGroup(*exec.Cmd) {}

// killGroup kills the process of cmd alone.
func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
