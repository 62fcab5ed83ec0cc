"""The encoder as a process of its own, which many servers share: one a device.

A WebSocket at /encode carries the work (`models.worker.frames`), on a TCP port or a Unix socket;
/healthz, /readyz and /metrics are plain HTTP beside it. It has no authentication: it belongs
on loopback or on a network that only the servers are in.
"""

import asyncio
import logging
import time
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from models.batching.embedder import LocalEmbedder
from models.batching.memory import settle_memory
from models.errors import DeviceLost, EncoderAway, ModelError, Overloaded
from models.request_id import REQUEST_ID
from models.tracing import span_for
from models.types import Embeddings
from models.worker import frames
from models.worker.callers import callers_in
from models.worker.drain import Drain
from models.worker.frames import BadFrame, Hello

logger = logging.getLogger(__name__)

_LONGEST_SECONDS = 86_400.0

_PROTOCOL_ERROR, _TRY_AGAIN_LATER = 1002, 1013

_CLOSING_SECONDS = 0.5
"""At most this long a socket is waited for that does not take its answer."""


class Worker:
    """Answers with `embedder`; ready once `warm_up` is done."""

    def __init__(
        self, embedder: LocalEmbedder, registry: CollectorRegistry, drain_seconds: float = 0.0
    ) -> None:
        self.drain = Drain(drain_seconds)
        self._embedder = embedder
        self._registry = registry
        self._is_warm = False
        self._is_closed = False
        self._sessions: set[_Session] = set()
        self.app = Starlette(
            routes=[
                Route("/healthz", self._alive),
                Route("/readyz", self._ready),
                Route("/metrics", self._metrics),
                WebSocketRoute("/encode", self._serve),
            ]
        )

    @property
    def lost(self) -> DeviceLost | None:
        """Why only another process can go on; None while this one can."""
        return self._embedder.lost

    async def warm_up(self) -> None:
        await asyncio.to_thread(self._embedder.warm_up)
        settle_memory()
        self._is_warm = True

    async def close(self) -> None:
        """Refuse what comes from now on, answer what has come, then stop the encoder."""
        self._is_closed = True
        await self._embedder.close()
        for session in list(self._sessions):
            await session.finish()

    @property
    def _reason_not_ready(self) -> str | None:
        if self._embedder.lost:
            return str(self._embedder.lost)
        if self._is_closed:
            return "stopping"
        return None if self._is_warm else "warming up"

    async def _alive(self, _: Request) -> Response:
        if self._embedder.lost:
            return JSONResponse({"status": self._reason_not_ready}, HTTPStatus.SERVICE_UNAVAILABLE)
        return JSONResponse({"status": "ok"})

    async def _ready(self, _: Request) -> Response:
        reason = "stopping" if self.drain.has_begun else self._reason_not_ready
        if reason:
            return JSONResponse({"status": reason}, HTTPStatus.SERVICE_UNAVAILABLE)
        return JSONResponse({"status": "ready", "model": self._embedder.spec.id})

    async def _metrics(self, _: Request) -> Response:
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

    async def _serve(self, socket: WebSocket) -> None:
        if "origin" in socket.headers:  # a page in somebody's browser, who is on this machine
            await socket.close()
            return
        reason = self._reason_not_ready
        if reason:
            await socket.accept()  # or the reason would not arrive
            await socket.close(_TRY_AGAIN_LATER, reason)
            return
        session = _Session(socket, self._embedder)
        self._sessions.add(session)
        try:
            await session.run()
        finally:
            self._sessions.discard(session)


class _Session:
    """One server's connection: its calls are answered as they finish, in any order."""

    def __init__(self, socket: WebSocket, embedder: LocalEmbedder) -> None:
        self._socket = socket
        self._embedder = embedder
        self._calls: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        await self._socket.accept()
        await self._socket.send_bytes(
            frames.pack_hello(Hello(self._embedder.spec, self._embedder.pace()))
        )
        try:
            while True:
                message = await self._socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                self._receive(message.get("bytes") or message.get("text") or b"")
        except BadFrame as error:
            logger.warning("closing a connection that sent a bad frame: %s", error)
            with suppress(RuntimeError):
                await self._socket.close(_PROTOCOL_ERROR, str(error))
        finally:
            for task in self._calls.values():  # nobody is there to take the answers
                task.cancel()

    async def finish(self) -> None:
        """The answers that are under way reach the socket."""
        if self._calls:
            await asyncio.wait(self._calls.values(), timeout=_CLOSING_SECONDS)

    def _receive(self, frame: bytes | str) -> None:
        header, payload = frames.unpack(frame)
        call = _number_of(header)
        if header.get("kind") == "cancel":
            if call in self._calls:
                self._calls[call].cancel()
            return
        task = asyncio.create_task(self._answer(call, header, payload))
        self._calls[call] = task
        task.add_done_callback(lambda _: self._calls.pop(call, None))

    async def _answer(self, call: int, header: dict[str, Any], payload: memoryview) -> None:
        callers = callers_in(header)
        REQUEST_ID.set(",".join(each.request_id for each in callers if each.request_id) or None)
        parents = [each.traceparent for each in callers if each.traceparent]
        with span_for(parents, "encode batch"):
            await self._reply(call, header, payload)

    async def _reply(self, call: int, header: dict[str, Any], payload: memoryview) -> None:
        try:
            reply = frames.pack_embeddings(call, await self._embed(header, payload))
        except ModelError as error:
            reply = frames.pack(_problem(call, type(error).__name__, str(error), error))
        except BadFrame as error:
            reply = frames.pack(_problem(call, "InvalidInput", str(error)))
        except Exception as error:
            logger.exception("a call failed")
            reply = frames.pack(_problem(call, "EncodingFailed", type(error).__name__))
        with suppress(WebSocketDisconnect, RuntimeError):  # it went while we worked for it
            await self._socket.send_bytes(reply)

    async def _embed(self, header: dict[str, Any], payload: memoryview) -> Embeddings:
        """Raises ModelError, BadFrame."""
        kind, timeout, texts = (header.get(name) for name in ("kind", "timeout", "texts"))
        if not isinstance(timeout, int | float) or not 0 <= timeout <= _LONGEST_SECONDS:
            raise BadFrame("no timeout, or not a sensible one")
        if header.get("fingerprint") != self._embedder.spec.fingerprint:
            raise EncoderAway(f"this worker serves {self._embedder.spec.id}, in another edition")
        deadline = time.monotonic() + timeout
        if kind == "images":
            images = await asyncio.to_thread(frames.unpack_images, header, payload)
            return await self._embedder.embed_images(images, deadline)
        if kind == "texts" and isinstance(texts, list) and all(isinstance(t, str) for t in texts):
            return await self._embedder.embed_texts(texts, deadline)
        raise BadFrame(f"neither texts nor images: {kind!r}")


def _number_of(header: dict[str, Any]) -> int:
    """Raises BadFrame."""
    call = header.get("id")
    if not isinstance(call, int):
        raise BadFrame("no call id")
    return call


def _problem(call: int, kind: str, detail: str, error: ModelError | None = None) -> dict[str, Any]:
    retry_after = error.retry_after if isinstance(error, Overloaded) else None
    return {
        "id": call,
        "kind": "error",
        "error": kind,
        "detail": detail,
        "retry_after": retry_after,
    }
