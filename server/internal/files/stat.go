package files

import (
	"context"

	filesv1 "example.com/parity/gen/parity/files/v1"
)

// Stat describes one file.
func (s *Service) Stat(ctx context.Context, req *filesv1.StatRequest) (*filesv1.StatResponse, error) {
	if err := validateName(req.GetName()); err != nil {
		return nil, err
	}
	info, err := s.cache.Stat(ctx, req.GetName())
	if err != nil {
		return nil, toStatus(err)
	}
	return &filesv1.StatResponse{File: describe(info, s.cache.Contains(info))}, nil
}
