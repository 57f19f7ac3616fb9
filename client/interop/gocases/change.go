package gocases

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"

	"google.golang.org/grpc/codes"

	"example.com/parity/client/interop/testfiles"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

// getChanged rewrites a file during a call.
func getChanged(ctx context.Context, s *Suite) error {
	name := testfiles.ChangingName(s.Row)
	before, err := os.ReadFile(filepath.Join(s.Dir, name))
	if err != nil {
		return err
	}
	call, err := s.files.Get(ctx, &filesv1.GetRequest{Name: name})
	if err != nil {
		return err
	}
	f := new(fetched)
	r, err := call.Recv()
	if err != nil {
		return err
	}
	if err := f.add(r); err != nil {
		return err
	}
	if err := testfiles.Rewrite(s.Dir, name); err != nil {
		return err
	}
	version := f.file.GetVersion()
	if f, err = f.rest(call); err != nil {
		return wantStatus(err, codes.Aborted, "FILE_CHANGED")
	}
	// The server had read the file before the change.
	if !bytes.Equal(f.data, before) {
		return errors.New("the call ended with success and data that was never the content of the file")
	}
	_, err = s.fetch(ctx, &filesv1.GetRequest{Name: name, Version: version})
	return wantStatus(err, codes.Aborted, "VERSION_MISMATCH")
}
