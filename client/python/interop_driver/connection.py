"""Cases of the connection and of the standard services."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from parity.files.v1.files_pb2 import SOURCE_DIRECTORY, GetRequest, ListRequest
from parity.numbers.v1.numbers_pb2 import PARITY_ODD, DrawRequest

from parity_client import Client, ParityError
from parity_client.ranges import fetch
from parity_client.session import Session

from .case import Case, Context, FailedError, content, equal, true
from .fake import Fake

TIMEOUT = 10.0
"""Seconds of a call."""
NUMBERS, FILES = "parity.numbers.v1.NumberService", "parity.files.v1.FileService"


def gzip(context: Context) -> None:
    # gRPC for Python does not tell whether a response was compressed.
    gz = grpc.Compression.Gzip
    drawn = context.parity.numbers.Draw(
        DrawRequest(parity=PARITY_ODD), timeout=TIMEOUT, compression=gz
    )
    equal(drawn.number % 2, 1, "parity of the number")
    listed = context.parity.files.List(
        ListRequest(source=SOURCE_DIRECTORY, prefix="dir/"), timeout=TIMEOUT, compression=gz
    )
    equal(len(listed.files), 3, "files")
    got = context.parity.files.Get(
        GetRequest(name="large.bin", limit=1000), timeout=TIMEOUT, compression=gz
    )
    equal(b"".join(r.data for r in got), content(1000), "content")


def tls(context: Context) -> None:
    if context.tls_ca is None:
        raise FailedError("the case needs --tls-ca")
    context.parity.draw()
    with Client(context.addr, tls=True) as stranger:
        try:
            stranger.draw()
        except ParityError as error:
            equal(error.unreachable, True, "no connection without the CA")
        else:
            raise FailedError("the call succeeds without the CA")


def token(context: Context) -> None:
    secret = context.token or "secret"
    with Fake(token=secret) as fake:
        fake.client.draw()
        fetch(fake.client.files, "file", 0, 0, "")
        Session(fake.client.numbers, context.id_base + 6, lambda _: None).cancel()
        equal(fake.authorization, [f"Bearer {secret}"] * 3, "authorization of the calls")
    context.parity.draw()


def health(context: Context) -> None:
    stub = health_pb2_grpc.HealthStub(context.parity.channel)
    for service in "", NUMBERS:
        request = health_pb2.HealthCheckRequest(service=service)
        response = stub.Check(request, timeout=TIMEOUT)  # type: ignore[attr-defined]
        equal(response.status, health_pb2.HealthCheckResponse.SERVING, f"health of {service!r}")


def reflection(context: Context) -> None:
    # The package has only the older name of the service, with the same messages.
    call = context.parity.channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    request = reflection_pb2.ServerReflectionRequest(list_services="*")
    names = {
        service.name
        for response in call(iter([request]), timeout=TIMEOUT)
        for service in response.list_services_response.service
    }
    true({NUMBERS, FILES} <= names, f"the services are {sorted(names)}")


CASES: dict[str, Case] = {
    "gzip": gzip,
    "tls": tls,
    "token": token,
    "health": health,
    "reflection": reflection,
}
