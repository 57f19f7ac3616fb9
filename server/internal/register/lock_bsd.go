//go:build unix && !linux

package register

// lockSuffix is that of a file beside the database that is locked in its place: here a
// flock conflicts with the record locks that SQLite takes on the same file.
const lockSuffix = ".lock"
