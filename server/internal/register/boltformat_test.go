package register

import (
	"encoding/binary"
	"hash/crc32"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// entry2 is an ID and a record as formats 1 and 2 have it.
func entry2(id int32, r Record) []byte {
	b := appendEntry(nil, id, r)[:idSize+format2RecordSize-sumSize]
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// writeOld writes a register of an earlier format. journal is nil for format 1.
func writeOld(tb testing.TB, path string, format []byte, records, journal [][]byte) {
	tb.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	err = db.Update(func(tx *bbolt.Tx) error {
		parity, _ := tx.CreateBucket(parityBucket)
		clients, _ := tx.CreateBucket(clientsBucket)
		for _, e := range records {
			if err := clients.Put(e[:idSize], e[idSize:]); err != nil {
				return err
			}
		}
		if journal != nil {
			entries, _ := tx.CreateBucket(journalBucket)
			for i, e := range journal {
				if err := entries.Put(binary.BigEndian.AppendUint64(nil, uint64(i+1)), e); err != nil {
					return err
				}
			}
		}
		return parity.Put(formatKey, format)
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// TestBoltEarlierFormats opens files of the formats before.
func TestBoltEarlierFormats(t *testing.T) {
	seven := entry2(7, Record{Number: 3, Value: 70, Seen: seen(1)})
	eight := entry2(8, Record{Number: 4, Value: -80, Seen: SeenAt(Legacy, at(2))})
	newer := entry2(7, Record{Number: 5, Value: 71, Seen: seen(3)})
	for _, test := range []struct {
		name             string
		format           []byte
		records, journal [][]byte
		want             []Record // of clients 7 and 8
	}{
		{"1", format1Value, [][]byte{seven, eight}, nil, []Record{
			{Number: 3, Value: 70, Seen: seen(1)}, {Number: 4, Value: -80, Seen: SeenAt(Legacy, at(2))},
		}},
		{"2", format2Value, [][]byte{seven}, [][]byte{append(eight, newer...)}, []Record{
			{Number: 5, Value: 71, Seen: seen(3)}, {Number: 4, Value: -80, Seen: SeenAt(Legacy, at(2))},
		}},
		{"2, without a journal", format2Value, [][]byte{seven}, [][]byte{}, []Record{{Number: 3, Value: 70, Seen: seen(1)}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "numbers.db")
			writeOld(t, path, test.format, test.records, test.journal)
			for range 2 { // it is of this format the second time
				b := openBolt(t, path)
				page := list(t, b, -1, 10)
				if len(page) != len(test.want) {
					t.Fatalf("%d clients, want %d", len(page), len(test.want))
				}
				for i, c := range page {
					if c.ID != int32(7+i) || c.Record != test.want[i] {
						t.Errorf("%+v, want client %d with %+v", c, 7+i, test.want[i])
					}
				}
				b.Close()
			}
			b := openBolt(t, path)
			change := value(72, 4)
			change.Writer = 99
			isDurable(t, b.Save(7, change))
			b.Close()
			want := Record{Number: test.want[0].Number, Value: 72, Seen: seen(4), Revision: 1, Writer: 99}
			if got := list(t, openBolt(t, path), -1, 1)[0].Record; got != want {
				t.Errorf("then = %+v, want %+v", got, want)
			}
		})
	}
	t.Run("damaged", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "numbers.db")
		writeOld(t, path, format2Value, [][]byte{appendEntry(nil, 7, Record{})}, [][]byte{})
		b, err := OpenBolt(path, slog.New(slog.DiscardHandler))
		if err == nil {
			b.Close()
			t.Fatal("a record of this format opened in a file of format 2")
		}
		if !strings.Contains(err.Error(), "is damaged") {
			t.Errorf("error %q, want that it is damaged", err)
		}
	})
}
