"""The counting client.

It counts up by an increment twice a second, reports each value to the server, and draws a
new increment every few seconds. It reconnects when the connection is lost.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

import grpc
from parity.numbers.v1 import numbers_pb2, numbers_pb2_grpc

from . import backoff
from .errors import ParityError
from .session import ANSWER_TIMEOUT, Ended, Increment, LostError, Session

REPORT_INTERVAL = 0.5
"""Seconds from one value to the next."""
DRAW_INTERVAL = (3.0, 5.0)
"""Seconds from an increment to the next draw, at random between these."""

_REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.UNIMPLEMENTED,
}


class Stop:
    """Asks the counter to stop."""


class Counter:
    """Counts for one client ID.

    counted receives each value that was reported and its increment; notice receives one
    line when the connection is lost and when it is back.
    """

    def __init__(self, numbers: numbers_pb2_grpc.NumberServiceStub, client_id: int) -> None:
        self._numbers = numbers
        self._client_id = client_id
        # What happens, in order. A SimpleQueue, so that stop may be called anywhere.
        self._events: SimpleQueue[Stop | Increment | Ended] = SimpleQueue()
        self._stopped = False

    def stop(self) -> None:
        """Makes run return. May be called in another thread, and in a signal handler."""
        self._events.put(Stop())

    def run(
        self, counted: Callable[[int, int], object], notice: Callable[[str], object]
    ) -> numbers_pb2.Committed:
        """Counts until stop is called, and returns the server's last confirmation.

        When the connection is lost, it reconnects, however long that takes, and continues
        from the server's value. Raises ParityError if it cannot connect at first or the
        server refuses, and LostError if the last reports are not confirmed.
        """
        session = self._dial()
        while True:
            try:
                self._count(session, counted)
                return session.close()
            except (ParityError, LostError) as error:
                session.cancel()
                if self._stopped or _refused(error):
                    raise
                session = self._redial(error, notice)

    def _dial(self) -> Session:
        # Events of earlier sessions stay with their own receivers.
        return Session(self._numbers, self._client_id, self._events.put)

    def _count(self, session: Session, counted: Callable[[int, int], object]) -> None:
        """Counts over one session, until stop is called."""
        value, increment = session.registered.value, session.registered.increment
        report_at = time.monotonic() + REPORT_INTERVAL
        draw_at = time.monotonic() + random.uniform(*DRAW_INTERVAL)
        answer_by = float("inf")
        while True:
            event = self._wait(min(report_at, draw_at, answer_by), session)
            now = time.monotonic()
            if isinstance(event, Stop):
                return
            if isinstance(event, Ended):
                raise event.error or LostError("the server ended the session")
            if isinstance(event, Increment):
                increment = event.number
                answer_by = float("inf")
                draw_at = now + random.uniform(*DRAW_INTERVAL)
            if now >= answer_by:
                raise LostError(f"no increment within {ANSWER_TIMEOUT:.0f} s")
            if now >= report_at:
                value = wrap(value + increment)
                session.report(value)
                counted(value, increment)
                report_at += REPORT_INTERVAL
            if now >= draw_at:
                session.draw(random.choice([numbers_pb2.PARITY_EVEN, numbers_pb2.PARITY_ODD]))
                draw_at = float("inf")
                answer_by = now + ANSWER_TIMEOUT

    def _wait(self, until: float, session: Session | None) -> Stop | Increment | Ended | None:
        """Returns the next event of the session, or None when it is time."""
        while True:
            try:
                event = self._events.get(timeout=max(until - time.monotonic(), 0))
            except Empty:
                return None
            if isinstance(event, Stop):
                self._stopped = True
                return event
            if event.session is session:
                return event

    def _redial(self, error: Exception, notice: Callable[[str], object]) -> Session:
        """Reconnects after an error, until that succeeds, stop is called or it is refused."""
        failures = 0
        while True:
            wait = backoff.delay(failures)
            notice(f"not connected: {error}; trying again in {wait:.1f} s")
            if isinstance(self._wait(time.monotonic() + wait, None), Stop):
                raise error
            failures += 1
            try:
                session = self._dial()
            except (ParityError, LostError) as again:
                if _refused(again):
                    raise
                error = again
                continue
            notice(f"connected again, going on from {session.registered.value}")
            return session


def _refused(error: Exception) -> bool:
    """Returns whether a retry cannot help."""
    return isinstance(error, ParityError) and error.code in _REFUSALS


def wrap(value: int) -> int:
    """Returns the value as a signed 64-bit integer, as the other clients count."""
    return (value + 2**63) % 2**64 - 2**63
