package main

import (
	"bufio"
	"context"
	"net"
)

// writeSize is how many bytes of a file are written at once.
const writeSize = 1 << 20

// serveTCP serves each connection on a goroutine of its own, until the client closes.
func serveTCP(ctx context.Context, l net.Listener, serve func(net.Conn)) error {
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for {
		nc, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		} else if err != nil {
			return err
		}
		go func() {
			defer nc.Close()
			serve(nc)
		}()
	}
}

// sendFile reads a file's name and writes the file.
func sendFile(nc net.Conn, all files) {
	name := make([]byte, 1024)
	n, err := nc.Read(name)
	if err != nil {
		return
	}
	data := []byte("File not found")
	if f, ok := all[string(name[:n])]; ok {
		data = f.data
	}
	for len(data) > 0 {
		n := min(len(data), writeSize)
		if _, err := nc.Write(data[:n]); err != nil {
			return
		}
		data = data[n:]
	}
}

// sendNumbers answers each word that ends in a space by a number of the parity that the
// word names. The first read is an ID, which does not end in a space.
func sendNumbers(nc net.Conn) {
	r, w := bufio.NewReader(nc), bufio.NewWriter(nc)
	if _, err := nc.Read(make([]byte, 64)); err != nil {
		return
	}
	for reply := "0 "; ; {
		if _, err := w.WriteString(reply); err != nil {
			return
		}
		if r.Buffered() == 0 && w.Flush() != nil {
			return
		}
		word, err := r.ReadSlice(' ')
		if err != nil {
			return
		}
		reply = "56 "
		if string(word) == "odd " {
			reply = "57 "
		}
	}
}
