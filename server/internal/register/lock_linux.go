package register

// lockSuffix is empty: the database itself is locked. Here a flock is independent of the
// record locks that SQLite takes on the same file.
const lockSuffix = ""
