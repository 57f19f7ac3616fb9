"""Cases of List and Stat."""

from __future__ import annotations

import time

import grpc
from parity.files.v1 import files_pb2

from parity_client.ranges import fetch

from .case import Case, Context, equal, fails, true

CACHE_BYTES = 64 << 20
DAY = 24 * 60 * 60
DIRECTORY = files_pb2.SOURCE_DIRECTORY


def list_cache(context: Context) -> None:
    fetch(context.parity.files, "small.txt", 0, 0, "")
    pages = list(context.parity.pages(files_pb2.SOURCE_UNSPECIFIED))
    found = {f.name: f for page in pages for f in page.files}.get("small.txt")
    if found is None:
        equal(found, "small.txt", "file in the cache")
        return
    equal((found.cached, found.size_bytes), (True, 32), "cached and size of small.txt")
    true(pages[-1].cache_used_bytes > 0, "the cache is empty")
    equal(pages[-1].cache_capacity_bytes, CACHE_BYTES, "capacity of the cache")


def list_paged(context: Context) -> None:
    pages = [
        [f.name for f in page.files]
        for page in context.parity.pages(DIRECTORY, "page/", page_size=10)
    ]
    equal([len(page) for page in pages], [10, 10, 5], "files of the pages")
    equal([name for page in pages for name in page], [f"page/{i:03}" for i in range(25)], "names")


def list_prefix(context: Context) -> None:
    below = ["dir/a.txt", "dir/b.txt", "dir/sub/c.txt"]
    equal([f.name for f in context.parity.list(DIRECTORY, "dir/")], below, "names with dir/")
    equal(
        [f.name for f in context.parity.list(DIRECTORY, "dir")],
        [*below, "dirt.txt"],
        "names with dir",
    )


def stat(context: Context) -> None:
    file = context.parity.stat("größe.txt")
    equal(file.size_bytes, 7, "size")
    true(abs(file.modified.seconds - time.time()) < DAY, "modified more than a day away")
    true(file.version != "", "no version")
    with fails(grpc.StatusCode.NOT_FOUND, "FILE_NOT_FOUND"):
        context.parity.stat("nope")
    for _ in range(2):
        equal(context.parity.stat("dir/sub/c.txt").cached, False, "cached after Stat")


CASES: dict[str, Case] = {
    "list_cache": list_cache,
    "list_paged": list_paged,
    "list_prefix": list_prefix,
    "stat": stat,
}
