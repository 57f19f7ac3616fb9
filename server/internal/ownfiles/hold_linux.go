package ownfiles

import "golang.org/x/sys/unix"

// holdFlags open a file only to keep its inode from being reused. Unlike any other
// descriptor, one opened with O_PATH can be closed without releasing this process's
// record locks on the file, such as those on the register's database.
const holdFlags = unix.O_PATH
