from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from interop_driver.fake import CONTENT, Fake, Get, damaged, file, healthy
from parity.files.v1.files_pb2 import GetRequest, GetResponse

from parity_client import ChecksumError, part, ranges
from parity_client.download import copy

RANGE = 5
"""Bytes of a range in these tests: CONTENT has four."""


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "RANGE_BYTES", RANGE)
    monkeypatch.setattr(part, "RANGE_BYTES", RANGE)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def names(directory: Path) -> list[str]:
    return sorted(p.name for p in directory.iterdir())


def failing_from(offset: int, bad: Get) -> Get:
    """Answers well below an offset."""

    def get(request: GetRequest) -> Iterator[GetResponse]:
        return healthy(request) if request.offset < offset else bad(request)

    return get


def incomplete(request: GetRequest) -> Iterator[GetResponse]:
    yield next(healthy(request))


def short(request: GetRequest) -> Iterator[GetResponse]:
    request.limit -= 1
    return healthy(request)


def long(request: GetRequest) -> Iterator[GetResponse]:
    request.limit += 1
    return healthy(request)


def other_file(request: GetRequest) -> Iterator[GetResponse]:
    """Sends the checksum of another whole file."""
    first, last = healthy(request)
    last.file_crc32c ^= 1
    yield first
    yield last


def test_whole(fake: Fake, path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def record(done: int, size: int) -> None:
        seen.append((done, size))

    done = fake.client.download("file", path, progress=record)
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == ["file"]
    assert (done.size, done.resumed, done.whole) == (len(CONTENT), 0, True)
    assert seen == [(5, 17), (10, 17), (15, 17), (17, 17)]
    assert {r.version for r in fake.requests} == {"v1"}


@pytest.mark.parametrize("bad", [damaged, incomplete, short, long])
def test_damaged_keeps_nothing(fake: Fake, path: Path, bad: Get) -> None:
    fake.get = bad
    with pytest.raises(ChecksumError):
        fake.client.download("file", path)
    assert names(path.parent) == []
    assert len(fake.requests) == 1 + ranges.MAX_DAMAGED


def test_damage_is_repaired(fake: Fake, path: Path) -> None:
    def once_damaged(request: GetRequest) -> Iterator[GetResponse]:
        return damaged(request) if len(fake.requests) == 2 else healthy(request)

    fake.get = once_damaged
    notices: list[str] = []
    fake.client.download("file", path, notice=notices.append)
    assert path.read_bytes() == CONTENT
    assert [r.offset for r in fake.requests] == [0, 5, 5, 10, 15]
    assert len(notices) == 1


def test_whole_checksum_decides(fake: Fake, path: Path) -> None:
    fake.get = other_file
    with pytest.raises(ChecksumError, match="whole file"):
        fake.client.download("file", path)
    assert names(path.parent) == []


def test_resumes(fake: Fake, path: Path) -> None:
    fake.get = failing_from(10, damaged)
    with pytest.raises(ChecksumError):
        fake.client.download("file", path)
    assert not path.exists()
    fake.get = healthy
    fake.requests.clear()
    done = fake.client.download("file", path)
    assert path.read_bytes() == CONTENT
    # The last range of what was kept is fetched again.
    assert (done.resumed, fake.requests[0].offset) == (5, 5)


def test_damage_of_the_kept_part_is_found(fake: Fake, path: Path) -> None:
    fake.get = failing_from(10, damaged)
    with pytest.raises(ChecksumError):
        fake.client.download("file", path)
    (kept,) = path.parent.iterdir()
    kept.write_bytes(b"X" + kept.read_bytes()[1:])
    fake.get = healthy
    with pytest.raises(ChecksumError, match="whole file"):
        fake.client.download("file", path)
    fake.client.download("file", path)
    assert path.read_bytes() == CONTENT


def test_other_version_starts_again(fake: Fake, path: Path) -> None:
    fake.get = failing_from(10, damaged)
    with pytest.raises(ChecksumError):
        fake.client.download("file", path)
    fake.stat = lambda: file(version="v2")
    fake.get = healthy
    fake.requests.clear()
    done = fake.client.download("file", path)
    assert (done.resumed, fake.requests[0].offset, fake.requests[0].version) == (0, 0, "v2")
    assert names(path.parent) == ["file"]


def test_existing_file_stays(fake: Fake, path: Path) -> None:
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        fake.client.download("file", path)
    assert path.read_text() == "mine"
    assert fake.requests == []
    fake.client.download("file", path, force=True)
    assert path.read_bytes() == CONTENT


def test_file_that_appears_meanwhile_stays(fake: Fake, path: Path) -> None:
    def get(request: GetRequest) -> Iterator[GetResponse]:
        path.write_text("mine")
        return healthy(request)

    fake.get = get
    with pytest.raises(FileExistsError):
        fake.client.download("file", path)
    assert path.read_text() == "mine"


def test_broken_link_stays(fake: Fake, path: Path) -> None:
    path.symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        fake.client.download("file", path)
    assert path.is_symlink()


def test_directory_stays(fake: Fake, path: Path) -> None:
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        fake.client.download("file", path, force=True)


def test_copy(fake: Fake) -> None:
    out = io.BytesIO()
    copy(fake.client.files, "file", out)
    assert out.getvalue() == CONTENT
    fake.get = failing_from(5, damaged)
    out = io.BytesIO()
    with pytest.raises(ChecksumError):
        copy(fake.client.files, "file", out)
    assert out.getvalue() == CONTENT[:5]  # nothing that was not verified
