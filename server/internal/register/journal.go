package register

import (
	"encoding/binary"
	"slices"

	"go.etcd.io/bbolt"
)

const (
	// A journal is folded into the records when it has foldAt entries for each client
	// that is in it, so that a fold adds little to what the entries have cost, but not
	// below minJournal, 210 kB. The shorter it is, the sooner its pages are used again:
	// a page that is new to the file system costs more than one that is not.
	foldAt     = 8
	minJournal = 1 << 12
	// maxJournal is how many entries it may have at most: 3 to 7 MB, which are read in
	// some milliseconds when the file is opened. Ten thousand clients that count fill
	// it in three seconds. While the fold fails, for want of room, it may have twice as
	// many.
	maxJournal = 1 << 16
	// journalValue is how many entries are kept under one key: two values fill a page
	// of 4 KiB. bbolt writes whole pages, and keeps at least two keys on each.
	journalValue = 38
)

// journal is what is known of the journal of a Bolt's file.
type journal struct {
	length  int                // entries
	clients map[int32]struct{} // who has one
}

// note adds an entry.
func (j *journal) note(id int32) {
	if j.clients == nil {
		j.clients = map[int32]struct{}{}
	}
	j.clients[id] = struct{}{}
	j.length++
}

// forget empties it.
func (j *journal) forget() { *j = journal{} }

// isLong tells whether the journal should be folded, if it must not be longer than
// limit.
func (j *journal) isLong(limit int) bool {
	return j.length >= min(limit, max(minJournal, foldAt*len(j.clients)))
}

// appendJournal puts entries at the end of the journal. They must not change until the
// transaction has ended.
func appendJournal(bucket *bbolt.Bucket, entries []byte) error {
	bucket.FillPercent = 1 // nothing is ever put in between
	for value := range slices.Chunk(entries, journalValue*entrySize) {
		n, err := bucket.NextSequence()
		if err != nil {
			return err
		}
		if err := bucket.Put(binary.BigEndian.AppendUint64(nil, n), value); err != nil {
			return err
		}
	}
	return nil
}

// putRecords makes entries the records of their clients. They must not change until
// the transaction has ended.
func putRecords(bucket *bbolt.Bucket, entries []byte) error {
	for entry := range slices.Chunk(entries, entrySize) {
		if err := bucket.Put(entry[:idSize], entry[idSize:]); err != nil {
			return err
		}
	}
	return nil
}

func emptyJournal(tx *bbolt.Tx) error {
	if err := tx.DeleteBucket(journalBucket); err != nil {
		return err
	}
	_, err := tx.CreateBucket(journalBucket)
	return err
}
