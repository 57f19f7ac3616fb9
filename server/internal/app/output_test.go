package app

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// TestOutput writes more than fits while nobody reads. Nothing waits, the first messages
// are kept in order, and the place of the others is marked.
func TestOutput(t *testing.T) {
	r, w := io.Pipe()
	o := NewOutput(w)
	line := strings.Repeat("x", 1000)
	for i := range 200 {
		fmt.Fprintf(o, "%d %s\n", i, line)
	}
	began := time.Now()
	o.Close()
	if waited := time.Since(began); waited < outputTime {
		t.Errorf("Close returned after %s, want %s", waited, outputTime)
	}
	fmt.Fprintln(o, "after Close")
	read := make(chan string)
	go func() {
		all, err := io.ReadAll(r)
		if err != nil {
			t.Error(err)
		}
		read <- string(all)
	}()
	<-o.done
	w.Close()
	kept, next, missing := 0, 0, 0
	for text := range strings.Lines(<-read) {
		if n, err := fmt.Sscanf(text, "server: %d messages are missing here", &missing); n == 1 && err == nil {
			next += missing
			continue
		}
		if want := fmt.Sprintf("%d %s\n", next, line); text != want {
			t.Fatalf("line %d is %.20q, want %.20q", kept, text, want)
		}
		kept, next = kept+1, next+1
	}
	if full := maxOutput / (len(line) + 4); kept < full-1 || kept > 2*full+1 { // see maxOutput
		t.Errorf("%d lines were kept, want %d to %d", kept, full-1, 2*full+1)
	}
	if next != 201 {
		t.Errorf("%d lines were kept or counted, want 201", next)
	}
}

// TestOutputThatFails keeps on taking messages.
func TestOutputThatFails(t *testing.T) {
	r, w := io.Pipe()
	r.CloseWithError(errors.New("gone"))
	o := NewOutput(w)
	for range 1000 {
		if n, err := fmt.Fprintln(o, "message"); n != 8 || err != nil {
			t.Fatalf("Write: %d, %v", n, err)
		}
	}
	o.Close()
	<-o.done
}
