"""How a family's parts become an encoder: all that is checked and recorded is so here, once."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from models.config import EncoderOptions
from models.errors import ModelUnavailable
from models.model_cards import terms_of
from models.towers.device_errors import device_errors
from models.towers.pixels import PixelTransform
from models.towers.precision import placement
from models.towers.text_trim import text_lengths
from models.towers.torch_encoder import TextTower, Tokenizer, TorchEncoder
from models.types import EncoderSpec
from models.weights.files import fingerprint

FORMAT = 1  # raise it when the code changes what a vector of these families means

_RAISED_BY_BROKEN_FILES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


class FamilyTokenizer(Tokenizer, Protocol):
    @property
    def largest_id(self) -> int:
        """Of all the ids that it may ever give."""
        ...


@dataclass(frozen=True)
class Parts:
    """The towers are in fp32 on the CPU, with all of their weights."""

    text: TextTower
    image: nn.Module
    tokenizer: FamilyTokenizer
    transform: PixelTransform
    longest: int
    """Tokens of a text that are read at most."""
    trims: bool
    """Whether the text tower may be given shorter texts without their padding."""
    files: Mapping[str, Path]
    """What the vectors depend on, by role; see `models.weights.files.fingerprint`."""
    logit_scale: float
    """As it was trained; it enters no embedding."""
    settings: str = ""
    """What else they depend on, beside the transform and the longest text."""


def assemble(
    spec_id: str, find_parts: Callable[[], Parts], options: EncoderOptions
) -> TorchEncoder:
    """Raises UnknownModel as `find_parts` does, and ModelUnavailable, in one line that names
    the model and the cause, for whatever else is wrong with its files; OutOfMemory and
    DeviceLost where the towers cannot be put on the device.
    """
    where = placement(options)
    with _plain_errors(spec_id):
        parts = find_parts()
        dim = _tried(parts)
        identity = fingerprint(parts.files, FORMAT, parts.settings, parts.transform, parts.longest)
        lengths = text_lengths(parts.longest, trims=parts.trims)
        scale = _positive(parts.logit_scale)
    licence, languages = terms_of(spec_id)
    spec = EncoderSpec(
        id=spec_id,
        dim=dim,
        image_size=parts.transform.size,
        fingerprint=identity,
        licence=licence,
        languages=languages,
        text_lengths=lengths,
        logit_scale=scale,
    )
    with device_errors():
        return TorchEncoder(spec, parts.text, parts.image, parts.tokenizer, parts.transform, where)


@contextmanager
def _plain_errors(spec_id: str) -> Iterator[None]:
    """The libraries raise anything at all for a configuration that they did not expect."""
    try:
        yield
    except ModelUnavailable as error:
        raise ModelUnavailable(f"{spec_id}: {error}") from error
    except _RAISED_BY_BROKEN_FILES as error:
        raise ModelUnavailable(f"{spec_id}: {type(error).__name__}: {_line(error)}") from error


@torch.inference_mode()
def _tried(parts: Parts) -> int:
    """The dimensions of the space, after one text and one picture of the largest size.

    On the CPU, where an id without an embedding is an error that can be named; on a CUDA
    device it would end the process. Raises ModelUnavailable.
    """
    largest, longest, size = parts.tokenizer.largest_id, parts.longest, parts.transform.size
    try:
        text = parts.text.eval()(torch.full((1, longest), largest))
    except (IndexError, RuntimeError) as error:
        raise ModelUnavailable(
            f"the text tower does not read what its tokenizer may give, texts of {longest} tokens "
            f"with ids up to {largest}: {_line(error)}"
        ) from error
    image = parts.image.eval()(torch.zeros(1, 3, size, size))
    if not (isinstance(text, Tensor) and isinstance(image, Tensor)):
        raise ModelUnavailable("a tower gives more than an embedding (output_tokens)")
    if text.ndim != 2 or text.shape != image.shape:
        raise ModelUnavailable(
            f"a text becomes {tuple(text.shape)[1:]}, a picture {tuple(image.shape)[1:]}: "
            "the towers do not belong together"
        )
    return text.shape[1]


def _positive(logit_scale: float) -> float:
    """Raises ModelUnavailable: what else such weights hold is not to be trusted either."""
    if not (0 < logit_scale < math.inf):
        raise ModelUnavailable(f"logit_scale is {logit_scale}: the weights are damaged")
    return logit_scale


def _line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
