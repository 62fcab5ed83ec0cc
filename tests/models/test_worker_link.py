"""A connection that breaks off fails each call under way once, and nothing else."""

import asyncio
import gc

import pytest
from websockets.exceptions import ConnectionClosedError

from models.worker.frames import Hello
from models.worker.link import Link, NotSent
from tests.tiny_encoder import TinyEncoder


class Aborted(asyncio.Transport):
    def abort(self) -> None:
        pass


class BreakingSocket:
    """Whoever reads learns that it broke off, and then whoever sends."""

    def __init__(self) -> None:
        self.is_sending = asyncio.Event()
        self.read_to_its_end = asyncio.Event()
        self.transport = Aborted()

    async def send(self, _: bytes) -> None:
        self.is_sending.set()
        await self.read_to_its_end.wait()
        raise ConnectionClosedError(None, None)

    def __aiter__(self) -> "BreakingSocket":
        return self

    async def __anext__(self) -> bytes:
        await self.is_sending.wait()
        raise ConnectionClosedError(None, None)

    async def close(self) -> None:
        self.read_to_its_end.set()


@pytest.mark.anyio
async def test_a_call_that_could_not_be_sent_leaves_no_error_behind() -> None:
    unseen: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
    socket = BreakingSocket()
    link = Link(socket, Hello(TinyEncoder().spec, [(1.0, 0.01), (8.0, 0.02)]))  # type: ignore[arg-type]
    reading = asyncio.create_task(link.read())
    with pytest.raises(NotSent):
        await link.embed_texts(["a"], 5)
    await reading
    gc.collect()
    assert unseen == []
