package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

const (
	// startTime is how long a server may take to start: the baseline reads all files
	// first.
	startTime = 30 * time.Second
	// stopTime is how long a server may take to stop.
	stopTime  = 15 * time.Second
	pollEvery = 10 * time.Millisecond
)

// errEnded means that a server ended unexpectedly.
var errEnded = errors.New("exit status 0")

// process is a program that this program has started.
type process struct {
	cmd    *exec.Cmd
	output *output
	done   chan struct{} // closed when it has ended; then err is set
	err    error
}

// start starts a server and waits until it accepts connections at all addresses. It is
// killed when ctx ends.
func start(ctx context.Context, addrs []string, env []string, program string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, program, args...), output: new(output), done: make(chan struct{})}
	p.cmd.Env = append(withoutParity(os.Environ()), env...)
	p.cmd.Stderr = p.output
	p.cmd.Cancel = func() error { return terminate(p.cmd.Process) }
	p.cmd.WaitDelay = stopTime
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.done)
		p.err = p.cmd.Wait()
	}()
	for _, addr := range addrs {
		if err := p.await(addr); err != nil {
			p.stop()
			return nil, err
		}
	}
	return p, nil
}

// withoutParity removes the variables that set flags of the programs.
func withoutParity(env []string) (rest []string) {
	for _, e := range env {
		if !strings.HasPrefix(e, "PARITY_") {
			rest = append(rest, e)
		}
	}
	return rest
}

func (p *process) await(addr string) error {
	for end := time.Now().Add(startTime); ; {
		nc, err := net.Dial("tcp", addr)
		if err == nil {
			return nc.Close()
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s has ended: %w: %s", p.cmd.Path, cmp.Or(p.err, errEnded), p.output)
		case <-time.After(pollEvery):
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s does not listen at %s: %w", p.cmd.Path, addr, err)
		}
	}
}

// stop stops the server, and kills it if that takes too long.
func (p *process) stop() {
	_ = p.cmd.Cancel() // fails if it has ended already
	select {
	case <-p.done:
	case <-time.After(stopTime):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// freeAddresses returns loopback addresses with free ports.
func freeAddresses(n int) ([]string, error) {
	addrs := make([]string, n)
	for i := range addrs {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // after all are found, so that no two are the same
		addrs[i] = l.Addr().String()
	}
	return addrs, nil
}

// outputLimit is how many bytes of a server's output are kept.
const outputLimit = 4 << 10

// output keeps the end of a server's output.
type output struct {
	mu   sync.Mutex
	text []byte
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	o.text = bytes.Clone(o.text[max(0, len(o.text)-outputLimit):])
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}
