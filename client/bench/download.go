package bench

import (
	"context"

	"example.com/parity/client/download"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

// downloadCopy gets a file with Parity's download client, which checks it, and
// tells took of the bytes that passed.
func downloadCopy(ctx context.Context, files filesv1.FileServiceClient, name string, took func(n int)) error {
	_, err := download.Copy(ctx, files, name, discard(took), download.Options{})
	return err
}

// discard is a writer that keeps nothing and tells how much there was.
type discard func(n int)

func (d discard) Write(p []byte) (int, error) {
	d(len(p))
	return len(p), nil
}
