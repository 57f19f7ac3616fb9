package bench

import (
	"context"
	"os"
	"path/filepath"

	"example.com/parity/client/download"
)

// download gets a file with Parity's download client, which verifies it, and calls took
// with the numbers of bytes: as they are verified, or as they arrive if they are stored.
func (c *getClient) download(ctx context.Context, name string, took func(n int)) error {
	opts := download.Options{Group: c.group}
	if c.to == "" {
		_, err := download.Copy(ctx, c.files, name, discard(took), opts)
		return err
	}
	at := int64(0)
	opts.Progress = func(done, _ int64) {
		took(int(done - at))
		at = done
	}
	path := filepath.Join(c.to, "file")
	if _, err := download.Get(ctx, c.files, name, path, opts); err != nil {
		return err
	}
	return os.Remove(path)
}

// discard is a writer that only counts bytes.
type discard func(n int)

func (d discard) Write(p []byte) (int, error) {
	d(len(p))
	return len(p), nil
}
