package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/parity/internal/syncbuf"
	"example.com/parity/internal/tlsfiles/tlstest"
)

// liveFixture is a TLS server that echoes, whose certificate is in files.
type liveFixture struct {
	*Live
	dir  string
	log  *syncbuf.Buffer
	addr string
}

func newLiveFixture(t *testing.T, valid time.Duration) *liveFixture {
	t.Helper()
	f := &liveFixture{dir: t.TempDir(), log: &syncbuf.Buffer{}}
	_, certFile, keyFile := tlstest.NewValid(t, f.dir, valid)
	files := Files{Cert: File{"--cert", certFile}, Key: File{"--key", keyFile}}
	var err error
	if f.Live, err = files.LiveServer(slog.New(slog.NewTextHandler(f.log, nil))); err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", f.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	f.addr = l.Addr().String()
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				io.Copy(nc, nc)
			}()
		}
	}()
	return f
}

// dial returns a connection and the serial number of the server's certificate.
func (f *liveFixture) dial(t *testing.T) (*tls.Conn, *big.Int) {
	t.Helper()
	nc, err := tls.Dial("tcp", f.addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc, nc.ConnectionState().PeerCertificates[0].SerialNumber
}

// renew replaces the certificate and its key.
func (f *liveFixture) renew(t *testing.T) *big.Int {
	t.Helper()
	cert, _, _ := tlstest.New(t, f.dir)
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return leaf.SerialNumber
}

// TestReload renews a certificate while a connection is open.
func TestReload(t *testing.T) {
	f := newLiveFixture(t, time.Hour)
	open, before := f.dial(t)
	renewed := f.renew(t)
	f.Reload()
	if _, now := f.dial(t); now.Cmp(renewed) != 0 || now.Cmp(before) == 0 {
		t.Errorf("after the renewal the serial number is %v, want %v", now, renewed)
	}
	echo := make([]byte, 5)
	if _, err := io.WriteString(open, "hello"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(open, echo); err != nil || string(echo) != "hello" {
		t.Errorf("the open connection answers %q, %v", echo, err)
	}
}

// TestReloadHalf replaces the certificate before its key, and then half of the key.
func TestReloadHalf(t *testing.T) {
	f := newLiveFixture(t, time.Hour)
	_, before := f.dial(t)
	key := f.files.Key.Path
	oldKey, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	renewed := f.renew(t)
	newKey, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	for what, content := range map[string][]byte{"the old key": oldKey, "half of a key": newKey[:len(newKey)/2], "no key": nil} {
		if err := os.WriteFile(key, content, 0o600); err != nil {
			t.Fatal(err)
		}
		said := len(f.log.String())
		f.Reload()
		f.Reload() // says it once
		if text := f.log.String()[said:]; strings.Count(text, "the last ones stay in use") != 1 {
			t.Errorf("with %s the log says %q", what, text)
		}
		if _, now := f.dial(t); now.Cmp(before) != 0 {
			t.Errorf("with %s the serial number is %v, want %v", what, now, before)
		}
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	f.Reload()
	if _, now := f.dial(t); now.Cmp(before) != 0 {
		t.Errorf("without a key file the serial number is %v, want %v", now, before)
	}
	if err := os.WriteFile(key, newKey, 0o600); err != nil {
		t.Fatal(err)
	}
	f.Reload()
	if _, now := f.dial(t); now.Cmp(renewed) != 0 {
		t.Errorf("when both are there the serial number is %v, want %v", now, renewed)
	}
}

func TestExpiryWarning(t *testing.T) {
	for _, tt := range []struct {
		valid time.Duration
		want  string
	}{
		{-time.Minute, "has expired"},
		{time.Hour, "expires soon"},
		{expiryWarning - time.Minute, "expires soon"},
		{expiryWarning + time.Minute, ""},
	} {
		f := newLiveFixture(t, tt.valid)
		if left := time.Until(f.Expires()); left > tt.valid || left < tt.valid-time.Minute {
			t.Errorf("valid for %v: expires in %v", tt.valid, left)
		}
		f.Reload() // does not warn again
		text := f.log.String()
		if lines := strings.Count(text, "\n"); !strings.Contains(text, tt.want) || (lines == 1) != (tt.want != "") {
			t.Errorf("valid for %v: %q, want %q", tt.valid, text, tt.want)
		}
		f.warn(time.Now().Add(warnEvery + expiryWarning))
		if text := f.log.String()[len(text):]; text == "" {
			t.Errorf("valid for %v: no warning after it expired", tt.valid)
		}
	}
}

// TestOldestVersion connects with TLS 1.2 at most.
func TestOldestVersion(t *testing.T) {
	for oldest, accepted := range map[string]bool{"": false, "1.3": false, "1.2": true} {
		f := newLiveFixture(t, time.Hour)
		f.files.Min = oldest
		config, err := f.files.Server()
		if err != nil {
			t.Fatal(err)
		}
		clientEnd, serverEnd := net.Pipe()
		go tls.Server(serverEnd, config).Handshake()
		err = tls.Client(clientEnd, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}).Handshake()
		clientEnd.Close()
		serverEnd.Close()
		if (err == nil) != accepted {
			t.Errorf("--tls-min %q: a client of TLS 1.2 gets %v", oldest, err)
		}
	}
}
