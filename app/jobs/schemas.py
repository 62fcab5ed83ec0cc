"""Jobs as clients see them and ask for them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.jobs.tables import Job
from app.text import StorableText
from indexer.building.index_spec import IndexFamily
from indexer.errors import SourceError
from indexer.sources.locations import require_understood


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self not in UNFINISHED


UNFINISHED = (JobState.QUEUED, JobState.RUNNING)
"""As in the index of app/jobs/tables.py."""


class JobKind(StrEnum):
    REINDEX = "reindex"
    """Scan the sources, embed what is new, build, publish."""
    FOLD = "fold"
    """Build of what the catalog holds: what was written since the last version enters the index."""
    ACTIVATE = "activate"
    """Serve a version of the past, with what was written since."""


def _understood(source: str) -> str:
    """Whether it can be read is for the worker to say: it may run on another machine."""
    try:
        require_understood(source)
    except SourceError as error:
        raise ValueError(str(error)) from error
    return source


class ReindexRequest(BaseModel):
    """What is left out stays as the collection has it; without a source all of its are scanned."""

    model_config = ConfigDict(extra="forbid")

    source: Annotated[StorableText, AfterValidator(_understood)] | None = Field(
        None, max_length=4096, description="Folder, catalogue, tar files: as the worker sees them"
    )
    model: StorableText | None = Field(None, max_length=255)
    index: IndexFamily | None = None
    recall: float | None = Field(None, gt=0, le=1, description="recall@10 to aim at")


class QueuedJob(BaseModel):
    job_id: str


class JobView(BaseModel):
    id: str
    collection: str
    kind: JobKind
    state: JobState
    stage: str | None
    """What it is at: read, embed, build …"""
    done: int
    total: int | None
    """In the stage's own units; None where it is not known."""
    error: str | None
    """Why it failed, or why it waits."""
    request: dict[str, Any]
    result: dict[str, Any] | None
    attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, job: Job, collection: str) -> Self:
        own = {name: getattr(job, name) for name in cls.model_fields if name != "collection"}
        return cls(collection=collection, **own)
