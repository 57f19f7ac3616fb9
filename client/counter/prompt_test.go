package counter

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

// typed is the terminal of a prompt: what is typed, and what is printed.
type typed struct {
	in      *io.PipeWriter
	started chan struct{} // receives when count starts
	stopped chan struct{} // receives when it was told to stop
	fail    chan error    // makes count return
	done    chan error    // receives what Prompt returned
	out     bytes.Buffer  // to be read after that
}

func prompt(t *testing.T, ctx context.Context) *typed {
	r, w := io.Pipe()
	p := &typed{in: w, started: make(chan struct{}), stopped: make(chan struct{}), fail: make(chan error), done: make(chan error)}
	go func() {
		p.done <- Prompt(ctx, r, &p.out, func(ctx context.Context) error {
			p.started <- struct{}{}
			select {
			case <-ctx.Done():
				p.stopped <- struct{}{}
				return nil
			case err := <-p.fail:
				return err
			}
		})
	}()
	t.Cleanup(func() { w.Close() })
	return p
}

func (p *typed) line(s string) { io.WriteString(p.in, s+"\n") }

func TestPrompt(t *testing.T) {
	p := prompt(t, t.Context())
	p.line("s")
	p.line("c")
	<-p.started
	p.line(" c ")
	p.line("")
	p.line("help")
	p.line("s")
	<-p.stopped
	p.line("c")
	<-p.started
	p.line("exit")
	<-p.stopped
	if err := <-p.done; err != nil {
		t.Error(err)
	}
	want := []string{promptHelp, "not connected", "already connected", promptHelp, "shut down", ""}
	if got := p.out.String(); got != strings.Join(want, "\n") {
		t.Errorf("showed %q, want %q", got, want)
	}
}

func TestPromptEnds(t *testing.T) {
	for name, end := range map[string]func(*typed, context.CancelFunc){
		"end of input": func(p *typed, _ context.CancelFunc) { p.in.Close() },
		"signal":       func(_ *typed, signal context.CancelFunc) { signal() },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			p := prompt(t, ctx)
			p.line("c")
			<-p.started
			end(p, cancel)
			<-p.stopped
			if err := <-p.done; err != nil {
				t.Errorf("Prompt = %v", err)
			}
		})
	}
}

func TestPromptCountFails(t *testing.T) {
	lost := errors.New("connection \x1b refused")
	p := prompt(t, t.Context())
	p.line("c")
	<-p.started
	p.fail <- lost
	for connected := true; connected; { // until it has noticed
		p.line("c")
		select {
		case <-p.started:
			connected = false
		default:
		}
	}
	p.in.Close()
	<-p.stopped
	if err := <-p.done; err != nil {
		t.Errorf("Prompt = %v", err)
	}
	if out := p.out.String(); !strings.Contains(out, `connection \x1b refused`) {
		t.Errorf("showed %q", out)
	}
}
