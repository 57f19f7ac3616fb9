"""Cases of Get."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import google_crc32c
import grpc
from parity.files.v1.files_pb2 import GetRequest, GetResponse

from parity_client.errors import ChecksumError, ParityError, translated
from parity_client.ranges import Range, fetch, receive

from .case import Case, Context, FailedError, content, equal, fails, true
from .fake import Fake, damaged

LARGE_BYTES = (5 << 20) + 3
CHANGING_BYTES = 48 << 20
CALL_TIMEOUT = 20.0
"""Seconds of a Get, so that a silent server is an error."""
BENCH_TIME = 3.0
"""Seconds for which bench_get measures."""


def responses(context: Context, request: GetRequest) -> Iterator[GetResponse]:
    with translated():
        yield from context.parity.files.Get(request, timeout=CALL_TIMEOUT)


def joined(part: Range) -> bytes:
    return b"".join(part.chunks)


def get(context: Context, name: str, offset: int = 0, limit: int = 0, version: str = "") -> Range:
    return fetch(context.parity.files, name, offset, limit, version)


def get_small(context: Context) -> None:
    got = list(responses(context, GetRequest(name="small.txt")))
    data = b"".join(r.data for r in got)
    equal(data, b"0123456789abcdef" * 2, "content")
    equal(
        [r.HasField("file") for r in got], [True] + [False] * (len(got) - 1), "messages with file"
    )
    equal([r.HasField("crc32c") for r in got], [False] * (len(got) - 1) + [True], "with crc32c")
    equal(got[-1].crc32c, google_crc32c.value(data), "crc32c")
    equal(got[0].file.size_bytes, len(data), "size")


def get_large(context: Context) -> None:
    got = get(context, "large.bin")  # checks crc32c
    want = content(LARGE_BYTES)
    true(joined(got) == want, "the content is wrong")
    if got.file_crc32c is not None:
        equal(got.file_crc32c, google_crc32c.value(want), "file_crc32c")


def get_range(context: Context) -> None:
    offset, limit = 1048573, 7
    got = joined(get(context, "large.bin", offset, limit))
    equal(got, content(LARGE_BYTES)[offset : offset + limit], "the range")
    end = list(responses(context, GetRequest(name="large.bin", offset=LARGE_BYTES)))
    equal(b"".join(r.data for r in end), b"", "data at the end")
    equal((end[-1].HasField("crc32c"), end[-1].crc32c), (True, 0), "crc32c at the end")


def get_resume_version(context: Context) -> None:
    version = context.parity.stat("large.bin").version
    first = get(context, "large.bin", 0, 2 << 20, version)
    rest = get(context, "large.bin", first.size, 0, version)
    true(joined(first) + joined(rest) == content(LARGE_BYTES), "the content is wrong")
    with fails(grpc.StatusCode.ABORTED, "VERSION_MISMATCH"):
        get(context, "large.bin", first.size, 0, "another")


def get_changed(context: Context) -> None:
    name = f"changing-{context.row}.bin"
    path = context.dir / name
    before = content(CHANGING_BYTES)
    path.write_bytes(before)
    stream = responses(context, GetRequest(name=name))
    first = next(stream)
    with path.open("r+b") as file:
        file.write(b"\xff" * CHANGING_BYTES)
    try:
        got = first.data + b"".join(r.data for r in stream)
    except ParityError as error:
        equal((error.code, error.reason), (grpc.StatusCode.ABORTED, "FILE_CHANGED"), "end")
    else:
        true(got == before, "not the file as it was")
        with fails(grpc.StatusCode.ABORTED, "VERSION_MISMATCH"):
            get(context, name, version=first.file.version)
    finally:
        path.write_bytes(before)


def get_missing(context: Context) -> None:
    messages = set()
    for name in "nope", "../etc/passwd", "dir":
        with fails(grpc.StatusCode.NOT_FOUND, "FILE_NOT_FOUND") as caught:
            get(context, name)
        messages.add(caught[0].message)
    equal(len(messages), 1, f"messages {messages}")


def get_bad_name(context: Context) -> None:
    for name in "", "x" * 1025:
        with fails(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_NAME") as caught:
            get(context, name)
        equal([v.field for v in caught[0].violations], ["name"], "fields that are wrong")


def get_out_of_range(context: Context) -> None:
    with fails(grpc.StatusCode.OUT_OF_RANGE, "OFFSET_BEYOND_END"):
        get(context, "small.txt", 33)


def cancel_mid_stream(context: Context) -> None:
    call = context.parity.files.Get(GetRequest(name="bench32m.bin"), timeout=CALL_TIMEOUT)
    next(call)
    call.cancel()
    with fails(grpc.StatusCode.CANCELLED, ""), translated():
        for _ in call:
            pass
    context.parity.draw()


def checksum(_context: Context) -> None:
    with tempfile.TemporaryDirectory() as directory, Fake(get=damaged) as fake:
        try:
            fake.client.download("file", Path(directory, "file"))
        except ChecksumError:
            equal(list(Path(directory).iterdir()), [], "files that were kept")
        else:
            raise FailedError("damaged data was accepted")


def bench_get(context: Context) -> None:
    def once() -> int:
        return receive(context.parity.files, "bench32m.bin", lambda _: None).size

    once()
    size, start = 0, time.monotonic()
    while (seconds := time.monotonic() - start) < BENCH_TIME:
        size += once()
    print(f"{size / 1e6 / seconds:.0f}")


CASES: dict[str, Case] = {
    "get_small": get_small,
    "get_large": get_large,
    "get_range": get_range,
    "get_resume_version": get_resume_version,
    "get_changed": get_changed,
    "get_missing": get_missing,
    "get_bad_name": get_bad_name,
    "get_out_of_range": get_out_of_range,
    "cancel_mid_stream": cancel_mid_stream,
    "checksum": checksum,
    "bench_get": bench_get,
}
