"""Errors of the server and of the connection to it, with their reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Violation:
    """A field of a request that the server does not accept, and why."""

    field: str
    description: str


class ParityError(Exception):
    """A call failed. str() is one sentence with the reason in parentheses."""

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        *,
        reason: str = "",
        domain: str = "",
        violations: tuple[Violation, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        """The reason of the server's ErrorInfo; empty if something else ended the call."""
        self.domain = domain
        """The domain of the server's ErrorInfo."""
        self.violations = violations
        self.retry_after = retry_after
        """The seconds after which the server asks for a retry, if it does."""

    def __str__(self) -> str:
        return f"{self.message} ({self.reason or self.code.name})"

    @property
    def unreachable(self) -> bool:
        """Whether there was no server to give a reason."""
        return self.code is grpc.StatusCode.UNAVAILABLE and not self.reason


class ChecksumError(Exception):
    """Data arrived damaged or incomplete. It was not kept."""


@contextmanager
def translated() -> Iterator[None]:
    """Raises the errors of grpc as ParityError."""
    try:
        yield
    except grpc.RpcError as error:
        raise from_rpc_error(error) from error


def from_rpc_error(error: grpc.RpcError) -> ParityError:
    """Returns an error of grpc as a ParityError."""
    if not isinstance(error, grpc.Call):
        return ParityError(grpc.StatusCode.UNKNOWN, str(error))
    code, text = error.code(), error.details() or ""
    status = _status(error)
    info = _detail(status, error_details_pb2.ErrorInfo())
    if info is None:
        # The text is that of the gRPC library. What happened stands last in it.
        text = text.rsplit(": ", 1)[-1]
        return ParityError(code, text[:1].lower() + text[1:] or code.name.lower())
    bad = _detail(status, error_details_pb2.BadRequest())
    retry = _detail(status, error_details_pb2.RetryInfo())
    return ParityError(
        code,
        text,
        reason=info.reason,
        domain=info.domain,
        violations=tuple(
            Violation(v.field, v.description) for v in (bad.field_violations if bad else ())
        ),
        retry_after=retry.retry_delay.ToTimedelta().total_seconds() if retry else None,
    )


def _status(call: grpc.Call) -> status_pb2.Status | None:
    try:
        status: status_pb2.Status | None = rpc_status.from_call(call)
    except ValueError:  # the details contradict the status
        return None
    return status


def _detail(status: status_pb2.Status | None, into: M) -> M | None:
    """Returns the detail of the type of into, if the status has one."""
    for detail in status.details if status else ():
        if detail.Is(into.DESCRIPTOR):
            detail.Unpack(into)
            return into
    return None
