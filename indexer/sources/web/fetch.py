"""Files over http and https: checked addresses, bounded sizes, bounded times, polite to hosts.

What fails in passing (no connection, no answer in time, 5xx, 429) is tried again, waiting longer
each time or as long as Retry-After says. Proxies of the environment are not used: behind one,
no address could be checked.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar
from urllib.parse import urljoin

import httpcore2
import httpx2

from indexer.errors import Rejected, RejectReason
from indexer.pictures.sniff import SNIFF_BYTES, identify
from indexer.sources.web.addresses import AddressPolicy
from indexer.sources.web.answers import Answer, answer_of, header, retry_after
from indexer.sources.web.connections import Deadline, GuardedBackend, Resolve, deadline, resolve
from indexer.sources.web.politeness import Politeness

_T = TypeVar("_T")

_REDIRECTS = 5
_AT_ONCE = 4
"""Requests under way to one host."""
_STRIDE = 1024 * 1024
_HEADERS = {"User-Agent": "noongil", "Accept": "*/*", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """`allowed_networks`, in CIDR notation, may be asked although they are not public."""

    allowed_networks: tuple[str, ...] = ()
    connect_seconds: float = 5.0
    read_seconds: float = 10.0
    """Without a byte."""
    total_seconds: float = 60.0
    """A picture, all tries together, and each MiB of a longer file; waiting for other requests to
    its host not counted."""
    tries: int = 3
    backoff_seconds: float = 0.5
    """Before the second try; doubled before each later one."""


_PASSING = (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError)


class _Transient(Exception):
    """Worth another try; `host_waits`: the pause is the host's wish and kept by Politeness."""

    def __init__(self, detail: str, *, host_waits: bool = False) -> None:
        super().__init__(detail)
        self.host_waits = host_waits


class Fetcher:
    """Safe to use from many threads; its connections are kept and used again.

    Raises SourceError where the options name a network that is none.
    """

    def __init__(
        self,
        options: FetchOptions,
        *,
        resolve: Resolve = resolve,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._options = options
        self._sleep = sleep
        self._hosts = Politeness(_AT_ONCE, options.total_seconds, sleep)
        self._backend = GuardedBackend(AddressPolicy(options.allowed_networks), resolve)
        self._opened: httpcore2.ConnectionPool | None = None
        self._opening = threading.Lock()

    def picture(self, url: str, max_bytes: int) -> bytes:
        """The file; of what is no picture, not more than the first page is asked for.

        Raises Rejected: fetch_failed, address_refused, gone, file_too_large, and those of
        `identify`.
        """
        return self._tried(url, lambda: self._picture(url, max_bytes))

    def part(self, url: str, start: int, size: int) -> bytes:
        """`size` bytes from `start` on. Raises Rejected: fetch_failed, address_refused, gone."""
        return self._tried(url, lambda: self._part(url, start, size))

    @contextmanager
    def open(self, url: str) -> Iterator[Answer]:
        """A long file, to be read as it comes. Raises Rejected as `part` does, also later."""
        with ExitStack() as stack:
            answer = self._tried(url, lambda: stack.enter_context(self._answer(url)))
            try:
                yield replace(answer, chunks=self._paced(answer.chunks))
            except _PASSING as error:
                raise _failed(url, error) from None

    def close(self) -> None:
        """Gives its connections back; the next fetch makes new ones."""
        with self._opening:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    def _tried(self, url: str, attempt: Callable[[], _T]) -> _T:
        current = Deadline(self._options.total_seconds)
        token = deadline.set(current)
        try:
            for number in range(self._options.tries):
                try:
                    return attempt()
                except (_Transient, *_PASSING) as error:
                    failure = error
                last = number + 1 == self._options.tries
                pause = self._backoff(failure, number)
                if last or pause >= current.left():
                    break
                if pause:
                    self._sleep(pause)
            raise _failed(url, failure)
        finally:
            deadline.reset(token)

    def _paced(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Each _STRIDE in the time that a picture has; what the reader takes is not counted."""
        left = 0
        while True:
            if left <= 0:
                current, left = Deadline(self._options.total_seconds), _STRIDE
            token = deadline.set(current)
            try:
                chunk = next(chunks, None)
            finally:
                deadline.reset(token)
            if chunk is None:
                return
            left -= len(chunk)
            paused = time.monotonic()
            yield chunk
            current.extend(time.monotonic() - paused)

    def _backoff(self, failure: Exception, number: int) -> float:
        if isinstance(failure, _Transient) and failure.host_waits:
            return 0.0
        jitter: float = random.uniform(0.5, 1.5)  # noqa: S311 - spreads load, keeps no secret
        return self._options.backoff_seconds * (1 << number) * jitter

    def _picture(self, url: str, max_bytes: int) -> bytes:
        with self._answer(url) as answer:
            body = bytearray()
            identified = False
            for chunk in answer.chunks:
                body += chunk
                if not identified and len(body) >= SNIFF_BYTES:
                    identify(bytes(body[:SNIFF_BYTES]))
                    identified = True
                if len(body) > max_bytes or (identified and (answer.size or 0) > max_bytes):
                    raise Rejected(RejectReason.FILE_TOO_LARGE, f"over {max_bytes} bytes")
            if not identified:
                identify(bytes(body))
            return bytes(body)

    def _part(self, url: str, start: int, size: int) -> bytes:
        with self._answer(url, Range=f"bytes={start}-{start + size - 1}") as answer:
            skip = 0 if answer.partial else start
            body = bytearray()
            for chunk in answer.chunks:
                body += chunk[skip:]
                skip -= min(skip, len(chunk))
                if len(body) >= size:
                    break
            return bytes(body[:size])

    @contextmanager
    def _answer(self, url: str, **headers: str) -> Iterator[Answer]:
        """The answer at the end of the redirects."""
        for _ in range(_REDIRECTS + 1):
            parsed = _parsed(url)
            with (
                self._hosts.slot(parsed.host) as waited,
                self._request(parsed, headers, waited) as response,
            ):
                location = header(response, b"location")
                if response.status not in {301, 302, 303, 307, 308} or location is None:
                    self._require_good(parsed.host, response, in_part="Range" in headers)
                    yield answer_of(response)
                    return
                url = _joined(parsed, location)
        raise Rejected(RejectReason.FETCH_FAILED, f"over {_REDIRECTS} redirects")

    @contextmanager
    def _request(
        self, url: httpx2.URL, headers: dict[str, str], waited: float
    ) -> Iterator[httpcore2.Response]:
        if (current := deadline.get()) is not None:
            current.extend(waited)
        options = self._options
        timeouts = {
            "connect": options.connect_seconds,
            "read": options.read_seconds,
            "write": options.read_seconds,
            "pool": options.total_seconds,
        }
        target = httpcore2.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        )
        every = [(name.encode(), value.encode()) for name, value in (_HEADERS | headers).items()]
        with self._pool().stream(
            "GET", target, headers=every, extensions={"timeout": timeouts}
        ) as response:
            yield response

    def _pool(self) -> httpcore2.ConnectionPool:
        """Made when it is first asked for: its certificates take 20 ms to read."""
        with self._opening:
            if self._opened is None:
                self._opened = httpcore2.ConnectionPool(
                    ssl_context=httpx2.create_ssl_context(),
                    max_connections=64,
                    max_keepalive_connections=32,
                    keepalive_expiry=5.0,
                    network_backend=self._backend,
                )
            return self._opened

    def _require_good(self, host: str, response: httpcore2.Response, *, in_part: bool) -> None:
        status = response.status
        if status in {404, 410}:
            raise Rejected(RejectReason.GONE, f"{host} answers {status}")
        if status in {429, 503} and (pause := retry_after(response)) is not None:
            self._hosts.pause(host, pause)
            raise _Transient(f"{host} answers {status}", host_waits=True)
        if status == 429 or status >= 500:
            raise _Transient(f"{host} answers {status}")
        if status != 200 and not (status == 206 and in_part):
            raise Rejected(RejectReason.FETCH_FAILED, f"{host} answers {status}")
        if (header(response, b"content-encoding") or "identity").lower() != "identity":
            raise Rejected(RejectReason.FETCH_FAILED, f"{host} compresses, unasked")


@cache
def fetcher_of(options: FetchOptions) -> Fetcher:
    """One for all who fetch with these options: the limits of a host hold for the process."""
    return Fetcher(options)


def _parsed(url: str) -> httpx2.URL:
    """Raises Rejected: address_refused for what is no plain http(s) URL."""
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise Rejected(RejectReason.ADDRESS_REFUSED, f"no URL: {error}") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise Rejected(RejectReason.ADDRESS_REFUSED, "not an http or https URL")
    if parsed.userinfo:
        raise Rejected(RejectReason.ADDRESS_REFUSED, "the URL holds a name or password")
    return parsed


def _joined(url: httpx2.URL, location: str) -> str:
    """Where a redirect leads. Raises Rejected: address_refused."""
    try:
        return urljoin(str(url), location)
    except ValueError as error:
        raise Rejected(RejectReason.ADDRESS_REFUSED, f"no URL: {error}") from None


def _failed(url: str, failure: Exception) -> Rejected:
    host = httpx2.URL(url).host
    detail = str(failure) or type(failure).__name__
    return Rejected(RejectReason.FETCH_FAILED, detail if host in detail else f"{host}: {detail}")
