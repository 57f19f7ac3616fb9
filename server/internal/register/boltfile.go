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

// The file of a Bolt store has two buckets, format 1:
//
//	parity   "format" → "1"
//	clients  ID, 4 bytes → record, 32 bytes, both big endian
//
//	record   0  number, int32
//	         4  value, int64
//	        12  last seen at gRPC, int64, microseconds since 1970, 0: never
//	        20  last seen at the legacy door, likewise
//	        28  CRC-32C (Castagnoli) of the ID and of the 28 bytes before
//
// A change of this is a new format.
var (
	parityBucket  = []byte("parity")
	formatKey     = []byte("format")
	formatValue   = []byte("1")
	clientsBucket = []byte("clients")
)

const (
	idSize     = 4
	recordSize = 32
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func encodeID(id int32) []byte {
	return binary.BigEndian.AppendUint32(nil, uint32(id))
}

func encodeRecord(key []byte, r Record) []byte {
	b := make([]byte, 0, recordSize)
	b = binary.BigEndian.AppendUint32(b, uint32(r.Number))
	b = binary.BigEndian.AppendUint64(b, uint64(r.Value))
	b = binary.BigEndian.AppendUint64(b, uint64(toMicro(r.Seen[GRPC])))
	b = binary.BigEndian.AppendUint64(b, uint64(toMicro(r.Seen[Legacy])))
	return binary.BigEndian.AppendUint32(b, checksum(key, b))
}

func decodeRecord(key, value []byte) (id int32, r Record, err error) {
	if len(key) != idSize || len(value) != recordSize {
		return 0, Record{}, fmt.Errorf("the record of client %x is of %d bytes, want %d", key, len(value), recordSize)
	}
	be := binary.BigEndian
	if be.Uint32(value[28:]) != checksum(key, value[:28]) {
		return 0, Record{}, fmt.Errorf("the checksum of the record of client %x is wrong", key)
	}
	if be.Uint32(key) > math.MaxInt32 {
		return 0, Record{}, fmt.Errorf("%x is no client ID", key)
	}
	return int32(be.Uint32(key)), Record{
		Number: int32(be.Uint32(value)),
		Value:  int64(be.Uint64(value[4:])),
		Seen: Seen{
			GRPC:   fromMicro(int64(be.Uint64(value[12:]))),
			Legacy: fromMicro(int64(be.Uint64(value[20:]))),
		},
	}, nil
}

func checksum(key, record []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, record)
}

// load reads all records. It makes the buckets where the file has none at all.
func load(db *bbolt.DB) (table, error) {
	clients := table{}
	begun := false
	err := db.View(func(tx *bbolt.Tx) error {
		if key, _ := tx.Cursor().First(); key == nil {
			return nil
		}
		begun = true
		parity := tx.Bucket(parityBucket)
		if parity == nil {
			return errors.New("is not a register: it is the bbolt file of another program")
		}
		if format := parity.Get(formatKey); !bytes.Equal(format, formatValue) {
			return fmt.Errorf("is of format %q, and this server knows %q only", format, formatValue)
		}
		bucket := tx.Bucket(clientsBucket)
		if bucket == nil {
			return damaged(errors.New("it has no records"))
		}
		return bucket.ForEach(func(key, value []byte) error {
			id, r, err := decodeRecord(key, value)
			if err != nil {
				return damaged(err)
			}
			clients[id] = r
			return nil
		})
	})
	if err != nil || begun {
		return clients, err
	}
	return clients, db.Update(func(tx *bbolt.Tx) error {
		parity, err := tx.CreateBucket(parityBucket)
		if err != nil {
			return err
		}
		if err := parity.Put(formatKey, formatValue); err != nil {
			return err
		}
		_, err = tx.CreateBucket(clientsBucket)
		return err
	})
}

// damaged says that a file cannot be relied upon, and what to do.
func damaged(cause error) error {
	return fmt.Errorf("is damaged (%w); it was left as it is: move it away, or put a copy in its place", cause)
}
