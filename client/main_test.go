package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"hash/crc32"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"example.com/parity/client/internal/fakeserver"
	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// program runs the client as main does.
func program(ctx context.Context, in string, args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	err := run(ctx, args, streams{strings.NewReader(in), &out, &errs})
	if err != nil {
		fmt.Fprintln(&errs, err)
	}
	return exitStatus(err), out.String(), errs.String()
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args   string
		status int
		want   string // on stderr, or on stdout with status 0
	}{
		{"--help", 0, "Usage: client"},
		{"get --help", 0, "Usage: client get"},
		{"", 2, `expected one of "draw"`},
		{"fly", 2, "unexpected argument fly"},
		{"draw seven", 2, `must be one of "even","odd","any"`},
		{"draw even odd", 2, "unexpected argument odd"},
		{"get", 2, `expected "<name> ..."`},
		{"count --id x", 2, "--id"},
		{"count --for 1", 2, "--for"},
		{"count --for=-1s", 2, "--for"},
		{"--addr localhost draw", 2, "--addr"},
		{"--addr nonsense:///%zz draw", 2, "--addr"},
		{"--nonsense draw", 2, "--nonsense"},
		{"--tls-cert x draw", 2, "--tls-key"},
		{"--tls-key x draw", 2, "--tls-cert"},
		{"--json get x -o -", 2, "--json"},
		{"get x y -o z", 2, "--output"},
		{"get x -o y -d z", 2, "--output and --dir"},
		{"get a b/c a", 2, "would be one file"},
		{"get a\x1bb a\x01b", 2, "would be one file"},
		{"get ../x", 2, "--output"},
		{"get /etc/passwd", 2, "--output"},
		{"--tls-ca /dev/null draw", 1, "--tls-ca"},
		{"--tls-ca /none draw", 1, "--tls-ca"},
		{"--tls-cert /none --tls-key /none draw", 1, "--tls-cert"},
		{"--addr 127.0.0.1:1 draw", 1, "connection refused"},
		{"--addr 127.0.0.1:1 clients", 1, "connection refused"},
		{"--addr 127.0.0.1:1 list", 1, "connection refused"},
		{"--addr 127.0.0.1:1 get x", 1, "connection refused"},
		{"--addr 127.0.0.1:1 count", 1, "connection refused"},
	} {
		status, out, errs := program(t.Context(), "", strings.Fields(c.args)...)
		text := errs
		if c.status == 0 {
			text = out
		}
		if status != c.status || !strings.Contains(text, c.want) {
			t.Errorf("client %s: status %d and %q, want %d and %q", c.args, status, text, c.status, c.want)
		}
		if c.status != 0 && out != "" {
			t.Errorf("client %s: %q on stdout", c.args, out)
		}
	}
}

func TestDraw(t *testing.T) {
	server := fakeserver.Start(t, nil, new(fakeserver.Numbers))
	t.Setenv("PARITY_CLIENT_ADDR", server.Addr)
	for args, want := range map[string]string{
		"draw":             "42\n",
		"draw even":        "42\n",
		"draw odd":         "57\n",
		"--json draw odd":  `{"number":57,"parity":"odd"}` + "\n",
		"draw even --json": `{"number":42,"parity":"even"}` + "\n",
	} {
		if status, out, errs := program(t.Context(), "", strings.Fields(args)...); status != 0 || out != want || errs != "" {
			t.Errorf("client %s: status %d, %q, %q, want %q", args, status, out, errs, want)
		}
	}
	// A flag is stronger than the environment.
	if status, _, errs := program(t.Context(), "", "--addr=127.0.0.1:1", "draw"); status != 1 || !strings.Contains(errs, "127.0.0.1:1") {
		t.Errorf("status %d, %q", status, errs)
	}
}

func TestClients(t *testing.T) {
	numbers := new(fakeserver.Numbers)
	seen := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for id := range int32(5) {
		numbers.Add(&numbersv1.Client{
			ClientId: id, LastNumber: 7, LastValue: 10 * int64(id), ActiveSessions: 1,
			LastSeen: timestamppb.New(seen), Door: numbersv1.Door_DOOR_LEGACY,
			Doors: []*numbersv1.DoorUse{{Door: numbersv1.Door_DOOR_LEGACY, LastSeen: timestamppb.New(seen)}},
		})
	}
	server := fakeserver.Start(t, nil, numbers)
	status, out, errs := program(t.Context(), "", "--addr", server.Addr, "clients")
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if status != 0 || errs != "" || len(lines) != 6 || !strings.HasPrefix(lines[0], "    ID ") || strings.Join(strings.Fields(lines[5]), " ") != "4 40 7 1 legacy - "+localTime(seen) {
		t.Errorf("status %d, %q, %q", status, out, errs)
	}

	_, out, _ = program(t.Context(), "", "--addr", server.Addr, "--json", "clients")
	lines = strings.Split(strings.TrimSpace(out), "\n")
	if want := `{"client_id":4,"last_value":40,"last_number":7,"active_sessions":1,"last_seen":"2026-01-02T03:04:05Z","door":"legacy","last_legacy":"2026-01-02T03:04:05Z"}`; len(lines) != 5 || lines[4] != want {
		t.Errorf("got %q, want five lines, the last one %s", out, want)
	}
}

// endless is a server whose pages lead to themselves.
type endless struct {
	numbersv1.UnimplementedNumberServiceServer
}

func (endless) ListClients(context.Context, *numbersv1.ListClientsRequest) (*numbersv1.ListClientsResponse, error) {
	return &numbersv1.ListClientsResponse{NextPageToken: "again"}, nil
}

func TestClientsEndless(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	numbersv1.RegisterNumberServiceServer(server, endless{})
	go server.Serve(lis)
	defer server.Stop()
	if status, _, errs := program(t.Context(), "", "--addr", lis.Addr().String(), "clients"); status != 1 || !strings.Contains(errs, "same page") {
		t.Errorf("status %d, %q", status, errs)
	}
}

func TestList(t *testing.T) {
	files := new(fakeserver.Files)
	for _, name := range []string{"a", "b c", "hostile\x1b[2J\n\u009b"} {
		files.Put(name, []byte("data"))
	}
	server := fakeserver.Start(t, files, nil)

	status, out, errs := program(t.Context(), "", "--addr", server.Addr, "list")
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if status != 0 || len(lines) != 3 || !strings.HasSuffix(lines[1], "  b c") || !strings.HasSuffix(lines[2], `  hostile\x1b[2J\n\u009b`) {
		t.Errorf("status %d, %q", status, out)
	}
	if errs != "cache: 1 of 2 bytes used\n" {
		t.Errorf("%q on stderr", errs)
	}

	_, out, _ = program(t.Context(), "", "--addr", server.Addr, "list", "--all")
	lines = strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != 3 || lines[0][:2] != "* " || lines[1][:2] != "  " || lines[2][:2] != "* " {
		t.Errorf("list --all: %q", out)
	}

	_, out, _ = program(t.Context(), "", "--addr", server.Addr, "--json", "list", "--all")
	lines = strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if strings.ContainsAny(out, "\x1b\u009b") {
		t.Errorf("list --json prints control characters: %q", out)
	}
	var last fileRecord
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Name != "hostile\x1b[2J\n\u009b" || last.SizeBytes != 4 || !last.Cached || last.Version != "1" {
		t.Errorf("list --json: %q means %+v, %v", out, last, err)
	}
}

func TestGet(t *testing.T) {
	files := new(fakeserver.Files)
	data := bytes.Repeat([]byte("parity\x00"), 50_000)
	files.Put("sub/f", data)
	server := fakeserver.Start(t, files, nil)
	dir := t.TempDir()
	t.Chdir(dir)
	get := func(args ...string) (status int, stdout, stderr string) {
		return program(t.Context(), "", append([]string{"--addr", server.Addr}, args...)...)
	}

	status, out, errs := get("get", "sub/f")
	if got, _ := os.ReadFile("sub/f"); status != 0 || out != "" || !bytes.Equal(got, data) {
		t.Errorf("status %d, %q, %q", status, out, errs)
	}
	if want := "sub/f: 350000 bytes, checksum right\n"; errs != want {
		t.Errorf("%q on stderr, want %q", errs, want)
	}

	status, out, _ = get("--json", "get", "sub/f", "-o", "copy")
	var r getRecord
	if err := json.Unmarshal([]byte(out), &r); status != 0 || err != nil || r.Name != "sub/f" || r.Path != "copy" ||
		r.Bytes != 350_000 || r.Version != "1" || r.Verified != "file" || r.Seconds <= 0 {
		t.Errorf("status %d, %q", status, out)
	}

	status, out, errs = get("get", "sub/f", "-o", "-")
	if status != 0 || out != string(data) || errs != "" {
		t.Errorf("get to stdout: status %d, %d bytes, %q", status, len(out), errs)
	}

	status, out, errs = get("get", "none")
	if status != 3 || out != "" || !strings.Contains(errs, "no such file") {
		t.Errorf("get of no file: status %d, %q, %q", status, out, errs)
	}

	files.Before = func(_ *fakeserver.Call, _ int64, r *filesv1.GetResponse) error {
		r.Crc32C = nil
		return nil
	}
	if status, out, errs = get("get", "sub/f", "-o", "-"); status != 1 || out != "" {
		t.Errorf("get without a checksum: status %d, %d bytes, %q", status, len(out), errs)
	}
	files.Before = func(*fakeserver.Call, int64, *filesv1.GetResponse) error {
		return refuse(codes.PermissionDenied, "not \x1b[31m you")
	}
	if status, _, _ = get("get", "sub/f", "-o", "denied"); status != 1 {
		t.Errorf("get, denied: status %d", status)
	}
	if entries, _ := os.ReadDir("."); len(entries) != 2 {
		t.Errorf("left %v", entries)
	}
}

// TestGetVerified: a file that takes more than one call is checked by its parts alone,
// unless the server says what the whole sums to; then that counts.
func TestGetVerified(t *testing.T) {
	const size = 16<<20 + 1 // a segment of a download, and a byte
	files := new(fakeserver.Files)
	files.Put("f", make([]byte, size))
	server := fakeserver.Start(t, files, nil)
	t.Chdir(t.TempDir())
	get := func(args ...string) (status int, stdout, stderr string) {
		return program(t.Context(), "", append([]string{"--addr", server.Addr, "--json", "get", "f"}, args...)...)
	}
	status, out, errs := get()
	if want := "f: 16777217 bytes, checksum of each part right\n"; status != 0 || errs != want || !strings.Contains(out, `"verified":"ranges"`) {
		t.Errorf("status %d, %q, %q, want %q", status, out, errs, want)
	}
	files.Whole = true
	status, out, errs = get("--force")
	if want := "f: 16777217 bytes, checksum right\n"; status != 0 || errs != want || !strings.Contains(out, `"verified":"file"`) {
		t.Errorf("status %d, %q, %q, want %q", status, out, errs, want)
	}

	// Other content under the same version, with right sums of all ranges.
	files.Before = func(call *fakeserver.Call, sent int64, r *filesv1.GetResponse) error {
		if call.GetOffset()+sent == 0 {
			r.Data = bytes.Repeat([]byte{1}, len(r.Data))
		}
		if r.FileCrc32C != nil && call.GetOffset() == 0 {
			data := make([]byte, 16<<20)
			copy(data, bytes.Repeat([]byte{1}, fakeserver.Chunk))
			*r.Crc32C = crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
		}
		return nil
	}
	status, out, errs = get("-o", "mixture")
	if status != 1 || out != "" || strings.Count(errs, "not of one file") != 4 || strings.Count(errs, "starting again") != 3 {
		t.Errorf("a mixture: status %d, %q, %q", status, out, errs)
	}
	if entries, _ := os.ReadDir("."); len(entries) != 1 {
		t.Errorf("left %v", entries)
	}
}

// TestGetOneFileByTwoNames: by links too, two names can lead to one file.
func TestGetOneFileByTwoNames(t *testing.T) {
	files := new(fakeserver.Files)
	for _, name := range []string{"d/f", "link/f", "d/new/f", "link/new/f", "d/link/f"} {
		files.Put(name, []byte("the server's "+name))
	}
	server := fakeserver.Start(t, files, nil)
	t.Chdir(t.TempDir())
	for _, err := range []error{os.Mkdir("d", 0o700), os.Symlink("d", "link"), os.Symlink(".", "here")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for args, want := range map[string]int{
		"d/f link/f":                     2,
		"d/new/f link/new/f":             2,
		"-d here d/new/f link/new/f":     2,
		"-d " + "link d/f link/f":        0, // links are not there below link
		"-d here d/new/f d/f d/link/f":   0,
		"-d here d/none/f link/nobody/f": 3,
	} {
		args := append([]string{"--addr", server.Addr, "get", "--force"}, strings.Fields(args)...)
		if status, _, errs := program(t.Context(), "", args...); status != want || (status == 2) != strings.Contains(errs, "would be one file") {
			t.Errorf("%q: status %d, %q, want %d", args, status, errs, want)
		}
	}
}

// TestGetKeepsFiles: names are names on the server, and what is there stays.
func TestGetKeepsFiles(t *testing.T) {
	files := new(fakeserver.Files)
	for _, name := range []string{"photo1.jpg", "photo2.jpg", "sub/photo3.jpg"} {
		files.Put(name, []byte("the server's "+name))
	}
	server := fakeserver.Start(t, files, nil)
	t.Chdir(t.TempDir())
	get := func(args ...string) (status int, stderr string) {
		status, _, stderr = program(t.Context(), "", append([]string{"--addr", server.Addr, "get"}, args...)...)
		return status, stderr
	}
	want := func(path, content string) {
		t.Helper()
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Errorf("%s has %q, %v, want %q", path, got, err, content)
		}
	}
	if err := os.WriteFile("photo2.jpg", []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}

	status, errs := get("photo1.jpg", "photo2.jpg", "sub/photo3.jpg")
	if status != 1 || !strings.Contains(errs, `photo2.jpg: "photo2.jpg": file already exists; --force replaces it`) || !strings.HasSuffix(errs, "1 of 3 files failed\n") {
		t.Errorf("status %d, %q", status, errs)
	}
	want("photo1.jpg", "the server's photo1.jpg")
	want("photo2.jpg", "mine")
	want("sub/photo3.jpg", "the server's sub/photo3.jpg")
	calls := len(files.Calls())
	if status, errs = get("photo1.jpg", "-o", "photo2.jpg"); status != 1 || !strings.Contains(errs, "--force") {
		t.Errorf("status %d, %q", status, errs)
	}
	want("photo2.jpg", "mine")
	if n := len(files.Calls()); n != calls {
		t.Errorf("%d calls for a file that cannot be put anywhere", n-calls)
	}

	if status, errs = get("photo2.jpg", "--force"); status != 0 {
		t.Errorf("status %d, %q", status, errs)
	}
	want("photo2.jpg", "the server's photo2.jpg")
	if status, errs = get("-d", "none", "photo2.jpg"); status != 1 || !strings.Contains(errs, "no such file or directory") {
		t.Errorf("status %d, %q", status, errs)
	}

	// The worst counts.
	if status, _ = get("none1", "none2"); status != 3 {
		t.Errorf("no file of two: status %d", status)
	}
	if status, _ = get("none1", "photo1.jpg"); status != 1 {
		t.Errorf("one missing, one there: status %d", status)
	}
	if err := os.Mkdir("d", 0o700); err != nil {
		t.Fatal(err)
	}
	if status, errs = get("none1", "photo1.jpg", "-d", "d"); status != 3 {
		t.Errorf("one missing, one downloaded: status %d, %q", status, errs)
	}
	want("d/photo1.jpg", "the server's photo1.jpg")
}

func refuse(c codes.Code, text string) error { return status.Error(c, text) }

func TestCount(t *testing.T) {
	numbers := new(fakeserver.Numbers)
	server := fakeserver.Start(t, nil, numbers)

	status, out, errs := program(t.Context(), "", "--addr", server.Addr, "count", "--id", "3748", "--for", "1250ms")
	values := numbers.Reports()
	if status != 0 || len(values) == 0 || out != lines("%d", values) || errs != "client ID: 3748\n" {
		t.Errorf("status %d, %q, %q, and the server was told %d", status, out, errs, values)
	}
	// Again, as JSON, and until a signal.
	ctx, cancel := context.WithTimeout(t.Context(), 1250*time.Millisecond)
	defer cancel()
	status, out, _ = program(ctx, "", "--addr", server.Addr, "--json", "count", "--id", "3748")
	again := numbers.Reports()[len(values):]
	if status != 0 || len(again) == 0 || again[0] != int64(len(values)+1) || out != lines(`{"client_id":3748,"value":%d,"increment":1}`, again) {
		t.Errorf("status %d, %q, and the server was told %d", status, out, again)
	}

	if status, _, errs = program(t.Context(), "", "--addr", server.Addr, "count", "--id", "10001"); status != 1 || !strings.Contains(errs, "must be 0 to 10000") {
		t.Errorf("count with a wrong ID: status %d, %q", status, errs)
	}
	numbers.Unconfirmed = true
	if status, _, errs = program(t.Context(), "", "--addr", server.Addr, "count", "--for", "1250ms"); status != 1 || !strings.Contains(errs, "reports were confirmed") {
		t.Errorf("count without confirmation: status %d, %q", status, errs)
	}
}

// lines has a line of that format for each value.
func lines(format string, values []int64) string {
	var b strings.Builder
	for _, v := range values {
		fmt.Fprintf(&b, format+"\n", v)
	}
	return b.String()
}

// fullDisk takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

var errFull = errors.New("no space left")

func TestOutputFails(t *testing.T) {
	files := new(fakeserver.Files)
	files.Put("f", []byte("data"))
	server := fakeserver.Start(t, files, new(fakeserver.Numbers))
	for _, args := range []string{"draw", "clients", "list", "get f -o -", "count", "count --json"} {
		err := run(t.Context(), append([]string{"--addr", server.Addr}, strings.Fields(args)...), streams{strings.NewReader(""), fullDisk{}, new(bytes.Buffer)})
		if !errors.Is(err, errFull) {
			t.Errorf("client %s = %v", args, err)
		}
	}
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, certFile, keyFile := newCertificate(t, dir)
	clients := x509.NewCertPool()
	clients.AddCert(cert.Leaf)
	server := fakeserver.Start(t, nil, new(fakeserver.Numbers), grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{cert}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert,
	})))
	both := fmt.Sprintf("--tls-ca %s --tls-cert %s --tls-key %s draw", certFile, certFile, keyFile)
	for args, want := range map[string]int{
		both:                             0,
		"--tls " + both:                  0,
		"draw":                           1, // plaintext
		"--tls draw":                     1, // a certificate that the system does not trust
		"--tls-ca " + certFile + " draw": 1, // no client certificate
	} {
		if status, _, errs := program(t.Context(), "", append([]string{"--addr", server.Addr}, strings.Fields(args)...)...); status != want {
			t.Errorf("client %s: status %d, %q", args, status, errs)
		}
	}
	t.Setenv("PARITY_CLIENT_TLS_CA", certFile)
	t.Setenv("PARITY_CLIENT_TLS_CERT", certFile)
	t.Setenv("PARITY_CLIENT_TLS_KEY", keyFile)
	t.Setenv("PARITY_CLIENT_JSON", "true")
	if status, out, errs := program(t.Context(), "", "--addr", server.Addr, "draw", "odd"); status != 0 || !strings.HasPrefix(out, "{") {
		t.Errorf("from the environment: status %d, %q, %q", status, out, errs)
	}
}

// newCertificate makes a certificate for 127.0.0.1 that vouches for itself.
func newCertificate(t *testing.T, dir string) (cert tls.Certificate, certFile, keyFile string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	must(os.WriteFile(certFile, certPEM, 0o600))
	must(os.WriteFile(keyFile, keyPEM, 0o600))
	cert, err = tls.X509KeyPair(certPEM, keyPEM)
	must(err)
	return cert, certFile, keyFile
}
