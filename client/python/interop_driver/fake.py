"""A server in this process, whose answers a test chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import google_crc32c
import grpc
from parity.files.v1 import files_pb2, files_pb2_grpc
from parity.files.v1.files_pb2 import File, GetRequest, GetResponse, StatRequest, StatResponse
from parity.numbers.v1 import numbers_pb2, numbers_pb2_grpc

from parity_client import Client

Get = Callable[[GetRequest], Iterator[GetResponse]]
Count = Callable[[Iterator[numbers_pb2.CountRequest]], Iterator[numbers_pb2.CountResponse]]

CONTENT = b"content of a file"


def file(content: bytes = CONTENT, version: str = "v1") -> File:
    return File(name="file", size_bytes=len(content), version=version)


def healthy(request: GetRequest) -> Iterator[GetResponse]:
    """Answers as the server does."""
    end = request.offset + request.limit if request.limit else len(CONTENT)
    data = CONTENT[request.offset : end]
    yield GetResponse(file=file(), data=data)
    yield GetResponse(crc32c=google_crc32c.value(data), file_crc32c=google_crc32c.value(CONTENT))


def damaged(request: GetRequest) -> Iterator[GetResponse]:
    """Sends data with the checksum of other data."""
    first, last = healthy(request)
    last.crc32c ^= 1
    yield first
    yield last


def registered(
    requests: Iterator[numbers_pb2.CountRequest],
) -> Iterator[numbers_pb2.CountResponse]:
    """Answers a registration, and confirms all reports at the end."""
    next(requests)
    yield numbers_pb2.CountResponse(registered=numbers_pb2.Registered(increment=1))
    values = [r.report.value for r in requests if r.WhichOneof("kind") == "report"]
    if values:
        committed = numbers_pb2.Committed(reports=len(values), value=values[-1])
        yield numbers_pb2.CountResponse(committed=committed)


class Fake(files_pb2_grpc.FileServiceServicer, numbers_pb2_grpc.NumberServiceServicer):
    """The server and a client of it, in a with statement."""

    def __init__(self, get: Get = healthy, token: str | None = None) -> None:
        self.get = get
        self.stat: Callable[[], File] = file
        self.count: Count = registered
        self.requests: list[GetRequest] = []
        self.authorization: list[str] = []
        """The header authorization of every call."""
        self.context: grpc.ServicerContext | None = None
        """The newest call."""
        self._server = grpc.server(ThreadPoolExecutor(max_workers=4))
        files_pb2_grpc.add_FileServiceServicer_to_server(self, self._server)
        numbers_pb2_grpc.add_NumberServiceServicer_to_server(self, self._server)
        port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        self.addr = f"127.0.0.1:{port}"
        self.client = Client(self.addr, token=token)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.client.close()
        self._server.stop(None)

    def _note(self, context: grpc.ServicerContext) -> None:
        self.context = context
        headers = dict(context.invocation_metadata())
        self.authorization.append(str(headers.get("authorization", "")))

    def Get(self, request: GetRequest, context: grpc.ServicerContext) -> Iterator[GetResponse]:
        self._note(context)
        self.requests.append(request)
        yield from self.get(request)

    def Stat(self, _request: StatRequest, context: grpc.ServicerContext) -> StatResponse:
        self._note(context)
        return StatResponse(file=self.stat())

    def List(
        self, _request: files_pb2.ListRequest, _context: grpc.ServicerContext
    ) -> files_pb2.ListResponse:
        return files_pb2.ListResponse(files=[self.stat()])

    def ListClients(
        self, _request: numbers_pb2.ListClientsRequest, _context: grpc.ServicerContext
    ) -> numbers_pb2.ListClientsResponse:
        return numbers_pb2.ListClientsResponse()

    def Draw(
        self, _request: numbers_pb2.DrawRequest, context: grpc.ServicerContext
    ) -> numbers_pb2.DrawResponse:
        self._note(context)
        return numbers_pb2.DrawResponse(number=2, parity=numbers_pb2.PARITY_EVEN)

    def Count(
        self, requests: Iterator[numbers_pb2.CountRequest], context: grpc.ServicerContext
    ) -> Iterator[numbers_pb2.CountResponse]:
        self._note(context)
        yield from self.count(requests)
