package legacytcp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"example.com/parity/internal/tcptest"
)

// BenchmarkDraw and BenchmarkGet are named door/shape. The door "tcp" is a minimal Go program
// that sends the same bytes: compare the others with it.
func BenchmarkDraw(b *testing.B) {
	b.Run("legacy/draw", func(b *testing.B) {
		nc, err := net.Dial("tcp", serveLegacy(b, newStubFiles()))
		if err != nil {
			b.Fatal(err)
		}
		defer nc.Close()
		p := &peer{TCPConn: nc.(*net.TCPConn)}
		p.send(b, "3748 ")
		p.receive(b, "0 ")
		p.SetReadDeadline(time.Time{})
		roundTrips(b, p)
	})
	b.Run("tcp/draw", func(b *testing.B) {
		addr := tcptest.Serve(b, func(nc *net.TCPConn) {
			var buf [512]byte
			for {
				if _, err := nc.Read(buf[:]); err != nil {
					return
				}
				if _, err := nc.Write([]byte("79 ")); err != nil {
					return
				}
			}
		})
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		defer nc.Close()
		roundTrips(b, nc)
	})
}

func roundTrips(b *testing.B, nc net.Conn) {
	var buf [64]byte
	req := []byte("odd ")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := nc.Write(req); err != nil {
			b.Fatal(err)
		}
		if _, err := nc.Read(buf[:]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	for shape, size := range map[string]int{"get-4KiB": 4 << 10, "get-32MiB": 32 << 20} {
		data := bytes.Repeat([]byte("parity "), size/7+1)[:size]
		b.Run("legacy/"+shape, func(b *testing.B) {
			files := newStubFiles()
			files.add("file", stubFile{data: data})
			fetches(b, serveLegacy(b, files), size)
		})
		b.Run("tcp/"+shape, func(b *testing.B) {
			fetches(b, tcptest.Serve(b, func(nc *net.TCPConn) {
				var buf [1024]byte
				if _, err := nc.Read(buf[:]); err != nil {
					return
				}
				for rest := data; len(rest) > 0; {
					n, err := nc.Write(rest[:min(len(rest), 1<<20)])
					if err != nil {
						return
					}
					rest = rest[n:]
				}
			}), size)
		})
	}
}

func fetches(b *testing.B, addr string, size int) {
	buf := make([]byte, 1<<20)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(nc, strings.NewReader("file"))
		got := 0
		for {
			n, err := nc.Read(buf)
			got += n
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		nc.Close()
		if got != size {
			b.Fatalf("got %d bytes, want %d", got, size)
		}
	}
}

// serveLegacy serves a gateway without a log and metrics.
func serveLegacy(b *testing.B, files *stubFiles) (addr string) {
	var cfg Config
	cfg.Numbers, cfg.Files = inProcess(b, newStubNumbers(), files)
	g := New(cfg)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go g.Serve(l, Both)
	b.Cleanup(func() { g.Shutdown(context.Background()) })
	return l.Addr().String()
}
