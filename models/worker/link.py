"""A server's connection to its encoder worker, made anew whenever it is lost."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from PIL import Image
from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from models.batching.pace import Pace
from models.errors import (
    DeadlineExceeded,
    DeviceLost,
    EncoderAway,
    EncodingFailed,
    InvalidInput,
    ModelError,
    ModelUnavailable,
    OutOfMemory,
    Overloaded,
)
from models.types import Embeddings, EncoderSpec
from models.worker import frames
from models.worker.addresses import addresses
from models.worker.callers import Caller, as_fields, caller
from models.worker.frames import BadFrame, Hello

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 0.2
_CONNECT_SECONDS = 2.0
_PING_SECONDS = 5.0
_CLOSE_SECONDS = 1.0
_SEND_SECONDS = 5.0
"""A worker that falls silent is noticed after the first and the second, or after the third."""


_ERRORS: dict[str, type[ModelError]] = {
    kind.__name__: kind
    for kind in (
        DeadlineExceeded,
        DeviceLost,
        EncoderAway,
        EncodingFailed,
        InvalidInput,
        OutOfMemory,
    )
}


class NotSent(EncoderAway):
    """The call did not reach the worker: it may be made again."""


class Link:
    """One connection, of any number of calls at once. `pace` is what the worker says of itself."""

    def __init__(self, socket: ClientConnection, hello: Hello) -> None:
        self.spec = hello.spec
        self.pace = Pace()
        self.pace.calibrate(hello.pace)
        self._socket = socket
        self._numbers = count()
        self._answers: dict[int, asyncio.Future[Embeddings]] = {}
        self._farewells: set[asyncio.Task[None]] = set()
        self.is_lost = False

    async def embed_texts(
        self,
        texts: Sequence[str],
        timeout: float,  # noqa: ASYNC109 - it is sent along
        callers: Iterable[Caller] = (),
    ) -> Embeddings:
        """Raises ModelError, NotSent among them."""
        header = self._header("texts", timeout) | as_fields(callers)
        frame = frames.pack({**header, "texts": list(texts)})
        return self._whole(await self._call(header["id"], frame), len(texts))

    async def embed_images(self, images: Sequence[Image.Image], timeout: float) -> Embeddings:  # noqa: ASYNC109 - as above
        """Raises ModelError, NotSent among them."""
        header = self._header("images", timeout) | as_fields([caller()])
        frame = await asyncio.to_thread(frames.pack_images, header, images)
        return self._whole(await self._call(header["id"], frame), len(images))

    async def read(self) -> None:
        """Hand out answers until the connection is lost, then fail the calls under way."""
        try:
            async for frame in self._socket:
                self._hand_out(*frames.unpack(frame))
        except (ConnectionClosed, BadFrame):
            pass
        finally:
            self.is_lost = True
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(EncoderAway("the encoder worker went away"))
            with suppress(ConnectionClosed):
                await self._socket.close()

    async def close(self) -> None:
        await self._socket.close()

    def _whole(self, embeddings: Embeddings, rows: int) -> Embeddings:
        """Raises EncodingFailed."""
        if embeddings.shape != (rows, self.spec.dim):
            raise EncodingFailed(f"the worker answered {embeddings.shape}, not {rows} embeddings")
        return embeddings

    def _header(self, kind: str, timeout: float) -> dict[str, Any]:
        fingerprint = self.spec.fingerprint
        return {
            "id": next(self._numbers),
            "kind": kind,
            "timeout": timeout,
            "fingerprint": fingerprint,
        }

    async def _call(self, number: int, frame: bytes) -> Embeddings:
        answer: asyncio.Future[Embeddings] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            await self._send(frame)
            return await answer
        except asyncio.CancelledError:
            self._call_off(number)
            raise
        finally:
            del self._answers[number]
            if not answer.cancel() and not answer.cancelled():
                answer.exception()  # seen: where sending failed too, that is what is raised

    def _call_off(self, number: int) -> None:
        """Nobody waits for the message to go."""
        frame = frames.pack({"id": number, "kind": "cancel"})
        task = asyncio.create_task(self._send(frame))
        self._farewells.add(task)
        task.add_done_callback(self._said)

    def _said(self, task: asyncio.Task[None]) -> None:
        self._farewells.discard(task)
        if not task.cancelled():
            task.exception()  # seen: the link is lost, and whoever reads it knows

    async def _send(self, frame: bytes) -> None:
        """A worker that takes nothing is as good as gone: half a frame cannot be taken back."""
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await self._socket.send(frame)
        except (ConnectionClosed, TimeoutError) as error:
            self.is_lost = True
            self._socket.transport.abort()
            raise NotSent("the encoder worker went away") from error

    def _hand_out(self, header: dict[str, Any], payload: memoryview) -> None:
        """Raises BadFrame."""
        number = header.get("id")
        answer = self._answers.get(number) if isinstance(number, int) else None
        if answer is None or answer.done():
            return  # nobody waits for it any more
        if header.get("kind") == "rows":
            answer.set_result(frames.unpack_embeddings(header, payload))
        else:
            answer.set_exception(_error_of(header))


class Links:
    """`open` connects and stays connected until `close`; `get` is the connection of the moment."""

    def __init__(self, url: str) -> None:
        """Raises ModelUnavailable for a URL that names no worker."""
        self._url = url
        self._target = _target(url)
        self._spec: EncoderSpec | None = None
        self._link: Link | None = None
        self._is_trying = False
        self._is_closing = False
        self._changed = asyncio.Condition()
        self._staying: asyncio.Task[None] | None = None
        self.away: str | None = f"not connected to {url} yet"
        """Why the worker cannot be asked just now; None while it can."""

    @property
    def spec(self) -> EncoderSpec:
        """Of the worker as it was first met. Raises EncoderAway before that."""
        if self._spec is None:
            raise EncoderAway(self.away or "")
        return self._spec

    async def open(self) -> None:
        """Returns when the first attempt has succeeded or failed."""
        self._is_trying = True
        self._staying = asyncio.create_task(self._stay())
        async with self._changed:
            await self._changed.wait_for(lambda: not self._is_trying)

    async def close(self) -> None:
        self._is_closing = True
        if self._staying is not None:
            self._staying.cancel()
            await asyncio.wait([self._staying])
        await self._become(None, "closed", is_trying=False)

    async def get(self) -> Link:
        """Waits for an attempt that is being made. Raises EncoderAway where the last one failed."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._is_usable or not self._is_trying)
            if self._link is None or not self._is_usable:
                raise EncoderAway(self.away or "the connection was lost")
            return self._link

    @property
    def _is_usable(self) -> bool:
        return self._link is not None and not self._link.is_lost

    async def _become(self, link: Link | None, away: str | None, *, is_trying: bool) -> None:
        async with self._changed:
            if link is not None:
                logger.info("connected to the encoder worker at %s", self._url)
            elif away != self.away and not self._is_closing:
                logger.warning("%s", away)
            self._link, self.away, self._is_trying = link, away, is_trying
            self._changed.notify_all()

    async def _stay(self) -> None:
        while True:
            try:
                link = await self._connect()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is said, and tried again
                reason = f"the encoder worker at {self._url} is away: {error or 'no answer'}"
                await self._become(None, reason, is_trying=False)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                await self._become(link, None, is_trying=False)
                await self._use(link)
            self._is_trying = True

    async def _use(self, link: Link) -> None:
        try:
            await link.read()
        except Exception:  # whatever a worker sends, the next connection may be better
            logger.exception("the connection to %s broke off", self._url)
        finally:
            lost = f"the connection to the encoder worker at {self._url} was lost"
            await self._become(None, lost, is_trying=True)
            await link.close()

    async def _connect(self) -> Link:
        socket_path, uri = self._target
        options: dict[str, Any] = {
            "compression": None,
            "max_size": frames.MAX_FRAME_BYTES,
            "open_timeout": _CONNECT_SECONDS,
            "ping_interval": _PING_SECONDS,
            "ping_timeout": _PING_SECONDS,
            "close_timeout": _CLOSE_SECONDS,
            "proxy": None,
        }
        if socket_path:
            socket = await unix_connect(socket_path, uri, **options)
        else:
            socket = await _connect_to_one(uri, options)
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                hello = frames.unpack_hello(await socket.recv())
            self._require_same(hello.spec)
            return Link(socket, hello)
        except BaseException:
            await socket.close()
            raise

    def _require_same(self, spec: EncoderSpec) -> None:
        """Vectors of two encoders are never compared. Raises EncoderAway."""
        if self._spec is None:
            self._spec = spec
        if self._spec.fingerprint != spec.fingerprint:
            began = self._spec.id
            if began == spec.id:
                began = f"another edition of {began}"
            raise EncoderAway(
                f"it serves {spec.id} now, and this process began with {began}: "
                "restart this process to follow"
            )


async def _connect_to_one(uri: str, options: dict[str, Any]) -> ClientConnection:
    """Of the workers that share the name, one that answers. Raises what the last one raised."""
    *others, last = await addresses(uri)
    for host in others:
        with suppress(OSError, TimeoutError, WebSocketException):
            return await connect(uri, host=host, **options)
    return await connect(uri, host=last, **options)


def require_worker_url(url: str) -> None:
    """Raises ModelUnavailable for a URL that names no worker."""
    _target(url)


def _target(url: str) -> tuple[str | None, str]:
    """Path of the Unix socket, if it is one, and URI of the WebSocket."""
    parts = urlsplit(url)
    try:
        host = (parts.hostname or "").encode("idna") and parts.port != 0
    except ValueError:  # UnicodeError is one
        host = False
    schemes = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
    if parts.scheme == "unix" and parts.path and not parts.netloc:
        return parts.path, "ws://worker/encode"
    if parts.scheme in schemes and host:
        return None, f"{schemes[parts.scheme]}://{parts.netloc}/encode"
    raise ModelUnavailable(
        f"{url!r} names no encoder worker: use http://host:port or unix:///path/to/socket"
    )


def _error_of(header: dict[str, Any]) -> ModelError:
    kind, detail, retry_after = (header.get(name) for name in ("error", "detail", "retry_after"))
    if kind == Overloaded.__name__:
        return Overloaded(retry_after if isinstance(retry_after, int | float) else 1.0)
    return _ERRORS.get(str(kind), EncodingFailed)(str(detail))
