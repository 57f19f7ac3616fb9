from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from interop_driver.fake import Fake
from parity.numbers.v1.numbers_pb2 import (
    Committed,
    CountRequest,
    CountResponse,
    Increment,
    Registered,
)

from parity_client import Client, ParityError, counter
from parity_client.counter import wrap
from parity_client.session import LostError


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counter, "REPORT_INTERVAL", 0.01)
    monkeypatch.setattr(counter, "DRAW_INTERVAL", (0.03, 0.03))


class Server:
    """The count of a Fake that keeps a record of one client."""

    def __init__(self) -> None:
        self.value, self.increment = 0, 1
        self.sessions = 0
        self.lose_after: int | None = None
        self.confirm = True

    def __call__(self, requests: Iterator[CountRequest]) -> Iterator[CountResponse]:
        self.sessions += 1
        reports = 0
        for request in requests:
            kind = request.WhichOneof("kind")
            if kind == "registration":
                known = Registered(value=self.value, increment=self.increment)
                yield CountResponse(registered=known)
            elif kind == "report":
                self.value = request.report.value
                reports += 1
                if self.lose_after == reports:
                    self.lose_after = None
                    return
            else:
                self.increment = 40
                yield CountResponse(increment=Increment(number=40))
        if self.confirm:
            yield CountResponse(committed=Committed(reports=reports, value=self.value))


def run(fake: Fake, values: int) -> tuple[list[tuple[int, int]], list[str], Committed]:
    """Counts that many values."""
    counting = fake.client.counter(7)
    seen: list[tuple[int, int]] = []
    notices: list[str] = []

    def counted(value: int, increment: int) -> None:
        seen.append((value, increment))
        if len(seen) == values:
            counting.stop()

    return seen, notices, counting.run(counted, notices.append)


def test_counts_and_draws(fake: Fake) -> None:
    fake.count = Server()
    seen, notices, last = run(fake, 20)
    value = 0
    for got, increment in seen:
        value += increment
        assert got == value
    assert (seen[0][1], seen[-1][1]) == (1, 40)
    assert (last.reports, last.value, notices) == (len(seen), value, [])


def test_resumes_after_a_lost_session(fake: Fake) -> None:
    fake.count = server = Server()
    server.lose_after = 3
    seen, notices, last = run(fake, 10)
    assert server.sessions == 2
    assert last.value == server.value == seen[-1][0]
    assert last.reports < len(seen)
    assert notices[0].startswith("not connected: the server ended the session; trying again")
    assert notices[-1].startswith("connected again, going on from ")


def test_unconfirmed_reports_are_an_error(fake: Fake) -> None:
    fake.count = server = Server()
    server.confirm = False
    with pytest.raises(LostError, match="0 of 3 reports were confirmed"):
        run(fake, 3)


def test_stop_in_a_signal_handler(fake: Fake) -> None:
    fake.count = Server()
    counting = fake.client.counter(7)
    before = signal.signal(signal.SIGUSR1, lambda *_: counting.stop())
    try:
        last = counting.run(lambda *_: os.kill(os.getpid(), signal.SIGUSR1), print)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert last.reports >= 1


def test_first_connection_fails() -> None:
    with Client("localhost:1") as client, pytest.raises(ParityError):
        client.counter(7).run(print, print)


@pytest.mark.parametrize(
    ("value", "want"), [(0, 0), (2**63 - 1, 2**63 - 1), (2**63, -(2**63)), (-(2**63), -(2**63))]
)
def test_wrap(value: int, want: int) -> None:
    assert wrap(value) == want
