package download

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"slices"
)

// The journal of a part file is a sequence of records behind the bytes of the file. Each is
// written after the bytes that it speaks of, so that a killed process leaves no record
// without its bytes. After a power failure there may be one: when a part file is opened,
// the bytes are compared with the checksum in each record.
//
// A record is, in little-endian order: the offset of the range in 8 bytes, its length in 8,
// its CRC-32C in 4, and the CRC-32C of these 20 bytes in 4.
const recordSize = 24

// maxRecords bounds the journal that is read: the records of a file of 16 TiB, in segments
// of 16 MiB.
const maxRecords = 1 << 20

func appendRecord(b []byte, p piece) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint64(b, uint64(p.offset))
	b = binary.LittleEndian.AppendUint64(b, uint64(p.size))
	b = binary.LittleEndian.AppendUint32(b, p.crc)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// parseRecord parses a record of a file of size bytes.
func parseRecord(b []byte, size int64) (p piece, ok bool) {
	sum := crc32.Checksum(b[:recordSize-4], castagnoli)
	p.offset = int64(binary.LittleEndian.Uint64(b))
	p.span.size = int64(binary.LittleEndian.Uint64(b[8:]))
	p.crc = binary.LittleEndian.Uint32(b[16:])
	ok = binary.LittleEndian.Uint32(b[20:]) == sum &&
		p.offset >= 0 && p.span.size > 0 && p.offset <= size && p.span.size <= size-p.offset
	return p, ok
}

// record appends a record to the journal.
func (p *part) record(piece piece) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.file.WriteAt(appendRecord(nil, piece), p.size+p.records*recordSize); err != nil {
		return err
	}
	p.records++
	p.held = append(p.held, piece)
	return nil
}

// load reads the journal, verifies the bytes of each record, and leaves the records of
// those that are right.
func (p *part) load(ctx context.Context) error {
	pieces, err := p.readJournal()
	if err != nil {
		return err
	}
	slices.SortFunc(pieces, func(a, b piece) int { return cmp.Compare(a.offset, b.offset) })
	end := int64(0)
	for _, piece := range pieces {
		if piece.offset < end {
			continue // a range that was fetched again
		}
		sum, err := sumOf(ctx, p.file, piece.span)
		switch {
		case errors.Is(err, io.EOF): // the bytes are missing
		case err != nil:
			return err
		case sum == piece.crc:
			p.held = append(p.held, piece)
			end = piece.end()
		}
	}
	return p.restoreJournal()
}

// restoreJournal writes the journal anew.
func (p *part) restoreJournal() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.records = int64(len(p.held))
	if len(p.held) == 0 {
		return p.file.Truncate(0) // whether there is space for more is not known yet
	}
	if err := p.file.Truncate(p.size); err != nil {
		return err
	}
	var journal []byte
	for _, piece := range p.held {
		journal = appendRecord(journal, piece)
	}
	_, err := p.file.WriteAt(journal, p.size)
	return err
}

// readJournal returns the records up to the first invalid one.
func (p *part) readJournal() (pieces []piece, err error) {
	records := io.NewSectionReader(p.file, p.size, maxRecords*recordSize)
	journal, err := io.ReadAll(records)
	if err != nil {
		return nil, err
	}
	for ; len(journal) >= recordSize; journal = journal[recordSize:] {
		piece, ok := parseRecord(journal[:recordSize], p.size)
		if !ok {
			break
		}
		pieces = append(pieces, piece)
	}
	return pieces, nil
}

// readBuffer is how much of a file is read at once, in bytes: enough to keep a disk busy.
// Between two reads the context is checked.
const readBuffer = 1 << 20

// sumOf returns the CRC-32C of a range of a file. It returns io.EOF if the file is shorter.
func sumOf(ctx context.Context, f *os.File, s span) (sum uint32, err error) {
	buf := make([]byte, min(s.size, readBuffer))
	for at := s.offset; at < s.end(); at += int64(len(buf)) {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		buf = buf[:min(s.end()-at, readBuffer)]
		if n, err := f.ReadAt(buf, at); n < len(buf) {
			return 0, err
		}
		sum = crc32.Update(sum, castagnoli, buf)
	}
	return sum, nil
}
