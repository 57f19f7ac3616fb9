"""The hidden file beside the destination that holds an incomplete download."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

import google_crc32c

from .ranges import RANGE_BYTES, Range


class Part:
    """An incomplete download of one version of a file. Its bytes were verified.

    The file remains if the download fails or the process dies, for the next download. Its
    length says where that resumes. Two downloads to one path at a time are harmless: both
    write the same bytes to the same places.
    """

    def __init__(self, path: Path, version: str, size: int) -> None:
        base = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
        content = hashlib.sha256(version.encode()).hexdigest()[:16]
        prefix = f".{base}-"
        self.path = path.with_name(f"{prefix}{content}.parity-part")
        for other in path.parent.glob(f"{prefix}*.parity-part"):
            if other != self.path:
                other.unlink(missing_ok=True)  # of a version that is no more
        self._file = os.fdopen(_open(self.path), "r+b")
        length = self._file.seek(0, os.SEEK_END)
        if length > size:  # whatever it is, it is not the beginning of that file
            self._file.close()
            self.path.unlink()
            self._file = os.fdopen(_open(self.path), "r+b")
            length = 0
        # The last range may have been lost in a power failure. Nothing is truncated:
        # another download may be writing.
        self.offset = max(length - RANGE_BYTES, 0) if length < size else length
        self.crc = 0
        self._read(self.offset)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file.closed:
            return
        empty = os.fstat(self._file.fileno()).st_size == 0
        self._file.close()
        if empty:
            self.path.unlink(missing_ok=True)

    def _read(self, length: int) -> None:
        """Computes the checksum of the bytes that are there."""
        self._file.seek(0)
        while length > 0:
            data = self._file.read(min(length, 1 << 20))
            if not data:
                raise OSError(f"{str(self.path)!r} became shorter")
            self.crc = google_crc32c.extend(self.crc, data)
            length -= len(data)

    def write(self, part: Range) -> None:
        """Appends a range."""
        for chunk in part.chunks:
            self._file.write(chunk)
            self.crc = google_crc32c.extend(self.crc, chunk)
        self._file.flush()
        os.fsync(self._file.fileno())
        self.offset += part.size

    def finish(self, modified: int) -> None:
        """Closes the file and sets its time of modification, in nanoseconds."""
        self._file.close()
        os.utime(self.path, ns=(modified, modified))


def _open(path: Path) -> int:
    """Opens or creates a part file, but no file that somebody else put there."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    fd = os.open(path, flags, 0o666)
    info = os.fstat(fd)
    ours = not hasattr(os, "getuid") or info.st_uid == os.getuid()
    if not stat.S_ISREG(info.st_mode) or not ours:
        os.close(fd)
        raise OSError(f"{str(path)!r} is not a file that a download left")
    return fd
