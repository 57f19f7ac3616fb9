// Package ownfiles tells the program's own files from those that it may serve. [New]
// takes their paths; [Set.Hides] is asked about every file before it is served.
//
// A file is identified by device and inode, not by name. A link to an own file, or an
// own file renamed, is therefore an own file too. Own files are found in three ways:
//
//   - By path, such as the paths of the register, the log and the keys. A new file at
//     such a path, after a certificate was renewed or the log reopened, is noticed.
//   - By name: files in the log's directory that are named like its rotations; see
//     [isRotation].
//   - By history: an own file remains one until it is deleted, wherever it is moved. A
//     descriptor keeps its inode from being reused and is closed after the deletion.
//
// A background goroutine scans the paths and rotations once a second. Hides requests a
// scan of its own for a file that has changed since the last one or has the name of an
// own file. A new link is therefore recognised at once. An old file that becomes the
// target of an own path, because a symbolic link was changed, is recognised within a
// second.
package ownfiles
