// Package filecache reads the files of one directory through a cache in memory
// that is bounded in bytes. It knows names, sizes and versions, and nothing of
// how the bytes travel on.
//
// A file is opened with [Cache.Open] and read with [File.Chunk], which hands out
// slices of the cached bytes themselves. Those are never written again, so any
// number of readers may share them, and keep them as long as they like.
//
// What the cache promises:
//
//   - Bound: the cached files' lengths, and [EntryOverhead] for each, never add
//     up to more than the capacity. Files being read in count from the moment
//     their reading begins.
//   - Eviction, the original's rule: when a file does not fit, and a cached file
//     is at least as large, that one alone goes (the least recently used of
//     those); otherwise the least recently used goes, again and again, until it
//     fits.
//   - Fresh: every Open compares what is cached with the file's state now.
//   - Filled once: however many open a file that is not cached, it is read from
//     disk once, by nobody's call in particular, and all of them get its bytes
//     as they arrive.
//   - Never mixed: what one [File] hands out is of one version, or ends in
//     [ErrChanged]. A version is told by times of modification and of change, size,
//     device and inode. The time of change is the kernel's: no content can be
//     changed without it, and nobody can put it back. A new name or other rights
//     make another version too.
//   - Descriptors: no more than [Options.MaxOpen] are open, however many read. A
//     reader has one while it reads from the disk, not while it sends.
//   - Patience: whatever the disk does, no call lasts longer than its context, nor
//     much longer than half a minute, and no more threads wait for the disk than
//     the gate has places. Who cannot be served ends in [ErrDisk], at once when
//     the disk has hung for 5 s. What was begun goes on, and when the disk
//     answers again, all is as before.
//   - The directory is the one that the path leads to: another one in its place, or
//     behind the symbolic link that the path is, is noticed within a second and
//     served instead. While there is none, calls end in [ErrDirectory]. Who
//     reads a file of the old one goes on, as long as that file stays as it is.
//
// [Cache.Health] says when the last two keep files from being served.
package filecache
