package gocases

import (
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/codes"

	"example.com/parity/client/interop/testfiles"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

// cacheCapacity is that of the server, in bytes.
const cacheCapacity = 64 << 20

func listCache(ctx context.Context, s *Suite) error {
	if _, err := s.fetch(ctx, &filesv1.GetRequest{Name: testfiles.SmallName}); err != nil {
		return err
	}
	request := &filesv1.ListRequest{}
	for {
		r, err := s.files.List(ctx, request)
		if err != nil {
			return err
		}
		if r.GetCacheUsedBytes() <= 0 || r.GetCacheCapacityBytes() != cacheCapacity {
			return fmt.Errorf("cache: %d of %d bytes, want more than 0 of %d", r.GetCacheUsedBytes(), r.GetCacheCapacityBytes(), cacheCapacity)
		}
		for _, f := range r.GetFiles() {
			if f.GetName() == testfiles.SmallName {
				return wantFile(f, int64(len(testfiles.Small)), true)
			}
		}
		if request.PageToken = r.GetNextPageToken(); request.PageToken == "" {
			return fmt.Errorf("the list does not have %q", testfiles.SmallName)
		}
	}
}

// wantFile returns an error unless a description is plausible.
func wantFile(f *filesv1.File, size int64, cached bool) error {
	const day = 24 * time.Hour
	age := time.Since(f.GetModified().AsTime())
	if f.GetSizeBytes() != size || f.GetCached() != cached || f.GetVersion() == "" || age < -day || age > day {
		return fmt.Errorf("got {%v}, want size %d, cached %v, a version, and a time of today", f, size, cached)
	}
	return nil
}

// list returns the pages of a list of the directory, by the names on them.
func (s *Suite) list(ctx context.Context, prefix string, size int32) (pages [][]string, err error) {
	request := &filesv1.ListRequest{Source: filesv1.Source_SOURCE_DIRECTORY, Prefix: prefix, PageSize: size}
	for {
		r, err := s.files.List(ctx, request)
		if err != nil {
			return nil, err
		}
		var names []string
		for _, f := range r.GetFiles() {
			names = append(names, f.GetName())
		}
		pages = append(pages, names)
		if request.PageToken = r.GetNextPageToken(); request.PageToken == "" {
			return pages, nil
		}
	}
}

func listPaged(ctx context.Context, s *Suite) error {
	const pageSize = 10
	pages, err := s.list(ctx, "page/", pageSize)
	if err != nil {
		return err
	}
	var want [][]string
	for i := range testfiles.Pages {
		if i%pageSize == 0 {
			want = append(want, nil)
		}
		last := len(want) - 1
		want[last] = append(want[last], testfiles.PageName(i))
	}
	if !slices.EqualFunc(pages, want, slices.Equal) {
		return fmt.Errorf("the pages are %q, want %q", pages, want)
	}
	return nil
}

func listPrefix(ctx context.Context, s *Suite) error {
	below := []string{"dir/a.txt", "dir/b.txt", testfiles.ColdName}
	for prefix, want := range map[string][]string{"dir/": below, "dir": append(below, "dirt.txt")} {
		pages, err := s.list(ctx, prefix, 0)
		if err != nil {
			return err
		}
		if len(pages) != 1 || !slices.Equal(pages[0], want) {
			return fmt.Errorf("the list with prefix %q has %q, want %q", prefix, pages, want)
		}
	}
	return nil
}

func stat(ctx context.Context, s *Suite) error {
	r, err := s.files.Stat(ctx, &filesv1.StatRequest{Name: testfiles.UmlautName})
	if err != nil {
		return err
	}
	if err := wantFile(r.GetFile(), int64(len(testfiles.Umlaut)), r.GetFile().GetCached()); err != nil {
		return err
	}
	if r.GetFile().GetName() != testfiles.UmlautName {
		return fmt.Errorf("the stat has the name %q, want %q", r.GetFile().GetName(), testfiles.UmlautName)
	}
	_, err = s.files.Stat(ctx, &filesv1.StatRequest{Name: "nope"})
	if err := wantStatus(err, codes.NotFound, "FILE_NOT_FOUND"); err != nil {
		return err
	}
	for range 2 { // the first one must not have cached it
		if r, err = s.files.Stat(ctx, &filesv1.StatRequest{Name: testfiles.ColdName}); err != nil {
			return err
		}
		if err := wantFile(r.GetFile(), 1, false); err != nil {
			return err
		}
	}
	return nil
}
