package main

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"example.com/parity/client/internal/fakeserver"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

// newListed returns a server with files of several sizes, one of them with a hostile name,
// one with wide characters.
func newListed(tb testing.TB) *fakeserver.Server {
	tb.Helper()
	files := new(fakeserver.Files)
	modified := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	for _, f := range []struct {
		name string
		size int
	}{{"a", 4}, {"b c", 1536}, {"hostile\x1b[2J\n\u009b", 0}, {"photos/one.jpg", 3 << 20}, {"photos/日本/two.jpg", 20}} {
		files.Put(f.name, make([]byte, f.size))
		files.Describe(f.name, func(f *filesv1.File) { f.Modified = timestamppb.New(modified) })
	}
	return fakeserver.Start(tb, files, nil)
}

func TestList(t *testing.T) {
	server := newListed(t)
	utc := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local).UTC().Format(time.RFC3339)
	for _, c := range []struct{ args, out, errs string }{
		{
			"list", `
    SIZE  MODIFIED             NAME
     4 B  2026-01-02 03:04:05  a
 1.5 KiB  2026-01-02 03:04:05  b c
     0 B  2026-01-02 03:04:05  hostile\x1b[2J\n\u009b
 3.0 MiB  2026-01-02 03:04:05  photos/one.jpg
    20 B  2026-01-02 03:04:05  photos/日本/two.jpg
`, "cache: 1 B of 2 B (50 %) used\n",
		},
		{
			"list --bytes photos/", `
    SIZE  MODIFIED             NAME
 3145728  2026-01-02 03:04:05  photos/one.jpg
      20  2026-01-02 03:04:05  photos/日本/two.jpg
`, "cache: 1 of 2 bytes used\n",
		},
		{
			"list --all photos/*", `
    SIZE  MODIFIED             CACHED  NAME
 3.0 MiB  2026-01-02 03:04:05  yes     photos/one.jpg
`, "cache: 1 B of 2 B (50 %) used\n",
		},
		{"list none*", "", "none*: no such files in the cache; --all lists those on the server's disk too\ncache: 1 B of 2 B (50 %) used\n"},
		{"list --all none*", "", "none*: no such files\ncache: 1 B of 2 B (50 %) used\n"},
		{"list [", "", "client: <glob>: \"[\": not a valid pattern: a bracket or a brace is not closed, or \\ is the last character (see client list --help)\n"},
		{
			"--json list --all {a,hostile}*", `
{"name":"a","size_bytes":4,"modified":"` + utc + `","version":"1","cached":true}
{"name":"hostile\u001b[2J\n\u009b","size_bytes":0,"modified":"` + utc + `","version":"1","cached":true}
{"cache_used_bytes":1,"cache_capacity_bytes":2}
`, "",
		},
	} {
		_, out, errs := runProgram(t.Context(), "", append([]string{"--addr", server.Addr}, strings.Fields(c.args)...)...)
		if want := strings.TrimPrefix(c.out, "\n"); out != want || errs != c.errs {
			t.Errorf("client %s:\n%s\nand %q, want\n%s\nand %q", c.args, out, errs, want, c.errs)
		}
	}
}

func TestStat(t *testing.T) {
	server := newListed(t)
	status, out, errs := runProgram(t.Context(), "", "--addr", server.Addr, "stat", "b c")
	want := "name:     b c\nsize:     1.5 KiB (1536 bytes)\nmodified: 2026-01-02 03:04:05 "
	if status != 0 || errs != "" || !strings.HasPrefix(out, want) || !strings.HasSuffix(out, "\nversion:  1\ncached:   no\n") {
		t.Errorf("status %d, %q, %q", status, out, errs)
	}
	if _, out, _ = runProgram(t.Context(), "", "--addr", server.Addr, "stat", "--bytes", "hostile\x1b[2J\n\u009b"); !strings.HasPrefix(out, `name:     hostile\x1b[2J\n\u009b`+"\nsize:     0\n") {
		t.Errorf("%q", out)
	}
	if _, out, _ = runProgram(t.Context(), "", "--addr", server.Addr, "--json", "stat", "a"); !strings.HasPrefix(out, `{"name":"a","size_bytes":4,"modified":"`) {
		t.Errorf("%q", out)
	}
	if status, out, errs = runProgram(t.Context(), "", "--addr", server.Addr, "stat", "nope"); status != exitNotFound || out != "" || errs != "client: nope: no such file\n" {
		t.Errorf("status %d, %q, %q", status, out, errs)
	}
	if _, _, errs = runProgram(t.Context(), "", "--addr", server.Addr, "--json", "stat", "nope"); errs != `{"message":"nope: no such file","code":"NOT_FOUND","subject":"nope"}`+"\n" {
		t.Errorf("%q", errs)
	}
}

func TestHuman(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	for ago, want := range map[time.Duration]string{
		0: "now", -time.Second: "now", 5 * time.Second: "5 s ago", 119 * time.Second: "1 min ago", 3 * time.Hour: "3 h ago",
		24 * time.Hour: "2026-01-01 03:04:05", -time.Hour: "2026-01-02 04:04:05",
	} {
		if got := when(now.Add(-ago), now); got != want {
			t.Errorf("when(%v ago) = %q, want %q", ago, got, want)
		}
	}
	if got := when(time.Time{}, now); got != "-" {
		t.Errorf("when(never) = %q", got)
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1258291: "1.2 MiB", 1<<63 - 1: "8.0 EiB", -1: "-1 B"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}
