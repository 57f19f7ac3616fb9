// Package ownfiles recognizes the program's own files, which must not be served.
//
// What counts is the file, not its name. A [Set] identifies files by device and inode, so it
// also recognizes links to own files and own files that were renamed. Own files are:
//
//   - the files at configured paths, such as those of the register, the log and the keys. A
//     new file at such a path, for example a renewed certificate or a new log, is noticed.
//   - the rotations of the log: files beside it that are named like them, see [isRotation].
//   - former own files. An own file remains one for as long as it exists, wherever it is
//     moved. A descriptor prevents its inode from being reused, and is closed when the file
//     was deleted.
//
// The Set checks all this once a second. For a file that has changed since the last check,
// or that has the name of an own file, it checks again before it answers. So a new link is
// recognized at once. If a path is changed to refer to an old, unchanged file, for example by
// a symbolic link, that is noticed within a second.
package ownfiles
