package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"example.com/parity/client/download"
	"example.com/parity/client/interop/testfiles"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

// benchTime is how long a measurement takes.
const benchTime = 3 * time.Second

// benchGet downloads a cached file again and again, and prints the speed in MB/s.
func benchGet(ctx context.Context, d *driver) error {
	files := filesv1.NewFileServiceClient(d.conn)
	get := func() error {
		r, err := download.Copy(ctx, files, testfiles.BenchName, io.Discard, download.Options{})
		if err == nil && (r.Bytes != testfiles.BenchSize || !r.Whole) {
			err = fmt.Errorf("got %+v, want %d bytes that were compared with the checksum of the whole", r, testfiles.BenchSize)
		}
		return err
	}
	if err := get(); err != nil { // fills the cache, and connects
		return err
	}
	start := time.Now()
	fetched := 0
	for time.Since(start) < benchTime {
		if err := get(); err != nil {
			return err
		}
		fetched++
	}
	seconds := time.Since(start).Seconds()
	_, err := fmt.Fprintf(d.stdout, "%.0f\n", float64(fetched)*testfiles.BenchSize/1e6/seconds)
	return err
}
