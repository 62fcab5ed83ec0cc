"""What PyTorch raises in a forward pass, in the words of this package."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from models.errors import DeviceLost, EncodingFailed, OutOfMemory

# What does not fit is not always an OutOfMemoryError: cuBLAS, pinned memory and the CPU's
# allocator have their own words for it.
_NO_ROOM = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "not enough memory", "can't allocate")
_LOST = ("CUDA error", "CUDA driver error", "cuDNN error", "CUBLAS_STATUS")


@contextmanager
def device_errors() -> Iterator[None]:
    """Raises OutOfMemory, DeviceLost or EncodingFailed for a RuntimeError of the block."""
    try:
        yield
    except RuntimeError as error:
        raise _translated(error) from error


def _translated(error: RuntimeError) -> EncodingFailed:
    line = str(error).partition("\n")[0]
    if isinstance(error, torch.OutOfMemoryError) or any(words in line for words in _NO_ROOM):
        return OutOfMemory(line)
    # AcceleratorError came with PyTorch 2.8; before it, only the words tell.
    lost = isinstance(error, getattr(torch, "AcceleratorError", ()))
    if lost or any(words in line for words in _LOST):
        return DeviceLost(line)
    return EncodingFailed(line)
