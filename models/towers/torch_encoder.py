"""What every encoder that runs on PyTorch shares: two towers on a device."""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from models.errors import EncodingFailed, InvalidInput
from models.towers.cuda_graphs import CudaGraphs, batch_sizes
from models.towers.device_errors import device_errors
from models.towers.pixels import PixelTransform
from models.towers.precision import Placement
from models.types import Embeddings, EncoderSpec, Pixels, Tokens, ToPixels

_log = logging.getLogger(__name__)


class Tokenizer(Protocol):
    def __call__(self, texts: Sequence[str]) -> list[Tokens]:
        """Each text's ids with special tokens, cut to the tower's context, not padded.

        An empty text gives the special tokens alone. Called by several threads at once.
        """
        ...


class TextTower(nn.Module):
    """Base of the text towers: `forward` takes ids (n, length), int64, and gives (n, dim).

    `length` is one of the spec's `text_lengths`; shorter texts end in `pad_id`.
    """

    pad_id: int


class TorchEncoder:
    """See `models.types.LoadedEncoder`. The towers are moved and cast here, once.

    `image_tower` takes (n, 3, size, size), normalised, in the placement's dtype, and gives
    (n, dim). Neither tower has to normalise what it gives.
    """

    def __init__(
        self,
        spec: EncoderSpec,
        text_tower: TextTower,
        image_tower: nn.Module,
        tokenizer: Tokenizer,
        transform: PixelTransform,
        placement: Placement,
    ) -> None:
        self._spec = spec
        self._pad_id = text_tower.pad_id
        self._tower = placement.put(text_tower)
        self._text: Callable[[Tensor], Tensor] = self._tower
        self._image: Callable[[Tensor], Tensor] = placement.put(image_tower)
        self._tokenizer = tokenizer
        self._nothing = tokenizer([""])[0]
        self._transform = transform
        self._placement = placement

    @property
    def spec(self) -> EncoderSpec:
        return self._spec

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        if not texts:
            return []
        tokens = self._tokenizer([_legible(text) for text in texts])
        # What a tokenizer drops differs: punctuation, say. What it leaves nothing of is blank.
        if any(np.array_equal(one, self._nothing) for one in tokens):
            raise InvalidInput("the text holds nothing that the model reads")
        return tokens

    def encode_tokens(self, batch: Sequence[Tokens]) -> Embeddings:
        if not batch:
            return self._none()
        with device_errors(), torch.inference_mode():
            ids = self._placement.send(torch.from_numpy(self._padded(batch)))
            return _unit_rows(self._text(ids))

    def to_pixels(self, image: Image.Image) -> Pixels:
        if self._placement.on_cpu:
            return self._transform.to_square(image)
        return self._transform.to_bounded(image)

    @property
    def portable_pixels(self) -> ToPixels:
        return self._transform.to_square

    def encode_pixels(self, batch: Sequence[Pixels]) -> Embeddings:
        if not batch:
            return self._none()
        with device_errors(), torch.inference_mode():
            return _unit_rows(self._image(self._transform.to_input(batch, self._placement)))

    def warm_up(self, max_texts: int, max_tokens: int) -> None:
        """On a CPU, where a full batch takes seconds, one text of either extreme has to do.

        Raises OutOfMemory where a full batch does not fit.
        """
        size, longest = self._spec.image_size, self._spec.text_lengths[-1]
        self.encode_pixels([np.full((size, size, 3), 128, np.uint8)])
        self.encode_tokens([self._nothing])
        texts = 1 if self._placement.on_cpu else max(1, min(max_texts, max_tokens // longest))
        self.encode_tokens([np.resize(self._nothing, longest)] * texts)
        if self._placement.device.type == "cuda":
            try:
                self._text = self._captured(max_texts, max_tokens)
            except RuntimeError as error:  # a tower may do what cannot be captured
                _log.warning("%s runs without CUDA graphs: %s", self._spec.id, error)

    @torch.inference_mode()
    def _captured(self, max_texts: int, max_tokens: int) -> CudaGraphs:
        graphs = CudaGraphs(self._tower)
        for length in reversed(self._spec.text_lengths):
            ids = torch.from_numpy(self._padded([np.resize(self._nothing, length)]))
            for rows in batch_sizes(max(1, min(max_texts, max_tokens // length))):
                graphs.capture(self._placement.send(ids.repeat(rows, 1)))
        return graphs

    def _padded(self, batch: Sequence[Tokens]) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
        longest = max(map(len, batch))
        length = next(length for length in self._spec.text_lengths if length >= longest)
        ids = np.full((len(batch), length), self._pad_id, np.int64)
        for row, tokens in zip(ids, batch, strict=True):
            row[: len(tokens)] = tokens
        return ids

    def _none(self) -> Embeddings:
        return np.empty((0, self._spec.dim), np.float32)


def _legible(text: str) -> str:
    """Without halves of surrogate pairs, which no tokenizer takes. Raises InvalidInput."""
    if any(character.isprintable() and not character.isspace() for character in text):
        return text.encode("utf-8", "ignore").decode()
    raise InvalidInput("the text is blank")


def _unit_rows(rows: Tensor) -> Embeddings:
    """Raises EncodingFailed for a row that has no direction: NaN, infinite or zero."""
    embeddings: Embeddings = functional.normalize(rows.float(), dim=-1).cpu().numpy()
    lengths = np.linalg.norm(embeddings, axis=1)
    if not np.allclose(lengths, 1, atol=1e-3):  # NaN is close to nothing
        raise EncodingFailed("the model gave a vector that is not finite, or zero")
    return embeddings
