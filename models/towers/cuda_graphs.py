"""A forward pass captured once per shape and replayed: one launch instead of hundreds.

A short query's text tower is some 200 kernels of a few microseconds each, and launching
them from Python takes longer than running them.
"""

from collections.abc import Callable
from threading import Lock
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

Forward = Callable[[Tensor], Tensor]

_PASSES_BEFORE_CAPTURE = 3  # libraries pick their kernels and allocate in the first ones
_LOWEST_COSINE = 0.999  # of a replay to the plain forward: kernels may differ in a last bit


class _Capture(NamedTuple):
    graph: torch.cuda.CUDAGraph
    ids: Tensor
    embeddings: Tensor


class CudaGraphs:
    """`forward` of ids (n, length), int64, on a CUDA device; runs plainly what is not captured.

    A batch runs in the smallest captured size that holds it; the rows left over hold old
    ids, and what comes of them is dropped. Call it under `torch.inference_mode`.
    """

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._captures: dict[tuple[int, int], _Capture] = {}
        self._sizes: list[int] = []
        self._pool: Any = None
        self._lock = Lock()  # the captured tensors are shared by all callers

    def __call__(self, ids: Tensor) -> Tensor:
        rows, length = ids.shape
        size = next((size for size in self._sizes if size >= rows), rows)
        capture = self._captures.get((size, length))
        if capture is None:
            return self._forward(ids)
        # All threads launch on one stream: in the order of the lock, also on the device.
        with self._lock, torch.cuda.device(ids.device):
            capture.ids[:rows].copy_(ids)
            capture.graph.replay()
            return capture.embeddings[:rows].clone()

    def capture(self, ids: Tensor) -> None:
        """Captures the shape of `ids`, which are texts like any; largest shapes first.

        Raises RuntimeError where a replay does not say of other texts what the plain forward
        says.
        """
        with torch.cuda.device(ids.device):  # a graph is captured on the current device only
            self._capture(ids)
        others = torch.zeros_like(ids)
        others[:, -1] = ids[:, -1]  # the end of a text is none of its padding
        if not same_directions(self(others), self._forward(others)):
            raise RuntimeError(f"a captured pass of {tuple(ids.shape)} differs from the plain one")

    def _capture(self, ids: Tensor) -> None:
        graph = torch.cuda.CUDAGraph()
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_PASSES_BEFORE_CAPTURE):
                self._forward(ids)
        torch.cuda.current_stream().wait_stream(stream)
        with torch.cuda.graph(graph, self._pool, stream=stream, capture_error_mode="thread_local"):
            embeddings = self._forward(ids)
        # One pool for all: a replay may overwrite what an earlier one left, which was cloned.
        self._pool = self._pool or graph.pool()
        rows, length = ids.shape
        self._captures[rows, length] = _Capture(graph, ids, embeddings)
        self._sizes = sorted({size for size, _ in self._captures})


def same_directions(some: Tensor, others: Tensor) -> bool:
    """Whether each row of (n, dim) points where its counterpart does; NaN points nowhere."""
    cosines = functional.cosine_similarity(some.float(), others.float())
    return bool((cosines >= _LOWEST_COSINE).all())


def batch_sizes(largest: int) -> list[int]:
    """1, 2, 4 … and `largest` itself, descending."""
    powers = [1 << exponent for exponent in range(largest.bit_length())]
    return sorted({*powers, largest}, reverse=True)
