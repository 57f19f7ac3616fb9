// Package h2test is a gRPC client for hostile behavior that no library allows: it grants no
// window, does not read, or resets calls as fast as it opens them.
package h2test

import (
	"bytes"
	"encoding/binary"
	"errors"
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

// Peer is the client's side of a connection. Its methods are called by one goroutine at a
// time, in addition to the one that Read starts.
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
	ended   error // why reading has ended
	reading sync.WaitGroup
}

// Result is what has arrived of a call.
type Result struct {
	Bytes  int  // of DATA
	Ended  bool // by trailers or a reset
	Reset  bool
	Code   int               // the status in the trailers
	Fields map[string]string // of the trailers
}

// Dial connects and sends the initial window of streams.
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

// New is Dial for an existing connection.
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

// Call opens a call and sends a request, unless that is nil. If open, more requests follow.
func (p *Peer) Call(method string, request proto.Message, open bool) (id uint32, err error) {
	p.write.Lock()
	defer p.write.Unlock()
	id, block, err := p.open(method)
	if err != nil {
		return 0, err
	}
	err = p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndHeaders: true})
	if err != nil || request == nil {
		return id, err
	}
	return id, p.send(id, request, open)
}

// CallInFragments is Call with headers that are padded, have a priority and are spread over
// CONTINUATION frames, and with a padded request.
func (p *Peer) CallInFragments(method string, request proto.Message) (id uint32, err error) {
	p.write.Lock()
	defer p.write.Unlock()
	id, block, err := p.open(method)
	if err != nil {
		return 0, err
	}
	third := len(block) / 3
	body, err := encode(request)
	if err != nil {
		return 0, err
	}
	return id, errors.Join(
		p.framer.WriteHeaders(http2.HeadersFrameParam{
			StreamID: id, BlockFragment: block[:third], PadLength: 200,
			Priority: http2.PriorityParam{Weight: 9},
		}),
		p.framer.WriteContinuation(id, false, block[third:2*third]),
		p.framer.WriteContinuation(id, true, block[2*third:]),
		p.framer.WriteDataPadded(id, true, body, make([]byte, 100)),
	)
}

// open returns the ID and the encoded headers of a new stream.
func (p *Peer) open(method string) (id uint32, block []byte, err error) {
	p.headers.Reset()
	for _, f := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", method}, {":authority", "test"},
		{"content-type", "application/grpc"}, {"te", "trailers"},
	} {
		if err := p.encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			return 0, nil, err
		}
	}
	id = p.next
	p.next += 2
	return id, p.headers.Bytes(), nil
}

// Send sends another request.
func (p *Peer) Send(id uint32, request proto.Message) error {
	p.write.Lock()
	defer p.write.Unlock()
	return p.send(id, request, true)
}

func (p *Peer) send(id uint32, request proto.Message, open bool) error {
	body, err := encode(request)
	if err != nil {
		return err
	}
	return p.framer.WriteData(id, !open, body)
}

// encode returns a message with its gRPC prefix.
func encode(request proto.Message) ([]byte, error) {
	body, err := proto.Marshal(request)
	prefix := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(body)))
	return append(prefix, body...), err
}

// Grant adds n bytes to the window of a stream, or of the connection if id is 0.
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

// Raw sends a frame of any type.
func (p *Peer) Raw(typ http2.FrameType, flags http2.Flags, id uint32, payload []byte) error {
	p.write.Lock()
	defer p.write.Unlock()
	return p.framer.WriteRawFrame(typ, flags, id, payload)
}

// Pace makes Read, which must follow, read that many bytes at a time and then pause.
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

// Read starts to read everything that arrives.
func (p *Peer) Read() {
	p.reading.Go(func() {
		for {
			f, err := p.framer.ReadFrame()
			if err == nil {
				err = p.handle(f)
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

// handle processes a frame.
func (p *Peer) handle(f http2.Frame) error {
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

// Await waits until done reports true for a call, and returns its result. It is an error if
// the connection ends or timeout passes before.
func (p *Peer) Await(id uint32, timeout time.Duration, done func(Result) bool) (Result, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	late := false
	timer := time.AfterFunc(timeout, func() {
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
			return r, fmt.Errorf("after %s: %+v", timeout, r)
		}
		p.change.Wait()
	}
}

// Ended is a condition for Await: the call has ended.
func Ended(r Result) bool { return r.Ended }

// Results returns the results of all calls.
func (p *Peer) Results() map[uint32]Result {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.streams)
}

// AwaitEnd waits until the connection has ended and returns why, or nil after timeout.
func (p *Peer) AwaitEnd(timeout time.Duration) error {
	_, err := p.Await(0, timeout, func(Result) bool { return p.ended != nil })
	if err != nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// Close closes the connection and waits until reading has ended.
func (p *Peer) Close() {
	p.Conn.Close()
	p.reading.Wait()
}
