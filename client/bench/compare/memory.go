package main

import (
	"context"
	"fmt"
	"time"
)

// memoryRow is a load under which the server's memory is measured.
type memoryRow struct {
	name string
	load string
	most uint64 // bytes that may be resident at the peak
}

// mostOfSlowReaders is the bound: the cache, 2 MiB for each reader, and as much as the
// cache again for the program.
const mostOfSlowReaders = (64 + 100*2 + 64) << 20

var memoryRows = []memoryRow{
	{"1 GiB not cached, 100 slow readers, gRPC", "get --clients 100 --rate 256KiB --file f1g", mostOfSlowReaders},
	{"1 GiB not cached, 100 slow readers, legacy", "legacy-get --clients 100 --rate 256KiB --file f1g", mostOfSlowReaders},
}

// memoryTime is the minimum duration of a load of slow readers: until all buffers are
// full.
const memoryTime = 5 * time.Second

// peak is the result of a memory row.
type peak struct {
	row   memoryRow
	bytes uint64
}

// measureMemory measures all memory rows.
func (r *results) measureMemory(ctx context.Context, p *programs) error {
	if len(r.memory) == 0 {
		return nil
	}
	directory := p.path("memory")
	if err := writeFiles(directory, "f32m", "f30m", "f1g"); err != nil {
		return err
	}
	for i := range r.memory {
		m := &r.memory[i]
		if err := m.measure(ctx, p, directory, max(memoryTime, r.options.length)); err != nil {
			return fmt.Errorf("%s: %w", m.row.name, err)
		}
		fmt.Fprintf(p.stderr, "%s: %d MiB\n", m.row.name, m.bytes>>20)
	}
	return nil
}

// measure runs the row's load on a new server with a full cache.
func (m *peak) measure(ctx context.Context, p *programs, directory string, length time.Duration) error {
	s, err := p.startParity(ctx, "server", directory)
	if err != nil {
		return err
	}
	defer s.stop()
	if _, err := p.put(ctx, s, "get --file f32m --file f30m", time.Second); err != nil {
		return err
	}
	if _, err := p.put(ctx, s, m.row.load, length); err != nil {
		return err
	}
	m.bytes, err = peakMemory(s.cmd.Process.Pid)
	return err
}
