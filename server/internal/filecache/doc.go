// Package filecache reads the files of one directory through an in-memory cache that is
// bounded in bytes. It knows names, sizes and versions, but not how the bytes are sent.
//
// [Cache.Open] opens a file and [File.Chunk] reads it. Chunk returns slices of the cached
// bytes. These bytes never change, so any number of readers may share and keep them.
//
// The cache guarantees:
//
//   - Bound: the lengths of the cached files plus [EntryOverhead] for each never exceed the
//     capacity. A file counts from the moment the cache starts to read it.
//   - Eviction, the original's rule: if a new file does not fit and a cached file is at
//     least as large, that file alone is evicted (of several, the least recently used).
//     Otherwise the least recently used files are evicted until the new one fits.
//   - Freshness: every Open compares the cached version with the file on disk.
//   - Single fill: however many callers open a file that is not cached, it is read from
//     disk once. The fill belongs to no caller, and all callers receive blocks as they
//     arrive.
//   - One version: all that a [File] returns belongs to one version, or the read ends with
//     [ErrChanged]. A version is identified by modification time, change time, size, device
//     and inode. The kernel sets the change time on every change of the content, and
//     programs cannot set it. Renaming a file or changing its permissions makes a new
//     version too.
//   - Selection: names that [Options.Selection] does not include do not exist for callers.
//   - Descriptors: at most [Options.MaxOpen] are open, whatever the number of readers. A
//     reader uses one while it reads from the disk, not while it sends.
//   - Timeouts: no call lasts longer than its context, nor much longer than 30 s, even if
//     the disk hangs. The pool of workers bounds the threads that wait for the disk. Calls
//     that cannot be served end with [ErrDisk]; when the disk has hung for 5 s, they end
//     at once. Operations that have begun go on, and when the disk responds again, the
//     cache works as before.
//   - Current directory: the cache serves the directory that the path refers to. It notices
//     within a second when the path, or a symbolic link at the path, refers to another
//     one. While there is none, calls end with [ErrDirectory]. Readers of a file of the
//     old directory continue while that file stays unchanged.
//
// [Cache.Health] reports whether the last two prevent files from being served.
//
// The files named dir*.go are the source of the cached bytes: one directory, accessed
// through the pool in pool*.go.
package filecache
