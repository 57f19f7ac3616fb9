"""What the cases have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from parity_client import Client, ParityError

NAMES_MODULO = 251
"""Byte i of a .bin file is i modulo this."""


@dataclass(frozen=True)
class Context:
    """What a case works with."""

    parity: Client
    addr: str
    dir: Path
    row: str
    id_base: int
    tls_ca: Path | None
    token: str | None


Case = Callable[[Context], None]


class FailedError(Exception):
    """The case failed."""


class ImpossibleError(Exception):
    """This row cannot have the case."""


def equal(got: object, want: object, what: str) -> None:
    """Fails unless got is want."""
    if got != want:
        raise FailedError(f"{what}: got {got!r}, want {want!r}")


def true(condition: bool, what: str) -> None:
    """Fails unless the condition holds."""
    if not condition:
        raise FailedError(what)


@contextmanager
def fails(code: grpc.StatusCode, reason: str) -> Iterator[list[ParityError]]:
    """Fails unless the block raises that ParityError, which it then appends to its list."""
    caught: list[ParityError] = []
    try:
        yield caught
    except ParityError as error:
        equal((error.code, error.reason), (code, reason), "status and reason")
        equal(error.domain, "parity" if reason else "", "domain of the reason")
        caught.append(error)
    else:
        raise FailedError(f"no error, want {code.name} {reason}")


def content(size: int) -> bytes:
    """Returns the content of a .bin file."""
    pattern = bytes(range(NAMES_MODULO))
    return (pattern * (size // NAMES_MODULO + 1))[:size]
