package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"example.com/parity/client/internal/terminal"
)

const (
	// maxOutput is how much of each output of a process is kept, in bytes: enough for any
	// reason, and a bound for a process that prints without end.
	maxOutput = 64 << 10
	// pipeWait is how long output may stay open after the process has ended or was
	// killed: something that left its process group may hold it.
	pipeWait = 2 * time.Second
	// reasonLines is how many of the last lines of stderr a reason has.
	reasonLines = 6
)

// tail keeps the last maxOutput bytes that are written to it.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - maxOutput; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

// lastLines returns the last lines that are not empty, escaped, on one line.
func (t *tail) lastLines(n int) string {
	var lines []string
	for line := range strings.Lines(string(t.kept)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, terminal.Escape(line))
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], " | ")
}

// finished is how a process ended.
type finished struct {
	stdout, stderr tail
	code           int // exit code; -1: killed
}

// runProcess runs a command to its end, or kills it with all of its process group when
// ctx is done; then the error is the cause of ctx. Another exit code than 0 is no error.
func runProcess(ctx context.Context, cmd *exec.Cmd) (*finished, error) {
	f := new(finished)
	if cmd.Stdout == nil {
		cmd.Stdout = &f.stdout
	}
	cmd.Stderr = &f.stderr
	ownGroup(cmd)
	cmd.WaitDelay = pipeWait
	if err := cmd.Start(); err != nil {
		return f, err
	}
	stop := context.AfterFunc(ctx, func() { killGroup(cmd) })
	err := cmd.Wait()
	f.code = cmd.ProcessState.ExitCode()
	if !stop() {
		return f, context.Cause(ctx)
	}
	if errors.Is(err, exec.ErrWaitDelay) { // something that it started holds its output
		killGroup(cmd)
	}
	if exit := new(exec.ExitError); err == nil || errors.As(err, &exit) {
		return f, nil
	}
	return f, err
}

// runTool runs a tool that must succeed, such as a compiler.
func runTool(ctx context.Context, cmd *exec.Cmd, progress io.Writer) error {
	line := strings.Join(cmd.Args, " ")
	fmt.Fprintln(progress, line)
	f, err := runProcess(ctx, cmd)
	if err == nil && f.code != 0 {
		// Many tools report on standard output.
		output := f.stderr.lastLines(reasonLines)
		if output == "" {
			output = f.stdout.lastLines(reasonLines)
		}
		err = fmt.Errorf("exit status %d: %s", f.code, output)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", line, err)
	}
	return nil
}
