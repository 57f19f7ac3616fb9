package register

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// The file of a Bolt store has three buckets, format 3, all integers big endian:
//
//	parity   "format" → "3"
//	clients  ID, 4 bytes → record, 48 bytes
//	journal  1, 2, 3 …, 8 bytes → ID and record, 52 bytes, again and again
//
// What the journal says of a client is newer than its record, and what comes later in
// the journal is newer still.
//
//	record   0  number, int32
//	         4  value, int64
//	        12  last seen at gRPC, int64, microseconds since 1970, 0: never
//	        20  last seen at the legacy door, likewise
//	        28  revision, int64
//	        36  writer, int64
//	        44  CRC-32C (Castagnoli) of the ID and of the 44 bytes before
//
// A change of this is a new format. The records of formats 1 and 2 had neither
// revision nor writer, and format 1 had no journal.
var (
	parityBucket  = []byte("parity")
	formatKey     = []byte("format")
	formatValue   = []byte("3")
	format2Value  = []byte("2")
	format1Value  = []byte("1")
	clientsBucket = []byte("clients")
	journalBucket = []byte("journal")
)

const (
	idSize     = 4
	sumSize    = 4
	recordSize = 48
	entrySize  = idSize + recordSize

	format2RecordSize = 32 // and format 1's
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendEntry appends the ID and the record of a client.
func appendEntry(dst []byte, id int32, r Record) []byte {
	begin := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, uint32(id))
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.Number))
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Value))
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Seen[GRPC]))
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Seen[Legacy]))
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Revision))
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Writer))
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[begin:], castagnoli))
}

// decodeRecord reads a record of that size, which is this format's or format 2's.
func decodeRecord(key, value []byte, size int) (id int32, r Record, err error) {
	if len(key) != idSize || len(value) != size {
		return 0, Record{}, fmt.Errorf("the record of client %x is of %d bytes, want %d", key, len(value), size)
	}
	be := binary.BigEndian
	fields, sum := value[:size-sumSize], value[size-sumSize:]
	if be.Uint32(sum) != crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, fields) {
		return 0, Record{}, fmt.Errorf("the checksum of the record of client %x is wrong", key)
	}
	if be.Uint32(key) > math.MaxInt32 {
		return 0, Record{}, fmt.Errorf("%x is no client ID", key)
	}
	r = Record{
		Number: int32(be.Uint32(fields)),
		Value:  int64(be.Uint64(fields[4:])),
		Seen: Seen{
			GRPC:   int64(be.Uint64(fields[12:])),
			Legacy: int64(be.Uint64(fields[20:])),
		},
	}
	if size == recordSize {
		r.Revision = int64(be.Uint64(fields[28:]))
		r.Writer = int64(be.Uint64(fields[36:]))
	}
	return int32(be.Uint32(key)), r, nil
}

// decodeEntries reads IDs and records of that size, one after the other.
func decodeEntries(b []byte, size int, each func(id int32, r Record)) error {
	entry := idSize + size
	if len(b)%entry != 0 {
		return fmt.Errorf("an entry of the journal is of %d bytes, want a multiple of %d", len(b), entry)
	}
	for ; len(b) > 0; b = b[entry:] {
		id, r, err := decodeRecord(b[:idSize], b[idSize:entry], size)
		if err != nil {
			return err
		}
		each(id, r)
	}
	return nil
}

// load reads all records, and what the journal says of them. It makes the buckets
// where the file has none at all, and brings a file of an earlier format to this one.
func load(db *bbolt.DB) (clients table, journal journal, err error) {
	clients = newTable()
	var update func(*bbolt.Tx) error // what the file needs
	err = db.View(func(tx *bbolt.Tx) error {
		if key, _ := tx.Cursor().First(); key == nil {
			update = initialize
			return nil
		}
		parity := tx.Bucket(parityBucket)
		if parity == nil {
			return errors.New("is not a register: it is the bbolt file of another program")
		}
		size, hasJournal := recordSize, true
		switch format := parity.Get(formatKey); {
		case bytes.Equal(format, formatValue):
		case bytes.Equal(format, format2Value):
			size = format2RecordSize
		case bytes.Equal(format, format1Value):
			size, hasJournal = format2RecordSize, false
		default:
			return fmt.Errorf("is of format %q, and this server knows %q and before", format, formatValue)
		}
		records, entries := tx.Bucket(clientsBucket), tx.Bucket(journalBucket)
		switch {
		case records == nil:
			return damaged(errors.New("it has no records"))
		case entries == nil && hasJournal:
			return damaged(errors.New("it has no journal"))
		}
		err := records.ForEach(func(key, value []byte) error {
			id, r, err := decodeRecord(key, value, size)
			if err == nil {
				clients.put(id, r)
			}
			return err
		})
		if err == nil && hasJournal {
			err = entries.ForEach(func(_, value []byte) error {
				return decodeEntries(value, size, func(id int32, r Record) {
					clients.put(id, r)
					journal.note(id)
				})
			})
		}
		if err != nil {
			return damaged(err)
		}
		if size != recordSize {
			update = func(tx *bbolt.Tx) error { return rewrite(tx, clients) }
			journal.forget()
		}
		return nil
	})
	if err == nil && update != nil {
		err = db.Update(update)
	}
	return clients, journal, err
}

// initialize makes the buckets of a register that is empty.
func initialize(tx *bbolt.Tx) error {
	if _, err := tx.CreateBucket(parityBucket); err != nil {
		return err
	}
	return fill(tx, newTable())
}

// rewrite makes a register of an earlier format one of this, with these clients. It
// is one transaction: should it not come to its end, the file is what it was.
func rewrite(tx *bbolt.Tx, clients table) error {
	for _, bucket := range [][]byte{clientsBucket, journalBucket} {
		if err := tx.DeleteBucket(bucket); err != nil && !errors.Is(err, bbolterrors.ErrBucketNotFound) {
			return err
		}
	}
	return fill(tx, clients)
}

// fill makes records and an empty journal where there are none.
func fill(tx *bbolt.Tx, clients table) error {
	records, err := tx.CreateBucket(clientsBucket)
	if err != nil {
		return err
	}
	if _, err := tx.CreateBucket(journalBucket); err != nil {
		return err
	}
	var entries []byte
	for _, id := range clients.ids {
		entries = appendEntry(entries, id, clients.records[id])
	}
	if err := putRecords(records, entries); err != nil {
		return err
	}
	return tx.Bucket(parityBucket).Put(formatKey, formatValue)
}

// damaged says that a file cannot be relied upon, and what to do.
func damaged(cause error) error {
	return fmt.Errorf("is damaged (%w); it was left as it is: move it away, or put a copy in its place", cause)
}
