package ownfiles

import "golang.org/x/sys/unix"

// holdFlags open a file only to keep its inode from being reused. Closing such a
// descriptor, unlike any other, leaves alone the record locks that this process has on
// the file, such as those of the register's database.
const holdFlags = unix.O_PATH
