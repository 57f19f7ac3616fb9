"""Connections to a server."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import grpc
from grpc.experimental import ChannelOptions

CALL_TIMEOUT = 30.0
"""Seconds that the server may take for calls that it answers at once."""

_OPTIONS: list[tuple[str, Any]] = [
    # One thread for a download instead of two: a third faster.
    (ChannelOptions.SingleThreadedUnaryStream, 1),
    # Bytes that a download may be ahead of its reader.
    ("grpc.http2.lookahead_bytes", 4 << 20),
    # Milliseconds: notices a connection that was lost silently, and reconnects soon.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 5000),
]


def open_channel(
    addr: str,
    *,
    tls: bool = False,
    tls_ca: Path | None = None,
    token: str | None = None,
    plaintext_token: bool = False,
) -> grpc.Channel:
    """Returns a channel to HOST:PORT, which connects when it is first used.

    tls_ca is a file of certificate authorities (PEM) and implies tls. token is sent with
    every call, and needs TLS or an address on this machine, unless plaintext_token is set.
    """
    if tls or tls_ca:
        roots = tls_ca.read_bytes() if tls_ca else None
        credentials = grpc.ssl_channel_credentials(root_certificates=roots)
        channel = grpc.secure_channel(addr, credentials, options=_OPTIONS)
    else:
        if token and not plaintext_token and not _is_local(addr):
            raise ValueError(f"a token is sent to {addr!r} only over TLS")
        channel = grpc.insecure_channel(addr, options=_OPTIONS)
    if token:
        channel = grpc.intercept_channel(channel, _Bearer(token))
    return channel


def _is_local(addr: str) -> bool:
    host = addr.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _CallDetails(grpc.ClientCallDetails):
    """The details of a call with one more header."""

    def __init__(self, details: grpc.ClientCallDetails, header: tuple[str, str]) -> None:
        self.method = details.method
        self.timeout = details.timeout
        self.metadata = (*(details.metadata or ()), header)
        self.credentials = details.credentials
        self.wait_for_ready = details.wait_for_ready
        self.compression = details.compression


class _Bearer(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Sends a token with every call."""

    def __init__(self, token: str) -> None:
        self._header = ("authorization", f"Bearer {token}")

    def intercept_unary_unary(
        self, continuation: Any, client_call_details: grpc.ClientCallDetails, request: Any
    ) -> Any:
        return continuation(_CallDetails(client_call_details, self._header), request)

    def intercept_unary_stream(
        self, continuation: Any, client_call_details: grpc.ClientCallDetails, request: Any
    ) -> Any:
        return continuation(_CallDetails(client_call_details, self._header), request)

    def intercept_stream_stream(
        self, continuation: Any, client_call_details: grpc.ClientCallDetails, request_iterator: Any
    ) -> Any:
        return continuation(_CallDetails(client_call_details, self._header), request_iterator)
