package files

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	filesv1 "example.com/parity/gen/parity/files/v1"
	"example.com/parity/server/internal/apierror/apierrortest"
)

// names lists the files of a source with that prefix in pages of that size (0: the default).
func (f *fixture) names(tb testing.TB, source filesv1.Source, prefix string, size int32) []string {
	tb.Helper()
	var all []string
	for token := ""; ; {
		resp, err := f.List(tb.Context(), &filesv1.ListRequest{Source: source, Prefix: prefix, PageSize: size, PageToken: token})
		if err != nil {
			tb.Fatal(err)
		}
		if n := len(resp.GetFiles()); size > 0 && n > int(size) {
			tb.Errorf("a page of %d has %d files", size, n)
		}
		for _, file := range resp.GetFiles() {
			all = append(all, file.GetName())
		}
		if token = resp.GetNextPageToken(); token == "" {
			return all
		}
	}
}

func TestListPages(t *testing.T) {
	f := newFixture(t, 1<<20)
	inDirectory := []string{"a/1", "a/b/2", "a.txt", "a0", "b", "c c", "ü"}
	for _, name := range inDirectory {
		f.write(t, name, []byte(name))
	}
	inCache := []string{"ü", "b", "a/1", "c c"} // in the order of the calls
	for _, name := range inCache {
		if _, err := f.get(t, &filesv1.GetRequest{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	for source, want := range map[filesv1.Source][]string{
		filesv1.Source_SOURCE_UNSPECIFIED: inCache,
		filesv1.Source_SOURCE_CACHE:       inCache,
		filesv1.Source_SOURCE_DIRECTORY:   inDirectory,
	} {
		for _, size := range []int32{0, 1, 2, 3, 4, 7, 8, 1 << 30} {
			if got := f.names(t, source, "", size); !slices.Equal(got, want) {
				t.Errorf("%v in pages of %d: %q, want %q", source, size, got, want)
			}
		}
	}
}

// TestListPrefix lists with prefixes that end in a name, after a directory and nowhere.
func TestListPrefix(t *testing.T) {
	f := newFixture(t, 1<<20)
	inDirectory := []string{"a/1", "a/b/1", "a/b/2", "a/bc", "a.txt", "b", "ü/x", "üy"}
	inCache := []string{"üy", "a/bc", "b", "a/1", "a/b/2", "ü/x", "a.txt", "a/b/1"}
	for _, name := range inDirectory {
		f.write(t, name, []byte(name))
	}
	for _, name := range inCache {
		if _, err := f.get(t, &filesv1.GetRequest{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	for _, prefix := range []string{"a", "a/", "a/b", "a/b/", "a/b/1", "a.", "b", "b/", "ü", "ü/", "none", "/", "./", "../", "a//"} {
		for source, all := range map[filesv1.Source][]string{
			filesv1.Source_SOURCE_CACHE:     inCache,
			filesv1.Source_SOURCE_DIRECTORY: inDirectory,
		} {
			var want []string
			for _, name := range all {
				if strings.HasPrefix(name, prefix) {
					want = append(want, name)
				}
			}
			for _, size := range []int32{0, 1, 2} {
				if got := f.names(t, source, prefix, size); !slices.Equal(got, want) {
					t.Errorf("%v with prefix %q in pages of %d: %q, want %q", source, prefix, size, got, want)
				}
			}
		}
	}
}

func TestListDescribes(t *testing.T) {
	f := newFixture(t, 1<<20)
	f.write(t, "cached", []byte("1234"))
	f.write(t, "not cached", []byte("12345"))
	first, err := f.get(t, &filesv1.GetRequest{Name: "cached"})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := f.List(t.Context(), &filesv1.ListRequest{Source: filesv1.Source_SOURCE_DIRECTORY})
	if err != nil || len(resp.GetFiles()) != 2 {
		t.Fatalf("List = %v, %v", resp, err)
	}
	for i, want := range []*filesv1.File{{Name: "cached", SizeBytes: 4, Cached: true}, {Name: "not cached", SizeBytes: 5}} {
		got := resp.GetFiles()[i]
		if got.GetName() != want.GetName() || got.GetSizeBytes() != want.GetSizeBytes() || got.GetCached() != want.GetCached() || got.GetVersion() == "" || got.GetModified() == nil {
			t.Errorf("file %d is %v, want %v", i, got, want)
		}
	}
	if got := resp.GetFiles()[0].GetVersion(); got != first.file.GetVersion() {
		t.Errorf("List has version %q, Get %q", got, first.file.GetVersion())
	}
	if used := f.cache.Stats().Used; resp.GetCacheUsedBytes() != used || used == 0 || resp.GetCacheCapacityBytes() != 1<<20 {
		t.Errorf("the cache has %d bytes of %d, want %d of %d", resp.GetCacheUsedBytes(), resp.GetCacheCapacityBytes(), used, 1<<20)
	}
}

// TestListLeavesOut checks that List names only files that Get accepts.
func TestListLeavesOut(t *testing.T) {
	f := newFixture(t, 1<<20)
	long := strings.Repeat(strings.Repeat("d", 250)+"/", 4) + "0123456789123456789" // 1,023 bytes
	for _, name := range []string{"ok", "\xff", long + "f", long + "ff"} {
		f.write(t, name, nil)
	}
	got := f.names(t, filesv1.Source_SOURCE_DIRECTORY, "", 0)
	if want := []string{long + "f", "ok"}; !slices.Equal(got, want) {
		t.Errorf("List = %q, want %q", got, want)
	}
	for _, name := range got {
		if _, err := f.get(t, &filesv1.GetRequest{Name: name}); err != nil {
			t.Errorf("Get(%q): %v", name, err)
		}
	}
}

func TestListLargestPage(t *testing.T) {
	f := newFixture(t, 1<<20)
	for i := range maxPage + 1 {
		f.write(t, fmt.Sprintf("%04d", i), nil)
	}
	for _, size := range []int32{0, maxPage, maxPage + 1} {
		resp, err := f.List(t.Context(), &filesv1.ListRequest{Source: filesv1.Source_SOURCE_DIRECTORY, PageSize: size})
		if err != nil || len(resp.GetFiles()) != maxPage || resp.GetNextPageToken() == "" {
			t.Errorf("a page of %d has %d files and the token %q, %v", size, len(resp.GetFiles()), resp.GetNextPageToken(), err)
		}
	}
}

func TestListStatuses(t *testing.T) {
	f := newFixture(t, 1<<20)
	cache, directory := tokenKind(cacheList, "").Encode("7"), tokenKind(directoryList, "").Encode("f")
	for _, tt := range []struct {
		name   string
		req    *filesv1.ListRequest
		reason string
	}{
		{"a negative size", &filesv1.ListRequest{PageSize: -1}, "INVALID_PAGE_SIZE"},
		{"another source", &filesv1.ListRequest{Source: 7}, "INVALID_SOURCE"},
		{"no token", &filesv1.ListRequest{PageToken: "!"}, "INVALID_PAGE_TOKEN"},
		{"a position alone", &filesv1.ListRequest{PageToken: "Nw"}, "INVALID_PAGE_TOKEN"}, // base64 of 7
		{"a cache token without a number", &filesv1.ListRequest{PageToken: tokenKind(cacheList, "").Encode("f")}, "INVALID_PAGE_TOKEN"},
		{"a long prefix", &filesv1.ListRequest{Prefix: strings.Repeat("p", 1025)}, "INVALID_PREFIX"},
		{"a NUL in the prefix", &filesv1.ListRequest{Prefix: "p\x00"}, "INVALID_PREFIX"},
		{"no UTF-8 in the prefix", &filesv1.ListRequest{Prefix: "\xff"}, "INVALID_PREFIX"},
		{"a token without a prefix for one", &filesv1.ListRequest{Prefix: "f", PageToken: cache}, "INVALID_PAGE_TOKEN"},
		{"a token of another prefix", &filesv1.ListRequest{Source: filesv1.Source_SOURCE_DIRECTORY, Prefix: "f", PageToken: tokenKind(directoryList, "g").Encode("f")}, "INVALID_PAGE_TOKEN"},
		{"a token of a prefix for none", &filesv1.ListRequest{Source: filesv1.Source_SOURCE_DIRECTORY, PageToken: tokenKind(directoryList, "f").Encode("f")}, "INVALID_PAGE_TOKEN"},
		{"a directory token for the cache", &filesv1.ListRequest{PageToken: directory}, "INVALID_PAGE_TOKEN"},
		{"a cache token for the directory", &filesv1.ListRequest{Source: filesv1.Source_SOURCE_DIRECTORY, PageToken: cache}, "INVALID_PAGE_TOKEN"},
	} {
		_, err := f.List(t.Context(), tt.req)
		apierrortest.Check(t, tt.name, err, codes.InvalidArgument, tt.reason)
	}
	for source, token := range map[filesv1.Source]string{filesv1.Source_SOURCE_CACHE: cache, filesv1.Source_SOURCE_DIRECTORY: directory} {
		if resp, err := f.List(t.Context(), &filesv1.ListRequest{Source: source, PageToken: token}); err != nil || len(resp.GetFiles()) > 0 {
			t.Errorf("after the last file of %v: %v, %v", source, resp, err)
		}
	}
}
