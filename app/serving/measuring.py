"""What scores are worth where no index has measured it: in a collection that is in memory alone.

Measured as a build does (indexer/versions/relevance.py), on the images that there are, each time
that they have doubled. Below 100 images a hit's relevance is its cosine.
"""

import asyncio
import logging
import time

import numpy as np

from app.serving.snapshot import Segments
from indexer.building.calibration_queries import calibration_texts
from indexer.versions.relevance import Backgrounds, measure_backgrounds
from models.errors import ModelError
from models.types import Embedder, Embeddings

logger = logging.getLogger(__name__)

_FEWEST = 100
_AT_ONCE = 16
"""Texts: the queries of people, who wait, come in between."""
_TIMEOUT_SECONDS = 60.0


class Measuring:
    """Blocking, and never on `loop`'s own thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """`loop`: where embedders are asked."""
        self._loop = loop
        self._texts: dict[str, Embeddings] = {}
        """By the encoder's fingerprint."""

    def is_due(self, segments: Segments) -> bool:
        brought = segments.version is not None and segments.version.manifest.backgrounds is not None
        enough = max(_FEWEST, 2 * segments.measured_on)
        return not brought and segments.embedder is not None and segments.delta.count >= enough

    def backgrounds(self, segments: Segments) -> Backgrounds | None:
        """None where the encoder cannot be asked just now."""
        assert segments.embedder is not None  # noqa: S101 - otherwise it is not due
        fingerprint = segments.space.fingerprint
        try:
            if fingerprint not in self._texts:
                self._texts[fingerprint] = self._embedded(segments.embedder)
        except (ModelError, TimeoutError) as error:
            logger.info("cannot measure what scores are worth, trying again: %s", error)
            return None
        return measure_backgrounds(segments.delta.index.vectors, self._texts[fingerprint])

    def _embedded(self, embedder: Embedder) -> Embeddings:
        texts = calibration_texts([])
        return np.concatenate(
            [
                self._ask(embedder, texts[start : start + _AT_ONCE])
                for start in range(0, len(texts), _AT_ONCE)
            ]
        )

    def _ask(self, embedder: Embedder, texts: list[str]) -> Embeddings:
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        asked = asyncio.run_coroutine_threadsafe(embedder.embed_texts(texts, deadline), self._loop)
        try:
            return asked.result(_TIMEOUT_SECONDS)
        finally:
            asked.cancel()
