package app

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// TestMistakes says for every way of starting the program wrongly what it answers
// and with which exit status it ends.
func TestMistakes(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	free := []string{"--grpc=127.0.0.1:0", "--legacy=127.0.0.1:0", "--admin=127.0.0.1:0", "--data-dir=" + dir}
	tests := []struct {
		args   string
		status int
		want   string // in the one line on stderr
	}{
		{"", exitUsage, "directory"},
		{dir + " more", exitUsage, "more"},
		{"--no-such-flag " + dir, exitUsage, "--no-such-flag"},
		{dir + "/none", exitFailed, "DIRECTORY"},
		{file, exitFailed, "DIRECTORY"},
		{"--grpc=" + taken.Addr().String() + " " + dir, exitFailed, "--grpc"},
		{"--legacy=" + taken.Addr().String() + " " + dir, exitFailed, "--legacy"},
		{"--admin=" + taken.Addr().String() + " " + dir, exitFailed, "--admin"},
		{"--legacy-files=" + taken.Addr().String() + " " + dir, exitFailed, "--legacy-files"},
		{"--trusted-gateways=10.0.0.0 " + dir, exitUsage, "--trusted-gateways"},
		{"--grpc=nonsense " + dir, exitUsage, "--grpc"},
		{"--grpc=0.0.0.0:0 " + dir, exitUsage, "--insecure"},
		{"--grpc=:0 " + dir, exitUsage, "--insecure"},
		{"--admin=0.0.0.0:0 " + dir, exitUsage, "--admin"},
		{"--admin=:0 " + dir, exitUsage, "--insecure"},
		{"--data-dir=" + dir + "/none " + dir, exitFailed, "--log-file"},
		{"--log-file=" + dir + " " + dir, exitFailed, "--log-file"},
		{"--log-format=xml " + dir, exitUsage, "--log-format"},
		{"--cache-size=lots " + dir, exitUsage, "--cache-size"},
		{"--cache-size=-1MiB " + dir, exitUsage, "--cache-size"},
		{"--max-client-id=-1 " + dir, exitUsage, "--max-client-id"},
		{"--max-client-id=99999999999 " + dir, exitUsage, "--max-client-id"},
		{"--drain-timeout=-1s " + dir, exitUsage, "--drain-timeout"},
		{"--drain-timeout=10 " + dir, exitUsage, "--drain-timeout"},
		{"--state=carrier-pigeon: " + dir, exitUsage, "--state"},
		{"--tls-cert=" + file + " " + dir, exitUsage, "--tls-key"},
		{"--tls-cert=" + file + " --tls-key=" + file + " " + dir, exitFailed, "--tls-cert"},
		{"--tls-client-ca=" + file + " " + dir, exitUsage, "--tls-client-ca"},
		{"--legacy-allow=10.0.0.300/8 " + dir, exitUsage, "--legacy-allow"},
		{"--legacy-not-found= " + dir, exitUsage, "--legacy-not-found"},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			err := Run(ctx, append(append([]string{}, free...), strings.Fields(tt.args)...), io.Discard, io.Discard)
			if got := ExitStatus(err); got != tt.status || err == nil ||
				!strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("exit status %d, error %v; want %d and one line that names %q", got, err, tt.status, tt.want)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	var out bytes.Buffer
	if err := Run(t.Context(), []string{"serve", "--help"}, &out, io.Discard); err != nil {
		t.Errorf("run: %v", err)
	}
	for _, flag := range []string{"--grpc", "--legacy-files", "--cache-size", "PARITY_CACHE_SIZE"} {
		if !strings.Contains(out.String(), flag) {
			t.Errorf("help does not mention %s:\n%s", flag, out.String())
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("PARITY_CACHE_SIZE", "1MiB")
	t.Setenv("PARITY_MAX_CLIENT_ID", "12")
	t.Setenv("PARITY_LEGACY_ALLOW", "10.0.0.0/8,::1/128")
	cmd, err := parse([]string{"--max-client-id=13", "dir"}, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	cfg := cmd.(*serveCommand)
	if cfg.CacheSize != 1<<20 || cfg.MaxClientID != 13 || len(cfg.LegacyAllow) != 2 {
		t.Errorf("cache size %d, maximal ID %d, allowed %v; want 1 MiB, 13 (the flag wins), two networks",
			cfg.CacheSize, cfg.MaxClientID, cfg.LegacyAllow)
	}
}

func TestHealthAndReflection(t *testing.T) {
	r := start(t)
	cc := r.dial(t)
	for _, service := range []string{"", "parity.numbers.v1.NumberService", "parity.files.v1.FileService"} {
		resp, err := grpc_health_v1.NewHealthClient(cc).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
		if err != nil || resp.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("health of %q: %v, %v", service, resp, err)
		}
	}
	v1, err := grpc_reflection_v1.NewServerReflectionClient(cc).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = v1.Send(&grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{},
	})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := v1.Recv()
	if err != nil || len(resp.GetListServicesResponse().GetService()) < 4 {
		t.Errorf("reflection v1: %v, %v", resp, err)
	}
	alpha, err := grpc_reflection_v1alpha.NewServerReflectionClient(cc).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := alpha.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := alpha.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("reflection v1alpha: %v, want the end", err)
	}
}

// TestShutdown tells a server to stop while sessions are open on every door, a
// health watch is on, and a download is not being read.
func TestShutdown(t *testing.T) {
	r := start(t, "--drain-timeout=2s")
	r.write(t, "big", make([]byte, 100<<20))
	cc := r.dial(t)

	overGRPC, _, err := rpcDoor{cc}.count(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	overLegacy, _, err := legacyDoor{numbers: r.legacyAddr()}.count(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []counting{overGRPC, overLegacy} {
		if err := s.report(42); err != nil {
			t.Fatal(err)
		}
	}
	unregistered, err := numbersv1.NewNumberServiceClient(cc).Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	watch, err := grpc_health_v1.NewHealthClient(cc).Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	stalled, err := net.Dial("tcp", r.legacyAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer stalled.Close()
	if _, err := stalled.Write([]byte("big")); err != nil {
		t.Fatal(err)
	}
	if _, err := stalled.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := drawOf(t.Context(), overLegacy, "odd"); err != nil { // so that its report has been taken
		t.Fatal(err)
	}
	if err := drawOf(t.Context(), overGRPC, "odd"); err != nil {
		t.Fatal(err)
	}

	began := time.Now()
	if err := r.stop(); err != nil {
		t.Errorf("serve: %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v with a drain timeout of 2 s", took)
	}
	if _, err := unregistered.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("a session without client ended with %v, want Unavailable", err)
	}
	if err := overGRPC.close(); status.Code(err) != codes.Unavailable {
		t.Errorf("the session ended with %v, want Unavailable", err)
	}
	for {
		if _, err := watch.Recv(); err != nil {
			break
		}
	}
	if _, err := io.Copy(io.Discard, stalled); err == nil {
		t.Error("a download that was cut off looks whole: want a reset")
	}
	clients, err := r.store.List(t.Context(), -1, 10)
	if err != nil || len(clients) != 2 || clients[0].Value != 42 || clients[1].Value != 42 {
		t.Errorf("register: %+v, %v; want the value 42 for clients 1 and 2", clients, err)
	}
	if got := r.logged(t, "msg=call", "Count"); len(got) != 3 {
		t.Errorf("the log has the ends of %d counting sessions, want 3:\n%s", len(got), got)
	}
}

// TestShutdownLetsDownloadsEnd: what is being read goes on to its end.
func TestShutdownLetsDownloadsEnd(t *testing.T) {
	r := start(t)
	want := content(80 << 20)
	r.write(t, "big", want)
	nc, err := net.Dial("tcp", r.legacyAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Write([]byte("big")); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 1)
	if _, err := io.ReadFull(nc, first); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	for !strings.Contains(r.stderr.String(), "shutting down") {
		time.Sleep(time.Millisecond)
	}
	rest, err := io.ReadAll(nc)
	if err != nil || !bytes.Equal(append(first, rest...), want) {
		t.Errorf("got %d bytes, error %v; want the %d of the file", 1+len(rest), err, len(want))
	}
	if err := <-stopped; err != nil {
		t.Errorf("serve: %v", err)
	}
}

// TestTLS serves with a certificate and takes only clients that have one too.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certificate := newCertificate(t, certFile, keyFile)
	r := start(t, "--tls-cert="+certFile, "--tls-key="+keyFile, "--tls-client-ca="+certFile)
	draw := func(config *tls.Config) error {
		cc, err := grpc.NewClient(r.grpcListener.Addr().String(), grpc.WithTransportCredentials(credentials.NewTLS(config)))
		if err != nil {
			t.Fatal(err)
		}
		defer cc.Close()
		_, err = numbersv1.NewNumberServiceClient(cc).Draw(t.Context(), &numbersv1.DrawRequest{})
		return err
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate.Leaf)
	if err := draw(&tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}}); err != nil {
		t.Errorf("with a certificate: %v", err)
	}
	if err := draw(&tls.Config{RootCAs: roots}); status.Code(err) != codes.Unavailable {
		t.Errorf("without a certificate: %v, want Unavailable", err)
	}
}

func newCertificate(t *testing.T, certFile, keyFile string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der},
		keyFile:  {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	certificate, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// TestHangup moves the log away and tells the program so.
func TestHangup(t *testing.T) {
	r := start(t)
	numbers := r.numbersClient(t)
	draw := func() {
		t.Helper()
		if _, err := numbers.Draw(t.Context(), &numbersv1.DrawRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	draw()
	for { // the first line has to be in the file before that is moved
		if info, err := os.Stat(r.logFile); err == nil && info.Size() > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := os.Rename(r.logFile, r.logFile+".1"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); ; {
		draw()
		if _, err := os.Stat(r.logFile); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("no new log")
		}
	}
	r.stop()
	if got := r.logged(t, "msg=DrawRequest"); len(got) == 0 {
		t.Error("the new log is empty")
	}
}
