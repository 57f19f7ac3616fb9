"""Downloads: the whole file, unchanged, or nothing.

A file is fetched in ranges. Each names the version of the file and ends in a checksum, and
is kept only if that is right. If the server knows the checksum of the whole file, it is
compared at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

import google_crc32c
from parity.files.v1 import files_pb2, files_pb2_grpc

from . import place
from .channel import CALL_TIMEOUT
from .errors import ChecksumError, ParityError, translated
from .part import Part
from .ranges import Notice, ranges

MAX_RESTARTS = 3
"""How often a download starts again because the file changed on the server."""

T = TypeVar("T")

Progress = Callable[[int, int], object]
"""Receives how many bytes have been kept, of how many."""


@dataclass(frozen=True)
class Download:
    """A complete download. Every byte of it was verified."""

    size: int
    resumed: int
    """How many of the bytes an earlier, interrupted download had left."""
    version: str
    whole: bool
    """Whether the server's checksum of the whole file was compared, not only the ranges'."""


def download(
    files: files_pb2_grpc.FileServiceStub,
    name: str,
    path: Path,
    *,
    force: bool = False,
    progress: Progress | None = None,
    notice: Notice | None = None,
) -> Download:
    """Downloads a file to path, where it appears only when it is complete.

    An existing file stays and is a FileExistsError, unless force is set. Until the end the
    bytes are in a hidden file beside path; the next download to the same path resumes
    there, unless the file has changed on the server.

    Raises ParityError if the server refuses or stays away, ChecksumError if the data stays
    damaged, and OSError.
    """
    place.check(path, force=force)
    note = notice or _ignore

    def attempt(file: files_pb2.File) -> Download:
        with Part(path, file.version, file.size_bytes) as part:
            resumed = part.offset
            want: int | None = None
            for piece in ranges(files, name, file, part.offset, note):
                part.write(piece)
                if progress:
                    progress(part.offset, file.size_bytes)
                want = piece.file_crc32c
            if want not in {None, part.crc}:
                part.path.unlink()
                raise ChecksumError("the checksum of the whole file is wrong")
            part.finish(file.modified.ToNanoseconds())
            place.put(part.path, path, force=force)
        return Download(file.size_bytes, resumed, file.version, want is not None)

    return _one_version(files, name, note, attempt)


def copy(
    files: files_pb2_grpc.FileServiceStub, name: str, out: BinaryIO, notice: Notice | None = None
) -> Download:
    """Writes a file to a stream. A range is written when it has been verified."""
    written = False

    def attempt(file: files_pb2.File) -> Download:
        nonlocal written
        crc = 0
        want: int | None = None
        for piece in ranges(files, name, file, 0, notice or _ignore):
            for chunk in piece.chunks:
                written = True
                out.write(chunk)
                crc = google_crc32c.extend(crc, chunk)
            want = piece.file_crc32c
        if want not in {None, crc}:
            raise ChecksumError("the checksum of the whole file is wrong")
        return Download(file.size_bytes, 0, file.version, want is not None)

    return _one_version(files, name, notice or _ignore, attempt, final=lambda: written)


def _one_version(
    files: files_pb2_grpc.FileServiceStub,
    name: str,
    notice: Notice,
    attempt: Callable[[files_pb2.File], T],
    final: Callable[[], bool] = lambda: False,
) -> T:
    """Attempts a download, and again if the file changed, unless the last one was final."""
    for restarts in range(MAX_RESTARTS + 1):
        with translated():
            file = files.Stat(files_pb2.StatRequest(name=name), timeout=CALL_TIMEOUT).file
        try:
            return attempt(file)
        except ParityError as error:
            changed = error.reason in {"VERSION_MISMATCH", "FILE_CHANGED"}
            if not changed or restarts == MAX_RESTARTS or final():
                raise
            notice(f"{error}; starting again with the new version")
    raise AssertionError("unreachable")


def _ignore(_: str) -> None:
    pass
