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
//     [ErrChanged].
package filecache
