from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from interop_driver.fake import Fake
from parity.files.v1.files_pb2 import GetRequest, GetResponse

from parity_client import Client, ParityError, Violation
from parity_client.cli import sentence
from parity_client.ranges import fetch, retriable, retry_delay


def failing(fake: Fake, code: int, message: str, *details: Any) -> None:
    """Makes Get fail with a status."""
    status = status_pb2.Status(code=code, message=message)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)

    def get(_: GetRequest) -> Iterator[GetResponse]:
        assert fake.context is not None
        fake.context.abort_with_status(rpc_status.to_status(status))
        yield GetResponse()

    fake.get = get


def error_of(fake: Fake) -> ParityError:
    with pytest.raises(ParityError) as caught:
        fetch(fake.client.files, "file", 0, 0, "")
    return caught.value


def test_reason(fake: Fake) -> None:
    info = error_details_pb2.ErrorInfo(reason="INVALID_NAME", domain="parity")
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="name", description="must not be empty")
    failing(fake, code_pb2.INVALID_ARGUMENT, "name: must not be empty", info, bad)
    error = error_of(fake)
    assert (error.code, error.domain) == (grpc.StatusCode.INVALID_ARGUMENT, "parity")
    assert error.violations == (Violation("name", "must not be empty"),)
    assert str(error) == "name: must not be empty (INVALID_NAME)"
    assert not retriable(error)


def test_retry_info(fake: Fake) -> None:
    info = error_details_pb2.ErrorInfo(reason="SEND_STALLED", domain="parity")
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(2500)
    failing(fake, code_pb2.RESOURCE_EXHAUSTED, "too slow", info, retry)
    error = error_of(fake)
    assert error.retry_after == 2.5
    assert retriable(error)
    assert retry_delay(error, 0) == 2.5
    retry.retry_delay.FromSeconds(3600)
    failing(fake, code_pb2.RESOURCE_EXHAUSTED, "too slow", info, retry)
    assert retry_delay(error_of(fake), 0) == 30


def test_without_reason(fake: Fake) -> None:
    failing(fake, code_pb2.RESOURCE_EXHAUSTED, "something else")
    error = error_of(fake)
    assert str(error) == "something else (RESOURCE_EXHAUSTED)"
    assert not retriable(error)


def test_unreachable() -> None:
    with Client("localhost:1") as client, pytest.raises(ParityError) as caught:
        client.draw()
    assert sentence(caught.value, "localhost:1") == (
        "cannot reach localhost:1: connection refused (UNAVAILABLE); is the server running?"
    )


def test_messages_are_safe_to_print(fake: Fake) -> None:
    failing(fake, code_pb2.UNKNOWN, "red \x1b[31m \u202e")
    assert sentence(error_of(fake), "") == "red \\x1b[31m \\u202e (UNKNOWN)"
