"""Cases of NumberService."""

from __future__ import annotations

import time
from queue import SimpleQueue
from typing import Self

import grpc
from parity.numbers.v1 import numbers_pb2
from parity.numbers.v1.numbers_pb2 import CountRequest, CountResponse, Draw, Register, Report

from parity_client.errors import ParityError, translated
from parity_client.session import Session

from .case import Case, Context, FailedError, equal, fails, true

STREAM_TIMEOUT = 20.0
"""Seconds of a session, so that a silent server is an error."""
HEADERS_TIMEOUT = 5.0
"""Seconds in which a session must have its headers."""
SILENCE = 0.3
"""Seconds of the deadline of a session that waits for it."""

INT64_MAX, INT64_MIN, BEYOND_DOUBLE = 2**63 - 1, -(2**63), 2**53 + 1
EVEN, ODD = numbers_pb2.PARITY_EVEN, numbers_pb2.PARITY_ODD


class Stream:
    """A stream of Count, message by message."""

    def __init__(self, context: Context, timeout: float = STREAM_TIMEOUT) -> None:
        self._requests: SimpleQueue[CountRequest | None] = SimpleQueue()
        self.call = context.parity.numbers.Count(iter(self._requests.get, None), timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.call.cancel()
        self.half_close()

    def send(self, request: CountRequest) -> None:
        self._requests.put(request)

    def half_close(self) -> None:
        self._requests.put(None)

    def receive(self) -> CountResponse:
        with translated():
            try:
                return next(self.call)
            except StopIteration:
                raise FailedError("the server ended the session") from None

    def rest(self) -> list[CountResponse]:
        with translated():
            return list(self.call)


def register(stream: Stream, client_id: int) -> numbers_pb2.Registered:
    stream.send(CountRequest(registration=Register(client_id=client_id)))
    response = stream.receive()
    equal(response.WhichOneof("kind"), "registered", "the first response")
    return response.registered


def parity_right(number: int, parity: int, want: int) -> None:
    equal(parity, want, "parity")
    first = 0 if want == EVEN else 1
    true(number in range(first, 100, 2), f"drew {number}, want parity {want} in 0 to 99")


def draws(context: Context, parity: numbers_pb2.Parity.ValueType) -> None:
    for _ in range(20):
        drawn = context.parity.draw(parity)
        parity_right(drawn.number, drawn.parity, parity)


def count(context: Context, client_id: int) -> int:
    """Runs a session of three reports and two draws, and returns the last increment."""
    with Stream(context) as stream:
        register(stream, client_id)
        for value in 1, 2, 3:
            stream.send(CountRequest(report=Report(value=value)))
        for parity in ODD, EVEN:
            stream.send(CountRequest(draw=Draw(parity=parity)))
        stream.half_close()
        responses = stream.rest()
        equal(stream.call.code(), grpc.StatusCode.OK, "status")
    increments = [r.increment for r in responses if r.WhichOneof("kind") == "increment"]
    committed = [r.committed for r in responses if r.WhichOneof("kind") == "committed"]
    equal(len(increments), 2, "increments")
    parity_right(increments[0].number, increments[0].parity, ODD)
    parity_right(increments[1].number, increments[1].parity, EVEN)
    true(bool(committed), "no report was confirmed")
    equal((committed[-1].reports, committed[-1].value), (3, 3), "the last confirmation")
    return increments[1].number


def count_session(context: Context) -> None:
    count(context, context.id_base + 1)


def count_resume(context: Context) -> None:
    client_id = context.id_base + 2
    last = count(context, client_id)
    with Stream(context) as stream:
        registered = register(stream, client_id)
        stream.half_close()
        stream.rest()
    equal(registered.value, 3, "value")
    equal(registered.returning, True, "returning")
    equal(registered.increment, last, "increment")


def count_bad_first_message(context: Context) -> None:
    with Stream(context) as stream, fails(grpc.StatusCode.FAILED_PRECONDITION, "NOT_REGISTERED"):
        stream.send(CountRequest(report=Report(value=1)))
        stream.rest()


def count_headers_first(context: Context) -> None:
    # Without headers, initial_metadata returns at the deadline, and register fails.
    with Stream(context, HEADERS_TIMEOUT) as stream:
        stream.call.initial_metadata()
        true(stream.call.is_active(), "no headers")
        register(stream, context.id_base + 3)
        stream.half_close()
        stream.rest()
        equal(stream.call.code(), grpc.StatusCode.OK, "status")


def count_int64_extremes(context: Context) -> None:
    client_id = context.id_base + 4

    def session() -> Session:
        return Session(context.parity.numbers, client_id, lambda _: None)

    for value in INT64_MAX, INT64_MIN, BEYOND_DOUBLE:
        reporting = session()
        reporting.report(value)
        equal(reporting.close().value, value, "confirmed value")
        again = session()
        equal(again.registered.value, value, "value of the next session")
        again.close()
    found = {c.client_id: c.last_value for c in context.parity.clients(page_size=100)}
    equal(found.get(client_id), BEYOND_DOUBLE, "value in ListClients")


def deadline(context: Context) -> None:
    context.parity.draw()  # connects: the deadline is not for that
    start = time.monotonic()
    with fails(grpc.StatusCode.DEADLINE_EXCEEDED, ""):
        try:
            with Stream(context, SILENCE) as stream:
                register(stream, context.id_base + 5)
                stream.rest()
        except ParityError as error:
            # The server resets the stream at the deadline. If that is faster than its own
            # timer, gRPC for Python says CANCELLED. Nobody here has cancelled.
            late = time.monotonic() >= start + SILENCE
            if error.code is grpc.StatusCode.CANCELLED and late:
                raise ParityError(grpc.StatusCode.DEADLINE_EXCEEDED, error.message) from error
            raise


CASES: dict[str, Case] = {
    "draw_even": lambda context: draws(context, EVEN),
    "draw_odd": lambda context: draws(context, ODD),
    "count_session": count_session,
    "count_resume": count_resume,
    "count_bad_first_message": count_bad_first_message,
    "count_headers_first": count_headers_first,
    "count_int64_extremes": count_int64_extremes,
    "deadline": deadline,
}
