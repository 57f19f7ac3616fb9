package fakeserver

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	filesv1 "example.com/parity/gen/parity/files/v1"
)

// Stat describes a file.
func (f *Files) Stat(_ context.Context, r *filesv1.StatRequest) (*filesv1.StatResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, file := range f.files {
		if file.GetName() == r.GetName() {
			return &filesv1.StatResponse{File: file}, nil
		}
	}
	return nil, status.Error(codes.NotFound, "no such file")
}

// Describe changes what the server says of a file.
func (f *Files) Describe(name string, change func(*filesv1.File)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, file := range f.files {
		if file.GetName() == name {
			change(file)
		}
	}
}
