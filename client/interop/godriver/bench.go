package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"example.com/parity/client/download"
	"example.com/parity/client/interop/testfiles"
)

// benchTime is how long a measurement takes.
const benchTime = 3 * time.Second

// benchGet downloads a cached file again and again, and prints the speed in MB/s.
func benchGet(ctx context.Context, d *driver) error {
	get := func() error {
		r, err := download.Copy(ctx, d.files, testfiles.BenchName, io.Discard, download.Options{})
		if err == nil && (r.Bytes != testfiles.BenchSize || !r.Whole) {
			err = fmt.Errorf("got %+v, want %d bytes that were compared with the checksum of the whole", r, testfiles.BenchSize)
		}
		return err
	}
	if err := get(); err != nil { // fills the cache, and connects
		return err
	}
	start := time.Now()
	files := 0
	for time.Since(start) < benchTime {
		if err := get(); err != nil {
			return err
		}
		files++
	}
	seconds := time.Since(start).Seconds()
	_, err := fmt.Fprintf(d.stdout, "%.0f\n", float64(files)*testfiles.BenchSize/1e6/seconds)
	return err
}
