//go:build unix

package download

import (
	"os"
	"syscall"
	"testing"

	"example.com/parity/client/internal/fakeserver"
)

func mkfifo(path string) error { return os.NewSyscallError("mkfifo", syscall.Mkfifo(path, 0o600)) }

func TestGetMode(t *testing.T) {
	files := new(fakeserver.Files)
	files.Put("f", []byte("data"))
	_, client := newServer(t, files)
	defer syscall.Umask(syscall.Umask(0o027))
	r, err := GetBelow(t.Context(), client, "f", t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(r.Path); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode = %v, %v, want that of any new file", info.Mode(), err)
	}
}
