package files

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	filesv1 "example.com/parity/gen/parity/files/v1"
	"example.com/parity/server/internal/apierror"
)

// maxPage is the most files of one page: with the longest names they stay well
// below the 4 MiB that gRPC clients take as one message.
const maxPage = 1000

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
	stats := s.cache.Stats()
	resp := &filesv1.ListResponse{CacheUsedBytes: stats.Used, CacheCapacityBytes: stats.Capacity}
	switch req.GetSource() {
	case filesv1.Source_SOURCE_UNSPECIFIED, filesv1.Source_SOURCE_CACHE:
		return resp, s.listCache(resp, req.GetPageToken(), size)
	case filesv1.Source_SOURCE_DIRECTORY:
		return resp, s.listDirectory(ctx, resp, req.GetPageToken(), size)
	}
	return nil, apierror.InvalidArgument("INVALID_SOURCE", "source", fmt.Sprintf("%d is no source", req.GetSource()))
}

// listCache continues after the entry that the token names by its place in the
// order in which files came into the cache.
func (s *Service) listCache(resp *filesv1.ListResponse, token string, size int) error {
	position, err := decodeToken("cache", token)
	if err != nil {
		return err
	}
	var after uint64
	if position != "" {
		if after, err = strconv.ParseUint(position, 10, 64); err != nil {
			return errPageToken
		}
	}
	entries, err := s.cache.List(after, size+1)
	if err != nil {
		return err
	}
	for _, e := range entries[:min(size, len(entries))] {
		resp.Files = append(resp.Files, describe(e.Info, true))
	}
	if len(entries) > size {
		resp.NextPageToken = encodeToken("cache", strconv.FormatUint(entries[size-1].Seq, 10))
	}
	return nil
}

// listDirectory continues after the name that the token holds.
func (s *Service) listDirectory(ctx context.Context, resp *filesv1.ListResponse, token string, size int) error {
	after, err := decodeToken("directory", token)
	if err != nil {
		return err
	}
	found, more, err := s.cache.Walk(ctx, after, size, canGet)
	if err != nil {
		return err
	}
	for _, info := range found {
		resp.Files = append(resp.Files, describe(info, s.cache.Contains(info)))
	}
	if more {
		resp.NextPageToken = encodeToken("directory", found[len(found)-1].Name)
	}
	return nil
}

// canGet reports whether Get takes that name.
func canGet(name string) bool { return len(name) <= maxName && utf8.ValidString(name) }

var errPageToken = apierror.InvalidArgument("INVALID_PAGE_TOKEN", "page_token", "is not one that List returned for this source")

// encodeToken makes a page token that is good for one source only.
func encodeToken(source, position string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(source + ":" + position))
}

// decodeToken returns the position that a token holds, "" for the first page.
func decodeToken(source, token string) (position string, err error) {
	if token == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return "", errPageToken
	}
	position, ok := strings.CutPrefix(string(b), source+":")
	if !ok || position == "" {
		return "", errPageToken
	}
	return position, nil
}
