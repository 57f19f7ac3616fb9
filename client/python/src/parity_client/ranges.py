"""Ranges of a file, each of one version and verified by its checksum."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import google_crc32c
import grpc
from parity.files.v1 import files_pb2, files_pb2_grpc

from . import backoff
from .errors import ChecksumError, ParityError, translated

RANGE_BYTES = 16 << 20
"""Bytes of a range: what is held in memory until its checksum is known to be right."""
RANGE_TIMEOUT = 120.0
"""Seconds that a range may take, so that a connection without progress is noticed."""
MAX_RETRIES = 7
"""How often in a row a range is fetched again. A server has about ten seconds to restart."""
MAX_DAMAGED = 2
"""The same for a range that arrived damaged: whatever does that may do it every time."""
MAX_RETRY_AFTER = 30.0
"""Seconds of a wait that a server may ask for."""

Notice = Callable[[str], object]
"""Receives the reason of a delay, in one line."""

_RETRIABLE = {
    # What a server that goes away, or a proxy before it, makes of a call.
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
}


@dataclass(frozen=True)
class Verified:
    """What is known of a part of a file that was verified."""

    size: int
    file_crc32c: int | None
    """The checksum of the whole file, if the server knows it."""


@dataclass(frozen=True)
class Range(Verified):
    """A part of a file that was verified."""

    chunks: list[bytes]


def fetch(
    files: files_pb2_grpc.FileServiceStub, name: str, offset: int, limit: int, version: str
) -> Range:
    """Fetches a range as receive does, and holds it in memory."""
    chunks: list[bytes] = []
    verified = receive(files, name, chunks.append, offset=offset, limit=limit, version=version)
    return Range(verified.size, verified.file_crc32c, chunks)


def receive(
    files: files_pb2_grpc.FileServiceStub,
    name: str,
    take: Callable[[bytes], object],
    *,
    offset: int = 0,
    limit: int = 0,
    version: str = "",
) -> Verified:
    """Fetches limit bytes from offset, once. A limit of 0 is the rest of the file.

    take receives them before they have been verified. Raises ChecksumError if they do not
    arrive whole.
    """
    request = files_pb2.GetRequest(name=name, offset=offset, limit=limit, version=version)
    size = crc = 0
    last: files_pb2.GetResponse | None = None
    file: files_pb2.File | None = None
    with translated():
        call = files.Get(request, timeout=RANGE_TIMEOUT)
        try:
            for last in call:
                if last.HasField("file"):
                    file = last.file
                size += len(last.data)
                if limit and size > limit:
                    raise ChecksumError(f"promised {limit} bytes at {offset}, got more")
                crc = google_crc32c.extend(crc, last.data)
                take(last.data)
        finally:
            call.cancel()  # ends the call if the loop did not; otherwise without effect
    if last is None or file is None or not last.HasField("crc32c"):
        raise ChecksumError(f"the range at byte {offset} ended early")
    if last.crc32c != crc:
        raise ChecksumError(f"the checksum of the range at byte {offset} is wrong")
    want = file.size_bytes - offset
    if limit:
        want = min(want, limit)
    if size != want:
        raise ChecksumError(f"promised {want} bytes at {offset}, got {size}")
    return Verified(size, last.file_crc32c if last.HasField("file_crc32c") else None)


def ranges(
    files: files_pb2_grpc.FileServiceStub,
    name: str,
    file: files_pb2.File,
    offset: int,
    notice: Notice,
) -> Iterator[Range]:
    """Yields the ranges of a version of a file, from offset to its end: at least one.

    Repeats a range whose connection was lost.
    """
    failures = 0
    while True:
        try:
            # A range at the end of the file is empty, and has the checksum of the file.
            part = fetch(files, name, offset, RANGE_BYTES, file.version)
        except (ParityError, ChecksumError) as error:
            tries = MAX_DAMAGED if isinstance(error, ChecksumError) else MAX_RETRIES
            if failures >= tries or not retriable(error):
                raise
            wait = retry_delay(error, failures)
            failures += 1
            notice(f"{error}; going on from byte {offset} in {wait:.1f} s")
            time.sleep(wait)
            continue
        failures = 0
        offset += part.size
        yield part
        if offset >= file.size_bytes:
            return


def retriable(error: ParityError | ChecksumError) -> bool:
    """Returns whether the same call may succeed later."""
    if isinstance(error, ChecksumError):
        return True
    if error.code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return error.retry_after is not None  # otherwise what is exhausted may stay so
    return error.code in _RETRIABLE


def retry_delay(error: Exception, failures: int) -> float:
    """Returns the seconds to wait, at least those that the server asks for."""
    asked = error.retry_after if isinstance(error, ParityError) else None
    return max(backoff.delay(failures), min(asked or 0, MAX_RETRY_AFTER))
