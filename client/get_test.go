package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/parity/client/internal/fakeserver"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

func TestGet(t *testing.T) {
	files := new(fakeserver.Files)
	data := bytes.Repeat([]byte("parity\x00"), 30_000)
	files.Put("sub/f", data)
	server := fakeserver.Start(t, files, nil)
	dir := t.TempDir()
	t.Chdir(dir)
	get := func(args ...string) (status int, stdout, stderr string) {
		return runProgram(t.Context(), "", append([]string{"--addr", server.Addr}, args...)...)
	}

	status, out, errs := get("get", "sub/f")
	if got, _ := os.ReadFile("sub/f"); status != 0 || out != "" || !bytes.Equal(got, data) {
		t.Errorf("status %d, %q, %q", status, out, errs)
	}
	if errs != "" {
		t.Errorf("%q on stderr, which is no terminal", errs)
	}

	status, out, _ = get("--json", "get", "sub/f", "-o", "copy")
	var r getRecord
	if err := json.Unmarshal([]byte(out), &r); status != 0 || err != nil || r.Name != "sub/f" || r.Path != "copy" ||
		r.Bytes != 210_000 || r.Version != "1" || r.Verified != "file" || r.Seconds <= 0 {
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

// TestGetVerified checks what the result says of a file that takes more than one call:
// whether the whole was verified, or only its parts because the server sent no checksum of
// the whole.
func TestGetVerified(t *testing.T) {
	const size = 16<<20 + 1 // a segment of a download, and a byte
	files := new(fakeserver.Files)
	files.Put("f", make([]byte, size))
	server := fakeserver.Start(t, files, nil)
	t.Chdir(t.TempDir())
	get := func(args ...string) (status int, stdout, stderr string) {
		return runProgram(t.Context(), "", append([]string{"--addr", server.Addr, "--json", "get", "f"}, args...)...)
	}
	status, out, errs := get()
	if status != 0 || errs != "" || !strings.Contains(out, `"verified":"ranges"`) {
		t.Errorf("status %d, %q, %q", status, out, errs)
	}
	files.Whole = true
	status, out, errs = get("--force")
	if status != 0 || errs != "" || !strings.Contains(out, `"verified":"file"`) {
		t.Errorf("status %d, %q, %q", status, out, errs)
	}

	// Other content under the same version, with right sums of all ranges.
	files.Before = func(call *fakeserver.Call, sent int64, r *filesv1.GetResponse) error {
		if r.FileCrc32C != nil {
			*r.FileCrc32C++
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

// TestGetOneFileByTwoNames has two names that lead to one file through links.
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
		if status, _, errs := runProgram(t.Context(), "", args...); status != want || (status == 2) != strings.Contains(errs, "would be one file") {
			t.Errorf("%q: status %d, %q, want %d", args, status, errs, want)
		}
	}
}

// TestGetKeepsFiles checks that names are names on the server, and that local files stay.
func TestGetKeepsFiles(t *testing.T) {
	files := new(fakeserver.Files)
	for _, name := range []string{"photo1.jpg", "photo2.jpg", "sub/photo3.jpg"} {
		files.Put(name, []byte("the server's "+name))
	}
	server := fakeserver.Start(t, files, nil)
	t.Chdir(t.TempDir())
	get := func(args ...string) (status int, stderr string) {
		status, _, stderr = runProgram(t.Context(), "", append([]string{"--addr", server.Addr, "get"}, args...)...)
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
	if status != 1 || !strings.Contains(errs, `photo2.jpg: file already exists here, with 4 bytes, and the server's file has 23; --force replaces it`) || !strings.HasSuffix(errs, "1 of 3 files failed\n") {
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
	if err := os.WriteFile("photo1.jpg", []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
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
