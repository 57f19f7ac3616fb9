package files

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	filesv1 "example.com/parity/gen/parity/files/v1"
	"example.com/parity/server/internal/apierror/apierrortest"
)

// TestStat checks that Stat and Get describe a file alike, and that Stat leaves the cache
// as it is.
func TestStat(t *testing.T) {
	f := newFixture(t, 1<<20)
	f.write(t, "sub/f", []byte("0123456789"))
	before := f.cache.Stats()
	resp, err := f.Stat(t.Context(), &filesv1.StatRequest{Name: "sub/f"})
	if err != nil {
		t.Fatal(err)
	}
	if after := f.cache.Stats(); after != before {
		t.Errorf("Stat changed the cache from %+v to %+v", before, after)
	}
	got, err := f.get(t, &filesv1.GetRequest{Name: "sub/f", Version: resp.GetFile().GetVersion()})
	if err != nil || !proto.Equal(resp.GetFile(), got.file) {
		t.Errorf("Stat = %v, Get describes %v, %v", resp.GetFile(), got.file, err)
	}
	resp, err = f.Stat(t.Context(), &filesv1.StatRequest{Name: "sub/f"})
	if err != nil || !resp.GetFile().GetCached() {
		t.Errorf("Stat of a cached file = %v, %v", resp, err)
	}
	f.write(t, "sub/f", []byte("other"))
	resp, err = f.Stat(t.Context(), &filesv1.StatRequest{Name: "sub/f"})
	if err != nil || resp.GetFile().GetCached() || resp.GetFile().GetSizeBytes() != 5 || resp.GetFile().GetVersion() == got.file.GetVersion() {
		t.Errorf("Stat of a file that changed = %v, %v", resp, err)
	}
}

func TestStatStatuses(t *testing.T) {
	f := newFixture(t, 1<<20)
	f.write(t, "sub/f", nil)
	if err := os.Symlink("/etc/passwd", filepath.Join(f.dir, "out")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		code   codes.Code
		reason string
	}{
		"":                           {codes.InvalidArgument, "INVALID_NAME"},
		"f\x00":                      {codes.InvalidArgument, "INVALID_NAME"},
		strings.Repeat("n", 1025):    {codes.InvalidArgument, "INVALID_NAME"},
		strings.Repeat("n", 1024):    {codes.NotFound, "FILE_NOT_FOUND"},
		"none":                       {codes.NotFound, "FILE_NOT_FOUND"},
		"sub":                        {codes.NotFound, "FILE_NOT_FOUND"},
		".":                          {codes.NotFound, "FILE_NOT_FOUND"},
		"sub/../sub/f":               {codes.NotFound, "FILE_NOT_FOUND"},
		"../" + filepath.Base(f.dir): {codes.NotFound, "FILE_NOT_FOUND"},
		"out":                        {codes.NotFound, "FILE_NOT_FOUND"},
	} {
		_, err := f.Stat(t.Context(), &filesv1.StatRequest{Name: name})
		apierrortest.Check(t, name, err, want.code, want.reason)
	}
}
