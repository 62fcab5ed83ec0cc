"""An encoder whose forward passes Prometheus is told of, where no engine tells of them."""

import time
from collections.abc import Sequence

from PIL import Image

from models.batching.batch import Lane
from models.batching.metrics import EncodeMetrics
from models.types import Embeddings, Encoder, EncoderSpec, Pixels, Tokens


class MeasuredEncoder:
    """See `models.types.Encoder`."""

    def __init__(self, inner: Encoder, metrics: EncodeMetrics) -> None:
        self._inner = inner
        self._metrics = metrics

    @property
    def spec(self) -> EncoderSpec:
        return self._inner.spec

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        return self._inner.tokenize(texts)

    def encode_tokens(self, batch: Sequence[Tokens]) -> Embeddings:
        started = time.monotonic()
        embeddings = self._inner.encode_tokens(batch)
        self._observe(Lane.TEXTS, len(batch), started)
        return embeddings

    def to_pixels(self, image: Image.Image) -> Pixels:
        return self._inner.to_pixels(image)

    def encode_pixels(self, batch: Sequence[Pixels]) -> Embeddings:
        started = time.monotonic()
        embeddings = self._inner.encode_pixels(batch)
        self._observe(Lane.IMAGES, len(batch), started)
        return embeddings

    def warm_up(self, max_texts: int, max_tokens: int) -> None:
        self._inner.warm_up(max_texts, max_tokens)

    def _observe(self, lane: Lane, size: int, started: float) -> None:
        self._metrics.batch_size[lane].observe(size)
        self._metrics.batch_seconds[lane].observe(time.monotonic() - started)
