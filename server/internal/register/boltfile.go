package register

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"go.etcd.io/bbolt"
)

// The file of a Bolt store has three buckets, format 2, all integers big endian:
//
//	parity   "format" → "2"
//	clients  ID, 4 bytes → record, 32 bytes
//	journal  1, 2, 3 …, 8 bytes → ID and record, 36 bytes, again and again
//
// What the journal says of a client is newer than its record, and what comes later in
// the journal is newer still.
//
//	record   0  number, int32
//	         4  value, int64
//	        12  last seen at gRPC, int64, microseconds since 1970, 0: never
//	        20  last seen at the legacy door, likewise
//	        28  CRC-32C (Castagnoli) of the ID and of the 28 bytes before
//
// A change of this is a new format. Format 1 had no journal.
var (
	parityBucket  = []byte("parity")
	formatKey     = []byte("format")
	formatValue   = []byte("2")
	format1Value  = []byte("1")
	clientsBucket = []byte("clients")
	journalBucket = []byte("journal")
)

const (
	idSize     = 4
	recordSize = 32
	entrySize  = idSize + recordSize
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
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[begin:], castagnoli))
}

func decodeRecord(key, value []byte) (id int32, r Record, err error) {
	if len(key) != idSize || len(value) != recordSize {
		return 0, Record{}, fmt.Errorf("the record of client %x is of %d bytes, want %d", key, len(value), recordSize)
	}
	be := binary.BigEndian
	if be.Uint32(value[28:]) != crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value[:28]) {
		return 0, Record{}, fmt.Errorf("the checksum of the record of client %x is wrong", key)
	}
	if be.Uint32(key) > math.MaxInt32 {
		return 0, Record{}, fmt.Errorf("%x is no client ID", key)
	}
	return int32(be.Uint32(key)), Record{
		Number: int32(be.Uint32(value)),
		Value:  int64(be.Uint64(value[4:])),
		Seen: Seen{
			GRPC:   int64(be.Uint64(value[12:])),
			Legacy: int64(be.Uint64(value[20:])),
		},
	}, nil
}

// decodeEntries reads what appendEntry has appended, again and again.
func decodeEntries(b []byte, each func(id int32, r Record)) error {
	if len(b)%entrySize != 0 {
		return fmt.Errorf("an entry of the journal is of %d bytes, want a multiple of %d", len(b), entrySize)
	}
	for ; len(b) > 0; b = b[entrySize:] {
		id, r, err := decodeRecord(b[:idSize], b[idSize:entrySize])
		if err != nil {
			return err
		}
		each(id, r)
	}
	return nil
}

// load reads all records, and what the journal says of them. It makes the buckets
// where the file has none at all, and brings a file of format 1 to this one.
func load(db *bbolt.DB) (clients table, journal journal, err error) {
	clients = table{}
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
		format := parity.Get(formatKey)
		isFormat1 := bytes.Equal(format, format1Value)
		if !isFormat1 && !bytes.Equal(format, formatValue) {
			return fmt.Errorf("is of format %q, and this server knows %q only", format, formatValue)
		}
		records, entries := tx.Bucket(clientsBucket), tx.Bucket(journalBucket)
		switch {
		case records == nil:
			return damaged(errors.New("it has no records"))
		case isFormat1:
			update = addJournal
		case entries == nil:
			return damaged(errors.New("it has no journal"))
		}
		err := records.ForEach(func(key, value []byte) error {
			id, r, err := decodeRecord(key, value)
			clients[id] = r
			return err
		})
		if err == nil && !isFormat1 {
			err = entries.ForEach(func(_, value []byte) error {
				return decodeEntries(value, func(id int32, r Record) {
					clients[id] = r
					journal.note(id)
				})
			})
		}
		if err != nil {
			return damaged(err)
		}
		return nil
	})
	if err == nil && update != nil {
		err = db.Update(update)
	}
	return clients, journal, err
}

// initialize makes the buckets.
func initialize(tx *bbolt.Tx) error {
	if _, err := tx.CreateBucket(parityBucket); err != nil {
		return err
	}
	if _, err := tx.CreateBucket(clientsBucket); err != nil {
		return err
	}
	return addJournal(tx)
}

// addJournal makes a file without a journal one of this format.
func addJournal(tx *bbolt.Tx) error {
	if _, err := tx.CreateBucket(journalBucket); err != nil {
		return err
	}
	return tx.Bucket(parityBucket).Put(formatKey, formatValue)
}

// damaged says that a file cannot be relied upon, and what to do.
func damaged(cause error) error {
	return fmt.Errorf("is damaged (%w); it was left as it is: move it away, or put a copy in its place", cause)
}
