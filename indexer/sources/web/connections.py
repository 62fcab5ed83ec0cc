"""Connections that are made to permitted addresses only, and that end in time.

The name is resolved here and the address that was checked is the one connected to: a name that
changes its address between check and connect (DNS rebinding) gains nothing.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any

import httpcore2

from indexer.errors import Rejected, RejectReason
from indexer.sources.web.addresses import AddressPolicy

SocketOption = (
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
)
Resolve = Callable[[str, int], list[str]]


class Deadline:
    """When a picture must be there; time spent in a queue is given back with `extend`."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def extend(self, seconds: float) -> None:
        self._at += seconds

    def left(self) -> float:
        return self._at - time.monotonic()


deadline: ContextVar[Deadline | None] = ContextVar("deadline", default=None)
"""Of the request that this thread makes: timeouts of the pool are per read, and a server that
sends a byte now and then would keep within them for ever.
"""


def resolve(host: str, port: int) -> list[str]:
    """The addresses of `host`, best first. Raises OSError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise OSError(f"{host!r} is not the name of a host") from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class GuardedBackend(httpcore2.NetworkBackend):
    """Sockets of httpcore, after `policy` has seen the address."""

    def __init__(self, policy: AddressPolicy, resolve: Resolve = resolve) -> None:
        self._policy = policy
        self._resolve = resolve
        self._sockets = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore2.NetworkStream:
        """Raises Rejected, address_refused, where no address of `host` is permitted."""
        failure: Exception = httpcore2.ConnectError("no address")
        for address in self._permitted(host, port):
            try:
                stream = self._sockets.connect_tcp(
                    address, port, _within(timeout), local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
            else:
                return _TimedStream(stream)
        raise failure

    def _permitted(self, host: str, port: int) -> list[str]:
        try:
            addresses = self._resolve(host, port)
        except OSError as error:
            raise httpcore2.ConnectError(f"{host}: {error.strerror or error}") from error
        permitted = [address for address in addresses if self._policy.permits(address)]
        if addresses and not permitted:
            raise Rejected(RejectReason.ADDRESS_REFUSED, f"{host} is at {addresses[0]}")
        return permitted


class _TimedStream(httpcore2.NetworkStream):
    """Reads and writes end when the deadline of the request does."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _within(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _within(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, _within(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _within(timeout: float | None) -> float | None:
    """`timeout`, or what the deadline leaves of it. Raises httpcore2.ReadTimeout after it."""
    current = deadline.get()
    if current is None:
        return timeout
    left = current.left()
    if left <= 0:
        raise httpcore2.ReadTimeout("the time for this picture is up")
    return left if timeout is None else min(timeout, left)
