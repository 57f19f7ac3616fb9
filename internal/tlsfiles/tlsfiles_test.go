package tlsfiles

import (
	"crypto/tls"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/parity/internal/tlsfiles/tlstest"
)

// newFiles writes a certificate that certifies itself, and its key.
func newFiles(tb testing.TB) Files {
	tb.Helper()
	_, certFile, keyFile := tlstest.New(tb, tb.TempDir())
	return Files{Cert: File{"--cert", certFile}, Key: File{"--key", keyFile}, CA: File{"--ca", certFile}}
}

// TestHandshake has a server and a client verify each other.
func TestHandshake(t *testing.T) {
	files := newFiles(t)
	for name, tt := range map[string]struct {
		client Files
		want   string // in the error of one side; "": they trust each other
	}{
		"both verified":         {files, ""},
		"no client certificate": {Files{CA: files.CA}, "certificate"},
		"another authority":     {Files{Cert: files.Cert, Key: files.Key, CA: newFiles(t).CA}, "unknown authority"},
		"the system's":          {Files{Cert: files.Cert, Key: files.Key}, "unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			serverConfig, err := files.Server()
			if err != nil {
				t.Fatal(err)
			}
			clientConfig, err := tt.client.Client()
			if err != nil {
				t.Fatal(err)
			}
			clientConfig.ServerName = "localhost"
			l, err := tls.Listen("tcp", "127.0.0.1:0", serverConfig)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				defer nc.Close()
				io.WriteString(nc, "hello") // after the handshake
			}()
			greeting := make([]byte, 5)
			nc, err := tls.Dial("tcp", l.Addr().String(), clientConfig)
			if err == nil {
				defer nc.Close()
				nc.SetDeadline(time.Now().Add(10 * time.Second))
				_, err = io.ReadFull(nc, greeting)
			}
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("client: %v, want %q", err, tt.want)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	files := newFiles(t)
	none := filepath.Join(t.TempDir(), "none")
	for _, tt := range []struct {
		files Files
		want  []string
	}{
		{Files{Cert: File{"--cert", none}, Key: files.Key}, []string{"--cert: ", none}},
		{Files{Cert: files.Cert, Key: File{"--key", files.Cert.Path}}, []string{"--cert, --key: "}},
		{Files{CA: File{"--ca", none}}, []string{"--ca: ", none}},
		{Files{CA: File{"--ca", files.Key.Path}}, []string{"--ca: no certificate in ", files.Key.Path}},
	} {
		for side, load := range map[string]func() (*tls.Config, error){"Server": tt.files.Server, "Client": tt.files.Client} {
			_, err := load()
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s() of %+v = %v, want %q", side, tt.files, err, want)
				}
			}
		}
	}
}
