"""Embedding on a Ray cluster, as an EmbedDriver."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from indexer.drivers.base import Stages
from indexer.drivers.ray_data.cluster import RayOptions, require_ray
from indexer.drivers.ray_data.landmarks import landmarks_of
from indexer.drivers.ray_data.work import Recipe
from indexer.embedding.prepare import Workshop
from indexer.embedding.scan import Finding
from indexer.sources.options import SourceOptions
from models.config import EncoderOptions
from models.encoder_pool import EncoderPool
from models.registry import shared_encoder
from models.types import Embeddings, Pixels


@dataclass(frozen=True)
class RayDriver:
    """See EmbedDriver. What is scanned here is read, decoded and encoded on the cluster, where the
    source is opened anew; the pool is not asked.

    Raises ClusterFailed where Ray is not installed, and from a run where the cluster fails.
    """

    options: RayOptions = field(default_factory=RayOptions)
    encoder: EncoderOptions = field(default_factory=EncoderOptions)
    sources: SourceOptions = field(default_factory=SourceOptions)

    def __post_init__(self) -> None:
        require_ray()

    @contextmanager
    def stages(
        self, findings: Iterable[Finding], workshop: Workshop, _: EncoderPool, /
    ) -> Iterator[Stages]:
        # They import Ray.
        from indexer.drivers.ray_data.execution import opened  # noqa: PLC0415
        from indexer.drivers.ray_data.run import ClusterRun  # noqa: PLC0415

        execution = partial(opened, self.options, self._recipe(workshop))
        with ClusterRun(findings, workshop, execution) as outcomes:
            yield Stages(outcomes, _encoded, _nothing_is_held)

    def _recipe(self, workshop: Workshop) -> Recipe:
        uri = workshop.source.uri
        return Recipe(
            source_uri=uri,
            source_options=self.sources,
            landmarks=landmarks_of(uri),
            spec=workshop.spec,
            limits=workshop.limits,
            threads=self.options.threads,
            memory_bytes=workshop.memory_bytes,
            to_pixels=shared_encoder(workshop.spec.id, self.encoder).portable_pixels,
            to_embeddings=self.encoder,
        )


def _encoded(rows: Sequence[Pixels]) -> Future[Embeddings]:
    """What comes as pixels is an embedding's bytes."""
    done: Future[Embeddings] = Future()
    done.set_result(np.stack(rows).view(np.float32))
    return done


def _nothing_is_held(_size: int, _pictures: int) -> None:
    """Memory is counted until a batch is answered."""
