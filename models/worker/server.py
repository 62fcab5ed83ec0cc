"""The worker under uvicorn: listens while it warms up, stops once its work is answered."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from models.worker.frames import MAX_FRAME_BYTES
from models.worker.service import Worker


@dataclass(frozen=True)
class Address:
    """A Unix socket, or else a TCP port; 0 is any that is free."""

    host: str = "127.0.0.1"
    port: int = 8001
    uds: Path | None = None


class WorkerServer(uvicorn.Server):
    """`run()` returns after a signal or a failure; `failure` then says which.

    `on_ready` is called with the URL once the worker is warm.
    """

    def __init__(
        self,
        worker: Worker,
        address: Address,
        on_ready: Callable[[str], None],
        log_level: str = "info",
    ) -> None:
        config = uvicorn.Config(
            worker.app,
            address.host,
            address.port,
            uds=str(address.uds) if address.uds else None,
            log_config=None,
            log_level=log_level,
            access_log=False,
            lifespan="off",
            ws="websockets-sansio",
            ws_max_size=MAX_FRAME_BYTES,
            ws_per_message_deflate=False,
        )
        super().__init__(config)
        self.failure: BaseException | None = None
        self._worker = worker
        self._on_ready = on_ready
        self._warming: asyncio.Task[None] | None = None

    def url(self) -> str:
        """Once it listens."""
        if self.config.uds:
            return f"unix://{self.config.uds}"
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._warming = asyncio.create_task(self._worker.warm_up())
            self._warming.add_done_callback(self._warmed)

    async def main_loop(self) -> None:
        with self._worker.drain.at_sigterm():
            await super().main_loop()

    async def on_tick(self, counter: int) -> bool:
        if self._worker.lost:
            self.failure = self._worker.lost
        return await super().on_tick(counter) or self.failure is not None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._worker.close()
        await super().shutdown(sockets)

    def _warmed(self, warming: asyncio.Task[None]) -> None:
        if warming.cancelled():
            return
        self.failure = warming.exception()
        if self.failure is None:
            self._on_ready(self.url())
