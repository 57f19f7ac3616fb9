// Package ownfiles tells the program's own files from those that it may serve.
//
// What counts is the file, not its name: a file is looked up by its device and
// inode, so that a link to one of the program's own is one too, and so is what was
// moved away under another name. Own files come from three places:
//
//   - paths, such as the register's, the log's and the keys'. A file that comes to a
//     path later, because a certificate was renewed or a log begun anew, is noticed.
//   - names: files beside the log whose names say that they were the log once; see
//     [isRotation].
//   - the past: what was an own file stays one for as long as it exists, wherever it
//     is moved. A descriptor keeps its inode from being given to another file, and
//     is closed when the file has been deleted.
//
// Everything is looked at once a second. A file that has changed since the last look,
// or that has the name of an own file, is not judged before there was another look.
// A link is known at once, and a path that comes to another file that has been left
// alone, by a symbolic link that is turned to it, within a second.
package ownfiles
