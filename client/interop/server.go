package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

const (
	// startLimit is how long a server may take to listen.
	startLimit = 30 * time.Second
	// stopLimit is how long it may take to end after an interrupt: its own limit for open
	// calls is 10 s.
	stopLimit = 15 * time.Second
)

// server is a process of the server.
type server struct {
	cmd          *exec.Cmd
	grpc, legacy string // addresses; legacy is empty if off
	log          tail   // complete when ended is closed
	ended        chan struct{}
	err          error // how it ended, with its last log lines; set when ended is closed
}

// listening matches the lines that tell an address.
var listening = regexp.MustCompile(`msg="serving (gRPC|original protocols)" address=(\S+)`)

// startServer starts the server and waits until it listens.
func startServer(ctx context.Context, binary string, flags []string) (*server, error) {
	s := &server{cmd: exec.Command(binary, flags...), ended: make(chan struct{})}
	s.cmd.Env = withoutSettings(os.Environ())
	ownGroup(s.cmd) // an interrupt of the terminal is not for it
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	want := 1
	if legacy := valueOf(flags, "--legacy"); legacy != "" {
		want = 2
	}
	ready := make(chan struct{})
	go s.watch(stderr, want, ready)

	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	select {
	case <-ready:
		return s, nil
	case <-s.ended:
		return nil, errors.Join(errors.New("the server did not start"), s.err)
	case <-ctx.Done():
		err := fmt.Errorf("waiting for the server to start: %w", ctx.Err())
		return nil, errors.Join(err, s.stop())
	}
}

// watch reads the log of the server until its end, and closes ready when as many addresses
// as wanted are known.
func (s *server) watch(stderr io.Reader, want int, ready chan<- struct{}) {
	lines := bufio.NewReader(io.TeeReader(stderr, &s.log))
	for {
		line, err := lines.ReadString('\n')
		if m := listening.FindStringSubmatch(line); m != nil && want > 0 {
			if m[1] == "gRPC" {
				s.grpc = m[2]
			} else {
				s.legacy = m[2]
			}
			if want--; want == 0 {
				close(ready)
			}
		}
		if err != nil {
			break
		}
	}
	if s.err = s.cmd.Wait(); s.err != nil {
		s.err = fmt.Errorf("%w: %s", s.err, s.log.lastLines(reasonLines))
	}
	close(s.ended)
}

// stop interrupts the server and waits for its end.
func (s *server) stop() error {
	select {
	case <-s.ended:
		return errors.Join(errors.New("the server ended before it was told to"), s.err)
	default:
	}
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		_ = s.cmd.Process.Kill()
	}
	select {
	case <-s.ended:
	case <-time.After(stopLimit):
		_ = s.cmd.Process.Kill()
		<-s.ended
		return fmt.Errorf("the server was killed: it had not ended %v after an interrupt", stopLimit)
	}
	if s.err != nil {
		return fmt.Errorf("stopping the server: %w", s.err)
	}
	return nil
}

// withoutSettings removes the variables that set flags of the server.
func withoutSettings(env []string) []string {
	var kept []string
	for _, v := range env {
		if !strings.HasPrefix(v, "PARITY_") {
			kept = append(kept, v)
		}
	}
	return kept
}

// valueOf returns the value after a flag.
func valueOf(flags []string, name string) string {
	for i, f := range flags[:len(flags)-1] {
		if f == name {
			return flags[i+1]
		}
	}
	return ""
}
