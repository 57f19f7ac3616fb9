package messagelog

import (
	"encoding/json"
	"strconv"
	"sync"
	"time"
)

// line is a line in the making, without its time. It has the form that log/slog
// gives it, but that text from clients is always quoted.
type line struct {
	format Format
	b      []byte
}

// lineSize is the length of an ordinary line in bytes. Longer ones may occur, and
// are not kept in the pool.
const lineSize = 256

var lines = sync.Pool{New: func() any { return &line{b: make([]byte, 0, lineSize)} }}

// begin starts a line; scope is what all lines of a call have in common.
func (log *Log) begin(level, msg string, scope []byte) *line {
	l := lines.Get().(*line)
	l.format = log.format
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
	return l
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

// word adds a value of ours, which needs no quotes in text.
func (l *line) word(key, value string) {
	if l.format == JSON {
		l.text(key, value)
		return
	}
	l.key(key)
	l.b = append(l.b, value...)
}

// maxText is the most bytes of a client's text in a line: a legal file name fits,
// and no more than that is anybody's to write into the log.
const maxText = 1024

// text adds a value that may be a client's: quoted, and cut.
func (l *line) text(key, value string) {
	l.key(key)
	if len(value) > maxText {
		value = value[:maxText] + "…"
	}
	if l.format == JSON {
		quoted, _ := json.Marshal(value) // a string always has a JSON form
		l.b = append(l.b, quoted...)
		return
	}
	l.b = strconv.AppendQuote(l.b, value)
}

// write ends the line, which must not be used any more.
func (l *line) write(out *file) {
	before, end := "time=", "\n"
	if l.format == JSON {
		before, end = `{"time":"`, "}\n"
	}
	l.b = append(l.b, end...)
	out.writeTimed(before, time.Now(), l.b)
	if l.b = l.b[:0]; cap(l.b) <= 2*lineSize {
		lines.Put(l)
	}
}
