package register

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

const (
	// applicationID marks a SQLite file as a register: "Prty".
	applicationID = 0x50727479
	// formatVersion is the user_version of the files that this package writes.
	formatVersion = 1

	// busyWait is how long a transaction waits for other programs that write to the
	// file, such as a backup that is just starting.
	busyWait = 500 * time.Millisecond
	// maxLogSize is how large the write-ahead log may stay, in bytes. It grows further
	// only while another program reads the same snapshot.
	maxLogSize = 16 << 20
)

// The suffixes of files that SQLite keeps beside a database: the write-ahead log, and the
// rollback journal of a transaction that does not use the log.
const (
	logSuffix     = "-wal"
	journalSuffix = "-journal"
)

// companions are the suffixes of all files that SQLite keeps beside a database. The
// second one is that of the log's index.
var companions = []string{logSuffix, "-shm", journalSuffix}

// database is an open SQLite file with its lock. It is not synchronised.
type database struct {
	path string // as configured
	real string // absolute, without symbolic links

	// file holds the lock. It must stay open for as long as conn: closing any descriptor
	// of a file releases the locks that SQLite has on it.
	file     *os.File
	lockFile *os.File    // has the lock in place of file; nil: file has it
	info     fs.FileInfo // of file
	log      fs.FileInfo // of the write-ahead log

	conn                            *sqlite.Conn
	begin, commit, rollback, upsert *sqlite.Stmt
	buffer                          rowBuffer
}

// openDatabase opens the register at path, and creates it if there is none. It returns
// the register's content.
func openDatabase(path string) (_ *database, _ table, err error) {
	d := &database{path: path}
	defer func() {
		if err != nil {
			d.close() //nolint:errcheck // nothing was written
		}
	}()
	if err := d.openFile(); err != nil {
		return nil, table{}, err
	}
	clients, err := d.load()
	if err != nil {
		return nil, table{}, err
	}
	removeUnfinished(path)
	if err := d.connect(); err != nil {
		return nil, table{}, explain(err)
	}
	return d, clients, nil
}

// openFile opens the file and takes its lock.
func (d *database) openFile() error {
	info, err := os.Stat(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		for _, suffix := range []string{logSuffix, journalSuffix} { // SQLite would apply them to the new file
			log := resolved(d.path) + suffix
			if _, err := os.Lstat(log); err == nil {
				return fmt.Errorf("is missing, but its log is there: put the register back, or move %q away to start a new one", log)
			}
		}
		if err := create(d.path, createDatabase); err != nil {
			return fmt.Errorf("cannot create it: %w", err)
		}
		info, err = os.Stat(d.path)
	}
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return errors.New("is not a regular file")
	}
	if d.real, err = filepath.EvalSymlinks(d.path); err != nil {
		return err
	}
	if d.real, err = filepath.Abs(d.real); err != nil { // SQLite gives names such as ":memory:" a meaning
		return err
	}
	if d.file, err = os.Open(d.path); err != nil {
		return err
	}
	toLock := d.file
	if lockSuffix != "" {
		if d.lockFile, err = os.OpenFile(d.real+lockSuffix, os.O_CREATE|os.O_RDWR, 0o600); err != nil {
			return err
		}
		toLock = d.lockFile
	}
	if err := lock(toLock); err != nil {
		return err
	}
	d.info, err = d.file.Stat()
	return err
}

// Offsets in the header of a SQLite file, whose integers are big-endian, and in that of
// a bbolt file, whose integers are in the byte order of the machine.
const (
	headerSize        = 100
	headerMagic       = "SQLite format 3\x00"
	userVersionOffset = 60
	applicationOffset = 68
	bboltMagicOffset  = 16
	bboltMagic        = 0xED0CDAED
)

// checkHeader returns an error if the file is no register of this format.
func (d *database) checkHeader() error {
	if d.info.Size() == 0 {
		return errors.New("is empty, and a register is never empty: put a backup in its place, or remove it to start a new register")
	}
	var header [headerSize]byte
	n, err := d.file.ReadAt(header[:], 0)
	switch {
	case n >= bboltMagicOffset+4 && binary.NativeEndian.Uint32(header[bboltMagicOffset:]) == bboltMagic:
		return errors.New("is a bbolt file, which earlier versions wrote and this one does not read: move it away to start a new register")
	case n < len(header):
		return damaged(fmt.Errorf("it has %d bytes: %w", n, err))
	case string(header[:len(headerMagic)]) != headerMagic:
		return damaged(errors.New("it is no SQLite file"))
	}
	if id := binary.BigEndian.Uint32(header[applicationOffset:]); id != applicationID {
		return fmt.Errorf("is a SQLite file of another program: its application_id is %#x", id)
	}
	if v := binary.BigEndian.Uint32(header[userVersionOffset:]); v != formatVersion {
		return fmt.Errorf("has format %d, and this version reads format %d", v, formatVersion)
	}
	return nil
}

func damaged(cause error) error {
	return fmt.Errorf("is damaged, and left as it is; put a backup in its place, or move it away to start a new register: %w", cause)
}

// explain adds to an error of SQLite the name of its code, where its text is too general.
func explain(err error) error {
	if code := sqlite.ErrCode(err); code.ToPrimary() == sqlite.ResultIOErr {
		return fmt.Errorf("%w (%v)", err, code)
	}
	return err
}

// load checks the whole file and returns its content. It changes nothing but what an
// interrupted transaction has left, so that a damaged file can be looked into.
func (d *database) load() (table, error) {
	if err := d.checkHeader(); err != nil {
		return table{}, err
	}
	uri := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(d.real)}
	if info, err := os.Stat(d.real + logSuffix); err != nil || info.Size() == 0 {
		if err := d.rollBack(); err != nil {
			return table{}, fmt.Errorf("cannot roll back an interrupted transaction: %w", explain(err))
		}
		// Nothing needs recovery now. Immutable, SQLite creates no files beside this one.
		uri.RawQuery = "immutable=1"
	}
	conn, err := sqlite.OpenConn(uri.String(), sqlite.OpenReadOnly|sqlite.OpenURI)
	if err != nil {
		return table{}, err
	}
	defer conn.Close() //nolint:errcheck // it was only read
	conn.SetBusyTimeout(busyWait)
	if err := checkContent(conn); err != nil {
		return table{}, damaged(err)
	}
	clients, err := readClients(conn)
	if err != nil {
		return table{}, damaged(err)
	}
	return clients, nil
}

// rollBack rolls back the transaction of a rollback journal, if a program that was killed
// has left one. The server itself uses such a journal when it switches a restored backup to
// the write-ahead log.
func (d *database) rollBack() error {
	if _, err := os.Lstat(d.real + journalSuffix); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	conn, err := sqlite.OpenConn(d.real, sqlite.OpenReadWrite)
	if err != nil {
		return err
	}
	conn.SetBusyTimeout(busyWait)
	_, err = texts(conn, "PRAGMA schema_version") // the first read rolls back
	return errors.Join(err, conn.Close())
}

// checkContent runs SQLite's quick check, and compares the schema of the table.
func checkContent(conn *sqlite.Conn) error {
	found, err := texts(conn, "PRAGMA quick_check(1)")
	if err != nil {
		return err
	}
	if !slices.Equal(found, []string{"ok"}) {
		return errors.New(strings.Join(found, "; "))
	}
	// Other programs may have tables of their own here: Litestream has.
	table, err := texts(conn, "SELECT sql FROM sqlite_schema WHERE tbl_name = 'clients'")
	if err == nil && !slices.Equal(table, []string{createClients}) {
		err = fmt.Errorf("its table of clients is %q", table)
	}
	return err
}

// texts returns the first column of a query's result.
func texts(conn *sqlite.Conn, query string) (column []string, err error) {
	err = sqlitex.ExecuteTransient(conn, query, &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
		column = append(column, stmt.ColumnText(0))
		return nil
	}})
	return column, err
}

// connect opens the connection for writing.
func (d *database) connect() (err error) {
	if d.conn, err = sqlite.OpenConn(d.real, sqlite.OpenReadWrite); err != nil {
		return err
	}
	d.conn.SetBusyTimeout(busyWait)
	for _, pragma := range []string{
		"PRAGMA journal_mode = WAL",
		"PRAGMA synchronous = FULL", // a commit returns when the log is synced
		fmt.Sprintf("PRAGMA journal_size_limit = %d", maxLogSize),
	} {
		if err := sqlitex.ExecuteTransient(d.conn, pragma, nil); err != nil {
			return err
		}
	}
	for query, stmt := range map[string]**sqlite.Stmt{
		"BEGIN IMMEDIATE": &d.begin, "COMMIT": &d.commit, "ROLLBACK": &d.rollback, upsertClient: &d.upsert,
	} {
		if *stmt, err = d.conn.Prepare(query); err != nil {
			return err
		}
	}
	if err := d.write(nil); err != nil { // the log now exists
		return err
	}
	d.log, err = os.Stat(d.real + logSuffix)
	return err
}

// write commits rows in one transaction.
func (d *database) write(rows []row) error { return explain(d.transact(rows)) }

func (d *database) transact(rows []row) error {
	if err := run(d.begin); err != nil {
		return err
	}
	for i := range rows {
		rows[i].bind(d.upsert, &d.buffer)
		if err := run(d.upsert); err != nil {
			return errors.Join(err, d.abort())
		}
	}
	if err := run(d.commit); err != nil {
		return errors.Join(err, d.abort())
	}
	return nil
}

// abort ends a transaction that failed, unless SQLite has done so already.
func (d *database) abort() error {
	if d.conn.AutocommitEnabled() {
		return nil
	}
	return run(d.rollback)
}

// run executes a statement that returns no rows.
func run(stmt *sqlite.Stmt) error {
	_, err := stmt.Step()
	return errors.Join(err, resetError(stmt.Reset(), err))
}

// resetError returns the error of a Reset, which repeats the error of the Step before.
func resetError(reset, step error) error {
	if step != nil {
		return nil
	}
	return reset
}

// errMisplaced makes Health fail at once: waiting does not help.
var errMisplaced = errors.New("the file is no longer in its place")

// inPlace returns an error if the path does not lead to the file that is open, or the
// write-ahead log is not the one that SQLite writes.
func (d *database) inPlace() error {
	if err := isAt(d.path, d.info); err != nil {
		return err
	}
	return isAt(d.real+logSuffix, d.log)
}

func isAt(path string, file fs.FileInfo) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("register %q: %w: it was removed; put it back, or restart the server to start a new one", path, errMisplaced)
	case err != nil:
		return fmt.Errorf("register: %w", err)
	case !os.SameFile(info, file):
		return fmt.Errorf("register %q: %w: it was replaced; put it back, or restart the server to use the other one", path, errMisplaced)
	}
	return nil
}

func (d *database) close() error {
	var err error
	if d.conn != nil {
		err = d.conn.Close() // which also copies the log into the database
		d.conn = nil
	}
	if d.file != nil {
		d.file.Close()
	}
	if d.lockFile != nil {
		d.lockFile.Close()
	}
	return err
}

// createDatabase writes an empty register at path, where there is none, and syncs it.
func createDatabase(path string) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) // SQLite would take another mode
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	for _, query := range []string{
		"PRAGMA synchronous = FULL",
		fmt.Sprintf("PRAGMA application_id = %d", applicationID),
		fmt.Sprintf("PRAGMA user_version = %d", formatVersion),
		createClients,
		"PRAGMA journal_mode = WAL", // stored in the file
	} {
		if err := sqlitex.ExecuteTransient(conn, query, nil); err != nil {
			return err
		}
	}
	return nil
}
