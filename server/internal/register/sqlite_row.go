package register

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// createClients creates the table of clients. Times are in microseconds since 1970, UTC;
// 0: never. The checksum is that of [rowBuffer.sum]. The text is stored in the database and
// compared when it is opened: it is part of the format.
const createClients = `CREATE TABLE clients (
	client_id   INTEGER PRIMARY KEY,
	last_number INTEGER NOT NULL,
	last_value  INTEGER NOT NULL,
	revision    INTEGER NOT NULL,
	writer      INTEGER NOT NULL,
	seen_grpc   INTEGER NOT NULL,
	seen_legacy INTEGER NOT NULL,
	checksum    INTEGER NOT NULL
) STRICT`

const (
	upsertClient = `INSERT INTO clients VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
	ON CONFLICT (client_id) DO UPDATE SET last_number = ?2, last_value = ?3, revision = ?4,
	writer = ?5, seen_grpc = ?6, seen_legacy = ?7, checksum = ?8`
	selectClients = `SELECT * FROM clients ORDER BY client_id`
)

// row is a row of the table.
type row struct {
	id int32
	Record
}

// columns returns the row without the checksum, in the order of the table.
func (r *row) columns() [7]int64 {
	return [...]int64{int64(r.id), int64(r.Number), r.Value, r.Revision, r.Writer, r.Seen[GRPC], r.Seen[Legacy]}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// rowBuffer has room for the columns of a row.
type rowBuffer [7 * 8]byte

// sum returns the CRC-32C of columns, each as 8 bytes, big-endian. SQLite itself does
// not notice a flipped bit in a value.
func (b *rowBuffer) sum(columns [7]int64) int64 {
	for i, c := range columns {
		binary.BigEndian.PutUint64(b[8*i:], uint64(c))
	}
	return int64(crc32.Checksum(b[:], castagnoli))
}

// bind sets the parameters of upsertClient.
func (r *row) bind(stmt *sqlite.Stmt, b *rowBuffer) {
	columns := r.columns()
	for i, c := range columns {
		stmt.BindInt64(i+1, c)
	}
	stmt.BindInt64(len(columns)+1, b.sum(columns))
}

// scan reads a row of selectClients.
func (r *row) scan(stmt *sqlite.Stmt, b *rowBuffer) error {
	var columns [7]int64
	for i := range columns {
		columns[i] = stmt.ColumnInt64(i)
	}
	*r = row{int32(columns[0]), Record{
		Number: int32(columns[1]), Value: columns[2], Revision: columns[3], Writer: columns[4],
		Seen: Seen{GRPC: columns[5], Legacy: columns[6]},
	}}
	if r.columns() != columns || stmt.ColumnInt64(len(columns)) != b.sum(columns) {
		return fmt.Errorf("the row of client %d does not match its checksum", columns[0])
	}
	return nil
}

// readClients returns all rows.
func readClients(conn *sqlite.Conn) (table, error) {
	t := newTable()
	var b rowBuffer
	err := sqlitex.Execute(conn, selectClients, &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
		var r row
		if err := r.scan(stmt, &b); err != nil {
			return err
		}
		t.put(r.id, r.Record)
		return nil
	}})
	return t, err
}
