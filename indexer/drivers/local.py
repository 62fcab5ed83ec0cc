"""Embedding on this machine: threads that read and decode, and the encoders of a pool."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from indexer.drivers.base import Stages
from indexer.embedding.prepare import Preparation, Workshop
from indexer.embedding.scan import Finding
from models.encoder_pool import EncoderPool


class LocalDriver:
    """See EmbedDriver."""

    @contextmanager
    def stages(
        self, findings: Iterable[Finding], workshop: Workshop, pool: EncoderPool, /
    ) -> Iterator[Stages]:
        with Preparation(findings, workshop) as outcomes:
            yield Stages(outcomes, pool.submit, workshop.room.leave)
