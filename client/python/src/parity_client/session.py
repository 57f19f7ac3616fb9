"""One counting session: a stream of Count."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Full, Queue

import grpc
from parity.numbers.v1 import numbers_pb2, numbers_pb2_grpc

from .errors import ParityError, from_rpc_error

ANSWER_TIMEOUT = 10.0
"""Seconds that the server may take to answer a registration or a draw."""
SEND_TIMEOUT = 10.0
"""Seconds after which a server that reads nothing counts as lost."""
CLOSE_TIMEOUT = 5.0
"""Seconds that the server may take to make the last reports durable."""
SEND_QUEUE = 64
"""Requests that wait while the server does not read."""


class LostError(Exception):
    """The session ended in a way that another one may repair."""


@dataclass(frozen=True)
class Increment:
    """The answer to a draw."""

    session: Session
    number: int


@dataclass(frozen=True)
class Ended:
    """The stream has ended."""

    session: Session
    error: ParityError | None


class Session:
    """A registered client. on_event receives Increment and Ended, in a thread of its own."""

    def __init__(
        self,
        numbers: numbers_pb2_grpc.NumberServiceStub,
        client_id: int,
        on_event: Callable[[Increment | Ended], object],
    ) -> None:
        self._on_event = on_event
        self._reports = 0
        self._committed = numbers_pb2.Committed()
        self._error: ParityError | None = None
        self._requests: Queue[numbers_pb2.CountRequest | None] = Queue(SEND_QUEUE)
        self._answer: Queue[numbers_pb2.Registered | None] = Queue(1)
        self._call = numbers.Count(iter(self._requests.get, None))
        self._receiver = threading.Thread(target=self._receive, daemon=True)
        self._receiver.start()
        register = numbers_pb2.Register(client_id=client_id)
        self._send(numbers_pb2.CountRequest(registration=register))
        self.registered = self._await_registered()

    def report(self, value: int) -> None:
        """Reports a value. Does not wait for an answer."""
        self._reports += 1
        self._send(numbers_pb2.CountRequest(report=numbers_pb2.Report(value=value)))

    def draw(self, parity: numbers_pb2.Parity.ValueType) -> None:
        """Asks for an increment, which on_event receives."""
        self._send(numbers_pb2.CountRequest(draw=numbers_pb2.Draw(parity=parity)))

    def close(self) -> numbers_pb2.Committed:
        """Half-closes the stream, and waits until the server has confirmed every report."""
        self._send(None)
        self._receiver.join(CLOSE_TIMEOUT)
        late = self._receiver.is_alive()
        self.cancel()
        if self._committed.reports != self._reports:
            why = "the server ended the session"
            if late:
                why = f"the server has not ended the session after {CLOSE_TIMEOUT:.0f} s"
            elif self._error:
                why = str(self._error)
            raise LostError(
                f"{self._committed.reports} of {self._reports} reports were confirmed: {why}"
            )
        if self._error:
            raise self._error
        return self._committed

    def cancel(self) -> None:
        """Ends the stream at once."""
        self._call.cancel()
        with suppress(Full):  # if the queue is full, no thread waits for requests
            self._requests.put_nowait(None)

    def _send(self, request: numbers_pb2.CountRequest | None) -> None:
        try:
            self._requests.put(request, timeout=SEND_TIMEOUT)
        except Full:
            self.cancel()
            raise LostError(f"the server took no message for {SEND_TIMEOUT:.0f} s") from None

    def _await_registered(self) -> numbers_pb2.Registered:
        try:
            registered = self._answer.get(timeout=ANSWER_TIMEOUT)
        except Empty:
            self.cancel()
            raise LostError(f"no answer within {ANSWER_TIMEOUT:.0f} s") from None
        if registered is None:
            self.cancel()
            raise self._error or LostError("the server did not answer the registration")
        return registered

    def _receive(self) -> None:
        """Handles responses until the stream ends."""
        waiting = True
        try:
            for response in self._call:
                kind = response.WhichOneof("kind")
                if kind == "registered" and waiting:
                    self._answer.put(response.registered)
                    waiting = False
                elif kind == "increment":
                    self._on_event(Increment(self, response.increment.number))
                elif kind == "committed":
                    self._committed = response.committed
        except grpc.RpcError as error:
            self._error = from_rpc_error(error)
        if waiting:
            self._answer.put(None)
        self._on_event(Ended(self, self._error))
