package files

import (
	"context"
	"fmt"
	"strconv"

	filesv1 "example.com/parity/gen/parity/files/v1"
	"example.com/parity/server/internal/apierror"
	"example.com/parity/server/internal/pagetoken"
)

// maxPage is the maximum number of files in a page. With the longest names a page stays
// well below 4 MiB, the largest message that gRPC clients accept by default.
const maxPage = 1000

// The lists that page tokens continue, beside the prefix. A token holds the position of the
// last file of a page: in the cache, the sequence number of its insertion; in the
// directory, its name.
const (
	cacheList     = "cache"
	directoryList = "directory"
)

// tokenKind returns the kind of the tokens of a list with that prefix.
func tokenKind(list, prefix string) pagetoken.Kind {
	if prefix == "" {
		return pagetoken.Kind(list)
	}
	return pagetoken.Kind(fmt.Sprintf("%s %d %s", list, len(prefix), prefix))
}

var errPageToken = apierror.InvalidArgument("INVALID_PAGE_TOKEN", "page_token", "is not one that List returned for this source and prefix")

// List returns a page of the cache or of the directory.
func (s *Service) List(ctx context.Context, req *filesv1.ListRequest) (*filesv1.ListResponse, error) {
	resp, err := s.list(ctx, req)
	return resp, toStatus(err)
}

func (s *Service) list(ctx context.Context, req *filesv1.ListRequest) (*filesv1.ListResponse, error) {
	size := int(req.GetPageSize())
	if size < 0 {
		return nil, apierror.InvalidArgument("INVALID_PAGE_SIZE", "page_size", "must not be negative")
	}
	if size == 0 || size > maxPage {
		size = maxPage
	}
	if problem := checkPath(req.GetPrefix()); problem != "" {
		return nil, apierror.InvalidArgument("INVALID_PREFIX", "prefix", problem)
	}
	stats := s.cache.Stats()
	resp := &filesv1.ListResponse{CacheUsedBytes: stats.Used, CacheCapacityBytes: stats.Capacity}
	switch req.GetSource() {
	case filesv1.Source_SOURCE_UNSPECIFIED, filesv1.Source_SOURCE_CACHE:
		return resp, s.listCache(resp, req, size)
	case filesv1.Source_SOURCE_DIRECTORY:
		return resp, s.listDirectory(ctx, resp, req, size)
	}
	return nil, apierror.InvalidArgument("INVALID_SOURCE", "source", fmt.Sprintf("%d is no source", req.GetSource()))
}

// listCache adds the files of the cache after the token's position, in the order of their
// insertion.
func (s *Service) listCache(resp *filesv1.ListResponse, req *filesv1.ListRequest, size int) error {
	tokens := tokenKind(cacheList, req.GetPrefix())
	position, ok := tokens.Decode(req.GetPageToken())
	if !ok {
		return errPageToken
	}
	var after uint64
	if position != "" {
		var err error
		if after, err = strconv.ParseUint(position, 10, 64); err != nil {
			return errPageToken
		}
	}
	entries, err := s.cache.List(req.GetPrefix(), after, size+1)
	if err != nil {
		return err
	}
	for _, e := range entries[:min(size, len(entries))] {
		resp.Files = append(resp.Files, describe(e.Info, true))
	}
	if len(entries) > size {
		resp.NextPageToken = tokens.Encode(strconv.FormatUint(entries[size-1].Seq, 10))
	}
	return nil
}

// listDirectory adds the files of the directory after the token's position, in the order
// of their names. It leaves out those whose name Get refuses.
func (s *Service) listDirectory(ctx context.Context, resp *filesv1.ListResponse, req *filesv1.ListRequest, size int) error {
	tokens := tokenKind(directoryList, req.GetPrefix())
	after, ok := tokens.Decode(req.GetPageToken())
	if !ok {
		return errPageToken
	}
	found, more, err := s.cache.Walk(ctx, req.GetPrefix(), after, size, func(name string) bool { return checkName(name) == "" })
	if err != nil {
		return err
	}
	for _, info := range found {
		resp.Files = append(resp.Files, describe(info, s.cache.Contains(info)))
	}
	if more {
		resp.NextPageToken = tokens.Encode(found[len(found)-1].Name)
	}
	return nil
}
