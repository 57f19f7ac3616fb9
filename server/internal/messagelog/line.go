package messagelog

import (
	"encoding/json"
	"strconv"
	"sync"
	"time"
)

// line is a line under construction, without its time. It has the format of log/slog,
// except that text from clients is always quoted.
type line struct {
	format Format
	b      []byte
}

// lineSize is the capacity of a new line in bytes. Lines that have grown beyond twice that
// do not return to the pool.
const lineSize = 256

// The levels of log/slog.
const (
	info = "INFO"
	warn = "WARN"
)

var lines = sync.Pool{New: func() any { return &line{b: make([]byte, 0, lineSize)} }}

// newLine returns an empty line. It ends with write or free.
func (log *Log) newLine() *line {
	l := lines.Get().(*line)
	l.format = log.format
	return l
}

// begin adds what all lines begin with, and the scope, which the lines of a call share.
func (l *line) begin(level, msg string, scope []byte) {
	if l.format == JSON {
		l.b = append(l.b, `","level":"`...)
		l.b = append(l.b, level...)
		l.b = append(l.b, `","msg":"`...)
		l.b = append(l.b, msg...)
		l.b = append(l.b, '"')
	} else {
		l.b = append(l.b, ` level=`...)
		l.b = append(l.b, level...)
		l.b = append(l.b, ` msg=`...)
		l.b = append(l.b, msg...)
	}
	l.b = append(l.b, scope...)
}

func (l *line) key(key string) {
	if l.format == JSON {
		l.b = append(l.b, `,"`...)
		l.b = append(l.b, key...)
		l.b = append(l.b, `":`...)
	} else {
		l.b = append(l.b, ' ')
		l.b = append(l.b, key...)
		l.b = append(l.b, '=')
	}
}

func (l *line) int(key string, value int64) {
	l.key(key)
	l.b = strconv.AppendInt(l.b, value, 10)
}

func (l *line) bool(key string, value bool) {
	l.key(key)
	l.b = strconv.AppendBool(l.b, value)
}

// word adds a value that contains no text of a client and needs no quotes.
func (l *line) word(key, value string) {
	if l.format == JSON {
		l.text(key, value)
		return
	}
	l.key(key)
	l.b = append(l.b, value...)
}

// maxText is the maximum length of a client's text in a line, in bytes. A valid file name
// fits. A client must not fill the log with more.
const maxText = 1024

// text adds a value that may be a client's. It is quoted, and cut at maxText.
func (l *line) text(key, value string) {
	l.key(key)
	if len(value) > maxText {
		value = value[:maxText] + "…"
	}
	if l.format == JSON {
		quoted, _ := json.Marshal(value) // a string never fails
		l.b = append(l.b, quoted...)
		return
	}
	l.b = strconv.AppendQuote(l.b, value)
}

// write ends the line, writes it, and frees it.
func (l *line) write(out *file) {
	before, end := "time=", "\n"
	if l.format == JSON {
		before, end = `{"time":"`, "}\n"
	}
	l.b = append(l.b, end...)
	out.writeTimed(before, time.Now(), l.b)
	l.free()
}

// free returns the line to the pool. It must not be used any more.
func (l *line) free() {
	if l.b = l.b[:0]; cap(l.b) <= 2*lineSize {
		lines.Put(l)
	}
}
