package bench

import (
	"errors"
	"net"
	"strings"
	"sync"

	"example.com/parity/client/internal/terminal"
)

// maxExamples is how many different errors are kept; all are counted.
const maxExamples = 5

// errorLog counts errors and keeps the first few different ones. Its zero value
// is empty.
type errorLog struct {
	mu       sync.Mutex
	count    int64
	examples []string
	seen     map[string]bool
}

func (l *errorLog) add(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	if len(l.examples) == maxExamples {
		return
	}
	text := describe(err)
	if l.seen[text] {
		return
	}
	if l.seen == nil {
		l.seen = make(map[string]bool)
	}
	l.seen[text] = true
	l.examples = append(l.examples, text)
}

func (l *errorLog) get() (count int64, examples []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count, l.examples
}

// describe returns the text of err without addresses, which differ for each connection.
func describe(err error) string {
	text := terminal.Error(err)
	if op := new(net.OpError); errors.As(err, &op) {
		text = strings.Replace(text, terminal.Escape(op.Error()), terminal.Escape(op.Err.Error()), 1)
	}
	return text
}
