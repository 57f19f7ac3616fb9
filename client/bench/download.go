package bench

import (
	"context"

	"example.com/parity/client/download"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

// downloadCopy gets a file with Parity's download client, which verifies it, and calls
// took with the numbers of verified bytes.
func downloadCopy(ctx context.Context, files filesv1.FileServiceClient, name string, took func(n int)) error {
	_, err := download.Copy(ctx, files, name, discard(took), download.Options{})
	return err
}

// discard is a writer that only counts bytes.
type discard func(n int)

func (d discard) Write(p []byte) (int, error) {
	d(len(p))
	return len(p), nil
}
