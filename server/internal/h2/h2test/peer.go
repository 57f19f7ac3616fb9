// Package h2test is a gRPC client that does what no library lets one do: grant no
// window, read nothing, reset calls as fast as it opens them.
package h2test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net"
	"strconv"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/proto"
)

// Peer is a connection. Its methods may be called by one goroutine at a time, beside
// the one that Read has started.
type Peer struct {
	Conn net.Conn

	framer *http2.Framer

	headers bytes.Buffer
	encoder *hpack.Encoder
	next    uint32

	write sync.Mutex

	mu      sync.Mutex
	change  *sync.Cond
	streams map[uint32]Result
	ended   error // why nothing more is read
	reading sync.WaitGroup
}

// Result is what has come of a call.
type Result struct {
	Bytes  int  // of DATA
	Ended  bool // trailers or a reset have come
	Reset  bool
	Code   int               // the status, where trailers have come
	Fields map[string]string // of the trailers
}

// Dial connects, and has the server know the initial window of every stream.
func Dial(address string, window uint32) (*Peer, error) {
	nc, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	p, err := New(nc, window)
	if err != nil {
		nc.Close()
	}
	return p, err
}

// New is Dial for a connection that exists.
func New(nc net.Conn, window uint32) (*Peer, error) {
	p := &Peer{Conn: nc, framer: http2.NewFramer(nc, nc), next: 1, streams: map[uint32]Result{}}
	p.change = sync.NewCond(&p.mu)
	p.encoder = hpack.NewEncoder(&p.headers)
	p.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := io.WriteString(nc, http2.ClientPreface); err != nil {
		return nil, err
	}
	return p, p.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})
}

// Call opens a call with a request, and more requests to come if open.
func (p *Peer) Call(method string, request proto.Message, open bool) (id uint32, err error) {
	p.write.Lock()
	defer p.write.Unlock()
	id = p.next
	p.next += 2
	p.headers.Reset()
	for _, f := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", method}, {":authority", "test"},
		{"content-type", "application/grpc"}, {"te", "trailers"},
	} {
		if err := p.encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			return 0, err
		}
	}
	err = p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.headers.Bytes(), EndHeaders: true})
	if err != nil || request == nil {
		return id, err
	}
	return id, p.send(id, request, open)
}

// Send sends another request.
func (p *Peer) Send(id uint32, request proto.Message) error {
	p.write.Lock()
	defer p.write.Unlock()
	return p.send(id, request, true)
}

func (p *Peer) send(id uint32, request proto.Message, open bool) error {
	body, err := proto.Marshal(request)
	if err != nil {
		return err
	}
	prefix := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(body)))
	return p.framer.WriteData(id, !open, append(prefix, body...))
}

// Grant makes a stream's window larger, or with 0 the connection's.
func (p *Peer) Grant(id, n uint32) error {
	p.write.Lock()
	defer p.write.Unlock()
	return p.framer.WriteWindowUpdate(id, n)
}

// Reset resets a call.
func (p *Peer) Reset(id uint32) error {
	p.write.Lock()
	defer p.write.Unlock()
	return p.framer.WriteRSTStream(id, http2.ErrCodeCancel)
}

// Settings sends SETTINGS.
func (p *Peer) Settings(settings ...http2.Setting) error {
	p.write.Lock()
	defer p.write.Unlock()
	return p.framer.WriteSettings(settings...)
}

// Raw sends a frame of any kind.
func (p *Peer) Raw(typ http2.FrameType, flags http2.Flags, id uint32, payload []byte) error {
	p.write.Lock()
	defer p.write.Unlock()
	return p.framer.WriteRawFrame(typ, flags, id, payload)
}

// Pace has Read, which follows, read so many bytes at a time and then pause.
func (p *Peer) Pace(bytes int, pause time.Duration) {
	decoder := p.framer.ReadMetaHeaders
	p.framer = http2.NewFramer(p.Conn, &paced{p.Conn, bytes, pause})
	p.framer.ReadMetaHeaders = decoder
}

type paced struct {
	io.Reader
	bytes int
	pause time.Duration
}

func (r *paced) Read(b []byte) (int, error) {
	time.Sleep(r.pause * time.Duration(min(len(b), r.bytes)) / time.Duration(r.bytes))
	return r.Reader.Read(b[:min(len(b), r.bytes)])
}

// Read reads all that comes from now on.
func (p *Peer) Read() {
	p.reading.Go(func() {
		for {
			f, err := p.framer.ReadFrame()
			if err == nil {
				err = p.took(f)
			}
			if err != nil {
				p.mu.Lock()
				p.ended = err
				p.change.Broadcast()
				p.mu.Unlock()
				return
			}
		}
	})
}

func (p *Peer) took(f http2.Frame) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.change.Broadcast()
	id := f.Header().StreamID
	r := p.streams[id]
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			p.write.Lock()
			defer p.write.Unlock()
			return p.framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			p.write.Lock()
			defer p.write.Unlock()
			return p.framer.WritePing(true, f.Data)
		}
	case *http2.DataFrame:
		r.Bytes += len(f.Data())
	case *http2.RSTStreamFrame:
		r.Reset, r.Ended = !r.Ended, true
	case *http2.MetaHeadersFrame:
		if f.StreamEnded() {
			r.Fields = map[string]string{}
			for _, field := range f.Fields {
				r.Fields[field.Name] = field.Value
			}
			r.Ended = true
			r.Code, _ = strconv.Atoi(r.Fields["grpc-status"])
		}
	}
	if id != 0 {
		p.streams[id] = r
	}
	return nil
}

// Await returns what has come of a call once it is as done says, or the connection has
// ended, which is an error, or time is up.
func (p *Peer) Await(id uint32, most time.Duration, done func(Result) bool) (Result, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	late := false
	timer := time.AfterFunc(most, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		late = true
		p.change.Broadcast()
	})
	defer timer.Stop()
	for {
		r := p.streams[id]
		switch {
		case done(r):
			return r, nil
		case p.ended != nil:
			return r, fmt.Errorf("the connection has ended: %w", p.ended)
		case late:
			return r, fmt.Errorf("after %s: %+v", most, r)
		}
		p.change.Wait()
	}
}

// Ended is for Await.
func Ended(r Result) bool { return r.Ended }

// Results returns what has come of all calls.
func (p *Peer) Results() map[uint32]Result {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.streams)
}

// AwaitEnd returns why the connection has ended, nil if it has not.
func (p *Peer) AwaitEnd(most time.Duration) error {
	_, err := p.Await(0, most, func(Result) bool { return p.ended != nil })
	if err != nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// Close closes the connection and returns when nothing is read any more.
func (p *Peer) Close() {
	p.Conn.Close()
	p.reading.Wait()
}
