"""Forward passes of pictures on one device or several, always a batch ahead on each.

The device of this process is driven by a thread, several devices by a process each: one
process has not enough Python for two of them.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from dataclasses import dataclass, replace
from functools import partial
from queue import SimpleQueue
from types import TracebackType
from typing import Self

import numpy as np

from models.batching.engine import in_halves
from models.config import EncoderOptions
from models.errors import DeviceLost, EncodingFailed, ModelUnavailable
from models.registry import shared_encoder
from models.types import Embeddings, Encoder, EncoderSpec, Pixels

_BATCHES_A_DEVICE = 2
"""One that is encoded and one that waits, so that the device never does."""


@dataclass(frozen=True)
class _Device:
    """`executor` has one worker."""

    executor: Executor
    encode: Callable[[Sequence[Pixels]], Embeddings]


class EncoderPool:
    """A context manager; leaving it waits for the batches at work and ends all threads and
    processes. One thread submits.
    """

    def __init__(self, devices: Sequence[_Device]) -> None:
        self._devices = devices
        self._free: SimpleQueue[_Device] = SimpleQueue()
        for device in [*devices] * _BATCHES_A_DEVICE:
            self._free.put(device)

    @property
    def batches(self) -> int:
        """How many may be under way at once."""
        return _BATCHES_A_DEVICE * len(self._devices)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for device in self._devices:
            device.executor.shutdown()

    def submit(self, pixels: Sequence[Pixels]) -> Future[Embeddings]:
        """Waits until a device has room for the batch. The result has shape (len(pixels), row_dim);
        it raises EncodingFailed, also for what is not finite; OutOfMemory for a single picture
        that does not fit; DeviceLost, also where a process ended; ModelUnavailable where a
        process cannot load the model. Cancelled, it is not begun, or what comes of it is dropped.
        """
        device = self._free.get()
        answer: Future[Embeddings] = Future()
        try:
            encoded = device.executor.submit(device.encode, pixels)
        except BrokenExecutor as error:
            encoded = Future()
            encoded.set_exception(error)
        encoded.add_done_callback(partial(self._answer, answer, device))
        answer.add_done_callback(lambda _: encoded.cancel())
        return answer

    def _answer(
        self, answer: Future[Embeddings], device: _Device, encoded: Future[Embeddings]
    ) -> None:
        if encoded.cancelled() or not answer.set_running_or_notify_cancel():
            pass  # whoever asked does not want it any more
        elif (error := encoded.exception()) is None:
            answer.set_result(encoded.result())
        elif isinstance(error, BrokenExecutor):
            answer.set_exception(DeviceLost(f"an encoder process was killed or crashed: {error}"))
        else:
            answer.set_exception(error)
        self._free.put(device)


def pool_of(
    encoder: Encoder, devices: Sequence[str] = (), options: EncoderOptions | None = None
) -> EncoderPool:
    """On each of `devices` a process, which loads the encoder's model with `options` when its
    first batch comes; on none of them, the encoder where it is.
    """
    if not devices:
        thread = ThreadPoolExecutor(1, thread_name_prefix="encode")
        return EncoderPool([_Device(thread, partial(_encode, encoder))])
    options = options or EncoderOptions()
    return EncoderPool([_process(encoder.spec, replace(options, device=name)) for name in devices])


def _process(spec: EncoderSpec, options: EncoderOptions) -> _Device:
    spawn = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
    executor = ProcessPoolExecutor(1, spawn, initializer=_follow_the_parent)
    return _Device(executor, partial(encode_here, spec, options))


def _encode(encoder: Encoder, pixels: Sequence[Pixels]) -> Embeddings:
    embeddings = in_halves(encoder.encode_pixels, pixels)
    if embeddings.shape != (len(pixels), encoder.spec.row_dim):
        raise EncodingFailed(f"{embeddings.shape} came of {len(pixels)} pictures")
    if not np.isfinite(embeddings).all():
        raise EncodingFailed("the embeddings are not finite")
    return embeddings


def encode_here(spec: EncoderSpec, options: EncoderOptions, pixels: Sequence[Pixels]) -> Embeddings:
    """Shape (len(pixels), row_dim), by the process's own encoder, which is loaded when it is first
    asked. Raises as what EncoderPool.submit gives; ModelUnavailable also where this process finds
    another edition of the model.
    """
    encoder = shared_encoder(spec.id, options)
    if encoder.spec.fingerprint != spec.fingerprint:
        raise ModelUnavailable(f"{spec.id} is another edition on {options.device}")
    return _encode(encoder, pixels)


def _follow_the_parent() -> None:
    """An interrupt is the parent's to handle; one that was killed must not leave a process behind
    that holds the device.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_after_the_parent, daemon=True).start()


def _end_after_the_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
