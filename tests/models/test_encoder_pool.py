"""Batches over one device or several: what comes back, and what is said when a device is lost."""

import multiprocessing
import os
import select
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.config import EncoderOptions
from models.encoder_pool import EncoderPool, _process, pool_of
from models.errors import DeviceLost, EncodingFailed, ModelUnavailable, OutOfMemory
from models.registry import load_encoder
from models.types import Embeddings, Encoder, Pixels
from tests.models import towers
from tests.tiny_encoder import TinyEncoder

OPTIONS = EncoderOptions(precision="fp32")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    folder = tmp_path_factory.mktemp("clip")
    towers.clip(folder)
    return load_encoder(f"open_clip:local-dir:{folder}", OPTIONS)


@pytest.fixture(scope="module")
def processes(clip: Encoder) -> Iterator[EncoderPool]:
    with pool_of(clip, ["cpu", "cpu"], OPTIONS) as pool:
        yield pool


def batches(encoder: Encoder, count: int, size: int = 3) -> list[list[Pixels]]:
    noise = np.random.default_rng(0)
    pictures = noise.integers(0, 255, (count, size, 40, 30, 3), np.uint8)
    return [[encoder.to_pixels(Image.fromarray(one)) for one in batch] for batch in pictures]


def test_two_processes_give_each_batch_its_own_embeddings(
    clip: Encoder, processes: EncoderPool
) -> None:
    asked = batches(clip, 7)
    answers = [processes.submit(batch) for batch in asked]
    for batch, answer in zip(asked, answers, strict=True):
        np.testing.assert_allclose(answer.result(60), clip.encode_pixels(batch), atol=1e-5)


def test_no_more_than_two_batches_a_device_are_under_way() -> None:
    """What is decoded ahead waits where its memory is counted."""
    encoder = Held()
    with pool_of(encoder) as pool:
        answers = [pool.submit(batch) for batch in batches(encoder, 2)]
        third: list[Future[Embeddings]] = []
        thread = threading.Thread(target=lambda: third.append(pool.submit(batches(encoder, 1)[0])))
        thread.start()
        thread.join(0.1)
        assert not third
        encoder.go.set()
        thread.join()
        assert all(len(answer.result()) == 3 for answer in answers + third)


def test_a_batch_too_large_for_the_device_goes_in_halves() -> None:
    encoder = Small(room=2)
    with pool_of(encoder) as pool:
        assert pool.submit(batches(encoder, 1, size=9)[0]).result().shape == (9, encoder.spec.dim)
    with pool_of(Small(room=0)) as pool, pytest.raises(OutOfMemory):
        pool.submit(batches(encoder, 1)[0]).result()


def test_what_is_not_finite_is_never_an_embedding() -> None:
    encoder = Blank()
    with pool_of(encoder) as pool, pytest.raises(EncodingFailed, match="finite"):
        pool.submit(batches(encoder, 1)[0]).result()


def test_a_process_that_dies_is_a_lost_device_and_hangs_nobody(clip: Encoder) -> None:
    with pool_of(clip, ["cpu"], OPTIONS) as pool:
        first, second, third = batches(clip, 3)
        pool.submit(first).result(60)
        kill_workers(pool)
        for batch in (second, third):
            with pytest.raises(DeviceLost, match="killed"):
                pool.submit(batch).result(60)


def test_a_model_that_a_process_cannot_load_is_said_by_name(tmp_path: Path) -> None:
    towers.clip(tmp_path)
    here = load_encoder(f"open_clip:local-dir:{tmp_path}", OPTIONS)
    (tmp_path / "open_clip_model.safetensors").unlink()
    with pool_of(here, ["cpu"], OPTIONS) as pool, pytest.raises(ModelUnavailable):
        pool.submit(batches(here, 1)[0]).result(60)


def test_a_batch_that_is_cancelled_is_not_begun_and_frees_its_place() -> None:
    encoder = Held()
    with pool_of(encoder) as pool:
        begun, waiting = (pool.submit(batch) for batch in batches(encoder, 2))
        assert waiting.cancel()
        third = pool.submit(batches(encoder, 1)[0])
        encoder.go.set()
        assert (len(begun.result()), len(third.result())) == (3, 3)
    assert encoder.images_encoded == 6


def test_a_process_does_not_outlive_a_parent_that_was_killed() -> None:
    """It would hold the device's memory until somebody finds it."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe(duplex=False)
    parent = spawn.Process(target=_open_a_pool, args=(there,))
    parent.start()
    there.close()
    child = here.recv()
    opened = os.pidfd_open(child)
    parent.kill()
    parent.join()
    assert select.select([opened], [], [], 60)[0]
    os.close(opened)


def _open_a_pool(answer: Connection) -> None:
    device = _process(TinyEncoder().spec, OPTIONS)
    answer.send(device.executor.submit(os.getpid).result())
    threading.Event().wait()


class Held(TinyEncoder):
    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def encode_pixels(self, batch: Sequence[Pixels]) -> Embeddings:
        self.go.wait()
        return super().encode_pixels(batch)


class Small(TinyEncoder):
    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room

    def encode_pixels(self, batch: Sequence[Pixels]) -> Embeddings:
        if len(batch) > self._room:
            raise OutOfMemory("no room")
        return super().encode_pixels(batch)


class Blank(TinyEncoder):
    def encode_pixels(self, batch: Sequence[Pixels]) -> Embeddings:
        return np.full((len(batch), self.spec.dim), np.nan, np.float32)


def kill_workers(pool: EncoderPool) -> None:
    executors: list[Executor] = [device.executor for device in pool._devices]
    for executor in executors:
        assert isinstance(executor, ProcessPoolExecutor)
        for pid in executor._processes:
            os.kill(pid, signal.SIGKILL)
