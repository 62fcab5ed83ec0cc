"""What each kind of job does, and how it ends."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from app.config import Settings
from app.console import summary_as_dict
from app.embedders import encoder_options
from app.indexing import open_indexing
from app.jobs.progress import Cancelled, Interrupted, JobProgress, TakenOver
from app.jobs.schemas import JobKind, JobState, ReindexRequest
from app.jobs.tables import Job
from indexer.catalog import repository as catalog
from indexer.catalog.db import Database
from indexer.errors import CollectionBusy, IndexerError, LeaseLost
from indexer.indexing_run import IndexSummary
from indexer.sources import source_of
from indexer.sources.base import ImageSource
from models.batching.measured import MeasuredEncoder
from models.batching.metrics import EncodeMetrics
from models.encoder_pool import pool_of
from models.errors import DeviceLost, ModelError
from models.regions.schemes import changed
from models.registry import shared_encoder

logger = logging.getLogger(__name__)

_MAX_REJECTS = 100
"""Listed in a job's result; all are counted there."""
_MAX_ERROR = 1000


@dataclass(frozen=True)
class Ended:
    state: JobState
    result: dict[str, Any] | None = None
    error: str | None = None


@dataclass(frozen=True)
class PutOff:
    """It was not the job's fault: the attempt does not count."""

    why: str | None


Outcome = Ended | PutOff | None
"""None: nothing is to be said of the job. It is another's, or the sweep's to begin again."""


class Work:
    def __init__(self, settings: Settings, database: Database, encoding: EncodeMetrics) -> None:
        self._settings = settings
        self._encoding = encoding
        self._database = database
        self._indexing = open_indexing(settings, database)

    def outcome(self, job: Job, collection: str, progress: JobProgress) -> Outcome:
        """Raises DeviceLost: this process cannot do any more work."""
        try:
            return Ended(JobState.SUCCEEDED, self._do(job, collection, progress))
        except DeviceLost:
            raise
        except Exception as error:  # noqa: BLE001 - the next job may do better
            return _outcome_of(job, error)

    def _do(self, job: Job, collection: str, progress: JobProgress) -> dict[str, Any]:
        match JobKind(job.kind):
            case JobKind.REINDEX:
                request = ReindexRequest.model_validate(job.request)
                sources = self._sources(job.collection_id, request)
                return self._reindex(collection, request, sources, progress)
            case JobKind.FOLD:
                return self._reindex(collection, ReindexRequest(), [], progress)
            case JobKind.ACTIVATE:
                return self._activate(collection, job.request["version"], progress)

    def _reindex(
        self,
        collection: str,
        request: ReindexRequest,
        sources: Sequence[ImageSource],
        progress: JobProgress,
    ) -> dict[str, Any]:
        options = encoder_options(self._settings)
        model = changed(self._model_of(collection), request.model, request.regions)
        encoder = MeasuredEncoder(shared_encoder(model, options), self._encoding)
        with pool_of(encoder, self._settings.index_devices, options) as pool:
            summary = self._indexing.reindex(
                collection,
                encoder,
                progress,
                sources=sources,
                recall=request.recall,
                family=request.index,
                pool=pool,
            )
        return _as_result(summary)

    def _activate(self, collection: str, version: str, progress: JobProgress) -> dict[str, Any]:
        options = encoder_options(self._settings)
        self._indexing.activate(
            collection, version, lambda model: shared_encoder(model, options), progress
        )
        return {"version": version}

    def _sources(self, collection_id: int, request: ReindexRequest) -> list[ImageSource]:
        """Raises SourceError."""
        if request.source is not None:
            uris = [request.source]
        else:
            with self._database.read() as session:
                uris = catalog.scanned_sources(session, collection_id)
        options = self._settings.source_options()
        return [source_of(uri, options=options) for uri in uris]

    def _model_of(self, collection: str) -> str:
        with self._database.read() as session:
            return catalog.collection(session, collection).model


def _outcome_of(job: Job, error: Exception) -> Outcome:
    match error:
        case Cancelled():
            return Ended(JobState.CANCELLED)
        case Interrupted():
            return PutOff(None)
        case CollectionBusy():
            return PutOff(f"it waits: {error}")
        case TakenOver() | LeaseLost() | SQLAlchemyError():
            logger.warning("job %s stays as it is, to be taken over: %r", job.id, error)
            return None
        case _:
            logger.error("job %s failed", job.id, exc_info=error)
            return Ended(JobState.FAILED, error=_reason(error))


def _as_result(summary: IndexSummary) -> dict[str, Any]:
    listed = replace(summary.images, rejects=summary.images.rejects[:_MAX_REJECTS])
    return summary_as_dict(replace(summary, images=listed))


def _reason(error: Exception) -> str:
    """One line for whoever asked; of a bug, the log has the rest."""
    if isinstance(error, IndexerError | ModelError | OSError):
        return " ".join(str(error).split())[:_MAX_ERROR]
    return "an unexpected error; the worker logged it"
