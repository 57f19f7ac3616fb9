package counter

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"example.com/parity/client/internal/explain"
)

const promptHelp = "c: connect and count, s: shut the connection down, exit: end"

// Prompt reads commands from in, one on each line, and writes messages to out: "c" starts
// count, "s" cancels its context, "exit" and the end of in make Prompt return. So does the
// end of ctx, but then one more line may be read from in and lost. count has ended when
// Prompt returns, with its error.
func Prompt(ctx context.Context, in io.Reader, out io.Writer, count func(context.Context) error) error {
	done := make(chan struct{})
	defer close(done)
	lines := readLines(in, done)

	var running *background // nil while not connected
	fmt.Fprintln(out, promptHelp)
	for {
		select {
		case <-ctx.Done():
			return running.stop()
		case <-running.ended():
			show(out, running.stop())
			running = nil
		case line, ok := <-lines:
			switch command := strings.TrimSpace(line); {
			case !ok || command == "exit":
				return running.stop()
			case command == "":
			case command == "c" && running != nil:
				fmt.Fprintln(out, "already connected")
			case command == "c":
				running = start(ctx, count)
			case command == "s" && running == nil:
				fmt.Fprintln(out, "not connected")
			case command == "s":
				show(out, running.stop())
				running = nil
			default:
				fmt.Fprintln(out, promptHelp)
			}
		}
	}
}

func show(out io.Writer, err error) {
	if err == nil {
		fmt.Fprintln(out, "shut down")
		return
	}
	fmt.Fprintln(out, explain.Error(err, ""))
}

// readLines sends the lines of in until it ends or done is closed.
func readLines(in io.Reader, done <-chan struct{}) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		scanner := bufio.NewScanner(in)
		for scanner.Scan() {
			select {
			case lines <- scanner.Text():
			case <-done:
				return
			}
		}
	}()
	return lines
}

// background is a function that runs on a goroutine of its own. A nil background never
// ends, and stops at once.
type background struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when err is set
	err    error
}

func start(ctx context.Context, f func(context.Context) error) *background {
	ctx, cancel := context.WithCancel(ctx)
	b := &background{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(b.done)
		b.err = f(ctx)
	}()
	return b
}

func (b *background) ended() <-chan struct{} {
	if b == nil {
		return nil
	}
	return b.done
}

func (b *background) stop() error {
	if b == nil {
		return nil
	}
	b.cancel()
	<-b.done
	return b.err
}
