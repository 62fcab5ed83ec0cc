"""The encoders that this process asks, one a model: its own, or the worker for what it serves.

Before each of them stands a cache that encodes no text twice.
"""

import logging
import threading
from collections import defaultdict
from pathlib import Path

from app.config import Settings
from app.metrics import Metrics
from models.batching.batcher import BatchLimits
from models.batching.embedder import LocalEmbedder
from models.batching.query_cache import CachedEmbedder
from models.config import EncoderOptions
from models.errors import DeviceLost
from models.regions.embedder import RegionEmbedder
from models.regions.schemes import split
from models.registry import shared_encoder
from models.types import Embedder
from models.worker.client import EncoderClient

logger = logging.getLogger(__name__)


class Embedders:
    """Raises ModelUnavailable for an encoder URL that names no worker."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._worker = EncoderClient(settings.encoder_url) if settings.encoder_url else None
        self._local: dict[str, LocalEmbedder] = {}
        self._embedders: dict[str, Embedder] = {}
        self._loading: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    async def open(self) -> None:
        """The default model is loaded, or the worker asked. Raises ModelError, but not where
        the worker is away: it may come yet.
        """
        if self._worker is None:
            self.of(self._settings.model)
        else:
            await self._worker.open()

    def of(self, model: str) -> Embedder:
        """What embeds texts, and pictures that are asked with: whole, whatever regions the model
        spec names. Blocking where the model was not asked for before. Raises ModelError.
        """
        model = split(model)[0]
        if model not in self._embedders:
            with self._loading[model]:  # nobody waits for a model that another asked for
                if model not in self._embedders:
                    self._embedders[model] = CachedEmbedder(
                        self._uncached(model),
                        self._settings.query_cache_size,
                        self._metrics.query_cache,
                    )
        return self._embedders[model]

    def of_pictures(self, model: str) -> Embedder:
        """What embeds the pictures of a collection, by regions if its model spec names any. As
        `of`.
        """
        embedder, scheme = self.of(model), split(model)[1]
        return embedder if scheme is None else RegionEmbedder(embedder, scheme)

    @property
    def away(self) -> str | None:
        """Why the worker cannot be asked just now; None while it can, or there is none."""
        return self._worker.away if self._worker else None

    @property
    def lost(self) -> DeviceLost | None:
        """Why an encoder of this process will never answer again; None while all do."""
        return next((embedder.lost for embedder in self._local.values() if embedder.lost), None)

    async def close(self) -> None:
        for embedder in self._embedders.values():
            await embedder.close()
        if self._worker is not None:
            await self._worker.close()

    def _uncached(self, model: str) -> Embedder:
        if self._worker is not None:
            if self._worker.spec.id == model:
                return self._worker
            logger.warning("%s is not the worker's model: it is loaded here", model)
        encoder = shared_encoder(model, encoder_options(self._settings))
        embedder = LocalEmbedder(encoder, self._metrics.encoding, batch_limits(self._settings))
        try:
            embedder.warm_up()
        except BaseException:
            embedder.stop()
            raise
        self._local[model] = embedder
        return embedder


def batch_limits(settings: Settings) -> BatchLimits:
    return BatchLimits(max_texts=settings.encode_max_texts, max_images=settings.encode_max_images)


def encoder_options(settings: Settings) -> EncoderOptions:
    return EncoderOptions(
        device=settings.device,
        precision=settings.precision,
        prompt_templates=settings.prompt_templates,
        cache_dir=Path(settings.model_cache) if settings.model_cache else None,
        offline=settings.offline,
    )
