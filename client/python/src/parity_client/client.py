"""The calls of a Parity server."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self

from parity.files.v1 import files_pb2, files_pb2_grpc
from parity.numbers.v1 import numbers_pb2, numbers_pb2_grpc

from .channel import CALL_TIMEOUT, open_channel
from .counter import Counter
from .download import Download, Progress, download
from .errors import translated
from .ranges import Notice

PAGE_SIZE = 1000
"""Files or clients that a page has at most."""


class Client:
    """A connection to the server at HOST:PORT, to be used in a with statement.

    The options are those of channel.open_channel. Every method raises ParityError.
    """

    def __init__(
        self,
        addr: str = "localhost:50051",
        *,
        tls: bool = False,
        tls_ca: Path | None = None,
        token: str | None = None,
        plaintext_token: bool = False,
    ) -> None:
        self.channel = open_channel(
            addr, tls=tls, tls_ca=tls_ca, token=token, plaintext_token=plaintext_token
        )
        self.numbers = numbers_pb2_grpc.NumberServiceStub(self.channel)
        """The generated stub, for calls that have no method here."""
        self.files = files_pb2_grpc.FileServiceStub(self.channel)
        """The generated stub, for calls that have no method here."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self.channel.close()

    def draw(
        self, parity: numbers_pb2.Parity.ValueType = numbers_pb2.PARITY_UNSPECIFIED
    ) -> numbers_pb2.DrawResponse:
        """Draws one number."""
        with translated():
            return self.numbers.Draw(numbers_pb2.DrawRequest(parity=parity), timeout=CALL_TIMEOUT)

    def counter(self, client_id: int) -> Counter:
        """Returns a counter for that client ID."""
        return Counter(self.numbers, client_id)

    def clients(self, page_size: int = PAGE_SIZE) -> Iterator[numbers_pb2.Client]:
        """Yields the register, in order of client IDs."""
        request = numbers_pb2.ListClientsRequest(page_size=page_size)
        while True:
            with translated():
                page = self.numbers.ListClients(request, timeout=CALL_TIMEOUT)
            yield from page.clients
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def pages(
        self,
        source: files_pb2.Source.ValueType = files_pb2.SOURCE_CACHE,
        prefix: str = "",
        page_size: int = PAGE_SIZE,
    ) -> Iterator[files_pb2.ListResponse]:
        """Yields the pages of a list of files. Each also says how full the cache is."""
        request = files_pb2.ListRequest(source=source, prefix=prefix, page_size=page_size)
        while True:
            with translated():
                page = self.files.List(request, timeout=CALL_TIMEOUT)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def list(
        self, source: files_pb2.Source.ValueType = files_pb2.SOURCE_CACHE, prefix: str = ""
    ) -> Iterator[files_pb2.File]:
        """Yields the files in the cache or, with SOURCE_DIRECTORY, all files."""
        for page in self.pages(source, prefix):
            yield from page.files

    def stat(self, name: str) -> files_pb2.File:
        """Describes one file without reading it."""
        with translated():
            request = files_pb2.StatRequest(name=name)
            return self.files.Stat(request, timeout=CALL_TIMEOUT).file

    def download(
        self,
        name: str,
        path: str | PathLike[str],
        *,
        force: bool = False,
        progress: Progress | None = None,
        notice: Notice | None = None,
    ) -> Download:
        """Downloads a file; see download.download."""
        return download(self.files, name, Path(path), force=force, progress=progress, notice=notice)
